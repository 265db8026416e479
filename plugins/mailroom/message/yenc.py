"""Files that stand yEnc-encoded in the text of a message, as news programs write them.

Belongs here: finding ``=ybegin`` and ``=yend``, and what stands between, decoded (the yEnc
draft 1.3). Does not belong here: putting the parts of a file that came in several messages
together; each is a file of its own.

    file = "=ybegin" line ["=ypart" line] data "=yend" line
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailroom.message.octets import Buffer, find, occurrences, windows
from mailroom.message.uuencoded import MAX_BLOCKS, Block

__all__ = ["find_blocks", "yenc_decoded_chunks"]

_BEGIN = re.compile(
    rb"=ybegin (?=[^\r\n]*\bline=\d)(?=[^\r\n]*\bsize=\d)[^\r\n]*?\bname=\"?([^\r\n]{1,255}?)\"?[ \t]*\r?\n"
    rb"(?:=ypart [^\r\n]{1,200}\r?\n)?"
)
_BEGIN_OCTETS = 1024
_END = b"\n=yend "
_PLAIN = bytes((octet - 42) & 0xFF for octet in range(256))
_ESCAPED = bytes((octet - 42 - 64) & 0xFF for octet in range(256))


def find_blocks(buffer: Buffer, start: int, end: int) -> list[Block]:
    """Return the yEnc-encoded files in a text; one whose end is missing lasts until the text ends."""
    blocks: list[Block] = []
    after = start
    for at in occurrences(buffer, b"=ybegin ", start, end):
        if at < after or len(blocks) >= MAX_BLOCKS or (at > start and buffer[at - 1] not in b"\r\n"):
            continue
        begin = _BEGIN.match(buffer[at : min(end, at + _BEGIN_OCTETS)])
        if begin is None:
            continue
        stop = find(buffer, _END, at + begin.end() - 1, end)
        line_end = find(buffer, b"\n", stop + 1, min(end, stop + 400)) if stop >= 0 else -1
        after = line_end if line_end >= 0 else end
        blocks.append(Block(begin[1].strip(), at, after))
    return blocks


def yenc_decoded_chunks(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Yield what a block holds in bounded chunks; each octet was moved by 42, some once more by 64."""
    begin = _BEGIN.match(buffer[start : min(end, start + _BEGIN_OCTETS)])
    at = start + begin.end() if begin is not None else start
    stop = find(buffer, _END, max(start, at - 1), end)
    is_escaped = False
    for window in windows(buffer, at, stop if stop >= 0 else end):
        first, *others = window.translate(None, b"\r\n").split(b"=")
        pieces = [_after_escape(first) if is_escaped and first else first.translate(_PLAIN)]
        is_escaped = is_escaped and not first and not others
        for number, piece in enumerate(others, 1):
            is_escaped = not piece and number == len(others)
            pieces.append(_after_escape(piece))
        yield b"".join(pieces)


def _after_escape(piece: bytes) -> bytes:
    return piece[:1].translate(_ESCAPED) + piece[1:].translate(_PLAIN)
