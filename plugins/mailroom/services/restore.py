"""An archive, or a part of it, back onto any IMAP account.

Here: the service a user calls. Not here: the run (``account_fill``), which folders and messages are
meant (``archived_source``), one folder (``mailbox_restore``). Only ever adds: nothing on the target is
deleted or overwritten, the archive is only read, and a message that is there already is not added again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from mailroom.archive import Archive
from mailroom.archive.reading.copy_marks import CopyMarks
from mailroom.client.imap import ImapClient
from mailroom.policy.restore import RestoreSelection
from mailroom.services.progress import Progress
from mailroom.services.restoring.account_fill import AccountFill
from mailroom.services.restoring.archived_memory import ArchivedMemory
from mailroom.services.restoring.archived_source import ArchivedSource
from mailroom.services.restoring.restore_contents import ArchivedContents
from mailroom.services.restoring.restore_report import FolderRestore, RestoreReport

__all__ = ["FolderRestore", "RestoreReport", "choose_account", "restore_account"]


def restore_account(
    connect: Callable[[], ImapClient],
    archive: Archive,
    account: str,
    target: str,
    *,
    selection: RestoreSelection,
    dry_run: bool,
    progress: Progress,
    stop: threading.Event,
    marks: CopyMarks | None = None,
) -> RestoreReport:
    """Add to an account what the archive holds of another one, or of itself, and is not there.

    One message or folder that the server refuses stops no other. Safe to repeat: after a kill, the
    next run asks what is there and goes on.

    :param account: the archived account.
    :param target: the account it goes to, for people.
    :param dry_run: say what would be added, add nothing.
    :param marks: what earlier runs left in step; None where all is to be compared.
    :param stop: when set, what is under way is finished, and the session ends.
    :raises ConfigurationError: if a pattern means no folder, or nothing is there to restore.
    :raises ConnectionLost: if the server cannot be reached, or keeps going away.
    :raises ArchiveError: if the archive cannot be read.
    """
    memory = None
    if marks is not None and selection.is_plain:
        memory = ArchivedMemory(archive=archive, account=account, marks=marks)
    with ArchivedContents(archive) as contents:
        return AccountFill(
            connect=connect,
            source=ArchivedSource(
                archive=archive, account=account, selection=selection, contents=contents, memory=memory
            ),
            account=account,
            target=target,
            selection=selection,
            dry_run=dry_run,
            progress=progress,
            stop=stop,
            marks=marks,
        ).run()


def choose_account(archive: Archive, named: str | None, target: str) -> str:
    """Return the archived account: the one named, the target itself, or the only one there is.

    :raises ConfigurationError: where that is none, or not one.
    """
    from mailroom.archive.reading.snapshot import accounts_of
    from mailroom.services.known_accounts import unknown_account

    archive.require()
    known = accounts_of(archive)
    wanted = named or target
    if wanted in known:
        return wanted
    if named is None and len(known) == 1:
        return known[0]
    hint = "" if named is not None else "; name one of them with account"
    raise unknown_account(wanted, known, hint)
