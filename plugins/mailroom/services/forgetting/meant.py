"""Which messages a wish or a plan means at this moment, and which of them stay all the same.

Here: what others have, what is on a server, what is under legal hold, what came after the plan. Not here:
finding messages in tables (``archive.removing.leaving``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.ledgers import read_holds
from mailroom.archive.removing import leaving
from mailroom.ledger import HoldRow
from mailroom.policy.holds import EVERY_ACCOUNT, holds_on
from mailroom.services.deleting.held import archived_uses
from mailroom.services.forgetting.forget_plan import ForgetPlan
from mailroom.services.forgetting.wish import ForgetWish, wish_of

__all__ = ["Meant", "meant_by", "meant_by_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """Messages by their SHA-256.

    :param goes: leave the archive.
    :param places: stay for other accounts; their places in this one go.
    :param held: stay under legal hold.
    :param later: stay, for they came after the plan.
    :param on_server: of an age: how many stay, for they are on a server; else how many are on one as well.
    """

    goes: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    on_server: int = 0


def meant_by(archive: Archive, wish: ForgetWish, at: datetime, *, moment: datetime | None = None) -> Meant:
    """Return what a wish means.

    :param at: now, by which holds are obeyed.
    :param moment: to which ages are counted; by default now.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    chosen, shared, on_server = _chosen(archive, wish, moment or at)
    held = held_among(archive, chosen | shared, at)
    return Meant(goes=chosen - held, places=shared - held, held=held, on_server=on_server)


def meant_by_plan(archive: Archive, plan: ForgetPlan, at: datetime) -> Meant:
    """Return what may still go of a plan: nothing that it does not name, and nothing that has to stay by now.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    wish = wish_of(plan.stated, plan.account)
    planned = set(plan.goes)
    if wish is None:
        held = held_among(archive, planned, at)
        live = leaving.live_messages(archive, planned)
        return Meant(goes=planned - held, held=held, on_server=len(live))
    # A plan made while a clock ran ahead lies in the future once it is put right.
    now = meant_by(archive, wish, at, moment=min(plan.created, at) if wish.account is None else at)
    goes = now.goes & planned
    places = now.places & (planned | set(plan.places))
    return Meant(
        goes=goes,
        places=places,
        held=now.held & (planned | set(plan.places)) if wish.account is None else now.held,
        later=(now.goes | now.places) - goes - places if wish.account is not None else set(),
        on_server=now.on_server,
    )


def held_among(archive: Archive, chosen: set[str], at: datetime) -> set[str]:
    """Return what a legal hold means, wherever it is or was.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    holds = read_holds(archive)
    if not holds or not chosen:
        return set()
    places = leaving.places_of(archive, chosen)
    nowhere = chosen - {digest for digests in places.values() for digest in digests}
    held = _held_at(archive, holds, EVERY_ACCOUNT, "", nowhere, at)
    uses = {account: archived_uses(archive, account) for account in {account for account, _ in places}}
    for (account, folder), digests in places.items():
        use = uses[account].get(folder)
        held |= _held_at(archive, holds, account, folder, digests - held, at, use=use)
    return held


def _chosen(archive: Archive, wish: ForgetWish, moment: datetime) -> tuple[set[str], set[str], int]:
    """Return what is meant, what of it stays for others, and how many are on a server."""
    if wish.account is not None:
        chosen, shared = leaving.of_account(archive, wish.account)
        return chosen, shared, len(leaving.live_messages(archive, chosen))
    if wish.person is not None:
        chosen = leaving.about_person(archive, wish.person)
        return chosen, set(), len(leaving.live_messages(archive, chosen))
    if wish.older_than is None:
        return set(), set(), 0
    chosen = leaving.older_than(archive, moment - wish.older_than, by_date=wish.by_date)
    live = leaving.live_messages(archive, chosen)
    return chosen - live, set(), len(live)


def _held_at(
    archive: Archive,
    holds: list[HoldRow],
    account: str,
    folder: str,
    digests: set[str],
    at: datetime,
    *,
    use: str | None = None,
) -> set[str]:
    obeyed = holds_on(holds, account, folder, at, use=use)
    if not obeyed or not digests:
        return set()
    fields = archive.message_fields(digests, obeyed.columns) if obeyed.columns else {}
    return {
        digest
        for digest in digests
        if obeyed.reason(fields.get(digest) if obeyed.columns else {}) is not None
    }
