"""One delivery of an attachment, as it is recorded, and what may become of an attempt at one.

Does not belong here: delivering (``deliveries``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

__all__ = ["DeliveryOutcome", "DeliveryRow"]

MAX_FACT_CHARACTERS = 200
"""Metadata of an object holds 2 KB in all on S3."""


class DeliveryOutcome(enum.Enum):
    """What became of an attempt to deliver."""

    CREATED = "created"
    ADOPTED = "adopted"
    TAKEN = "taken"
    ALREADY = "already"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One attachment as it was delivered; becomes a row of ``deliveries``.

    :param path: below the destination.
    :param sha256: of the decoded content.
    :param rule: what the rule is called that chose it, or None.
    :param quarantine: why it lies in quarantine, or None.
    """

    path: str
    message_sha256: str
    part: str
    sha256: str
    size: int
    content_type: str
    filename: str
    account: str | None
    sender: str | None
    subject: str | None
    date: datetime | None
    at: datetime
    run_id: str
    rule: str | None = None
    quarantine: str | None = None

    def facts(self) -> dict[str, str]:
        """Return where the attachment came from, as metadata of its object."""
        stated = {
            "message-sha256": self.message_sha256,
            "part": self.part,
            "sha256": self.sha256,
            "account": (self.account or "")[:MAX_FACT_CHARACTERS],
            "sender": (self.sender or "")[:MAX_FACT_CHARACTERS],
            "filename": self.filename[:MAX_FACT_CHARACTERS],
            "date": self.date.isoformat() if self.date else "",
        }
        return {name: value for name, value in stated.items() if value}
