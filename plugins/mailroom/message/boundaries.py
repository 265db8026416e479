"""Where the parts of a multipart start and end.

Belongs here: boundary lines, those that nobody told, those below a header that has no blank
line under it. Does not belong here: what is in the parts. RFC 2046 section 5.1.
"""

from __future__ import annotations

import re

from mailroom.message.defects import Defect, Defects
from mailroom.message.octets import Buffer, occurrences

__all__ = ["HEAD_OCTETS", "boundary_within", "split_parts"]

HEAD_OCTETS = 16 * 1024
"""How much is looked through for a boundary that was not told, or that a header ran into. Octets."""

_LINE_ENDS = b"\r\n"
_LINE_OCTETS = 80
_LINE_REST = re.compile(rb"[ \t]*+(--)?[ \t]*+(?:\r{0,4}\n|\r|\Z)|(--)[ \t]")
_BEGINS_PART = re.compile(rb"[ \t]*+\r?\ncontent-[a-z-]{1,40}:", re.I)
_BOUNDARY_LINE = re.compile(rb"(?:\A|[\r\n])--((?:\S[^\r\n]{0,200}?)?)[ \t]*\r?\ncontent-[a-z-]{1,40}:", re.I)


def split_parts(
    buffer: Buffer, start: int, end: int, boundary: str, *, most: int, defects: Defects
) -> list[tuple[int, int]]:
    """Return where the parts of a multipart start and end, with a boundary guessed where need be.

    :param most: how many parts are looked for; one more is returned where there are more.
    """
    if boundary:
        ranges = _ranges(buffer, start, end, boundary.encode("utf-8", "surrogateescape"), most, defects)
        if ranges:
            return ranges
    defects.add(Defect.BOUNDARY_NOT_FOUND if boundary else Defect.BOUNDARY_PARAMETER_MISSING)
    guess = _BOUNDARY_LINE.search(buffer[start : min(end, start + HEAD_OCTETS)])
    return _ranges(buffer, start, end, guess[1], most, defects) if guess is not None else []


def boundary_within(head: bytes, boundary: str) -> int:
    """Return where the first line in a header is that is a boundary, or 0 where none is."""
    needle = boundary.encode("utf-8", "surrogateescape")
    at = head.find(b"\n--" + needle) + 1 if needle else 0
    return at if at and _LINE_REST.match(head, at + 2 + len(needle)) is not None else 0


def _ranges(
    buffer: Buffer, start: int, end: int, boundary: bytes, most: int, defects: Defects
) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    opened = -1
    needle = b"--" + boundary.rstrip()
    length = len(needle)
    for at in occurrences(buffer, needle, start, end):
        if at > start and buffer[at - 1] not in _LINE_ENDS:
            continue
        after = at + length
        rest = _LINE_REST.match(buffer[after : min(end, after + _LINE_OCTETS)])
        if rest is None:
            continue  # the boundary of another multipart begins with this one
        if opened >= 0:
            found.append((opened, max(opened, _before_line_end(buffer, at, start))))
        elif found and not _BEGINS_PART.match(buffer[after : min(end, after + _LINE_OCTETS)]):
            continue  # below the final boundary: text, unless another multipart has the same boundary
        opened = -1 if rest.lastindex else after + rest.end()
        if len(found) > most:
            defects.add(Defect.PARTS_TOO_MANY)
            return found
    if opened >= 0:
        defects.add(Defect.FINAL_BOUNDARY_MISSING)
        if not found or buffer[opened : min(end, opened + _LINE_OCTETS)].strip():
            found.append((opened, end))
    return found


def _before_line_end(buffer: Buffer, at: int, start: int) -> int:
    """Return where the line before ``at`` ends: its line end belongs to the boundary."""
    before = buffer[max(start, at - 2) : at]
    if before == b"\r\n":
        return at - 2
    return at - 1 if before else at
