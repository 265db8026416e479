"""N-day deletion on a server: what is older than the policy says, archived and verified.

Here: the service a user calls. Not here: the two conversations (``mailbox_retention``,
``maildrop_retention``), the rules (``policy``).
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mailroom.archive import Archive, ArchiveWriter
from mailroom.archive.ledgers import record_plan
from mailroom.client.imap import ImapClient
from mailroom.client.imap_quota import read_quota
from mailroom.client.pop3 import Pop3Client
from mailroom.exceptions import ArchiveError, ConfigurationError, StoreUnavailable
from mailroom.ledger import PlanState
from mailroom.model import RunContext
from mailroom.policy.proof import ProofMode, ProofRule
from mailroom.policy.rules import RetentionPolicy
from mailroom.services.deleting.mailbox_retention import MailboxRetention
from mailroom.services.deleting.maildrop_retention import MaildropRetention
from mailroom.services.deleting.plan_keeping import PlanKeeper
from mailroom.services.deleting.proving import Proving
from mailroom.services.deleting.retention_plan import (
    Plan,
    load_plan,
    plan_of_rows,
    refuse_if_over,
    rows_of_parts,
)
from mailroom.services.deleting.retention_report import FolderRetention, RetentionReport
from mailroom.services.ending import outcome_of
from mailroom.services.plan_approval import Consent, require_consent, why_to_ask_about
from mailroom.services.progress import Progress

__all__ = ["Consent", "FolderRetention", "RetentionReport", "enforce_retention"]

Connect = Callable[[], Pop3Client | ImapClient]

_log = logging.getLogger(__name__)


def enforce_retention(
    connect: Connect,
    archive: Archive,
    context: RunContext,
    *,
    policy: RetentionPolicy | None = None,
    plan_id: str | None = None,
    least_age: timedelta | None = None,
    dry_run: bool,
    now: Callable[[], datetime],
    progress: Progress,
    stop: threading.Event,
    copies: Sequence[Archive] = (),
    proof: ProofMode | None = None,
    refetch: bool = False,
    consent: Consent | None = None,
) -> RetentionReport:
    """Delete old messages on the server, only those that are provably in the archive.

    Each is asked again who it is in the session that deletes it, and its archived bytes are
    read back; whatever is in doubt stays and is counted by its reason. Where the policy asks for
    somebody's consent, nothing is deleted before somebody has agreed to the plan.

    :param policy: what is to go. Either this or ``plan_id`` is given.
    :param plan_id: the plan to carry out, and nothing beyond it: what changed since it was made stays.
    :param least_age: what of that plan is younger than this stays after all.
    :param dry_run: make a plan: tell what would go, and write that down; nothing else is changed.
    :param stop: when set, the batch in hand is deleted and recorded, and the session ends well.
    :param copies: second archives; only what each of them holds as well, read back there, is deleted.
    :param proof: how the archived bytes are proved; by default as the policy says, which reads them back
        unless it says otherwise.
    :param refetch: fetch each message from the server once more, whole, and compare it, also where the policy
        does not ask for it. A plan is carried out with no less proof, and no fewer copies, than it was made
        with.
    :param consent: asks somebody who is there, where the policy wants that and nobody has agreed yet.
    :raises ConfigurationError: if there is no archive, a folder pattern means no folder, POP3 is asked for
        what it has not, a copy is none or one is missing, the plan is over or not there, or nobody has agreed
        to it.
    :raises ConnectionLost: if the server cannot be reached or goes away; what it deleted is recorded.
    :raises ArchiveError: if the archive cannot be read or written.
    """
    archive.require()
    shown = None if plan_id is None else load_plan(archive, context.account, plan_id)
    if shown is not None:
        refuse_if_over(shown)
        policy = shown.policy
    if policy is None:
        raise ConfigurationError("Retention needs a policy, or a plan to carry out.")
    copies = tuple({copy.url: copy for copy in copies}.values())
    if shown is not None and policy.proof is ProofMode.READ:
        proof = ProofMode.READ
    policy = _with_proof(policy, proof, refetch, len(copies))
    run = _Run(
        connect=connect,
        archive=archive,
        context=context,
        proving=Proving(
            archive=archive,
            copies=copies,
            rule=ProofRule(mode=policy.proof, refetch=policy.refetch),
        ),
        now=now,
        progress=progress,
        stop=stop,
    )
    run.proving.check()
    if shown is not None:
        if not dry_run:
            shown = require_consent(archive, shown, context, consent=consent, now=now)
        return run.go(policy, dry_run=dry_run, shown=shown, least_age=least_age)
    if dry_run or policy.approval is None:
        return run.go(policy, dry_run=dry_run)
    return run.plan_and_ask(policy, consent)


def _with_proof(
    policy: RetentionPolicy, proof: ProofMode | None, refetch: bool, copies: int
) -> RetentionPolicy:
    """Return a policy with the proof that this run takes, so that its plan is carried out with no less.

    :param copies: how many second archives are named.
    :raises ConfigurationError: where it requires more.
    """
    if policy.require_copies > copies + 1:
        raise ConfigurationError(
            f"Nothing was deleted: the policy wants each message in {policy.require_copies} archives, and "
            f"this run knows of {copies + 1}. Name the others, as mailroom replicate fills them: --copy "
            "ROOT2 on the command line, copies in Airflow."
        )
    return replace(
        policy,
        proof=policy.proof if proof is None else proof,
        refetch=policy.refetch or refetch,
        require_copies=copies + 1,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What every way of carrying a policy out has in common."""

    connect: Connect
    archive: Archive
    context: RunContext
    proving: Proving
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event

    def plan_and_ask(self, policy: RetentionPolicy, consent: Consent | None) -> RetentionReport:
        """Make a plan, for only a plan says whether somebody has to agree to it; then carry it out."""
        planned = self.go(policy, dry_run=True)
        if self.stop.is_set():
            return planned
        if not planned.deleted:
            return replace(planned, dry_run=False)
        if planned.plan_id is None:
            raise StoreUnavailable("The plan cannot be written down, so nobody can agree to it.")
        shown = load_plan(self.archive, self.context.account, planned.plan_id)
        shown = require_consent(self.archive, shown, self.context, consent=consent, now=self.now)
        done = self.go(policy, dry_run=False, shown=shown)
        return replace(done, failures=tuple(dict.fromkeys((*planned.failures, *done.failures))))

    def go(
        self,
        policy: RetentionPolicy,
        *,
        dry_run: bool,
        shown: Plan | None = None,
        least_age: timedelta | None = None,
    ) -> RetentionReport:
        """Work the account off in one session."""
        context, archive, now = self.context, self.archive, self.now
        failures: list[str] = []
        with (
            contextlib.nullcontext() if dry_run else archive.writer(context) as writer,
            self.connect() as client,
        ):
            keeper = PlanKeeper(
                writer=writer, run=context, policy=policy, now=now, shown=shown, least_age=least_age
            )
            shared: dict[str, Any] = {  # Any: what both kinds of run are made of
                "archive": archive,
                "proving": self.proving,
                "writer": writer,
                "context": context,
                "keeper": keeper,
                "now": now,
                "progress": self.progress,
                "stop": self.stop,
                "failures": failures,
            }
            before = after = None
            if isinstance(client, Pop3Client):
                folders = [MaildropRetention(client=client, **shared).enforce()]
            else:
                before = read_quota(client)
                folders = list(MailboxRetention(client=client, **shared).enforce())
                after = None if dry_run else read_quota(client)
            report = RetentionReport(
                account=context.account,
                dry_run=dry_run,
                age=keeper.age,
                plan_id=keeper.plan_id,
                planned=None if shown is None else shown.messages,
                planned_octets=None if shown is None else shown.octets,
                run_id=None if dry_run else context.run_id,
                archive=archive.url,
                before=before,
                after=after,
                folders=tuple(folders),
                failures=tuple(failures),
                interrupted=self.stop.is_set(),
            )
            if writer is not None:
                _finish(writer, keeper, report)
        report.log()
        return _with_plan(archive, keeper, report) if dry_run else report


def _finish(writer: ArchiveWriter, keeper: PlanKeeper, report: RetentionReport) -> None:
    """Record the run with its counts, and what was done of its plan."""
    if keeper.shown is None or not (report.interrupted or report.failures):
        keeper.end(report.parts())
    counts = {"deleted": report.deleted, "due": sum(folder.due for folder in report.folders)}
    writer.finish(outcome_of(report), counts, sum(folder.octets for folder in report.folders))


def _with_plan(archive: Archive, keeper: PlanKeeper, report: RetentionReport) -> RetentionReport:
    """Write down what a dry run found, so that it can be carried out as it was shown."""
    if keeper.shown is not None:
        return report
    rows = rows_of_parts(
        report.parts(),
        plan_id=keeper.plan_id,
        run=keeper.run,
        policy=keeper.policy,
        created=keeper.created,
        state=PlanState.PLANNED,
        at=keeper.now(),
    )
    if not rows:
        return replace(report, plan_id=None)
    try:
        record_plan(archive, rows)
    except ArchiveError as error:
        _log.warning("The plan cannot be written down, so it can be looked at only: %s", error)
        return replace(report, plan_id=None)
    return replace(report, consent=why_to_ask_about(archive, plan_of_rows(rows)))
