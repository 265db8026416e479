"""The plan that a run carries out: one that was shown before, or one that is made as it goes.

Here: what may be touched, and the record of what was done. Not here: what plans look like
(``retention_plan``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mailroom.archive import ArchiveWriter
from mailroom.ledger import AuditAction, AuditRow, PlanState, audit_of
from mailroom.model import LocationRow, RunContext
from mailroom.policy.deletion import Candidate, Keep
from mailroom.policy.durations import age_in_words
from mailroom.policy.rules import FolderRules, RetentionPolicy
from mailroom.policy.verdicts import MessageFacts, candidate_of, decide_across
from mailroom.services.deleting.retention_plan import (
    Plan,
    PlannedPart,
    new_plan_id,
    row_of_plan,
    rows_of_parts,
)

__all__ = ["PlanKeeper"]


@dataclass(slots=True, kw_only=True)
class PlanKeeper:
    """Keeps the record of one run.

    :param writer: None in a dry run, which changes nothing on the server.
    :param shown: the plan that may be carried out, and nothing beyond it; None to plan as it goes.
    :param least_age: what of the plan that was shown is younger than this stays after all; so does what is
        younger than whoever agreed to it wanted.
    """

    writer: ArchiveWriter | None
    run: RunContext
    policy: RetentionPolicy
    now: Callable[[], datetime]
    shown: Plan | None = None
    least_age: timedelta | None = None
    plan_id: str = field(init=False)
    created: datetime = field(init=False)
    _digests: tuple[str, dict[int | str, str]] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Name the plan."""
        self.plan_id = new_plan_id() if self.shown is None else self.shown.plan_id
        self.created = self.now() if self.shown is None else self.shown.created
        if self.shown is not None and self.shown.least_age is not None:
            self.least_age = max(self.least_age or timedelta(0), self.shown.least_age)

    @property
    def age(self) -> str:
        """How old mail has to be, in words."""
        least = self.least_age or timedelta(0)
        lengths = [rule.delete_after for rule in self.policy.rules if rule.delete_after is not None]
        return age_in_words(max(length, least) for length in lengths)

    def moment(self) -> datetime:
        """Return the time to which ages are counted: that of the plan that was shown, but no later than now.

        A plan that was made while a clock ran ahead lies in the future once it is put right, and would take
        what is not old enough yet.
        """
        now = self.now()
        return now if self.shown is None else min(now, self.shown.created)

    def judge(
        self, key: int, row: LocationRow, several: Sequence[tuple[FolderRules, MessageFacts]]
    ) -> Candidate:
        """Return a candidate with what rules say of it, and whoever had the last word on its age.

        :param several: the rules of each folder that has the message, and the message as it is there.
        """
        moment = self.moment()
        verdict = decide_across(several, moment)
        since = verdict.since
        if self.least_age is not None and (since is None or moment - since < self.least_age):
            verdict = replace(verdict, keep=verdict.keep or Keep.TOO_YOUNG)
        verdict = replace(verdict, keep=verdict.keep or self._beyond(row))
        return candidate_of(key, row, verdict)

    def _beyond(self, row: LocationRow) -> Keep | None:
        """Return why a number of the plan that was shown stands for a message that it does not mean, or None.

        Servers give numbers a second time. A plan knows the digest of what it means; plans of before do not,
        and of these, what was archived, or found under its UIDL, after one was made is not what was shown.
        """
        if self.shown is None:
            return None
        if self._digests is None or self._digests[0] != row.folder:
            self._digests = row.folder, self.shown.digests(row.folder)
        meant = self._digests[1].get(row.uidl or row.uid or 0)
        if meant is not None and meant != row.sha256:
            return Keep.OTHER
        known = [row.archived_at, row.at if row.uidl is not None else None]
        came_after = any(date is not None and date > self.shown.created for date in known)
        return Keep.NOT_PLANNED if came_after else None

    def folders(self) -> frozenset[str] | None:
        """Return the folders that may be touched; None for all that the policy means."""
        return None if self.shown is None else frozenset(part.folder for part in self.shown.parts)

    def uids(self, folder: str, uid_validity: int | None) -> frozenset[int] | None:
        """Return the messages of a folder that may be touched; None for all that the policy means."""
        return None if self.shown is None else self.shown.uids(folder, uid_validity)

    def uidls(self) -> frozenset[str] | None:
        """Return the messages of a maildrop that may be touched; None for all that the policy means."""
        return None if self.shown is None else self.shown.uidls()

    def audit(
        self, candidate: Candidate, at: datetime, action: AuditAction = AuditAction.DELETED
    ) -> AuditRow:
        """Return the audit row of a message that was deleted, or moved into the trash."""
        approved_by = None if self.shown is None else self.shown.approved_by
        return audit_of(
            candidate.row,
            self.run,
            at=at,
            rule=candidate.rule,
            action=action,
            plan_id=self.plan_id,
            approved_by=approved_by,
        )

    def end(self, parts: Sequence[PlannedPart]) -> None:
        """Write down what was done, which is all that is done of the plan.

        :param parts: what each rule took.
        """
        if self.writer is None:
            return
        at = self.now()
        if self.shown is not None:
            deleted = sum(part.messages for part in parts)
            by, run_id = self.run.who, self.run.run_id
            row = row_of_plan(self.shown, PlanState.EXECUTED, by=by, at=at, run_id=run_id, messages=deleted)
            self.writer.plan([row])
        else:
            self.writer.plan(
                rows_of_parts(
                    parts,
                    plan_id=self.plan_id,
                    run=self.run,
                    policy=self.policy,
                    created=self.created,
                    state=PlanState.EXECUTED,
                    at=at,
                )
            )
