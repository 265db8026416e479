"""Messages that the archive holds from another folder, known by the id their server gave them.

Here: asking a server for ids, and telling which messages need not be downloaded. Not here:
messages of a server without ids (``renumbering``). RFC 8474 section 5.1: equal EMAILIDs, equal octets;
Gmail's X-GM-MSGID likewise, so that a message with five labels comes over the line once.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailroom.archive import Archive
from mailroom.archive.reading.objects import ArchivedObject, find_objects
from mailroom.client.imap import ImapClient
from mailroom.client.imap_facts import fetch_object_ids
from mailroom.model import FetchedMessage
from mailroom.policy.uid_sets import Uids, ascending

__all__ = ["known_objects"]

PIECE_MESSAGES = 20_000
"""How many messages are asked for their ids at a time; each time the log is looked through once."""


def known_objects(
    client: ImapClient, archive: Archive, account: str, uids: Uids
) -> Iterator[tuple[FetchedMessage, ArchivedObject]]:
    """Yield those of the messages ``uids`` of the open mailbox that are archived, and as what.

    One whose size is stated otherwise than it was is left out: it is downloaded, to be sure.

    :raises ConnectionLost: if the server goes away.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    for start in range(0, len(uids), PIECE_MESSAGES):
        asked = ascending(uids[start : start + PIECE_MESSAGES])
        wanted = set(asked.tolist())
        told = [m for m in fetch_object_ids(client, asked) if m.object_id is not None and m.uid in wanted]
        found = find_objects(archive, account, {m.object_id for m in told if m.object_id}) if told else {}
        for message in told:
            known = found.get((message.object_id or "", -1 if message.octets is None else message.octets))
            if known is not None:
                wanted.discard(message.uid)
                yield message, known
