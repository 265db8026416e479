"""Plans of deletion as data: what is to go, by which rule, and what became of the plan.

Here: gathering, writing and reading them. Not here: deciding (``policy``), carrying one out
(``plan_keeping``, ``mailbox_retention``, ``maildrop_retention``).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from mailroom.archive import Archive
from mailroom.archive.ledgers import read_plans, record_plan
from mailroom.exceptions import ConfigurationError
from mailroom.ledger import PlanRow, PlanState
from mailroom.model import RunContext
from mailroom.policy.deletion import Candidate
from mailroom.policy.policy_file import parse_policy, policy_as_json
from mailroom.policy.rules import RetentionPolicy
from mailroom.protocol.sequence_set import decode_sequence_set, encode_sequence_set

__all__ = [
    "PartTally",
    "Plan",
    "PlannedPart",
    "deciding_row",
    "load_plan",
    "new_plan_id",
    "rows_of_parts",
    "settle_plan",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPart:
    """What one rule takes from one folder.

    :param oldest: the earliest instant that the days of one of them count from.
    :param uids: by IMAP, under ``uid_validity``; by POP3 there are ``uidls``.
    :param digests: the SHA-256 of each, in ascending order of UIDs or UIDLs; empty in old plans.
    """

    folder: str
    rule: str
    messages: int
    octets: int
    oldest: datetime | None = None
    newest: datetime | None = None
    uid_validity: int | None = None
    uids: frozenset[int] = frozenset()
    uidls: frozenset[str] = frozenset()
    digests: tuple[str, ...] = ()

    def digest_of_each(self) -> Iterator[tuple[int | str, str]]:
        """Yield each UID or UIDL with the SHA-256 of its message; nothing of old plans."""
        numbers: list[int] | list[str] = sorted(self.uids) or sorted(self.uidls)
        return zip(numbers, self.digests, strict=bool(self.digests))

    def summary(self) -> dict[str, Any]:
        """Return what is worth telling as a small JSON object."""
        return {
            "folder": self.folder,
            "rule": self.rule,
            "messages": self.messages,
            "octets": self.octets,
            "oldest": self.oldest.isoformat() if self.oldest else None,
            "newest": self.newest.isoformat() if self.newest else None,
        }


@dataclass(slots=True)
class PartTally:
    """A part while it is gathered."""

    messages: int = 0
    octets: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    uid_validity: int | None = None
    uids: dict[int, str] = field(default_factory=dict)
    uidls: dict[str, str] = field(default_factory=dict)

    def add(self, candidate: Candidate) -> None:
        """Add one message."""
        row, since = candidate.row, candidate.since
        self.messages += 1
        self.octets += row.size or 0
        self.uid_validity = row.uid_validity
        if row.uid is not None:
            self.uids[row.uid] = row.sha256 or ""
        elif row.uidl is not None:
            self.uidls[row.uidl] = row.sha256 or ""
        if since is not None:
            self.oldest = min(self.oldest or since, since)
            self.newest = max(self.newest or since, since)

    def result(self, folder: str, rule: str) -> PlannedPart:
        """Return what was gathered."""
        return PlannedPart(
            folder=folder,
            rule=rule,
            messages=self.messages,
            octets=self.octets,
            oldest=self.oldest,
            newest=self.newest,
            uid_validity=self.uid_validity,
            uids=frozenset(self.uids),
            uidls=frozenset(self.uidls),
            digests=tuple(digest for _, digest in sorted((self.uids or self.uidls).items())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan as the archive holds it.

    :param created: its ages are those of that moment.
    :param state: what became of it; ``by`` says who put it there, ``run_id`` in which run.
    :param approved_by: who agreed to it, where somebody was asked.
    :param least_age: what of it is younger stays, as whoever agreed wanted.
    """

    plan_id: str
    account: str
    created: datetime
    policy: RetentionPolicy
    parts: tuple[PlannedPart, ...]
    state: PlanState
    by: str
    at: datetime
    run_id: str
    approved_by: str | None = None
    least_age: timedelta | None = None

    @property
    def messages(self) -> int:
        """How many messages it means."""
        return sum(part.messages for part in self.parts)

    @property
    def octets(self) -> int:
        """What they take on the server, as it states it."""
        return sum(part.octets for part in self.parts)

    def uids(self, folder: str, uid_validity: int | None) -> frozenset[int]:
        """Return the messages it means in one folder, under its numbering of now."""
        parts = (p for p in self.parts if p.folder == folder and p.uid_validity == uid_validity)
        return frozenset().union(*(part.uids for part in parts))

    def uidls(self) -> frozenset[str]:
        """Return the messages it means in a maildrop."""
        return frozenset().union(*(part.uidls for part in self.parts))

    def digests(self, folder: str) -> dict[int | str, str]:
        """Return the SHA-256 of each message it means in one folder, by UID or UIDL; nothing of old plans."""
        parts = (part for part in self.parts if part.folder == folder)
        return {number: digest for part in parts for number, digest in part.digest_of_each()}


def new_plan_id() -> str:
    """Return a name that no other plan has, short enough to be typed."""
    return uuid.uuid4().hex[:12]


def rows_of_parts(
    parts: Iterable[PlannedPart],
    *,
    plan_id: str,
    run: RunContext,
    policy: RetentionPolicy,
    created: datetime,
    state: PlanState,
    at: datetime,
) -> list[PlanRow]:
    """Return the rows of ``plans`` for what a plan means."""
    stated = policy_as_json(policy)
    return [
        PlanRow(
            plan_id=plan_id,
            account=run.account,
            created=created,
            what=run.what,
            policy=stated,
            folder=part.folder,
            rule=part.rule,
            messages=part.messages,
            octets=part.octets,
            oldest=part.oldest,
            newest=part.newest,
            uid_validity=part.uid_validity,
            uids=encode_sequence_set(part.uids) if part.uids else None,
            uidls=tuple(sorted(part.uidls)),
            digests=part.digests,
            state=state,
            by=run.who,
            at=at,
            run_id=run.run_id,
        )
        for part in parts
    ]


def load_plan(archive: Archive, account: str, plan_id: str) -> Plan:
    """Return a plan.

    :raises ConfigurationError: if the account has no such plan.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    rows = read_plans(archive, account, plan_id)
    if not rows:
        raise ConfigurationError(f"The archive has no plan {plan_id!r} for {account}; make one by a dry run.")
    if rows[0].what == "forget":
        raise ConfigurationError(
            f"Plan {plan_id} is about the archive itself; carry it out with mailroom forget."
        )
    return plan_of_rows(rows)


def plan_of_rows(rows: Sequence[PlanRow]) -> Plan:
    """Return the plan that its rows tell of, in the order they were written."""
    first, last = rows[0], deciding_row(rows)
    approvals = [row for row in rows if row.state is PlanState.APPROVED]
    days = max((row.least_days for row in approvals if row.least_days is not None), default=None)
    return Plan(
        plan_id=first.plan_id,
        account=first.account,
        created=first.created,
        policy=parse_policy(first.policy or "", source=f"plan {first.plan_id}"),
        parts=tuple(_part(row) for row in rows if row.folder is not None),
        state=last.state,
        by=last.by,
        at=last.at,
        run_id=last.run_id,
        approved_by=approvals[-1].by if approvals else None,
        least_age=timedelta(days=days) if days is not None else None,
    )


def deciding_row(rows: Sequence[PlanRow]) -> PlanRow:
    """Return the row that says what became of a plan; what ended it is final."""
    for state in (PlanState.EXECUTED, PlanState.REFUSED):
        for row in rows:
            if row.state is state:
                return row
    return rows[-1]


def settle_plan(
    archive: Archive,
    plan: Plan,
    state: PlanState,
    *,
    by: str,
    at: datetime,
    run_id: str,
    least_age: timedelta | None = None,
) -> Plan:
    """Record what somebody decided about a plan, and return it as it is then.

    :param least_age: what of it is younger is to stay; what an earlier answer spared stays as well.
    :raises ConfigurationError: if it is refused or carried out already, be it by somebody at the same time.
    :raises StoreUnavailable: if the archive cannot be written.
    """
    refuse_if_over(plan)
    if state is PlanState.APPROVED:
        ages = [age for age in (least_age, plan.least_age) if age is not None]
        plan = replace(plan, approved_by=by, least_age=max(ages, default=None))
    row = row_of_plan(plan, state, by=by, at=at, run_id=run_id)
    before: list[PlanRow] = []

    def check(rows: list[PlanRow]) -> None:
        refuse_if_over(plan_of_rows(rows))
        before[:] = rows

    record_plan(archive, [row], check)
    return plan_of_rows([*before, row])


def row_of_plan(
    plan: Plan, state: PlanState, *, by: str, at: datetime, run_id: str, messages: int | None = None
) -> PlanRow:
    """Return the row that says what became of a whole plan."""
    return PlanRow(
        plan_id=plan.plan_id,
        account=plan.account,
        created=plan.created,
        what="retention",
        messages=plan.messages if messages is None else messages,
        octets=plan.octets,
        state=state,
        by=by,
        at=at,
        run_id=run_id,
        least_days=plan.least_age / timedelta(days=1) if plan.least_age is not None else None,
    )


class Settled(Protocol):
    """A plan of whatever kind, and what became of it."""

    @property
    def plan_id(self) -> str:
        """Return its name."""

    @property
    def state(self) -> PlanState:
        """Return what became of it."""

    @property
    def by(self) -> str:
        """Return who put it into that state."""

    @property
    def at(self) -> datetime:
        """Return when."""


def refuse_if_over(plan: Settled) -> None:
    """Refuse a plan of which nothing may be carried out any more.

    :raises ConfigurationError: if it was refused, or carried out.
    """
    words = {PlanState.REFUSED: "was refused", PlanState.EXECUTED: "was carried out"}
    if plan.state in words:
        raise ConfigurationError(
            f"Plan {plan.plan_id} {words[plan.state]} by {plan.by} on {plan.at:%Y-%m-%d}; make another by a "
            "dry run."
        )


def _part(row: PlanRow) -> PlannedPart:
    return PlannedPart(
        folder=row.folder or "",
        rule=row.rule or "",
        messages=row.messages,
        octets=row.octets,
        oldest=row.oldest,
        newest=row.newest,
        uid_validity=row.uid_validity,
        uids=frozenset(decode_sequence_set(row.uids).tolist()) if row.uids else frozenset(),
        uidls=frozenset(row.uidls),
        digests=row.digests,
    )
