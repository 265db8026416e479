"""Archived messages whose raw object is missing, cut or damaged: finding them, and fetching them again.

Here: what is lost of the messages that a server has, and putting the very same bytes back. Not here: which
messages those are (``mailbox_check``, ``maildrop_check``), and how one is fetched (``client``). A sound
object is never replaced, and no other bytes are taken: their SHA-256 has to be the name of what is lost.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mailroom.archive import Archive
from mailroom.archive.checking.presence import Presence
from mailroom.model import Body
from mailroom.services.deleting.archived_copies import read_copies
from mailroom.services.deleting.maildrop_deletion import digest_of, discard
from mailroom.services.progress import Progress

__all__ = ["LostMail"]

READ_MESSAGES = 1000
"""How many archived messages are read back between two steps of the progress."""

FETCHED_MESSAGES = 100
"""How many messages are fetched again before they are made durable, and whoever wants to stop is heard."""

_log = logging.getLogger(__name__)

Fetch = Callable[[Sequence[int]], Iterable[Body | None]]
"""Fetches messages by their numbers from the server; None for one that it does not deliver."""


@dataclass(slots=True, kw_only=True)
class LostMail:
    """What one check finds and mends.

    :param read: whether each message is read back; else its object's name and size are looked at.
    :param repair: whether what is lost is fetched again.
    """

    archive: Archive
    read: bool
    repair: bool
    progress: Progress
    stop: threading.Event
    _presence: Presence = field(init=False)

    def __post_init__(self) -> None:
        """Look at nothing before something is asked."""
        self._presence = Presence(self.archive)

    def among(self, messages: Iterable[tuple[Sequence[int], Sequence[str]]]) -> dict[int, str]:
        """Return the numbers and SHA-256 of messages that are lost.

        :param messages: numbers and digests of some thousand at a time.
        :raises StoreUnavailable: if the store cannot be read.
        """
        found: dict[int, str] = {}
        for numbers, digests in messages:
            lost = set(self._damaged(digests) if self.read else self._presence.lost(digests))
            if lost:
                found.update(
                    (number, digest)
                    for number, digest in zip(numbers, digests, strict=True)
                    if digest in lost
                )
        return found

    def _damaged(self, digests: Sequence[str]) -> Iterator[str]:
        """Read messages back, and yield those that are not what their name says."""
        for start in range(0, len(digests), READ_MESSAGES):
            copies = read_copies(self.archive, digests[start : start + READ_MESSAGES], with_headers=False)
            yield from (digest for digest, copy in copies.items() if not copy.is_intact)
            self.progress.advance(0, 0)

    def fetch_again(self, lost: Mapping[int, str], fetch: Fetch) -> Collection[str]:
        """Put back what is lost, where that is asked for; return the SHA-256 of what is whole again.

        :raises ConnectionLost: if the server goes away; what was put back stays.
        :raises StoreUnavailable: if the archive cannot be written.
        """
        if not self.repair or not lost:
            return ()
        numbers = sorted(lost)
        healed: set[str] = set()
        durability = self.archive.prepare()
        try:
            for start in range(0, len(numbers), FETCHED_MESSAGES):
                if self.stop.is_set():
                    break
                asked = [n for n in numbers[start : start + FETCHED_MESSAGES] if lost[n] not in healed]
                put = set(self._put(fetch(asked), {lost[number] for number in asked})) if asked else set()
                durability.sync()
                healed |= put
        finally:
            durability.close()
        return healed

    def _put(self, bodies: Iterable[Body | None], wanted: set[str]) -> Iterator[str]:
        """Store what is wanted of some messages that have come, and yield its digests."""
        for body in bodies:
            if body is None:
                continue
            digest = digest_of(body)
            if digest not in wanted:
                discard(body)
                continue
            wanted.discard(digest)
            if read_copies(self.archive, [digest], with_headers=False)[digest].is_intact:
                discard(body)  # another run has put it back meanwhile
            else:
                self.archive.raw.write(digest, body)
                _log.info(
                    "Archived message %s was missing or damaged; it is fetched and written again", digest
                )
            yield digest
