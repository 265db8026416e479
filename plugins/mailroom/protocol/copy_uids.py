"""Which numbers messages got that were copied or moved: the response code COPYUID.

RFC 4315 section 3 (UIDPLUS), RFC 6851 section 4.3 (MOVE). Pure. A server that states what does not fit
has stated nothing.
"""

from __future__ import annotations

import re

__all__ = ["parse_copy_uids"]

MAX_UIDS = 1_000_000
"""How many numbers a response may name; a command of ours names far fewer."""

_MAX_NUMBER = 2**32 - 1
"""RFC 3501 section 9, ``nz-number``."""

_COPY_UID = re.compile(rb"(?:COPYUID )?([1-9][0-9]{0,9}) ([0-9:,]+) ([0-9:,]+)", re.IGNORECASE)
_RANGE = re.compile(rb"([1-9][0-9]{0,9})(?::([1-9][0-9]{0,9}))?")


def parse_copy_uids(text: bytes) -> tuple[int, dict[int, int]] | None:
    """Return the UIDVALIDITY of the target, and the new UID of each message by its former one; or None.

    ``resp-code-copy = "COPYUID" SP nz-number SP uid-set SP uid-set``: both sets in the same order, and
    no message twice in either.

    >>> parse_copy_uids(b"COPYUID 38505 304,319:320 3956:3958")
    (38505, {304: 3956, 319: 3957, 320: 3958})
    >>> parse_copy_uids(b"38505 304:310 3956") is None
    True
    """
    match = _COPY_UID.fullmatch(text.strip())
    if match is None:
        return None
    before, after = _numbers(match[2]), _numbers(match[3])
    if not before or not len(before) == len(after) == len(set(before)) == len(set(after)):
        return None
    validity = int(match[1])
    return (validity, dict(zip(before, after, strict=True))) if validity <= _MAX_NUMBER else None


def _numbers(uid_set: bytes) -> list[int]:
    """Return the numbers of a set in the order it states them; none where there are too many, or it is none.

    ``uid-set = (uniqueid / uid-range) *("," uid-set)``, ``uid-range = (uniqueid ":" uniqueid)``.
    """
    found: list[int] = []
    for item in uid_set.split(b","):
        stated = _RANGE.fullmatch(item)
        if stated is None:
            return []
        start, stop = int(stated[1]), int(stated[2] or stated[1])
        step = 1 if stop >= start else -1
        if max(start, stop) > _MAX_NUMBER or abs(stop - start) >= MAX_UIDS - len(found):
            return []
        found.extend(range(start, stop + step, step))
    return found
