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
from typing import TYPE_CHECKING

from mailroom.archive import MaildropOverview, digest_of_listing
from mailroom.policy.fetch import uidl_of_header

if TYPE_CHECKING:
    from mailroom.client.pop3 import MaildropListing, MaildropMessage, Pop3Client

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

    listing: MaildropListing
    source: IdentitySource

    @property
    def messages(self) -> tuple[MaildropMessage, ...]:
        """The messages by ascending number."""
        return self.listing.messages

    def is_known_as(self, known: MaildropOverview) -> bool:
        """Return whether these are exactly the messages that the archive knows to be there."""
        return digest_of_listing(self.listing.pairs()) == known.listing


def list_maildrop(client: Pop3Client) -> NamedListing:
    """List the maildrop; messages without UIDL are asked for their header.

    A message that gives none keeps ``uidl=None``: only its content tells who it is.

    :raises ConnectionLost: if the server goes away.
    :raises CommandRejected: if it lists nothing.
    """
    listing = client.list_messages()
    nameless = listing.nameless()
    if not nameless:
        return NamedListing(listing=listing, source=IdentitySource.UIDL)
    names = _name_by_header(client, nameless)
    return NamedListing(
        listing=replace(listing, uidls={**listing.uidls, **names}),
        source=IdentitySource.HEADER if len(names) == len(nameless) else IdentitySource.CONTENT,
    )


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
