"""The messages of one folder of another account, brought over without an archive in between.

Here: what the source says of them, and their octets on the way, a few megabytes at a time. Not here:
which of them the target holds (``live_presence``), what is done with them (``mailbox_restore``). Nothing
changes at the source: EXAMINE and BODY.PEEK only.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from types import TracebackType
from typing import Self

import numpy as np

from mailroom.client.imap import ImapClient
from mailroom.client.imap_append import Outgoing
from mailroom.model import Body, FetchedMessage
from mailroom.policy.mailbox_plan import normal_flags
from mailroom.services.deleting.maildrop_deletion import digest_of, discard
from mailroom.services.restoring.live_presence import find_live_present
from mailroom.services.restoring.looks import Presence, Told
from mailroom.services.restoring.received import opened
from mailroom.services.restoring.restore_supply import EARLIEST, Unfit, Wanted

__all__ = ["LiveSupply"]

PIECE = 200
"""How many messages are asked of the source in one command."""


@dataclass(slots=True, kw_only=True)
class LiveSupply:
    """One folder of the source; a context manager, for its octets on the way lie in a temporary folder.

    :param source: a session whose open folder is this one, and stays so.
    :param expected: how many messages the folder says it has.
    """

    source: ImapClient
    expected: int
    held: Told = field(default_factory=Told)
    flags: list[tuple[str, ...]] = field(default_factory=list)
    _bodies: dict[str, Body] = field(default_factory=dict)
    _uses: Counter[str] = field(default_factory=Counter)
    _place: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="mailroom-copy-")
    )
    _numbers: Iterator[int] = field(default_factory=count)

    def __enter__(self) -> Self:
        """Ask the source what it has.

        :raises ConnectionLost: if it goes away.
        """
        known: dict[tuple[str, ...], tuple[str, ...]] = {}
        for message in self.source.fetch_fingerprints(self.source.search("ALL")):
            flags = normal_flags(message.flags)
            self.held.add(message)
            self.flags.append(known.setdefault(flags, flags))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._place.cleanup()

    @property
    def is_partial(self) -> bool:
        """Whether the source shows fewer messages than it says it has."""
        return len(self.held) < self.expected

    def sizes(self) -> Iterator[int | None]:
        """Yield the size of each message as the source states it."""
        yield from self.held.octets

    def known_flags(self) -> Sequence[tuple[str, ...]]:
        """Return the flags of each message."""
        return self.flags

    def find_present(self, client: ImapClient) -> Presence:
        """Ask the open folder which of the messages it holds; nothing in it changes."""
        return find_live_present(self.source, self.held, client)

    def missing(self, presence: Presence, unfit: Unfit) -> Iterator[Wanted]:
        """Yield the messages that are not there, as they arrive from the source."""
        fit: list[int] = []
        for place in np.flatnonzero(presence.uids == 0).tolist():
            problem = unfit(self.held.octets[place])
            if problem is not None:
                yield Wanted(place=place, digest="", problem=problem)
                continue
            fit.append(place)
            if len(fit) >= PIECE:
                yield from self._fetch(fit)
                fit = []
        yield from self._fetch(fit)

    def ahead(self, messages: Iterable[Outgoing]) -> Iterator[Outgoing]:
        """Yield messages as they come: the source sends them ahead by itself."""
        yield from messages

    @contextmanager
    def open(self, digest: str) -> Iterator[bytes | mmap.mmap]:
        """Give the octets of a message that ``missing`` has yielded and ``release`` has not seen."""
        body = self._bodies[digest]
        with opened(body) as content:
            yield content

    def release(self, digest: str) -> None:
        """Let go of a message of which it is known what became of it."""
        self._uses[digest] -= 1
        if self._uses[digest] <= 0:
            del self._uses[digest]
            discard(self._bodies.pop(digest))

    def _fetch(self, places: list[int]) -> Iterator[Wanted]:
        waiting = {self.held.uids[place]: place for place in places}
        if not waiting:
            return
        for message in self.source.fetch_messages(sorted(waiting), self._new_spool):
            place = waiting.pop(message.uid, None) if message.body is not None else None
            if place is not None and message.body is not None:
                yield self._take(place, message, message.body)
        for place in waiting.values():
            yield Wanted(place=place, digest="", problem="the source lists it and does not deliver it")

    def _take(self, place: int, message: FetchedMessage, body: Body) -> Wanted:
        digest = digest_of(body)
        self._uses[digest] += 1
        if digest in self._bodies:
            discard(body)
        else:
            self._bodies[digest] = replace(body, sha256=digest)
        return Wanted(
            place=place,
            digest=digest,
            octets=body.octets,
            flags=normal_flags(message.flags),
            date=message.internal_date or EARLIEST,
        )

    def _new_spool(self) -> str:
        return os.path.join(self._place.name, str(next(self._numbers)))
