"""The parsed columns of a load of messages as a run of octets, the way Arrow holds them.

Belongs here: packing what the parser found, where it found it. Does not belong here: making
Arrow of it (``message_rows``). Imports nothing heavy, because the indexing process starts with
it. No value becomes an object again in the process that commits, and texts, encoded once, are
copied as wholes: for each message that takes a tenth of what sending and taking in tuples took.

A column of texts is the length of each in octets, -1 for null, and all of them one behind the
other; a column of lists is before that how many each has; other columns are their numbers.
Every such part is a segment, and the octets begin with the lengths of all segments.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate, chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailroom.archive.writing.indexed import Indexed

__all__ = ["ATTACHMENTS", "COUNT", "DATE", "LISTS", "NO_MOMENT", "TEXTS", "PackedColumns", "pack_columns"]

NO_MOMENT = -(2**63)
"""What stands for a missing time: before any that is counted in microseconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TEXT_FIELDS = (
    *("identity", "message_id", "date_source", "sender", "sender_address", "subject", "in_reply_to"),
    *("text", "reply"),
)
_LONG_FIELDS = ("text", "reply")
_LIST_FIELDS = ("to", "cc", "references", "defects")
_ATTACHMENT_FIELDS = ("part", "filename", "content_type", "disposition", "size", "sha256", "detected_type")
_ATTACHMENT_SIZE = _ATTACHMENT_FIELDS.index("size")
_ATTACHMENT_TEXTS = {name: place for place, name in enumerate(_ATTACHMENT_FIELDS) if name != "size"}

DATE = 0
"""Segment with the dates, in microseconds."""

COUNT = 1
"""Segment with the number of attachments of each message."""

_SIZE = 2

TEXTS = {name: 3 + 2 * number for number, name in enumerate(_TEXT_FIELDS)}
"""First of the two segments of each column of texts."""

LISTS = {name: 3 + 2 * len(TEXTS) + 3 * number for number, name in enumerate(_LIST_FIELDS)}
"""First of the three segments of each column of lists."""

_AFTER_LISTS = 3 + 2 * len(TEXTS) + 3 * len(LISTS)

ATTACHMENTS = {
    **{name: _AFTER_LISTS + 2 * number for number, name in enumerate(_ATTACHMENT_TEXTS)},
    "size": _SIZE,
}
"""First segment of each column of attachments; all of one message lie behind those of the one before."""

_HEAD = struct.Struct(f"<{_AFTER_LISTS + 2 * len(_ATTACHMENT_TEXTS)}I")


class PackedColumns:
    """What was found of some messages, in their order.

    :param packed: as ``pack_columns`` returns it.
    :raises struct.error: where that is cut short.
    """

    __slots__ = ("_ends", "_octets")

    def __init__(self, packed: bytes) -> None:
        self._octets = memoryview(packed)
        self._ends: tuple[int, ...] = tuple(accumulate(_HEAD.unpack_from(packed), initial=_HEAD.size))
        if self._ends[-1] != len(packed):
            raise struct.error("The columns are not as long as they say.")

    def __len__(self) -> int:
        return self._length(COUNT) // 4

    @property
    def text_octets(self) -> int:
        """How much text the messages have."""
        return self._length(TEXTS["text"] + 1) + self._length(TEXTS["reply"] + 1)

    def segment(self, number: int) -> memoryview:
        """Return one segment."""
        return self._octets[self._ends[number] : self._ends[number + 1]]

    def identity(self, row: int) -> str | None:
        """Return the identity of one message."""
        lengths = self.segment(TEXTS["identity"]).cast("i")
        if lengths[row] < 0:
            return None
        start = sum(length for length in lengths[:row] if length > 0)
        return str(self.segment(TEXTS["identity"] + 1)[start : start + lengths[row]], "utf-8")

    def _length(self, number: int) -> int:
        return self._ends[number + 1] - self._ends[number]


def pack_columns(found: Sequence[Indexed]) -> bytes:
    """Return the columns of messages; text that no encoder takes is packed with question marks."""
    attachments = [one.attachments for one in found]
    flat = list(zip(*chain.from_iterable(attachments), strict=True)) or [()] * len(_ATTACHMENT_FIELDS)
    segments: list[bytes] = [
        array("q", [_moment(one.date) for one in found]).tobytes(),
        array("i", map(len, attachments)).tobytes(),
        array("q", flat[_ATTACHMENT_SIZE]).tobytes(),
    ]
    columns = dict(zip(found[0]._fields, zip(*found, strict=True), strict=True)) if found else {}
    for name in _TEXT_FIELDS:
        segments += (_long_texts if name in _LONG_FIELDS else _texts)(columns.get(name, ()))
    for name in _LIST_FIELDS:
        lists = columns.get(name, ())
        segments.append(array("i", map(len, lists)).tobytes())
        segments += _texts(list(chain.from_iterable(lists)))
    for place in _ATTACHMENT_TEXTS.values():
        segments += _texts(flat[place])
    return _HEAD.pack(*map(len, segments)) + b"".join(segments)


def _texts(values: Sequence[str | None]) -> tuple[bytes, bytes]:
    filled = [value or "" for value in values]
    joined = "".join(filled)
    octets = joined.encode("utf-8", "replace")
    if len(octets) == len(joined):  # an octet a letter, so that their lengths are known already
        lengths = array("i", list(map(len, filled)))
    else:
        lengths = array("i", [len(value.encode("utf-8", "replace")) for value in filled])
    return _with_nulls(lengths, values), octets


def _long_texts(values: Sequence[str | None]) -> tuple[bytes, bytes]:
    """Return a column of texts that are too long to be joined first, and then encoded once more each."""
    octets = [(value or "").encode("utf-8", "replace") for value in values]
    return _with_nulls(array("i", list(map(len, octets))), values), b"".join(octets)


def _with_nulls(lengths: array[int], values: Sequence[object]) -> bytes:
    if None in values:
        for row, value in enumerate(values):
            if value is None:
                lengths[row] = -1
    return lengths.tobytes()


def _moment(when: datetime | None) -> int:
    if when is None:
        return NO_MOMENT
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
