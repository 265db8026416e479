"""Is everything safe? The server's messages beside the archive's, folder by folder.

Here: the service a user calls. Not here: the two conversations (``mailbox_check``,
``maildrop_check``). Nothing changes anywhere: IMAP folders are examined, never selected, of a
maildrop only the listing is asked, and the archive is only read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from mailroom.archive import Archive
from mailroom.client.imap import ImapClient
from mailroom.client.pop3 import Pop3Client
from mailroom.services.checking.check_report import CheckReport, FolderCheck
from mailroom.services.checking.mailbox_check import MailboxCheck
from mailroom.services.checking.maildrop_check import check_maildrop
from mailroom.services.progress import Progress

__all__ = ["CheckReport", "FolderCheck", "check_account"]


def check_account(
    connect: Callable[[], Pop3Client | ImapClient],
    archive: Archive,
    account: str,
    *,
    folders: tuple[str, ...] = ("*",),
    exclude: tuple[str, ...] = (),
    quick: bool = False,
    read: bool = False,
    allow_new: bool = False,
    progress: Progress,
    stop: threading.Event,
) -> CheckReport:
    """Compare every folder of an account with what the archive holds of it.

    :param account: the account's name in the archive.
    :param quick: compare numbers only; else size and date of every message as well, and where one
        differs, who it is.
    :param read: read the archived bytes of every message back and compare their checksum.
    :param allow_new: whether mail that came after the last mirror may be missing without a failure.
    :param stop: when set, the folder in hand is finished, and the session ends.
    :raises ConfigurationError: if a folder pattern means no folder, or POP3 is asked for folders.
    :raises ConnectionLost: if the server cannot be reached or goes away.
    :raises ArchiveError: if the archive cannot be read.
    """
    problems: list[str] = []
    with connect() as client:
        if isinstance(client, Pop3Client):
            found = [check_maildrop(client, archive, account, folders, exclude, read=read)]
        else:
            mailboxes = MailboxCheck(
                client=client,
                archive=archive,
                account=account,
                quick=quick,
                read=read,
                progress=progress,
                stop=stop,
                problems=problems,
            )
            found = list(mailboxes.check(folders, exclude))
    return CheckReport(
        account=account,
        folders=tuple(found),
        problems=tuple(problems),
        allows_new=allow_new,
        interrupted=stop.is_set(),
    )
