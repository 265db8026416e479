"""Files of Macintoshes in AppleSingle, which is all of a file in one part.

Belongs here: the name and where the data fork lies (RFC 1740 appendix A). Does not belong here: the
resource fork, which no other system has a use for, and AppleDouble, of which the file is a part of its own.

    file = magic version filler count *(id offset length) entries
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from mailroom.message.charsets import decode_text

__all__ = ["DataFork", "data_fork"]

_MAGIC = b"\0\x05\x16\0"
_COUNT = struct.Struct(">24xH")
_ENTRY = struct.Struct(">III")
_DATA_FORK = 1
_REAL_NAME = 3
_MAX_ENTRIES = 64
"""Sixteen kinds are defined."""
_MAX_NAME_OCTETS = 1024


class DataFork(NamedTuple):
    """The file that other systems know: where it lies, and its name or an empty text."""

    start: int
    end: int
    name: str


def data_fork(octets: bytes) -> DataFork | None:
    """Return the data fork of a file, or None where there is none; a cut one is better than none."""
    if not octets.startswith(_MAGIC) or len(octets) < _COUNT.size:
        return None
    (count,) = _COUNT.unpack_from(octets)
    entries: dict[int, tuple[int, int]] = {}
    for number in range(min(count, _MAX_ENTRIES)):
        at = _COUNT.size + number * _ENTRY.size
        if at + _ENTRY.size > len(octets):
            break
        kind, offset, length = _ENTRY.unpack_from(octets, at)
        entries.setdefault(kind, (offset, min(offset + length, len(octets))))
    start, end = entries.get(_DATA_FORK, (0, 0))
    if start >= end:
        return None
    first, after = entries.get(_REAL_NAME, (0, 0))
    name = octets[first : min(after, first + _MAX_NAME_OCTETS)]
    return DataFork(start, end, decode_text(name, None if _is_utf8(name) else "macintosh"))


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
