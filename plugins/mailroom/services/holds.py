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
from mailroom.policy.folders import unmatched_patterns
from mailroom.policy.holds import EVERY_ACCOUNT
from mailroom.policy.query import parse_query
from mailroom.services.deleting.held import archived_uses
from mailroom.services.known_accounts import unknown_account

__all__ = ["GRACE", "place_hold", "release_hold"]

MAX_NAMES_SHOWN = 30
"""How many folder names an error lists."""

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
    :param folder: a pattern that some folder of it meets.
    :param sender: a pattern of whole addresses.
    :raises ConfigurationError: if the reason is missing, account or folder is unknown, sender or query means
        nothing, or the hold is over already.
    :raises StoreUnavailable: if the archive cannot be written.
    """
    if not reason.strip():
        raise ConfigurationError("A hold needs a reason: say why nothing may be deleted.")
    if until is not None and until <= at:
        raise ConfigurationError(f"The hold would be over already: {until.isoformat()} is not in the future.")
    if query is not None:
        parse_query(query)
    if sender is not None and not {"@", "*"} & set(sender):
        raise ConfigurationError(
            f"{sender!r} is no address and would hold nothing; write '*@{sender}' for all of a domain."
        )
    _check_place(archive, account, folder)
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
        run_id=uuid.uuid4().hex,
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
    row = replace(hold, state=HoldState.RELEASED, by=by, at=at, run_id=uuid.uuid4().hex)
    record_hold(archive, row)
    return row


def _check_place(archive: Archive, account: str, folder: str | None) -> None:
    """Refuse a place that the archive does not know: a typing error would hold nothing, in silence."""
    if account == EVERY_ACCOUNT and folder is None:
        return
    folders: dict[str, set[str]] = {}
    for rows in archive.scan_table("locations", ("account", "folder")):
        for each in rows.group_by(["account", "folder"]).aggregate([]).to_pylist():
            folders.setdefault(each["account"], set()).add(each["folder"])
    if account != EVERY_ACCOUNT and account not in folders:
        raise unknown_account(account, sorted(folders))
    if folder is None:
        return
    concerned = sorted(folders) if account == EVERY_ACCOUNT else [account]
    for name in concerned:
        uses = archived_uses(archive, name)
        if not unmatched_patterns([folder], sorted(folders[name] | uses.keys()), special_use=uses):
            return
    known = sorted({each for name in concerned for each in folders[name]})
    shown = ", ".join(repr(each) for each in known[:MAX_NAMES_SHOWN]) or "none"
    raise ConfigurationError(f"No folder matches {folder!r}, so nothing would be held; there are: {shown}.")
