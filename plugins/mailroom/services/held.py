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
from mailroom.policy.deletion import Candidate, Keep
from mailroom.policy.holds import holds_on

__all__ = ["spare_held"]

_log = logging.getLogger(__name__)


def spare_held(
    archive: Archive, account: str, folder: str, candidates: Sequence[Candidate], now: datetime
) -> list[Candidate]:
    """Return the candidates, those that are under hold marked to stay.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    holds = holds_on(read_holds(archive), account, folder, now) if candidates else None
    if not holds:
        return list(candidates)
    digests = {c.row.sha256 for c in candidates if c.row.sha256 is not None}
    fields = archive.message_fields(digests, holds.columns) if holds.columns else {}
    found = [
        replace(c, keep=Keep.HELD)
        if holds.reason(fields.get(c.row.sha256 or "") if holds.columns else {})
        else c
        for c in candidates
    ]
    held = sum(c.keep is Keep.HELD for c in found)
    if held:
        _log.info("%d messages of %s are due and stay, under legal hold", held, account)
    return found
