"""How far a pipelined POP3 exchange runs ahead of its answers.

Enough is in flight to fill a fast line over a long distance, and no more than arrives in
half a second, so that a fetch which is stopped is soon read away. Holds numbers only; the
sending and reading is in :mod:`mailroom.client.pop3_session`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "INITIAL_OCTETS",
    "MAX_COMMANDS",
    "MAX_OCTETS",
    "MIN_OCTETS",
    "UNKNOWN_OCTETS",
    "WINDOW_SECONDS",
    "Window",
]

MAX_COMMANDS = 2000
"""Most commands in flight. All their lines together (26 KB) fit any kernel's socket buffers, so that
sending never waits for a server that waits for us to read."""

WINDOW_SECONDS = 0.5
"""What is in flight arrives within this time, at the rate seen; well above the round trip of any line."""

MIN_OCTETS = 1024 * 1024
INITIAL_OCTETS = 4 * 1024 * 1024
MAX_OCTETS = 64 * 1024 * 1024
"""Least, first and most octets of answers in flight, as far as sizes were stated rightly."""

UNKNOWN_OCTETS = 64 * 1024
"""What a message is taken for whose size was not stated."""

_MEASURE_SECONDS = 0.05
"""Shortest time a rate is taken over; answers come in bursts, one a round trip."""


class Window:
    """The commands in flight, oldest first, and whether more may be sent.

    :param sizes: octets expected of each number; a wrong size costs speed only.
    :param pipelined: whether more than one command may be in flight at all.
    """

    def __init__(
        self, sizes: Mapping[int, int], *, pipelined: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sizes = sizes
        self._clock = clock
        self._commands = MAX_COMMANDS if pipelined else 1
        self._limit = INITIAL_OCTETS
        self._flying: deque[tuple[int, int]] = deque()
        self._load = 0
        self._landed = 0
        self._since = clock()

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def first(self) -> int | None:
        """The number whose answer comes next; None while nothing is in flight."""
        return self._flying[0][0] if self._flying else None

    @property
    def has_room(self) -> bool:
        """Whether so little is in flight that it is time to send more."""
        few = len(self._flying) <= self._commands * 3 // 4
        return not self._flying or (few and self._load <= self._limit * 3 // 4)

    def land(self) -> bool:
        """Note that the answer to the first command has come whole; return whether there is room now."""
        _, size = self._flying.popleft()
        self._load -= size
        self._landed += size
        return self.has_room

    def take(self, source: Iterator[int]) -> list[int]:
        """Return the next numbers to send commands for; none while enough is in flight.

        At least one where nothing is in flight, however large; whole batches otherwise, to
        send few packets.
        """
        if not self.has_room:
            return []
        self._adapt()
        batch: list[int] = []
        while len(self._flying) < self._commands and (not self._flying or self._load < self._limit):
            number = next(source, None)
            if number is None:
                break
            size = self._sizes.get(number, UNKNOWN_OCTETS)
            self._flying.append((number, size))
            self._load += size
            batch.append(number)
        return batch

    def _adapt(self) -> None:
        """Set the limit by the rate since the last time; by steps, for a rate may be a burst."""
        now = self._clock()
        elapsed = now - self._since
        if elapsed < _MEASURE_SECONDS:
            return
        wanted = round(self._landed / elapsed * WINDOW_SECONDS)
        wanted = max(self._limit // 2, min(wanted, self._limit * 4))
        self._limit = max(MIN_OCTETS, min(wanted, MAX_OCTETS))
        self._landed, self._since = 0, now
