"""A mirror in both directions: what was asked for on the archive's side is pushed, then mirrored.

Here: the service a user calls. Not here: pushing (``push_run``), mirroring (``mirror``), the rule for
changes on both sides (``policy.two_way``). Without a push nothing on a server ever changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from mailroom.model import DEFAULT_CONNECTIONS, RunContext
from mailroom.policy.mirror import MirrorSelection
from mailroom.services.ending import outcome_of
from mailroom.services.mirror import mirror_account
from mailroom.services.progress import Progress
from mailroom.services.pushing.push_report import PushReport, TwoWayReport

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.client.imap import ImapClient

__all__ = ["PushReport", "TwoWayReport", "mirror_account", "mirror_both_ways", "push_changes"]


def mirror_both_ways(
    connect: Callable[[], ImapClient],
    archive: Archive,
    context: RunContext,
    *,
    selection: MirrorSelection,
    now: Callable[[], datetime],
    progress: Progress,
    stop: threading.Event,
    connections: int = DEFAULT_CONNECTIONS,
) -> TwoWayReport:
    """Push what waits to be changed on the server, then bring the archive in step with it.

    :raises ConfigurationError: as ``mirror_account`` does.
    :raises ConnectionLost: if the server cannot be reached, or keeps going away; what was done is recorded.
    :raises AuthenticationFailed: if it refuses the sign-in.
    :raises ArchiveError: if the archive cannot be read or written.
    """
    push = push_changes(connect, archive, context, now=now, progress=progress, stop=stop)
    mirror = mirror_account(
        connect,
        archive,
        context,
        selection=selection,
        now=now,
        progress=progress,
        stop=stop,
        connections=connections,
    )
    return TwoWayReport(push=push, mirror=mirror)


def push_changes(
    connect: Callable[[], ImapClient],
    archive: Archive,
    context: RunContext,
    *,
    now: Callable[[], datetime],
    progress: Progress,
    stop: threading.Event,
) -> PushReport:
    """Do on the server what was asked for on the archive's side; nothing where nothing waits.

    A change that the server's side has overtaken is not done, and told of. Safe to repeat: after a
    kill, the next run finds out what was done, and does the rest.

    :param stop: when set, what is under way is finished and written down, and the session ends.
    :raises ConnectionLost: if the server cannot be reached, or keeps going away.
    :raises AuthenticationFailed: if it refuses the sign-in.
    :raises ArchiveError: if the archive cannot be read or written.
    """
    changes = archive.changes(context.account)
    if changes.are_settled():
        return PushReport(account=context.account)
    if not changes.count():
        changes.note_settled()
        return PushReport(account=context.account)
    from mailroom.services.pushing.push_run import PushRun

    own = replace(context, what="push")
    with archive.writer(own) as writer:
        run = PushRun(
            connect=connect,
            archive=archive,
            changes=changes,
            writer=writer,
            context=own,
            now=now,
            progress=progress,
            stop=stop,
        )
        run.run()
        waiting = changes.count()
        report = PushReport(
            account=context.account,
            pushed=run.tally.pushed,
            refused=run.tally.refused,
            conflicts=run.tally.conflicts,
            waiting=waiting,
            warnings=tuple(run.tally.warnings),
            failures=tuple(run.tally.failures),
            interrupted=stop.is_set(),
        )
        writer.finish(outcome_of(report), report.summary(), 0, changed=bool(run.tally.steps))
    if not waiting:
        changes.note_settled()
    return report
