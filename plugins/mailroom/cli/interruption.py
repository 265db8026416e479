"""Ctrl-C and SIGTERM: the first asks for a clean stop, the second stops at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

__all__ = ["Interruption"]

EXIT_STATUS_BASE = 128
"""A process ended by signal N exits with this plus N, as shells have it."""


class Interruption:
    """Catches the first SIGINT or SIGTERM and sets ``stop``, so that the batch in hand is committed.

    The former handlers come back with the first signal: a second one acts as if
    nothing had been caught. What was committed by then stays.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.exit_status: int | None = None
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

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self.exit_status = EXIT_STATUS_BASE + number
        self.stop.set()
        self._release()

    def _release(self) -> None:
        while self._former:
            number, handler = self._former.popitem()
            signal.signal(number, handler)
