"""A message as octets that are searched in place and copied in bounded pieces only.

Belongs here: the buffer type, and searching one. Does not belong here: what the octets
mean. A message above ``WINDOW_OCTETS`` is never sliced whole: every reader walks it in
windows.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator

__all__ = ["WINDOW_OCTETS", "Buffer", "count", "find", "in_memory", "occurrences", "release", "windows"]

Buffer = bytes | mmap.mmap
"""Octets in memory, or a file mapped into it."""

WINDOW_OCTETS = 256 * 1024
"""How much is copied at a time: fits the processor's cache, and is far below the 1 MiB we allow. Octets."""


_DASHES = 8
"""How many dashes are looked at one by one before the whole needle is searched for."""


def in_memory(content: Buffer) -> Buffer:
    """Return a small mapped file as bytes, which search faster, and anything else as it is."""
    if isinstance(content, bytes) or len(content) > WINDOW_OCTETS:
        return content
    return content[:]


def occurrences(buffer: Buffer, needle: bytes, start: int, end: int) -> Iterator[int]:
    """Yield where the needle starts, in order, without overlap."""
    if isinstance(buffer, bytes):
        locate = _find_dashes if needle.startswith(b"-") else bytes.find
        at = locate(buffer, needle, start, end)
        while at >= 0:
            yield at
            at = locate(buffer, needle, at + len(needle), end)
        return
    # mmap.find compares octet by octet; a copied window is searched ten times faster
    overlap = len(needle) - 1
    while start < end:
        stop = min(end, start + WINDOW_OCTETS)
        window = buffer[start : min(end, stop + overlap)]
        at = window.find(needle)
        after = 0
        while at >= 0:
            yield start + at
            after = at + len(needle)
            at = window.find(needle, after)
        start = max(stop, start + after)
        release(buffer, start)


def _find_dashes(buffer: bytes, needle: bytes, start: int, end: int) -> int:
    """Return what ``bytes.find`` does for a needle that begins with a dash, five times as soon in base64.

    There is no dash in base64, and a single octet is found much sooner than several.
    """
    for _ in range(_DASHES):
        start = buffer.find(b"-", start, end)
        if start < 0 or buffer.startswith(needle, start, end):
            return start
        start += 1
    return buffer.find(needle, start, end)


def find(buffer: Buffer, needle: bytes, start: int, end: int) -> int:
    """Return where the needle first starts, or -1."""
    if isinstance(buffer, bytes):
        return buffer.find(needle, start, end)
    return next(occurrences(buffer, needle, start, end), -1)


def count(buffer: Buffer, needle: bytes) -> int:
    """Return how often the needle stands in the buffer, without overlap."""
    if isinstance(buffer, bytes):
        return buffer.count(needle)
    return sum(1 for _ in occurrences(buffer, needle, 0, len(buffer)))


def release(buffer: Buffer, end: int) -> None:
    """Give back the memory of a mapped file's octets before ``end``; they are read anew if asked for."""
    if isinstance(buffer, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") and end >= mmap.PAGESIZE:
        buffer.madvise(mmap.MADV_DONTNEED, 0, end - end % mmap.PAGESIZE)


def windows(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Yield the octets from start to end as copies of at most ``WINDOW_OCTETS``."""
    while start < end:
        stop = min(end, start + WINDOW_OCTETS)
        yield buffer[start:stop]
        start = stop
        release(buffer, start)
