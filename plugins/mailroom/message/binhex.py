"""Files of old Macintoshes in BinHex 4.0, in a part of their own or in the text of a message.

Belongs here: finding such a file, its name, and its data fork decoded (RFC 1741 appendix A).
Does not belong here: its resource fork, which no other system has a use for, and checking
the sums, for a damaged file is better than none.

    file = "(This file must be converted with BinHex 4.0)" line-end ":" *sextet ":"
    decoded = length name version type creator flags data-length resource-length sum data sum
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import pybase64

from mailroom.message.octets import Buffer, find, occurrences
from mailroom.message.uuencoded import MAX_BLOCKS, Block

__all__ = ["INTRODUCTION", "MAX_BINHEX_OCTETS", "binhex_decoded_chunks", "find_blocks", "whole_file"]

MAX_BINHEX_OCTETS = 256 * 1024 * 1024
"""A file is decoded up to this size: runs of one octet make it up to 60 times as long as its text. Octets."""

INTRODUCTION = b"(This file must be converted with BinHex"
"""What the first line of such a file begins with."""

_OPENING = re.compile(
    rb"(?:\(This file must be converted with BinHex[^\r\n]{0,200}[\r\n]+)?[\s>]{0,200}:(?=[!-r])"
)
_HEAD_OCTETS = 1024
_WINDOW_OCTETS = 16 * 1024
_ALPHABET = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_AS_BASE64 = bytes.maketrans(_ALPHABET, _BASE64)
_NOT_SEXTETS = bytes(set(range(256)) - set(_ALPHABET))
_MARK = re.compile(rb"\x90(.)", re.S)
_FIXED_FIELDS = struct.Struct(">x4s4sHIIH")


class _Head(NamedTuple):
    name: bytes
    octets: int
    data_octets: int


def find_blocks(buffer: Buffer, start: int, end: int) -> list[Block]:
    """Return the BinHex files in a text."""
    blocks: list[Block] = []
    after = start
    for at in occurrences(buffer, INTRODUCTION, start, end):
        if at < after or len(blocks) >= MAX_BLOCKS:
            continue
        block = _block(buffer, at, end)
        if block is not None:
            blocks.append(block)
            after = block.end
    return blocks


def whole_file(buffer: Buffer, start: int, end: int) -> Block | None:
    """Return the file that a part is, or None where it is none; it may lack the line that introduces it."""
    at = find(buffer, INTRODUCTION, start, min(end, start + _HEAD_OCTETS))
    return _block(buffer, at if at >= 0 else start, end)


def binhex_decoded_chunks(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Yield the data fork of a file in bounded chunks."""
    opening = _OPENING.match(buffer[start : min(end, start + _HEAD_OCTETS)])
    at = start + opening.end() if opening is not None else start
    head: _Head | None = None
    held = b""
    left = MAX_BINHEX_OCTETS
    for piece in _expanded(buffer, at, end):
        if head is None:
            held += piece
            head = _head(held)
            if head is None:
                continue
            piece, left = held[head.octets :], min(left, head.data_octets)
        if left <= 0:
            return
        yield piece[:left]
        left -= len(piece)


def _block(buffer: Buffer, at: int, end: int) -> Block | None:
    text = buffer[at : min(end, at + _HEAD_OCTETS)]
    opening = _OPENING.match(text)
    if opening is None:
        return None
    inside = at + opening.end()
    head = _head(next(_expanded(buffer, inside, min(end, at + _HEAD_OCTETS)), b""))
    if head is None:
        return None
    stop = find(buffer, b":", inside, end)
    return Block(head.name, at, stop + 1 if stop >= 0 else end)


def _expanded(buffer: Buffer, at: int, end: int) -> Iterator[bytes]:
    """Yield the octets that sextets stand for, with runs written out; the first piece holds the head."""
    sextets = held = last = b""
    while at < end:
        window = buffer[at : min(end, at + _WINDOW_OCTETS)]
        at += len(window)
        text, mark, _ = window.partition(b":")
        at = end if mark else at
        sextets += text.translate(_AS_BASE64, _NOT_SEXTETS)
        cut = len(sextets) - len(sextets) % 4
        data = held + pybase64.b64decode(sextets[:cut])
        sextets = sextets[cut:]
        if at >= end and len(sextets) > 1:
            data += pybase64.b64decode(sextets + b"=" * (-len(sextets) % 4))
        expanded, held = _runs_written_out(data, last)
        last = expanded[-1:] or last
        yield expanded


def _runs_written_out(data: bytes, last: bytes) -> tuple[bytes, bytes]:
    """Return data with each run (octet, 0x90, count) written out, and a mark at its end that lacks its count.

    0x90 0x00 is the octet 0x90 itself. :param last: the octet before.
    """
    first, *others = _MARK.split(data)
    pieces = [first]
    last = first[-1:] or last
    for count, text in zip(others[::2], others[1::2], strict=True):
        if count == b"\0":
            last = b"\x90"
            pieces.append(last)
        else:
            pieces.append(last * (count[0] - 1))
        pieces.append(text)
        last = text[-1:] or last
    held = b"\x90" if pieces[-1].endswith(b"\x90") else b""
    if held:
        pieces[-1] = pieces[-1][:-1]
    return b"".join(pieces), held


def _head(data: bytes) -> _Head | None:
    """Return what a file says of itself first of all, or None where that is not whole or not one."""
    length = data[0] if data else 0
    if not 1 <= length <= 63 or len(data) < 1 + length + _FIXED_FIELDS.size:
        return None
    name = data[1 : 1 + length]
    data_octets: int = _FIXED_FIELDS.unpack_from(data, 1 + length)[3]
    return _Head(name, 1 + length + _FIXED_FIELDS.size, data_octets)
