"""Files that stand uuencoded in the text of a message, from before MIME and after.

Belongs here: finding ``begin`` and ``end``. Does not belong here: decoding
(``transfer``), and content whose transfer encoding says that it is uuencoded.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mailroom.message.octets import Buffer, occurrences

__all__ = ["MAX_BLOCKS", "Block", "find_blocks"]

MAX_BLOCKS = 100
"""How many files in one text are looked for."""

_BEGIN = re.compile(rb"begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n")
_DATA_LINE = re.compile(rb"([\x20-\x60])[\x20-\x60]*+[ \t]*+\r?\n")


class Block(NamedTuple):
    """One uuencoded file: its name as it stands, and where it is, ``begin`` and ``end`` lines included."""

    name: bytes
    start: int
    end: int


def find_blocks(buffer: Buffer, start: int, end: int) -> list[Block]:
    """Return the uuencoded files in a text; a ``begin`` that no encoded line follows is only a word."""
    blocks: list[Block] = []
    after = start
    for at in occurrences(buffer, b"begin ", start, end):
        if at < after or len(blocks) >= MAX_BLOCKS or (at > start and buffer[at - 1] not in b"\r\n"):
            continue
        head = buffer[at : min(end, at + 400)]
        begin = _BEGIN.match(head)
        if begin is None or not _is_encoded(head, begin.end()):
            continue
        after = _end_of_block(buffer, at + begin.end(), end)
        blocks.append(Block(begin[1].strip(), at, after))
    return blocks


def _is_encoded(head: bytes, at: int) -> bool:
    """Whether an encoded line stands at ``at``: its first octet says how long it is."""
    line = _DATA_LINE.match(head, at)
    if line is None:
        return head[at : at + 3] == b"end"
    octets = (line[1][0] - 32) & 63
    return octets == 0 or len(line[0].rstrip(b"\r\n")) >= 1 + (octets * 4 + 2) // 3


def _end_of_block(buffer: Buffer, at: int, end: int) -> int:
    """Return where the block ends: after its ``end`` line, or at the end of the text."""
    for stop in occurrences(buffer, b"\nend", at - 1, end):
        if buffer[stop + 4 : stop + 5] in (b"\r", b"\n", b""):
            return stop + 4
    return end
