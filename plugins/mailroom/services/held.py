"""Which messages about to be deleted are under legal hold.

Here: the question for whoever deletes without rules of its own, as a POP3 fetch does. Not here:
retention, whose rules ask it among other things (``message_facts``).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.ledgers import read_holds
from mailroom.model import LocationRow
from mailroom.policy.deletion import Candidate, Keep
from mailroom.policy.holds import holds_on

__all__ = ["find_held", "spare_held"]

_log = logging.getLogger(__name__)


def spare_held(
    archive: Archive, account: str, folder: str, candidates: Sequence[Candidate], now: datetime
) -> list[Candidate]:
    """Return the candidates, those that are under hold marked to stay.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    held = find_held(archive, account, folder, [c.row for c in candidates], now)
    if held:
        _log.info("%d messages of %s are due and stay, under legal hold", len(held), account)
    return [replace(c, keep=Keep.HELD) if c.row.sha256 in held else c for c in candidates]


def find_held(
    archive: Archive,
    account: str,
    folder: str,
    rows: Sequence[LocationRow],
    now: datetime,
    *,
    use: str | None = None,
) -> dict[str | None, str]:
    """Return why each of these messages is under hold, by SHA-256; those that are not are left out.

    :param use: the folder's special-use attribute.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    holds = holds_on(read_holds(archive), account, folder, now, use=use) if rows else None
    if not holds:
        return {}
    digests = {row.sha256 for row in rows if row.sha256 is not None}
    fields = archive.message_fields(digests, holds.columns) if holds.columns else {}
    found = {row.sha256: holds.reason(fields.get(row.sha256 or "") if holds.columns else {}) for row in rows}
    return {digest: reason for digest, reason in found.items() if reason is not None}
