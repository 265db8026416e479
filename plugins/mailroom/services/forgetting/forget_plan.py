"""Plans to remove mail from the archive, as rows of ``plans``: just which messages, and what became of it.

Here: writing and reading them. Not here: which messages are meant (``meant``), removing them
(``archive.removing``). What a plan about a person or an age is of is no account, so its account is ``*``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.ledgers import read_plans, record_plan
from mailroom.exceptions import ConfigurationError
from mailroom.ledger import AuditAction, PlanRow, PlanState
from mailroom.model import RunContext
from mailroom.policy.holds import EVERY_ACCOUNT
from mailroom.services.deleting.retention_plan import deciding_row, refuse_if_over
from mailroom.services.forgetting.wish import ForgetWish

__all__ = ["ForgetPlan", "begun_plans", "load_forget_plan", "new_plan", "settle_forget_plan", "write_plan"]

WHAT = "forget"
"""What such plans name as what made them."""

PLACES_ONLY = ", places only: other accounts have these messages"
"""How the rule ends in rows about messages that stay in the archive."""

CHUNK_MESSAGES = 10_000
"""Messages of one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPlan:
    """A plan as the archive holds it.

    :param stated: the wish, as ``ForgetWish.stated`` has it.
    :param goes: SHA-256 of each message that is to leave the archive.
    :param places: of each whose places in the account are to go, and that stays for other accounts.
    :param octets: what goes takes.
    :param oldest: when the oldest of them was sent, or archived where nobody knows; ``newest`` likewise.
    :param state: what became of it; ``by`` says who put it there, ``run_id`` in which run.
    :param approved_by: who agreed to it, where somebody was asked.
    """

    plan_id: str
    account: str
    created: datetime
    rule: str
    stated: str
    goes: tuple[str, ...]
    places: tuple[str, ...] = ()
    octets: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    state: PlanState = PlanState.PLANNED
    by: str
    at: datetime
    run_id: str
    approved_by: str | None = None
    _named: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make ready to be asked for single messages."""
        object.__setattr__(self, "_named", frozenset((*self.goes, *self.places)))

    @property
    def messages(self) -> int:
        """How many messages are to leave the archive."""
        return len(self.goes)

    @property
    def one_account(self) -> str | None:
        """The account whose places are to go; None where it is about a person or an age."""
        return None if self.account == EVERY_ACCOUNT else self.account

    def means(self, digest: str) -> bool:
        """Return whether it names a message."""
        return digest in self._named


def new_plan(
    wish: ForgetWish,
    run: RunContext,
    at: datetime,
    *,
    goes: Sequence[str],
    places: Sequence[str],
    extent: tuple[int, datetime | None, datetime | None],
) -> ForgetPlan:
    """Return a plan that is not written down yet.

    :param extent: octets, oldest and newest of what goes.
    """
    plan_id = uuid.uuid4().hex[:12]
    octets, oldest, newest = extent
    return ForgetPlan(
        plan_id=plan_id,
        account=wish.account or EVERY_ACCOUNT,
        created=at,
        rule=wish.in_words(),
        stated=wish.stated(plan_id),
        goes=tuple(goes),
        places=tuple(places),
        octets=octets,
        oldest=oldest,
        newest=newest,
        by=run.who,
        at=at,
        run_id=run.run_id,
    )


def write_plan(archive: Archive, plan: ForgetPlan) -> None:
    """Write a plan down; durable when this returns.

    :raises StoreUnavailable: if the archive cannot be written.
    """
    rows = [
        *_rows(plan, plan.rule, plan.goes),
        *_rows(replace(plan, octets=0, oldest=None, newest=None), plan.rule + PLACES_ONLY, plan.places),
    ]
    record_plan(archive, rows)


def load_forget_plan(archive: Archive, plan_id: str) -> ForgetPlan:
    """Return a plan.

    :raises ConfigurationError: if there is no such plan, or it is none to forget.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    rows = read_plans(archive, None, plan_id)
    if not rows:
        raise ConfigurationError(f"The archive has no plan {plan_id!r}; make one by a dry run.")
    if rows[0].what != WHAT:
        raise ConfigurationError(
            f"Plan {plan_id} is one of {rows[0].what}, for mail on a server; carry it out with that command."
        )
    return _plan_of(rows)


def settle_forget_plan(
    archive: Archive,
    plan: ForgetPlan,
    state: PlanState,
    *,
    by: str,
    at: datetime,
    run_id: str,
    messages: int = 0,
) -> ForgetPlan:
    """Record what somebody decided about a plan, or that it was carried out; return it as it is then.

    :param messages: how many it was carried out on.
    :raises ConfigurationError: if it is refused or carried out already, be it by somebody at the same time.
    :raises StoreUnavailable: if the archive cannot be written.
    """
    refuse_if_over(plan)
    row = PlanRow(
        plan_id=plan.plan_id,
        account=plan.account,
        created=plan.created,
        what=WHAT,
        messages=messages if state is PlanState.EXECUTED else plan.messages,
        octets=plan.octets,
        state=state,
        by=by,
        at=at,
        run_id=run_id,
    )

    def check(rows: list[PlanRow]) -> None:
        refuse_if_over(_plan_of(rows))

    # what was carried out is written down as that, also where somebody refused it meanwhile
    record_plan(archive, [row], None if state is PlanState.EXECUTED else check)
    approved_by = by if state is PlanState.APPROVED else plan.approved_by
    return replace(plan, state=state, by=by, at=at, run_id=run_id, approved_by=approved_by)


def begun_plans(archive: Archive, wish: ForgetWish) -> list[ForgetPlan]:
    """Return the plans of the same wish that were begun and never ended.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    begun = {
        plan_id
        for rows in archive.scan_table("audit", ("plan_id",), equal={"action": AuditAction.FORGOTTEN.value})
        for plan_id in rows["plan_id"].drop_null().unique().to_pylist()
    }
    found: dict[str, list[PlanRow]] = {}
    for row in read_plans(archive, wish.account or EVERY_ACCOUNT) if begun else ():
        if row.what == WHAT and row.plan_id in begun:
            found.setdefault(row.plan_id, []).append(row)
    plans = [_plan_of(rows) for rows in found.values()]
    over = (PlanState.EXECUTED, PlanState.REFUSED)
    return [plan for plan in plans if plan.state not in over and wish.stated(plan.plan_id) == plan.stated]


def _rows(plan: ForgetPlan, rule: str, digests: Sequence[str]) -> Iterator[PlanRow]:
    for start in range(0, len(digests), CHUNK_MESSAGES):
        chunk = tuple(digests[start : start + CHUNK_MESSAGES])
        yield PlanRow(
            plan_id=plan.plan_id,
            account=plan.account,
            created=plan.created,
            what=WHAT,
            policy=plan.stated,
            folder="",
            rule=rule,
            messages=len(chunk),
            octets=plan.octets if start == 0 else 0,
            oldest=plan.oldest,
            newest=plan.newest,
            digests=chunk,
            state=PlanState.PLANNED,
            by=plan.by,
            at=plan.at,
            run_id=plan.run_id,
        )


def _plan_of(rows: Sequence[PlanRow]) -> ForgetPlan:
    """Return the plan that its rows tell of, in the order they were written."""
    first, last = rows[0], deciding_row(rows)
    parts = [row for row in rows if row.folder is not None]
    goes = [row for row in parts if not (row.rule or "").endswith(PLACES_ONLY)]
    approvals = [row.by for row in rows if row.state is PlanState.APPROVED]
    return ForgetPlan(
        plan_id=first.plan_id,
        account=first.account,
        created=first.created,
        rule=(first.rule or "").removesuffix(PLACES_ONLY),
        stated=first.policy or "",
        goes=tuple(digest for row in goes for digest in row.digests),
        places=tuple(digest for row in parts if row not in goes for digest in row.digests),
        octets=sum(row.octets for row in goes),
        oldest=min((row.oldest for row in goes if row.oldest), default=None),
        newest=max((row.newest for row in goes if row.newest), default=None),
        state=last.state,
        by=last.by,
        at=last.at,
        run_id=last.run_id,
        approved_by=approvals[-1] if approvals else None,
    )
