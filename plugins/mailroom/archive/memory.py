"""Give memory back that allocators hold on to, and keep them from holding more.

Belongs here: asking the C library and Arrow to release what is free. Without it the
engine's peak is what every thread's arena once needed, some 60 MB more (measured).
Which allocators the libraries use is set where they are first in reach (``archive``).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import pyarrow as pa

__all__ = ["MemoryRelease"]

M_ARENA_MAX = -8
"""glibc's number for the greatest count of arenas (``malloc.h``)."""

ARENAS = 2
"""Arenas of the C library: with one for each of our threads, each keeps what it once needed."""


class MemoryRelease:
    """Releases free memory; where the C library is not glibc, only Arrow's."""

    def __init__(self) -> None:
        self._trim: Callable[[int], int] | None
        try:
            library = ctypes.CDLL(None)
            library.mallopt(M_ARENA_MAX, ARENAS)
            self._trim = library.malloc_trim
        except (OSError, AttributeError):
            self._trim = None

    def release(self) -> None:
        """Return free memory to the system; takes a millisecond or so."""
        pa.default_memory_pool().release_unused()
        if self._trim is not None:
            self._trim(0)
