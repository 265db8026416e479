"""How far a run has come, told to whoever watches: a log, a terminal, nobody.

Here: the seam (`Progress`), a silent one and one that logs. Not here: terminals; the
command line brings its own bar. Counts, octets and names of folders only, never what
a mail says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["LogProgress", "NoProgress", "Progress"]

COUNTED = {"tables": "rows", "attachments": "attachments"}
"""What is counted in a piece of work, where it is not messages."""

LOG_EVERY_SECONDS = 10.0
"""How often a running task says where it stands; often enough to see life, too seldom to fill a log."""


class Progress(Protocol):
    """Watches one piece of work after the other."""

    def start(self, what: str, messages: int | None, octets: int | None) -> None:
        """Begin a piece of work; totals are None where nobody knows them yet."""

    def advance(self, messages: int, octets: int) -> None:
        """Say that so much more is done."""

    def finish(self) -> None:
        """End the piece of work, done or not."""

    def beside(self) -> Progress:
        """Return another one, for work that goes on at the same time in another thread."""


class NoProgress:
    """Watches in silence."""

    def start(self, what: str, messages: int | None, octets: int | None) -> None:
        """Ignore the beginning."""

    def advance(self, messages: int, octets: int) -> None:
        """Ignore the step."""

    def finish(self) -> None:
        """Ignore the end."""

    def beside(self) -> NoProgress:
        """Return itself."""
        return self


class LogProgress:
    """Logs count, size, rate and remaining time, at most every ten seconds.

    A piece of work that ends sooner leaves one line, at its end; one that moved nothing leaves none.

    :param clock: seconds that only grow.
    """

    def __init__(self, logger: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._started = self._logged = clock()
        self._begin("", None, None)

    def start(self, what: str, messages: int | None, octets: int | None) -> None:
        """Begin a piece of work; totals are None where nobody knows them yet."""
        self._begin(what, messages, octets)

    def advance(self, messages: int, octets: int) -> None:
        """Count a step, and log where the work stands if the last line is old enough."""
        self._messages += messages
        self._octets += octets
        now = self._clock()
        if now - self._logged >= LOG_EVERY_SECONDS:
            self._logged = now
            self._log(now)

    def finish(self) -> None:
        """Log the last line of a piece of work that moved anything."""
        if self._messages:
            self._log(self._clock())
        self._begin(self._what, None, None)  # what still comes of it, as a run is stopped, keeps its name

    def beside(self) -> LogProgress:
        """Return another one that logs to the same place."""
        return LogProgress(self._logger, clock=self._clock)

    def _begin(self, what: str, messages: int | None, octets: int | None) -> None:
        self._what = what
        self._total_messages = messages
        self._total_octets = octets
        self._messages = 0
        self._octets = 0
        self._started = self._logged = self._clock()

    def _log(self, now: float) -> None:
        elapsed = max(now - self._started, 0.001)
        of = f" of {self._total_messages}" if self._total_messages is not None else ""
        noun = COUNTED.get(self._what, "messages")
        # What is only looked at, as in a check, has a count and no rate.
        moved = (
            f", {self._octets / 1e6:.1f} MB, {self._octets / 1e6 / elapsed:.1f} MB/s" if self._octets else ""
        )
        self._logger.info(
            "%s: %d%s %s%s%s",
            self._what,
            self._messages,
            of,
            noun[:-1] if self._messages == 1 and not of else noun,
            moved,
            self._remaining(elapsed),
        )

    def _remaining(self, elapsed: float) -> str:
        """Return the remaining time as text, by octets where their total is known, else by messages."""
        if self._total_octets:
            share = self._octets / self._total_octets
        elif self._total_messages:
            share = self._messages / self._total_messages
        else:
            return ""
        if not 0 < share < 1:
            return ""
        return f", about {elapsed * (1 - share) / share:.0f} s left"
