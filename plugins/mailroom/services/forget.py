"""Remove mail from the archive itself: of an account, about a person, or older than so many days.

Here: the services a user calls: the plan, the removal, the sweep. Their parts are in ``forgetting``; not
here: tables and objects (``archive.removing``).

First there is a plan: a dry run writes it down, somebody may agree to it, and then just its messages go.
What goes, goes in two steps. At once: every row about it, its delivered attachments, its words in the search
index. Days later, when no run that began before can be at work: its raw object, and the old files of the
tables. What a legal hold means stays, whoever asks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mailroom.archive import Archive
from mailroom.archive.checking.clock import check_clock
from mailroom.archive.checking.ledger_check import check_all_ledgers
from mailroom.archive.removing.delivered import WithdrawnDeliveries, count_deliveries, withdraw_deliveries
from mailroom.archive.removing.leaving import extent_of, unfinished
from mailroom.archive.removing.removal import Order, Removal
from mailroom.archive.removing.sweep import sweep_objects
from mailroom.archive.replicating.replica import refuse_replica
from mailroom.exceptions import ArchiveError, ConfigurationError
from mailroom.ledger import PlanState
from mailroom.model import RunContext
from mailroom.services.deleting.retention_plan import refuse_if_over
from mailroom.services.forgetting.certificate import certificate_of, gone_under, keep_certificate
from mailroom.services.forgetting.forget_plan import (
    ForgetPlan,
    begun_plans,
    load_forget_plan,
    new_plan,
    settle_forget_plan,
    write_plan,
)
from mailroom.services.forgetting.forget_report import ForgetReport, SweepReport
from mailroom.services.forgetting.meant import Meant, held_among, meant_by, meant_by_plan
from mailroom.services.forgetting.wish import ForgetWish
from mailroom.services.known_accounts import check_account_remembered

__all__ = [
    "GRACE",
    "ForgetReport",
    "ForgetWish",
    "SweepReport",
    "answer_plan",
    "forget_mail",
    "sweep_archive",
]

GRACE = timedelta(days=2)
"""How long an object stays after its rows are gone; longer than any run takes, and than Delta keeps files."""

_log = logging.getLogger(__name__)


def forget_mail(
    archive: Archive,
    context: RunContext,
    wish: ForgetWish | None = None,
    *,
    plan_id: str | None = None,
    dry_run: bool,
    now: Callable[[], datetime],
    grace: timedelta = GRACE,
) -> ForgetReport:
    """Remove what is meant, or only plan it; safe to repeat, and what was cut off before is ended as well.

    :param wish: what is to go. Either this or ``plan_id`` is given.
    :param plan_id: the plan to carry out, and nothing beyond it: what came since, or is held by now, stays.
    :param dry_run: write a plan down, and change nothing else.
    :param grace: days from now until objects go.
    :raises ConfigurationError: if there is no archive, it is a copy or never had the account, the plan is
        over or not there, or this machine's clock cannot be trusted.
    :raises ArchiveError: if a legal hold or the plan was changed by hand.
    :raises StoreUnavailable: if the store refuses; what was begun is ended by the next run.
    """
    _check(archive)
    at = now()
    if plan_id is not None:
        plan = load_forget_plan(archive, plan_id)
        refuse_if_over(plan)
        if not dry_run:
            _check_trust(archive, [plan_id])
        run = _Run(archive=archive, context=context, what=plan.rule, at=at, grace=grace, plans=(plan,))
        meant = meant_by_plan(archive, plan, at)
        return run.planned(meant) if dry_run else run.carry_out(meant, plan.one_account)
    if wish is None:
        raise ConfigurationError("Say what is to go: an account, or a person's address, or an age.")
    begun = () if dry_run else tuple(begun_plans(archive, wish))
    if wish.account is not None and not begun:
        check_account_remembered(archive, wish.account)
    if not dry_run:
        _check_trust(archive, [plan.plan_id for plan in begun])
    meant = meant_by(archive, wish, at)
    run = _Run(archive=archive, context=context, what=wish.in_words(), at=at, grace=grace, plans=begun)
    run = run.with_plan(wish, meant, dry_run=dry_run)
    return run.planned(meant) if dry_run else run.carry_out(meant, wish.account)


def answer_plan(
    archive: Archive, plan_id: str, *, is_yes: bool, by: str, at: datetime, run_id: str
) -> ForgetPlan:
    """Record that somebody agreed to a plan, or did not.

    :raises ConfigurationError: if there is no such plan, or it is over.
    :raises StoreUnavailable: if the archive cannot be written.
    """
    state = PlanState.APPROVED if is_yes else PlanState.REFUSED
    return settle_forget_plan(archive, load_forget_plan(archive, plan_id), state, by=by, at=at, run_id=run_id)


def sweep_archive(
    archive: Archive, context: RunContext, *, now: Callable[[], datetime], grace: timedelta = GRACE
) -> SweepReport:
    """Delete the raw objects of messages that were removed from the archive long enough ago.

    :param grace: how long ago that must be; at least a day.
    :raises ConfigurationError: if there is no archive, it is a copy, the days of grace are too few, or this
        machine's clock cannot be trusted.
    :raises ArchiveError: if a legal hold was changed by hand.
    :raises StoreUnavailable: if the store refuses; the next sweep goes on from there.
    """
    if grace < timedelta(days=1):
        raise ConfigurationError(
            "The days of grace must be one or more: a run that began before may still count on an object."
        )
    _check(archive)
    _check_trust(archive)
    durability = archive.prepare()
    try:
        tally = sweep_objects(archive, durability, now=now(), grace=grace, run_id=context.run_id)
    finally:
        durability.close()
    return SweepReport(
        removed=tally.removed, octets=tally.octets, revived=tally.revived, waiting=tally.waiting
    )


def _check(archive: Archive) -> None:
    archive.require()
    refuse_replica(archive.store)


def _check_trust(archive: Archive, plan_ids: Collection[str] = ()) -> None:
    """Refuse to remove anything by a clock that is wrong, or by holds and plans that were changed by hand."""
    check_clock(archive)
    check_all_ledgers(archive, plan_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One removal, or the plan of one.

    :param what: what is to go, in words.
    :param plans: those that are carried out: one, and before it such as were begun and never ended.
    """

    archive: Archive
    context: RunContext
    what: str
    at: datetime
    grace: timedelta
    plans: tuple[ForgetPlan, ...]

    def with_plan(self, wish: ForgetWish, meant: Meant, *, dry_run: bool) -> _Run:
        """Write down what no plan names yet; in a dry run, where that fails, it can be looked at only.

        :raises StoreUnavailable: if the store refuses.
        """
        goes = sorted(meant.goes.difference(*(plan.goes for plan in self.plans)))
        places = sorted(meant.places.difference(*(plan.places for plan in self.plans)))
        if not goes and not places:
            return self
        extent = extent_of(self.archive, goes)
        plan = new_plan(wish, self.context, self.at, goes=goes, places=places, extent=extent)
        try:
            write_plan(self.archive, plan)
        except ArchiveError as error:
            if not dry_run:
                raise
            _log.warning("The plan cannot be written down, so it can be looked at only: %s", error)
            return self
        return replace(self, plans=(*self.plans, plan))

    def planned(self, meant: Meant) -> ForgetReport:
        """Return what would go.

        :raises StoreUnavailable: if the archive cannot be read.
        """
        octets, oldest, newest = extent_of(self.archive, meant.goes)
        return self._report(
            meant,
            sorted(meant.goes),
            dry_run=True,
            octets=octets,
            oldest=oldest,
            newest=newest,
            deliveries=count_deliveries(self.archive, meant.goes),
        )

    def carry_out(self, meant: Meant, account: str | None) -> ForgetReport:
        """Remove, and certify what went.

        :param account: whose places leave the archive.
        :raises StoreUnavailable: if the store refuses.
        """
        begun, leftover = unfinished(self.archive)
        begun -= held_among(self.archive, begun, self.at)
        leftover.update(gone_under(self.archive, self.plans))
        going = meant.goes | begun
        durability = self.archive.prepare()
        try:
            withdrawn = withdraw_deliveries(self.archive, going | leftover)
            removal = Removal(
                archive=self.archive,
                context=self.context,
                digests=sorted(going),
                rule=self.what,
                at=self.at,
                account=account,
                kept=sorted(meant.held | meant.later),
                leftover=sorted(leftover),
                begun=frozenset(begun | leftover),
                failed_deliveries=frozenset(withdrawn.failed),
                orders=tuple(Order(plan.plan_id, plan.approved_by, plan.means) for plan in self.plans),
            )
            removal.apply(durability)
            report = self._certified(self._done(meant, removal, withdrawn))
            durability.sync()
        finally:
            durability.close()
        self._end(report)
        return report

    def _done(self, meant: Meant, removal: Removal, withdrawn: WithdrawnDeliveries) -> ForgetReport:
        gone = gone_under(self.archive, self.plans)
        left = {digest for plan in self.plans for digest in plan.goes}.difference(gone)
        octets = sum(plan.octets for plan in self.plans) - extent_of(self.archive, left)[0]
        return self._report(
            meant,
            gone,
            dry_run=False,
            octets=octets,
            oldest=min((plan.oldest for plan in self.plans if plan.oldest), default=None),
            newest=max((plan.newest for plan in self.plans if plan.newest), default=None),
            deliveries=withdrawn.deleted,
            changed=withdrawn.changed,
            rows={name: count for name, count in removal.rows.items() if count},
            objects_go_after=self.at + self.grace,
            failures=tuple(withdrawn.failures),
        )

    def _report(self, meant: Meant, digests: Sequence[str], *, dry_run: bool, **facts: Any) -> ForgetReport:
        plan = self.plans[-1] if self.plans else None
        return ForgetReport(
            what=self.what,
            archive=self.archive.url,
            who=self.context.who,
            run_id=self.context.run_id,
            at=self.at,
            dry_run=dry_run,
            plan_id=None if plan is None else plan.plan_id,
            approved_by=None if plan is None else plan.approved_by,
            messages=len(digests),
            digests=tuple(digests),
            shared=len(meant.places),
            held=len(meant.held),
            later=len(meant.later),
            on_server=meant.on_server,
            **facts,
        )

    def _certified(self, report: ForgetReport) -> ForgetReport:
        """Write the certificate into the archive, where there was a plan."""
        said = certificate_of(report, self.plans)
        if report.plan_id is None:
            return replace(report, certified=said)
        path = keep_certificate(self.archive, said, report.plan_id)
        return replace(report, certified=said, certificate=f"{self.archive.url}/{path}")

    def _end(self, report: ForgetReport) -> None:
        """Record that the plans are carried out; one of which something is left can be carried out again."""
        if report.failures:
            return
        gone, by = frozenset(report.digests), self.context
        for plan in self.plans:
            count = len(gone.intersection(plan.goes))
            settle_forget_plan(
                self.archive,
                plan,
                PlanState.EXECUTED,
                by=by.who,
                at=self.at,
                run_id=by.run_id,
                messages=count,
            )
