"""Messages that the archive holds from anywhere in the account, on a server without ids of messages.

Here: telling copies, and what moved where no run could see it leave: between two lanes, back after days,
out of a folder that is not mirrored. Not here: what left a folder since the last run (``moved_mail``), ids
(``known_objects``).

By COPY and MOVE a message keeps its date of arrival (RFC 3501 section 6.4.7). One counts as the archived
one where size, date of arrival and the whole header are the same, the header has a Message-ID, and no other
archived message has all of these: deliveries of one mail differ in the lines that servers put on top. What
programs such as scanners append without an ID may differ in its body alone. Only what came before
the last run can be known, so that new mail costs nothing; and a short message is fetched as quickly as its
header.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.reading.looks import Look, find_looks
from mailroom.archive.reading.objects import ArchivedObject
from mailroom.client.imap import ImapClient
from mailroom.client.imap_facts import fetch_facts, fetch_headers
from mailroom.message import fingerprint_of_header
from mailroom.model import FetchedMessage
from mailroom.policy.uid_sets import Uids, ascending
from mailroom.services.mirroring.moved_mail import has_header

__all__ = ["known_looks"]

WORTHWHILE_OCTETS = 16 * 1024
"""From what size on a message is looked for; the header of a shorter one is a good part of it."""

PIECE_MESSAGES = 20_000
"""How many messages are asked about at a time; each time the log is looked through once at most."""


def known_looks(
    client: ImapClient, archive: Archive, account: str, uids: Uids, before: datetime
) -> Iterator[tuple[FetchedMessage, ArchivedObject]]:
    """Yield those of the messages ``uids`` of the open mailbox that are archived, and as what.

    A piece in which none is ends the search: what follows is most likely new.

    :param before: when the account was last looked at.
    :raises ConnectionLost: if the server goes away.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    for start in range(0, len(uids), PIECE_MESSAGES):
        is_any_known = False
        piece = ascending(uids[start : start + PIECE_MESSAGES])
        for known in _of_piece(client, archive, account, piece, before):
            is_any_known = True
            yield known
        if not is_any_known:
            return


def _of_piece(
    client: ImapClient, archive: Archive, account: str, uids: Uids, before: datetime
) -> Iterator[tuple[FetchedMessage, ArchivedObject]]:
    told = {m.uid: m for m in fetch_facts(client, uids) if _is_worth_asking(m, before)}
    looks = {uid: look for uid, message in told.items() if (look := _look(message)) is not None}
    held = find_looks(archive, account, set(looks.values()))
    asked = sorted(uid for uid, look in looks.items() if held.get(look))
    for message in fetch_headers(client, asked) if asked else ():
        if message.header and message.uid in looks and fingerprint_of_header(message.header).message_id:
            look = looks.pop(message.uid)
            same = [each for each in held[look] if has_header(archive, each.sha256, message.header)]
            if len(same) == 1:
                yield told[message.uid], same[0]


def _is_worth_asking(message: FetchedMessage, before: datetime) -> bool:
    is_old = message.internal_date is not None and message.internal_date <= before
    return is_old and message.octets is not None and message.octets >= WORTHWHILE_OCTETS


def _look(message: FetchedMessage) -> Look | None:
    if message.octets is None or message.internal_date is None:
        return None
    return message.octets, message.internal_date
