"""Base64 that a gateway wrote in blocks, with white space between them.

Belongs here: telling it from words. Does not belong here: decoding, which passes over white
space (RFC 2045 section 6.8).

Words differ in length, and are made of small letters, perhaps behind a capital, of digits or
of capitals; blocks are equally long, and mix all of these.
"""

from __future__ import annotations

import re

__all__ = ["block_width", "is_in_blocks"]

MIN_BLOCK_OCTETS = 4
"""Shorter blocks are no less likely words. Octets."""

_ENDED_BLOCK = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_WORD = re.compile(rb"[A-Z]?[a-z]+[0-9]*|[A-Z]*[0-9]+|[A-Z]+")
_FILLED = re.compile(rb"(.)\1\1")
"""As zeros and ones of a binary file are, and no word."""
_BLANK_LINE = re.compile(rb"\n[ \t\r]*+\n")
_MIXED = re.compile(rb"[a-z0-9+/][A-Z]")


def block_width(head: bytes, *, is_whole: bool) -> int:
    """Return how long the blocks are that content begins with, in octets, or 0 where it has none.

    :param head: its first octets; :param is_whole: whether these are all.

    >>> block_width(b"JVBERi0xLj cKJeLjz9MK MSAwIG9iag ==", is_whole=True)
    10
    >>> block_width(b"These words aren't base64", is_whole=True)
    0
    """
    head, *below = _BLANK_LINE.split(head.strip(), maxsplit=1)
    lines = [line.split() for line in head.splitlines()]
    if not lines or len(lines[0]) < 2:
        return 0
    width = len(lines[0][0])
    if width < MIN_BLOCK_OCTETS or not all(_are_blocks(line, width) for line in lines):
        return 0
    blocks = [block for line in lines for block in line]
    if (is_whole or below) and sum(map(len, blocks)) % 4:
        return 0
    telling = [block for block in blocks if len(block) == width and _FILLED.search(block) is None]
    words = sum(1 for block in telling if _WORD.fullmatch(block) is not None)
    is_mixed = any(_MIXED.search(block) is not None for block in telling)
    return width if is_mixed and 2 * words < len(telling) else 0


def is_in_blocks(line: bytes, width: int) -> bool:
    """Whether a line of content that is in blocks is in blocks too, and no text below it."""
    return _are_blocks(line.split(), width)


def _are_blocks(line: list[bytes], width: int) -> bool:
    """Whether all but the first and the last are so long; lines may be broken anywhere."""
    if any(len(block) != width for block in line[1:-1]) or any(len(block) > width for block in line):
        return False
    joined = b"".join(line)
    return _ENDED_BLOCK.fullmatch(joined) is not None
