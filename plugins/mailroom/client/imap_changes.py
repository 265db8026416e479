"""Changes to messages of the open folder: flags unless others were first, COPY and MOVE.

Here: one function a command. Not here: which messages, and what follows from a refusal
(``services``). RFC 3501 section 6.4.7, RFC 6851 (MOVE), RFC 7162 section 3.1.3 (UNCHANGEDSINCE).
"""

from __future__ import annotations

from collections.abc import Iterable

from mailroom.client.imap import ImapClient
from mailroom.client.imap_folders import run_command
from mailroom.client.imap_sets import sets_of

__all__ = ["change_flags", "copy_messages", "move_messages"]


def change_flags(
    client: ImapClient, uids: Iterable[int], sign: str, flags: Iterable[str], *, unchanged_since: int | None
) -> None:
    """Set flags (``+``) or take them away (``-``); the caller asks afterwards what came of it.

    :param unchanged_since: leave messages alone that were changed after this MODSEQ; None changes all.
    :raises CommandRejected: if the server refuses.
    :raises ConnectionLost: if it goes away.
    """
    limit = (f"(UNCHANGEDSINCE {unchanged_since})",) if unchanged_since else ()
    listed = f"({' '.join(flags)})"
    for text in sets_of(uids):
        run_command(client, "UID", "STORE", text, *limit, f"{sign}FLAGS.SILENT", listed)


def copy_messages(client: ImapClient, uids: Iterable[int], folder: str) -> None:
    """Copy messages to another folder; a server that refuses has copied none of them.

    :raises CommandRejected: if it refuses.
    :raises ConnectionLost: if it goes away.
    """
    mailbox = client.wire.quoted_name(folder, "COPY")
    for text in sets_of(uids):
        run_command(client, "UID", "COPY", text, mailbox)


def move_messages(client: ImapClient, uids: Iterable[int], folder: str) -> None:
    """Move messages to another folder, each whole or not at all; only where MOVE is offered.

    :raises CommandRejected: if the server refuses; some may have been moved even so.
    :raises ConnectionLost: if it goes away.
    """
    mailbox = client.wire.quoted_name(folder, "MOVE")
    for text in sets_of(uids):
        run_command(client, "UID", "MOVE", text, mailbox)
