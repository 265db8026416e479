"""Files that stand in the text of a message, from before MIME and after.

Belongs here: which of them are in a text, as parts of their own. Does not belong here: each
way to write one (``uuencoded``, ``yenc``, ``binhex``).
"""

from __future__ import annotations

from collections.abc import Callable

from mailroom.message import binhex, uuencoded, yenc
from mailroom.message.charsets import decode_text
from mailroom.message.encoded_words import decode_words
from mailroom.message.octets import Buffer, find
from mailroom.message.parts import Part
from mailroom.message.transfer import Encoding
from mailroom.message.uuencoded import Block

__all__ = ["MAX_QUOTED_OCTETS", "binhex_file", "embedded_parts", "is_embedded"]

MAX_QUOTED_OCTETS = 16 * 1024 * 1024
"""Text that is quoted-printable is searched for such files up to this size. Octets."""

_Finder = Callable[[Buffer, int, int], list[Block]]
_FINDERS: tuple[tuple[bytes, str, Encoding, _Finder], ...] = (
    (b"begin ", "uu", Encoding.UUENCODE, uuencoded.find_blocks),
    (b"=ybegin ", "yenc", Encoding.YENC, yenc.find_blocks),
    (binhex.INTRODUCTION, "hqx", Encoding.BINHEX, binhex.find_blocks),
)


def embedded_parts(part: Part) -> list[tuple[Part, str]]:
    """Return a part, and its name, for each file in a text; of part 1: ``1.uu1``, ``1.yenc1``, ``1.hqx1``."""
    if part.media_type != "text/plain" or not _may_hold_file(part):
        return []
    if part.encoding is Encoding.QUOTED_PRINTABLE:
        if part.end - part.start > MAX_QUOTED_OCTETS:
            return []
        text = b"".join(part.chunks())
        part = part._replace(buffer=text, start=0, end=len(text))
    elif part.encoding is not Encoding.IDENTITY:
        return []
    found = [
        (_part(part, block, encoding, f"{part.path}.{mark}{number}"), _name(block, encoding))
        for begin, mark, encoding, finder in _FINDERS
        if find(part.buffer, begin, part.start, part.end) >= 0
        for number, block in enumerate(finder(part.buffer, part.start, part.end), 1)
    ]
    return _apart(found) if len(found) > 1 else found


def _may_hold_file(part: Part) -> bool:
    """Whether what introduces a file is there; that of yEnc ends in that of uuencode."""
    return (
        find(part.buffer, b"begin ", part.start, part.end) >= 0
        or find(part.buffer, binhex.INTRODUCTION, part.start, part.end) >= 0
    )


def is_embedded(path: str, part: Part) -> bool:
    """Whether a path is that of a file in the text of a part."""
    return any(path.startswith(f"{part.path}.{mark}") for _, mark, *_ in _FINDERS)


def binhex_file(part: Part) -> tuple[Part, str] | None:
    """Return the file, and its name, in a part that is one in BinHex, or None where there is none."""
    block = binhex.whole_file(part.buffer, part.start, part.end)
    if block is None:
        return None
    return _part(part, block, Encoding.BINHEX, f"{part.path}.hqx1"), _name(block, Encoding.BINHEX)


def _part(part: Part, block: Block, encoding: Encoding, path: str) -> Part:
    return Part(
        path=path,
        buffer=part.buffer,
        header={},
        start=block.start,
        end=block.end,
        media_type="application/octet-stream",
        parameters={},
        encoding=encoding,
    )


def _name(block: Block, encoding: Encoding) -> str:
    if encoding is Encoding.BINHEX:
        return decode_text(block.name, "macintosh")
    return decode_words(block.name.decode("utf-8", "surrogateescape"))


def _apart(found: list[tuple[Part, str]]) -> list[tuple[Part, str]]:
    """Return them in the order they stand, without what lies within another."""
    apart: list[tuple[Part, str]] = []
    for part, name in sorted(found, key=lambda one: one[0].start):
        if not apart or part.start >= apart[-1][0].end:
            apart.append((part, name))
    return apart
