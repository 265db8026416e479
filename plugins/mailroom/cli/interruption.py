"""Ctrl-C and SIGTERM: at once while nothing was begun, then a clean stop, the second time at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType

from mailroom.cli.lean import EXIT_STATUS_BASE, NOT_BEGUN

__all__ = ["Interruption"]

STOPPING = b"\nmailroom: Stopping after the batch in hand; press Ctrl-C again to stop at once.\n"


class Interruption:
    """Catches SIGINT and SIGTERM.

    Until ``begin`` a signal ends the process: raised as KeyboardInterrupt it could get lost inside an
    import. Only a password prompt (``asking``) gets that, to give the terminal its echo back.
    After ``begin``, the first sets the stop flag, so that the batch in hand is committed, and gives the
    former handlers back: a second one acts as if nothing had been caught. What was committed stays.

    :ivar exit_status: what the process should exit with, once a signal came.
    """

    def __init__(self) -> None:
        self.exit_status: int | None = None
        self._stop = threading.Event()
        self._has_begun = False
        self._is_asking = False
        self._former: dict[int, signal.Handlers] = {}

    def __enter__(self) -> Interruption:
        """Start to catch; a no-op outside the main thread, where signals cannot be caught."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._catch)  # type: ignore[assignment]  # stubs allow None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the former handlers back."""
        self._release()

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Let a signal raise KeyboardInterrupt inside the block, where a person is asked something."""
        self._is_asking = True
        try:
            yield
        finally:
            self._is_asking = False

    def begin(self) -> threading.Event:
        """Return the flag that a signal sets from here on."""
        self._has_begun = True
        return self._stop

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self.exit_status = EXIT_STATUS_BASE + number
        if self._is_asking:
            raise KeyboardInterrupt
        if not self._has_begun:
            _say(NOT_BEGUN)
            os._exit(self.exit_status)
        self._stop.set()
        self._release()
        if number == signal.SIGINT and os.isatty(2):
            _say(STOPPING)

    def _release(self) -> None:
        while self._former:
            number, handler = self._former.popitem()
            signal.signal(number, handler)


def _say(line: bytes) -> None:
    # Straight to the terminal: a handler may run in the middle of a print, which must not be entered twice.
    with contextlib.suppress(OSError):
        os.write(2, line)
