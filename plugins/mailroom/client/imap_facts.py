"""What a server says of messages in one short line each: size, date, flags; no bodies.

Cheap enough to be asked of a whole folder: servers keep all three in their index. Headers, and chosen
fields of them, are asked for of a few messages only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailroom.client.imap import ImapClient
from mailroom.client.imap_fetch import stream_commands
from mailroom.model import FetchedMessage
from mailroom.protocol.sequence_set import Uids, sequence_sets

__all__ = ["fetch_facts", "fetch_header_fields", "fetch_headers", "fetch_object_ids"]

FACTS = "UID FLAGS INTERNALDATE RFC822.SIZE"


def fetch_facts(client: ImapClient, uids: Iterable[int] | Uids) -> Iterator[FetchedMessage]:
    """Yield size, internal date and flags of messages of the open folder; those missing are left out.

    :raises ConnectionLost: if the server goes away.
    """
    return stream_commands(client.wire, (f"UID FETCH {text} ({FACTS})" for text in sequence_sets(uids)))


def fetch_header_fields(
    client: ImapClient, uids: Iterable[int] | Uids, fields: Iterable[str]
) -> Iterator[FetchedMessage]:
    """Yield these header fields of messages of the open folder; messages that are missing are left out.

    :raises ConnectionLost: if the server goes away.
    """
    items = f"UID BODY.PEEK[HEADER.FIELDS ({' '.join(fields)})]"
    return stream_commands(client.wire, (f"UID FETCH {text} ({items})" for text in sequence_sets(uids)))


def fetch_object_ids(client: ImapClient, uids: Iterable[int] | Uids) -> Iterator[FetchedMessage]:
    """Yield the same of messages, and the ids (and labels) that the server has for them.

    :raises ConnectionLost: if the server goes away.
    """
    items = " ".join((FACTS, *(["MODSEQ"] if client.states_modseq else ()), *client.identifiers))
    return stream_commands(client.wire, (f"UID FETCH {text} ({items})" for text in sequence_sets(uids)))


def fetch_headers(client: ImapClient, uids: Iterable[int] | Uids) -> Iterator[FetchedMessage]:
    """Yield the whole headers of messages of the open folder, up to the empty line that ends them.

    :raises ConnectionLost: if the server goes away.
    """
    return stream_commands(
        client.wire, (f"UID FETCH {text} (UID BODY.PEEK[HEADER])" for text in sequence_sets(uids))
    )
