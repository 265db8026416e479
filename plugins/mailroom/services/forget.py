"""Remove mail from the archive itself: of an account, about a person, or older than so many days.

Here: the services a user calls: the plan with its counts, the removal, the sweep, the certificate. Not here:
tables and objects (``archive.removal``, ``archive.sweep``).

What goes, goes in two steps. At once: every row about it, its delivered attachments, its words in the search
index. Days later, when no run that began before can be at work: its raw object, and the old files of the
tables. What a legal hold means stays, whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mailroom.archive import Archive
from mailroom.archive.ledgers import read_holds
from mailroom.archive.replicating.replica import refuse_replica
from mailroom.exceptions import ConfigurationError
from mailroom.model import RunContext
from mailroom.policy.durations import in_days
from mailroom.policy.holds import EVERY_ACCOUNT, holds_on
from mailroom.services.deleting.held import archived_uses

if TYPE_CHECKING:
    from mailroom.ledger import HoldRow

__all__ = ["GRACE", "ForgetReport", "ForgetWish", "SweepReport", "forget_mail", "sweep_archive"]

GRACE = timedelta(days=2)
"""How long an object stays after its rows are gone; longer than any run takes, and than Delta keeps files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetWish:
    """What is to go: exactly one of account, person and age.

    :param account: all places of this account, and the messages that no other account has.
    :param person: messages that this address wrote or received.
    :param older_than: messages archived so long ago, as far as they are on no server any more.
    :param by_date: count the age from the message's own date, where it has one.
    :raises ConfigurationError: if it is none of them, or more than one.
    """

    account: str | None = None
    person: str | None = None
    older_than: timedelta | None = None
    by_date: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        given = [value for value in (self.account, self.person, self.older_than) if value is not None]
        if len(given) != 1:
            raise ConfigurationError("Say what is to go: an account, or a person's address, or an age.")
        if self.person is not None and "@" not in self.person.strip().strip("@"):
            raise ConfigurationError(f"{self.person!r} is no address; write it whole, as ana@example.org.")
        if self.older_than is not None and self.older_than <= timedelta(0):
            raise ConfigurationError("The age must be more than nothing, such as 10 years (3652d).")

    def in_words(self) -> str:
        """Return it as the audit states it."""
        if self.account is not None:
            return f"forget account {self.account}"
        if self.older_than is not None:
            return f"older than {in_days(self.older_than)} since {'sent' if self.by_date else 'archived'}"
        return "forget a person"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetReport:
    """What a removal did, or in a dry run would do; with its digests it is the certificate.

    :param shared: messages that stay, for other accounts have them.
    :param held: messages that stay under legal hold.
    :param on_server: of an age: messages that stay, for they are on a server; else: messages that are on a
        server as well, and will come back from there unless they are deleted there.
    :param deliveries: delivered attachments, deleted or to be.
    :param changed: delivered attachments that had another content by now, or were gone, and were left alone.
    :param rows: rows removed, by table.
    :param digests: SHA-256 of every message.
    """

    what: str
    archive: str
    who: str
    run_id: str
    at: datetime
    dry_run: bool
    messages: int = 0
    octets: int = 0
    shared: int = 0
    held: int = 0
    on_server: int = 0
    deliveries: int = 0
    changed: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    objects_go_after: datetime | None = None
    digests: tuple[str, ...] = field(default=(), repr=False)
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        names = ("messages", "octets", "shared", "held", "on_server", "deliveries", "changed")
        return {
            "what": self.what,
            "dry_run": self.dry_run,
            **{name: getattr(self, name) for name in names},
            "rows": dict(self.rows),
            "objects_go_after": None if self.objects_go_after is None else self.objects_go_after.isoformat(),
            "failed": len(self.failures),
        }

    def certificate(self) -> dict[str, Any]:
        """Return what went, message by message, by whose order and when; no content and no name of mail."""
        return {
            "certificate": "removal from a mail archive",
            "archive": self.archive,
            "by": self.who,
            "run_id": self.run_id,
            "at": self.at.isoformat(),
            **self.summary(),
            "not_removed": list(self.failures),
            "sha256": list(self.digests),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What a sweep did.

    :param removed: raw objects deleted.
    :param revived: messages that came back meanwhile, and stay.
    :param waiting: messages whose days of grace are not over.
    """

    removed: int = 0
    octets: int = 0
    revived: int = 0
    waiting: int = 0
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        names = ("removed", "octets", "revived", "waiting")
        return {name: getattr(self, name) for name in names}


def forget_mail(
    archive: Archive,
    context: RunContext,
    wish: ForgetWish,
    *,
    dry_run: bool,
    now: Callable[[], datetime],
    grace: timedelta = GRACE,
) -> ForgetReport:
    """Remove mail from the archive: rows now, objects by a sweep after the days of grace.

    Killed anywhere, the same call again ends it.

    :param dry_run: tell what would go; nothing is changed.
    :raises ConfigurationError: if there is no archive, or it is a copy, which follows its source by itself.
    :raises StoreUnavailable: if the store refuses, or others write all the time.
    """
    if not archive.exists():
        raise ConfigurationError(f"There is no archive at {archive.url}; check the path.")
    refuse_replica(archive.store)
    from mailroom.archive.removing import delivered, leaving

    at = now()
    chosen, shared, on_server = _chosen(archive, wish, at)
    unfinished, leftover = leaving.unfinished(archive)
    chosen |= unfinished
    held = _held(archive, chosen | shared, at)
    going = sorted(chosen - held)
    report: dict[str, Any] = {
        "what": wish.in_words(),
        "archive": archive.url,
        "who": context.who,
        "run_id": context.run_id,
        "at": at,
        "dry_run": dry_run,
        "messages": len(going),
        "octets": leaving.octets_of(archive, going),
        "shared": len(shared - held),
        "held": len(held),
        "on_server": on_server,
        "digests": tuple(going),
    }
    if dry_run:
        return ForgetReport(**report, deliveries=delivered.count_deliveries(archive, going))
    return _apply(archive, context, wish, (sorted(held), sorted(leftover)), report, grace)


def _apply(
    archive: Archive,
    context: RunContext,
    wish: ForgetWish,
    stays: tuple[list[str], list[str]],
    report: dict[str, Any],
    grace: timedelta,
) -> ForgetReport:
    from mailroom.archive.removing.delivered import withdraw_deliveries
    from mailroom.archive.removing.removal import Removal

    durability = archive.prepare()
    try:
        withdrawn = withdraw_deliveries(archive, report["digests"])
        removal = Removal(
            archive=archive,
            context=context,
            digests=report["digests"],
            rule=report["what"],
            at=report["at"],
            account=wish.account,
            kept=stays[0],
            leftover=stays[1],
            failed_deliveries=frozenset(withdrawn.failed),
        )
        removal.apply(durability)
    finally:
        durability.close()
    return ForgetReport(
        **report,
        deliveries=withdrawn.deleted,
        changed=withdrawn.changed,
        rows={name: count for name, count in removal.rows.items() if count},
        objects_go_after=report["at"] + grace,
        failures=tuple(withdrawn.failures),
    )


def sweep_archive(
    archive: Archive, context: RunContext, *, now: Callable[[], datetime], grace: timedelta = GRACE
) -> SweepReport:
    """Delete the raw objects of messages that were removed from the archive long enough ago.

    :param grace: how long ago that must be; at least a day.
    :raises ConfigurationError: if there is no archive, it is a copy, or the days of grace are too few.
    :raises StoreUnavailable: if the store refuses; the next sweep goes on from there.
    """
    if not archive.exists():
        raise ConfigurationError(f"There is no archive at {archive.url}; check the path.")
    if grace < timedelta(days=1):
        raise ConfigurationError(
            "The days of grace must be one or more: a run that began before may still count on an object."
        )
    refuse_replica(archive.store)
    from mailroom.archive.removing.sweep import sweep_objects

    durability = archive.prepare()
    try:
        tally = sweep_objects(archive, durability, now=now(), grace=grace, run_id=context.run_id)
    finally:
        durability.close()
    return SweepReport(
        removed=tally.removed, octets=tally.octets, revived=tally.revived, waiting=tally.waiting
    )


def _chosen(archive: Archive, wish: ForgetWish, at: datetime) -> tuple[set[str], set[str], int]:
    """Return what is meant, what of it stays for others, and how many are on a server."""
    from mailroom.archive.removing import leaving

    if wish.account is not None:
        chosen, shared = leaving.of_account(archive, wish.account)
        return chosen, shared, len(leaving.live_messages(archive, chosen))
    if wish.person is not None:
        chosen = leaving.about_person(archive, wish.person)
        return chosen, set(), len(leaving.live_messages(archive, chosen))
    if wish.older_than is None:
        return set(), set(), 0
    chosen = leaving.older_than(archive, at - wish.older_than, by_date=wish.by_date)
    live = leaving.live_messages(archive, chosen)
    return chosen - live, set(), len(live)


def _held(archive: Archive, chosen: set[str], at: datetime) -> set[str]:
    """Return what a legal hold means, wherever it is or was."""
    from mailroom.archive.removing import leaving

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
