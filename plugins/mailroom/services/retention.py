"""N-day deletion on a server: what is older than the policy says, archived and verified.

Here: the service a user calls. Not here: the two conversations (``mailbox_retention``,
``maildrop_retention``), the rules (``policy``).
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from mailroom.archive import Archive, ArchiveWriter
from mailroom.archive.ledgers import record_plan
from mailroom.client.imap import ImapClient
from mailroom.client.imap_quota import read_quota
from mailroom.client.pop3 import Pop3Client
from mailroom.exceptions import ArchiveError, ConfigurationError
from mailroom.ledger import PlanState
from mailroom.model import RunContext
from mailroom.policy.proof import ProofRule
from mailroom.policy.rules import RetentionPolicy
from mailroom.services.deleting.mailbox_retention import MailboxRetention
from mailroom.services.deleting.maildrop_retention import MaildropRetention
from mailroom.services.deleting.plan_keeping import PlanKeeper
from mailroom.services.deleting.proving import Proving
from mailroom.services.deleting.retention_plan import load_plan, refuse_if_over, rows_of_parts
from mailroom.services.deleting.retention_report import FolderRetention, RetentionReport
from mailroom.services.progress import Progress

__all__ = ["FolderRetention", "RetentionReport", "enforce_retention"]

_log = logging.getLogger(__name__)


def enforce_retention(
    connect: Callable[[], Pop3Client | ImapClient],
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
    proof: ProofRule | None = None,
) -> RetentionReport:
    """Delete old messages on the server, only those that are provably in the archive.

    Each is asked again who it is in the session that deletes it, and its archived bytes are
    read back; whatever is in doubt stays and is counted by its reason.

    :param policy: what is to go. Either this or ``plan_id`` is given.
    :param plan_id: the plan to carry out, and nothing beyond it: what changed since it was made stays.
    :param least_age: what of that plan is younger than this stays after all.
    :param dry_run: make a plan: tell what would go, and write that down; nothing else is changed.
    :param stop: when set, the batch in hand is deleted and recorded, and the session ends well.
    :param copies: second archives; only what each of them holds as well, read back there, is deleted.
    :param proof: how the archived bytes are proved, and whether the server's are fetched again; by default
        archived bytes are read back, and the server is asked who each message is.
    :raises ConfigurationError: if a folder pattern means no folder, POP3 is asked for what it has not, a
        copy is none, or the plan is over or not there.
    :raises ConnectionLost: if the server cannot be reached or goes away; what it deleted is recorded.
    :raises ArchiveError: if the archive cannot be read or written.
    """
    failures: list[str] = []
    proving = Proving(archive=archive, copies=tuple(copies), rule=proof or ProofRule())
    proving.check()
    shown = load_plan(archive, context.account, plan_id) if plan_id else None
    if shown is not None:
        refuse_if_over(shown)
    stated = shown.policy if shown is not None else policy
    if stated is None:
        raise ConfigurationError("Retention needs a policy, or a plan to carry out.")
    with contextlib.nullcontext() if dry_run else archive.writer(context) as writer, connect() as client:
        keeper = PlanKeeper(
            writer=writer, run=context, policy=stated, now=now, shown=shown, least_age=least_age
        )
        shared: dict[str, Any] = {  # Any: what both kinds of run are made of
            "archive": archive,
            "proving": proving,
            "writer": writer,
            "context": context,
            "keeper": keeper,
            "now": now,
            "progress": progress,
            "stop": stop,
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
            plan_id=keeper.plan_id,
            planned=None if shown is None else shown.messages,
            run_id=None if dry_run else context.run_id,
            archive=archive.url,
            before=before,
            after=after,
            folders=tuple(folders),
            failures=tuple(failures),
            interrupted=stop.is_set(),
        )
        if writer is not None:
            _finish(writer, keeper, report)
    if before is not None and after is not None:
        octets = sum(folder.octets for folder in report.folders)
        gained = before.used - after.used
        _log.info(
            "Planned to free %s octets; by the server's quota %s are freed", f"{octets:,}", f"{gained:,}"
        )
    if report.undo is not None:
        _log.info("To bring back what was deleted: %s", report.undo)
    return _with_plan(archive, keeper, report) if dry_run else report


def _finish(writer: ArchiveWriter, keeper: PlanKeeper, report: RetentionReport) -> None:
    """Record the run with its counts, and what was done of its plan."""
    if keeper.shown is None or not (report.interrupted or report.failures):
        keeper.end(report.parts())
    outcome = "interrupted" if report.interrupted else "failed" if report.failures else "succeeded"
    counts = {"deleted": report.deleted, "due": sum(folder.due for folder in report.folders)}
    writer.finish(outcome, counts, sum(folder.octets for folder in report.folders))


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
    return report
