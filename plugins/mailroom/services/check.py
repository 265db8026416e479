"""Is everything safe? The server's messages beside the archive's, folder by folder.

Here: the service a user calls. Not here: the two conversations (``mailbox_check``,
``maildrop_check``), what the archive has lost (``lost_mail``). Nothing changes on the server: IMAP folders
are examined, never selected, and of a maildrop only the listing is asked, where nothing is to be repaired.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from mailroom.archive import Archive
from mailroom.archive.replicating.replica import refuse_replica
from mailroom.client.imap import ImapClient
from mailroom.client.pop3 import Pop3Client
from mailroom.services.checking.check_report import CheckReport, FolderCheck
from mailroom.services.checking.lost_mail import LostMail
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
    repair: bool = False,
    allow_new: bool = False,
    progress: Progress,
    stop: threading.Event,
) -> CheckReport:
    """Compare every folder of an account with what the archive holds of it.

    :param account: the account's name in the archive.
    :param quick: compare numbers only; else size and date of every message as well, and where one
        differs, who it is.
    :param read: read the archived bytes of every message back and compare their checksum; else the name and
        size of each raw object are looked at.
    :param repair: fetch what is missing or damaged from the server again; only the very same bytes are taken.
    :param allow_new: whether mail that came after the last mirror may be missing without a failure.
    :param stop: when set, the folder in hand is finished, and the session ends.
    :raises ConfigurationError: if a folder pattern means no folder, POP3 is asked for folders, or a copy of
        an archive is to be repaired.
    :raises ConnectionLost: if the server cannot be reached or goes away.
    :raises ArchiveError: if the archive cannot be read.
    """
    problems: list[str] = []
    if repair:
        refuse_replica(archive.store)
    lost_mail = LostMail(archive=archive, read=read, repair=repair, progress=progress, stop=stop)
    with connect() as client:
        if isinstance(client, Pop3Client):
            found = [check_maildrop(client, archive, account, folders, exclude, lost_mail=lost_mail)]
        else:
            mailboxes = MailboxCheck(
                client=client,
                archive=archive,
                account=account,
                quick=quick,
                lost=lost_mail,
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
        repairs=repair,
        interrupted=stop.is_set(),
    )
