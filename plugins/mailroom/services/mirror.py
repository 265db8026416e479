"""IMAP mirror: the archive brought in step with an account; nothing on the server changes.

Here: the service a user calls. Not here: the run over all folders (``mirror_run``), one
folder (``mailbox_mirror``), the choice (``policy.mirror``). RFC 3501, RFC 4549.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from mailroom.model import DEFAULT_CONNECTIONS, MailProtocol
from mailroom.policy.mirror import LOSS_ALLOWED, MirrorSelection
from mailroom.services.ending import Remember, counts_of, outcome_of
from mailroom.services.mirroring.mirror_report import MirrorReport, MirrorTally
from mailroom.services.mirroring.mirror_run import MirrorRun
from mailroom.services.mirroring.settled import settled_report
from mailroom.services.progress import Progress

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.client.imap import ImapClient
    from mailroom.model import RunContext

__all__ = ["MirrorReport", "mirror_account"]

LOOKS = 2
"""How often the folders are listed where one is not there: it was just deleted or renamed, and a listing
(Dovecot 2.3) may show it for a moment longer."""


def mirror_account(
    connect: Callable[[], ImapClient],
    archive: Archive,
    context: RunContext,
    *,
    selection: MirrorSelection,
    now: Callable[[], datetime],
    progress: Progress,
    stop: threading.Event,
    connections: int = DEFAULT_CONNECTIONS,
    remember: Remember[MirrorReport] | None = None,
) -> MirrorReport:
    """Bring what is new in the folders of an account into the archive, and record what changed.

    Messages keep their bytes in the archive whatever the server does. One message that is not
    delivered, or one folder that does not open, stops no other.

    :param stop: when set, what has arrived is committed, and the session ends.
    :param connections: how many may be open at once; more than one are opened only where the server
        is far away and there is enough to do, and given up where it refuses them.
    :param remember: is told what was heard, and what the next run reports that hears the same and finds
        nothing committed since; where that is known.
    :raises ConfigurationError: if a folder pattern means no folder, or more of the account seems to
        have gone than ``selection.max_gone`` allows; new mail is archived even so.
    :raises ConnectionLost: if the server cannot be reached, or keeps going away; what was committed stays.
    :raises AuthenticationFailed: if it refuses the sign-in.
    :raises ArchiveError: if the archive cannot be read or written.
    """
    with archive.writer(context) as writer:
        tally = MirrorTally()
        for _ in range(LOOKS):
            run = MirrorRun(
                connect=connect,
                archive=archive,
                writer=writer,
                context=context,
                selection=selection,
                now=now,
                progress=progress,
                stop=stop,
                connections=connections,
                tally=tally,
            )
            report = run.run()
            if stop.is_set() or not tally.not_there:
                break
            writer.flush()
            tally = tally.of_another_look()
        counts = counts_of(report)
        counts |= {LOSS_ALLOWED: 1} if selection.max_gone == 1 else {}
        writer.finish(outcome_of(report), counts, report.octets)
    archive.noted.bookmark_account(context.account)
    if not (report.failures or report.warnings or report.interrupted):
        _remember(run, remember)
    return report


def _remember(run: MirrorRun, remember: Remember[MirrorReport] | None) -> None:
    """Tell what the next run will report if it hears what this one heard first."""
    account, noted = run.context.account, run.archive.noted
    if remember is None or run.heard is None or run.selection.other_namespaces:
        return
    standing = noted.standing(account, MailProtocol.IMAP)
    if standing is None:
        return
    again = settled_report(account, noted.overview(account), run.listed, run.chosen or ())
    if again is not None:
        remember(again, run.heard, standing)
