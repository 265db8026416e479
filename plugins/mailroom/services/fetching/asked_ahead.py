"""Messages asked for before it is known how to store them, where all of a listing is new.

Here: what a first run asks for while the table libraries load. Not here: anything that needs these,
and what becomes of the messages (``maildrop_session``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from mailroom.exceptions import ConnectionLost

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.client.pop3 import Pop3Client, Retrieved
    from mailroom.services.fetching.maildrop_identity import NamedListing

__all__ = ["PLAN_MESSAGES", "Ahead"]

PLAN_MESSAGES = 10_000
"""How many listed messages are planned, retrieved, committed and deleted at a time, so that rows of the
archive do not fill memory."""


class Ahead(NamedTuple):
    """Messages that were asked for already, and their answers, which are still to be read."""

    numbers: list[int]
    answers: Iterator[Retrieved]

    @classmethod
    def ask(cls, client: Pop3Client, listing: NamedListing, archive: Archive) -> Ahead | None:
        """Ask for the first part of a listing of which nothing is known, so that it is on its way.

        None where that cannot be sent; who asks next learns why.
        """
        numbers = [message.number for message in islice(listing.messages, PLAN_MESSAGES)]
        try:
            return cls(numbers, client.retrieve(numbers, archive.new_spool))
        except ConnectionLost:
            return None
