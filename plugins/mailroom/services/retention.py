"""N-day deletion on a server: what is older than the policy says, archived and verified.

Here: the service a user calls. Not here: the two conversations (``mailbox_retention``,
``maildrop_retention``), the rules (``policy``).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from mailroom.archive import Archive, ArchiveWriter
from mailroom.client.imap import ImapClient
from mailroom.client.pop3 import Pop3Client
from mailroom.model import RunContext
from mailroom.policy.proof import ProofRule
from mailroom.policy.rules import RetentionPolicy
from mailroom.services.mailbox_retention import MailboxRetention
from mailroom.services.maildrop_retention import MaildropRetention
from mailroom.services.progress import Progress
from mailroom.services.proving import Proving
from mailroom.services.retention_report import FolderRetention, RetentionReport

__all__ = ["FolderRetention", "RetentionReport", "enforce_retention"]


def enforce_retention(
    connect: Callable[[], Pop3Client | ImapClient],
    archive: Archive,
    context: RunContext,
    *,
    policy: RetentionPolicy,
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

    :param dry_run: tell what would go; neither server nor archive is changed.
    :param stop: when set, the batch in hand is deleted and recorded, and the session ends well.
    :param copies: second archives; only what each of them holds as well, read back there, is deleted.
    :param proof: how the archived bytes are proved, and whether the server's are fetched again; by default
        archived bytes are read back, and the server is asked who each message is.
    :raises ConfigurationError: if a folder pattern means no folder, POP3 is asked for what it has not, or a
        copy is none.
    :raises ConnectionLost: if the server cannot be reached or goes away; what it deleted is recorded.
    :raises ArchiveError: if the archive cannot be read or written.
    """
    folders: list[FolderRetention] = []
    failures: list[str] = []
    proving = Proving(archive=archive, copies=tuple(copies), rule=proof or ProofRule())
    proving.check()
    with contextlib.nullcontext() if dry_run else archive.writer(context) as writer, connect() as client:
        if isinstance(client, Pop3Client):
            maildrop = MaildropRetention(
                client=client,
                archive=archive,
                proving=proving,
                writer=writer,
                context=context,
                policy=policy,
                now=now,
                progress=progress,
                stop=stop,
                failures=failures,
            )
            folders.append(maildrop.enforce())
        else:
            mailboxes = MailboxRetention(
                client=client,
                archive=archive,
                proving=proving,
                writer=writer,
                context=context,
                policy=policy,
                now=now,
                progress=progress,
                stop=stop,
                failures=failures,
            )
            folders.extend(mailboxes.enforce())
        return _finish(writer, context.account, folders, failures, stop)


def _finish(
    writer: ArchiveWriter | None,
    account: str,
    folders: list[FolderRetention],
    failures: list[str],
    stop: threading.Event,
) -> RetentionReport:
    """Record the run with its counts, unless it was a dry one, and return its report."""
    report = RetentionReport(
        account=account,
        dry_run=writer is None,
        folders=tuple(folders),
        failures=tuple(failures),
        interrupted=stop.is_set(),
    )
    if writer is not None:
        outcome = "interrupted" if report.interrupted else "failed" if failures else "succeeded"
        counts = {"deleted": report.deleted, "due": sum(folder.due for folder in folders)}
        writer.finish(outcome, counts, sum(folder.octets for folder in folders))
    return report
