"""Who the messages of a maildrop are, on servers with unique ids and without.

Here: a listing in which every message has a name that outlives the session, as far as
the server can give one. Not here: what to do with the messages. UIDL is optional in RFC
1939 section 7; without it the header (TOP) stands in for it, and without TOP, or where the
header tells next to nothing, only the content, which takes retrieving it each time.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailroom.archive import digest_of_listing
from mailroom.policy.fetch import uidl_of_header

if TYPE_CHECKING:
    from mailroom.client.pop3 import MaildropListing, MaildropMessage, Pop3Client

__all__ = ["IdentitySource", "NamedListing", "list_maildrop", "name_messages"]


class IdentitySource(enum.Enum):
    """What tells messages of a maildrop apart between sessions; a closed list."""

    UIDL = "uidl"
    HEADER = "header"
    CONTENT = "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedListing:
    """The messages of a maildrop, named as well as the server allows.

    :param listing: what the server listed.
    :param names: names of messages to which the server gives none.
    :param source: the weakest means that it took for any of them.
    """

    listing: MaildropListing
    names: Mapping[int, str]
    source: IdentitySource

    @property
    def messages(self) -> tuple[MaildropMessage, ...]:
        """The messages by ascending number."""
        if not self.names:
            return self.listing.messages
        return tuple(
            message._replace(uidl=message.uidl or self.names.get(message.number))
            for message in self.listing.messages
        )

    @property
    def digest(self) -> str | None:
        """What `digest_of_listing` says of the listing; None where names are not the server's."""
        return None if self.names else digest_of_listing(self.listing.pairs())


def list_maildrop(client: Pop3Client) -> NamedListing:
    """List the maildrop; messages without UIDL are asked for their header.

    A message that gives none keeps ``uidl=None``: only its content tells who it is.

    :raises ConnectionLost: if the server goes away.
    :raises CommandRejected: if it lists nothing.
    """
    return name_messages(client, client.list_messages())


def name_messages(client: Pop3Client, listing: MaildropListing) -> NamedListing:
    """Ask for the header of what a listing names not.

    :raises ConnectionLost: if the server goes away.
    """
    nameless = listing.nameless()
    if not nameless:
        return NamedListing(listing=listing, names={}, source=IdentitySource.UIDL)
    names = _name_by_header(client, nameless)
    source = IdentitySource.HEADER if len(names) == len(nameless) else IdentitySource.CONTENT
    return NamedListing(listing=listing, names=names, source=source)


def _name_by_header(client: Pop3Client, numbers: Sequence[int]) -> dict[int, str]:
    """Return the stand-in for a UIDL of each message whose header, by TOP, tells it from others."""
    if client.capabilities and "TOP" not in client.capabilities:
        return {}
    from mailroom.message import fingerprint_of_header
    from mailroom.policy.proof import is_telling

    return {
        headed.number: uidl_of_header(headed.header)
        for headed in client.top(numbers)
        if headed.header is not None and is_telling(fingerprint_of_header(headed.header))
    }
