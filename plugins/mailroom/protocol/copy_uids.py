"""Which numbers messages got that were copied or moved: the response code COPYUID.

RFC 4315 section 3 (UIDPLUS), RFC 6851 section 4.3 (MOVE). Pure. A server that states what does not fit
has stated nothing.
"""

from __future__ import annotations

import re

__all__ = ["parse_copy_uids"]

MAX_UIDS = 1_000_000
"""How many numbers a response may name; a command of ours names far fewer."""

_COPY_UID = re.compile(rb"(?:COPYUID )?(\d{1,10}) ([0-9:,]+) ([0-9:,]+)", re.IGNORECASE)


def parse_copy_uids(text: bytes) -> tuple[int, dict[int, int]] | None:
    """Return the UIDVALIDITY of the target, and the new UID of each message by its former one; or None.

    ``resp-code-copy = "COPYUID" SP nz-number SP uid-set SP uid-set``: both sets in the same order.

    >>> parse_copy_uids(b"COPYUID 38505 304,319:320 3956:3958")
    (38505, {304: 3956, 319: 3957, 320: 3958})
    >>> parse_copy_uids(b"38505 304:310 3956") is None
    True
    """
    match = _COPY_UID.fullmatch(text.strip())
    if match is None:
        return None
    before, after = _numbers(match[2]), _numbers(match[3])
    if not before or len(before) != len(after) or len(set(before)) != len(before):
        return None
    return int(match[1]), dict(zip(before, after, strict=True))


def _numbers(uid_set: bytes) -> list[int]:
    """Return the numbers of a set in the order it states them; none where there are too many or none."""
    found: list[int] = []
    for item in uid_set.split(b","):
        first, _, last = item.partition(b":")
        if not first or (b":" in item and not last):
            return []
        start, stop = int(first), int(last or first)
        step = 1 if stop >= start else -1
        if abs(stop - start) >= MAX_UIDS - len(found):
            return []
        found.extend(range(start, stop + step, step))
    return found
