"""Who the messages of a maildrop are, on servers with unique ids and without.

Here: a listing in which every message has a name that outlives the session, as far as
the server can give one. Not here: what to do with the messages. UIDL is optional in RFC
1939 section 7; without it the header (TOP) stands in for it, and without TOP, or where the
header tells next to nothing, only the content, which takes retrieving it each time.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mailroom.client.pop3 import MaildropMessage, Pop3Client
from mailroom.message import fingerprint_of_header
from mailroom.policy.fetch import uidl_of_header
from mailroom.policy.proof import is_telling

__all__ = ["IdentitySource", "NamedListing", "list_maildrop"]


class IdentitySource(enum.Enum):
    """What tells messages of a maildrop apart between sessions; a closed list."""

    UIDL = "uidl"
    HEADER = "header"
    CONTENT = "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedListing:
    """The messages of a maildrop, named as well as the server allows.

    :param source: the weakest means that it took for any of them.
    """

    messages: tuple[MaildropMessage, ...]
    source: IdentitySource


def list_maildrop(client: Pop3Client) -> NamedListing:
    """List the maildrop; messages without UIDL are asked for their header.

    A message that gives none keeps ``uidl=None``: only its content tells who it is.

    :raises ConnectionLost: if the server goes away.
    :raises CommandRejected: if it lists nothing.
    """
    messages = client.list_messages().messages
    nameless = [message.number for message in messages if message.uidl is None]
    if not nameless:
        return NamedListing(messages=messages, source=IdentitySource.UIDL)
    names = _name_by_header(client, nameless)
    named = tuple(
        replace(message, uidl=names.get(message.number)) if message.uidl is None else message
        for message in messages
    )
    is_by_header = all(message.uidl is not None for message in named)
    return NamedListing(
        messages=named, source=IdentitySource.HEADER if is_by_header else IdentitySource.CONTENT
    )


def _name_by_header(client: Pop3Client, numbers: Sequence[int]) -> dict[int, str]:
    """Return the stand-in for a UIDL of each message whose header, by TOP, tells it from others."""
    if client.capabilities and "TOP" not in client.capabilities:
        return {}
    return {
        headed.number: uidl_of_header(headed.header)
        for headed in client.top(numbers)
        if headed.header is not None and is_telling(fingerprint_of_header(headed.header))
    }
