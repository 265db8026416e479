"""Attachments delivered to another store: each once, nothing overwritten."""

from __future__ import annotations

import hashlib

from mailroom.archive.deliveries import DeliveryRow
from tests.support.archives import NOW, digest


def delivery(path: str, data: bytes, message: int = 1, part: str = "2") -> DeliveryRow:
    """Return the row of a delivery."""
    return DeliveryRow(
        path=path,
        message_sha256=digest(message),
        part=part,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        content_type="application/pdf",
        filename="Rechnung März.pdf",
        account="post",
        sender="ana@example.org",
        subject="invoice",
        date=NOW,
        at=NOW,
        run_id="run-1",
    )
