"""Messages that a server stored with other contents than it was sent, recognised all the same.

Here: the last question, asked of the few that neither octets nor identity settle. A message is the same
if all octets are but those that servers change (``message.storing``), and, where it has a Message-ID, if its
whole header and its date of arrival are: then the server wrote its text anew, as some do. A letter
with another header is another letter. Not here: the questions before (``restore_presence``).
"""

from __future__ import annotations

import mmap
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mailroom.archive import Archive
from mailroom.exceptions import IntegrityError
from mailroom.message import bare_digest, origin_of_header
from mailroom.services.restoring.looks import NO_TIME, Held, Places, Told, take_place

__all__ = ["Stranger", "match_stored_otherwise"]

HEADER_OCTETS = 256 * 1024
"""How much of a message is read for its header; real ones stay below 64 KiB."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A message of the server that is none of those looked for by its octets or identity.

    :param at: its number among those that the server told of.
    :param bare: digest of the octets that no server changes.
    :param origin: digest of its header.
    """

    at: int
    bare: str
    origin: str

    @classmethod
    def of(cls, at: int, content: bytes | mmap.mmap) -> Self:
        """Read a message for what it is compared by."""
        return cls(at, bare_digest(content), origin_of_header(content[:HEADER_OCTETS]))


def match_stored_otherwise(
    archive: Archive, held: Held, told: Told, strangers: Sequence[Stranger], uids: Places
) -> tuple[int, dict[int, str]]:
    """Fill in the UIDs of archived messages that are there as the server stores them.

    An archived copy that is missing or damaged is like no other; whoever sends it will see.

    :param uids: the UID of each archived message, 0 where it was not found so far.
    :returns: how many have the same octets but those that servers change; and the places of those whose
        header and date are the same, with their SHA-256.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    by_bare, by_origin = defaultdict(list), defaultdict(list)
    for candidate in _candidates(held, told, strangers, uids)[::-1]:
        try:
            with archive.raw.mapped(held.digest(candidate)) as content:
                found = Stranger.of(candidate, content)
        except IntegrityError:
            continue
        by_bare[found.bare].append(candidate)
        by_origin[held.look(candidate), found.origin].append(candidate)
    altered = 0
    alike: dict[int, str] = {}
    for stranger in strangers:
        place = take_place(by_bare[stranger.bare], uids)
        altered += place is not None
        if place is None and told.names[stranger.at]:
            place = take_place(by_origin[told.look(stranger.at), stranger.origin], uids)
            if place is not None:
                alike[place] = held.digest(place)
        if place is not None:
            uids[place] = told.uids[stranger.at]
    return altered, alike


def _candidates(held: Held, told: Told, strangers: Sequence[Stranger], uids: Places) -> list[int]:
    """Return the missing messages that may be one of the strangers, in their order."""
    looks = {told.look(stranger.at) for stranger in strangers if told.names[stranger.at]}
    nameless = [stranger.at for stranger in strangers if not told.names[stranger.at]]
    sizes = {told.octets[at] for at in nameless}
    dates = {told.dates[at] for at in nameless} - {NO_TIME}
    found = []
    for place in np.flatnonzero(uids == 0).tolist():
        if held.names[place]:
            may_be = held.dates[place] != NO_TIME and held.look(place) in looks
        else:
            may_be = held.octets[place] in sizes or held.dates[place] in dates
        if may_be:
            found.append(place)
    return found
