"""Changes to messages of the open folder: flags unless others were first, labels, COPY and MOVE.

Here: one function a command. Not here: which messages, and what follows from a refusal
(``services``). RFC 3501 section 6.4.7, RFC 6851 (MOVE), RFC 4315 (COPYUID), RFC 7162 section 3.1.3
(UNCHANGEDSINCE).
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping

from mailroom.client.imap import ImapClient
from mailroom.client.imap_sets import sets_of
from mailroom.protocol.copy_uids import parse_copy_uids

__all__ = ["Landed", "add_labels", "change_flags", "copy_messages", "move_messages"]

Landed = MutableMapping[int, tuple[int, int]]
"""Where messages are now, by the UID they had: UIDVALIDITY of the target, and the UID there."""


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
        client.wire.run("UID", "STORE", text, *limit, f"{sign}FLAGS.SILENT", listed)


def add_labels(client: ImapClient, uids: Iterable[int], labels: Iterable[str]) -> None:
    """Give messages labels; those they have stay, and the caller asks afterwards what came of it.

    Only where X-GM-EXT-1 is offered. Labels are spelled as names of folders are (Google's "IMAP
    extensions", Access to the Gmail labels).

    :raises CommandRejected: if the server refuses.
    :raises ConnectionLost: if it goes away.
    """
    listed = b"(" + b" ".join(client.wire.quoted_name(label, "STORE") for label in labels) + b")"
    for text in sets_of(uids):
        client.wire.run("UID", "STORE", text, "+X-GM-LABELS", listed)


def copy_messages(client: ImapClient, uids: Iterable[int], folder: str) -> None:
    """Copy messages to another folder; a server that refuses has copied none of them.

    :raises CommandRejected: if it refuses.
    :raises ConnectionLost: if it goes away.
    """
    mailbox = client.wire.quoted_name(folder, "COPY")
    for text in sets_of(uids):
        client.wire.run("UID", "COPY", text, mailbox)


def move_messages(client: ImapClient, uids: Iterable[int], folder: str, landed: Landed | None = None) -> None:
    """Move messages to another folder, each whole or not at all; only where MOVE is offered.

    :param landed: gets where they are now, as far as the server says so (UIDPLUS), also where it
        refuses some of them.
    :raises CommandRejected: if the server refuses; some may have been moved even so.
    :raises ConnectionLost: if it goes away.
    """
    mailbox = client.wire.quoted_name(folder, "MOVE")
    codes = client.wire.untagged_responses
    for text in sets_of(uids):
        codes.pop("COPYUID", None)
        try:
            client.wire.run("UID", "MOVE", text, mailbox)
        finally:
            for code in codes.pop("COPYUID", None) or ():
                found = parse_copy_uids(code) if isinstance(code, bytes) else None
                if found is not None and landed is not None:
                    landed.update({uid: (found[0], new) for uid, new in found[1].items()})
