"""Placing, releasing and listing legal holds.

Here: what ``mailroom hold`` does. Not here: what a hold means (``policy.holds``).
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from mailroom.archive import Archive
from mailroom.archive.ledgers import read_holds, record_hold
from mailroom.exceptions import ConfigurationError
from mailroom.ledger import HoldRow, HoldState
from mailroom.policy.query import parse_query

__all__ = ["GRACE", "place_hold", "release_hold"]

GRACE = timedelta(days=7)
"""How long a hold is still obeyed after its release, where nobody says otherwise."""


def place_hold(
    archive: Archive,
    *,
    account: str,
    reason: str,
    by: str,
    at: datetime,
    folder: str | None = None,
    sender: str | None = None,
    query: str | None = None,
    until: datetime | None = None,
    grace: timedelta = GRACE,
) -> HoldRow:
    """Place a hold; it is obeyed by every run that begins after this returns.

    :param account: the account, or ``*`` for every one.
    :raises ConfigurationError: if the reason is missing, the query means nothing, or it is over already.
    :raises StoreUnavailable: if the archive cannot be written.
    """
    if not reason.strip():
        raise ConfigurationError("A hold needs a reason: say why nothing may be deleted.")
    if until is not None and until <= at:
        raise ConfigurationError(f"The hold would be over already: {until.isoformat()} is not in the future.")
    if query is not None:
        parse_query(query)
    row = HoldRow(
        hold_id=uuid.uuid4().hex[:12],
        account=account,
        folder=folder,
        sender=sender,
        query=query,
        reason=reason.strip(),
        until=until,
        grace_days=grace / timedelta(days=1),
        state=HoldState.PLACED,
        by=by,
        at=at,
    )
    record_hold(archive, row)
    return row


def release_hold(archive: Archive, hold_id: str, *, by: str, at: datetime) -> HoldRow:
    """Release a hold; it is obeyed until its days of grace are over.

    :raises ConfigurationError: if there is no such hold, or it is released already.
    :raises StoreUnavailable: if the archive cannot be read or written.
    """
    known = {hold.hold_id: hold for hold in read_holds(archive)}
    hold = known.get(hold_id)
    if hold is None:
        names = ", ".join(sorted(known)) or "none"
        raise ConfigurationError(f"There is no hold {hold_id!r}; the archive has these: {names}.")
    if hold.state is HoldState.RELEASED:
        raise ConfigurationError(f"The hold {hold_id} was released on {hold.at.date()} already.")
    row = replace(hold, state=HoldState.RELEASED, by=by, at=at)
    record_hold(archive, row)
    return row
