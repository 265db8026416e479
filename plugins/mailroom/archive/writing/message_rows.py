"""New messages as rows: Arrow made of the columns that came back from the parser.

Belongs here: which segment goes to which column, and leaving rows out. Does not belong here:
what is committed when (``message_tables``), how columns are packed (``columns``).

Messages stay in the loads that they were parsed in, and all of a batch are turned into Arrow
with a few calls a column. Texts were encoded where they were parsed, and are not checked again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.digests import HEX_DIGITS
from mailroom.archive.writing.columns import (
    ATTACHMENTS,
    COUNT,
    DATE,
    LISTS,
    NO_MOMENT,
    TEXTS,
    PackedColumns,
    pack_columns,
)

if TYPE_CHECKING:
    from mailroom.archive.writing.indexed import Indexed

__all__ = ["MessageRows", "Part"]

TEXT_CHUNK_OCTETS = 1024 * 1024
"""Texts are turned into Arrow in pieces of this size, so that a batch is not held twice. Octets."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_MESSAGE_FIELDS = {"from": "sender", "from_address": "sender_address"}
"""Columns of ``messages`` that the parser names otherwise."""


class Part(NamedTuple):
    """Some messages of one load, in its order; what is to be said of each.

    :param numbers: which of the load they are.
    """

    load: PackedColumns
    numbers: list[int]
    digests: list[str]
    octets: list[int]
    archived_at: list[datetime]

    def in_order(self) -> Part:
        """Return them in the load's order: columns are taken from it as they stand there."""
        if all(before < after for before, after in pairwise(self.numbers)):
            return self
        order = sorted(range(len(self.numbers)), key=self.numbers.__getitem__)
        return Part(
            self.load,
            [self.numbers[at] for at in order],
            [self.digests[at] for at in order],
            [self.octets[at] for at in order],
            [self.archived_at[at] for at in order],
        )

    def only(self, keep: Sequence[bool]) -> Part:
        """Return those that are to be kept."""
        return Part(
            self.load,
            list(compress(self.numbers, keep)),
            list(compress(self.digests, keep)),
            list(compress(self.octets, keep)),
            list(compress(self.archived_at, keep)),
        )


class MessageRows:
    """New messages, load by load."""

    @classmethod
    def of(cls, found: Sequence[tuple[str, int, Indexed, datetime]]) -> MessageRows:
        """Return messages that were parsed here: digest, octets, what was found, when each is archived."""
        load = PackedColumns(pack_columns([indexed for _, _, indexed, _ in found]))
        part = Part(load, list(range(len(found))), [], [], [])
        for digest, octets, _, archived_at in found:
            part.digests.append(digest)
            part.octets.append(octets)
            part.archived_at.append(archived_at)
        return cls([part])

    def __init__(self, parts: Iterable[Part]) -> None:
        self.parts = [part.in_order() for part in parts if part.numbers]
        self.digests = [digest for part in self.parts for digest in part.digests]

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def octets(self) -> int:
        """Octets of the messages themselves."""
        return sum(sum(part.octets) for part in self.parts)

    @property
    def archived_at(self) -> list[datetime]:
        """When each is archived."""
        return [moment for part in self.parts for moment in part.archived_at]

    def without(self, digests: Collection[str]) -> MessageRows:
        """Return all messages but these."""
        if not digests:
            return self
        return MessageRows(part.only([one not in digests for one in part.digests]) for part in self.parts)

    def among(self, digests: Collection[str]) -> MessageRows:
        """Return these messages only."""
        return MessageRows(part.only([one in digests for one in part.digests]) for part in self.parts)

    def with_attachments(self) -> MessageRows:
        """Return the messages that have attachments."""
        found = []
        for part in self.parts:
            counts = memoryview(part.load.segment(COUNT)).cast("i")
            found.append(part.only([counts[number] > 0 for number in part.numbers]) if any(counts) else None)
        return MessageRows(part for part in found if part is not None)

    def as_messages(self) -> pa.Table:
        """Return their rows of ``messages``."""
        found = _Columns(self.parts)
        columns: dict[str, pa.Array] = {
            "sha256": found.digests(),
            "size": pa.array(np.fromiter((n for part in self.parts for n in part.octets), np.int64)),
            "attachment_count": found.chosen(pa.array(found.numbers(COUNT, np.int32))),
            "date": found.chosen(found.moments(DATE)),
            "archived_at": _moments(self.archived_at),
        }
        schema = TABLES["messages"].schema
        for name in schema.names:
            ours = _MESSAGE_FIELDS.get(name, name)
            if ours in TEXTS:
                columns[name] = found.chosen(found.texts(TEXTS[ours]))
            elif ours in LISTS:
                columns[name] = found.chosen(found.lists(LISTS[ours]))
        return pa.table([columns[name] for name in schema.names], schema=schema)

    def as_texts(self) -> Iterator[pa.Table]:
        """Yield their rows of ``texts``, piece by piece."""
        some: list[Part] = []
        octets = 0
        for part in self.parts:
            some.append(part)
            octets += part.load.text_octets
            if octets >= TEXT_CHUNK_OCTETS:
                yield _texts_table(some)
                some, octets = [], 0
        if some:
            yield _texts_table(some)

    def as_attachments(self) -> pa.Table:
        """Return their rows of ``attachments``."""
        found = _Columns(self.parts)
        counts = found.numbers(COUNT, np.int32)
        meant = np.arange(len(counts)) if found.rows is None else found.rows
        owners = np.repeat(np.arange(len(counts)), counts)
        chosen = pa.array(np.flatnonzero(np.isin(owners, meant)))
        schema = TABLES["attachments"].schema
        columns = [found.digests().take(pa.array(np.repeat(np.arange(len(meant)), counts[meant])))]
        for name in schema.names[1:]:
            segment = ATTACHMENTS[name]
            whole = pa.array(found.numbers(segment, np.int64)) if name == "size" else found.texts(segment)
            columns.append(whole.take(chosen))
        return pa.table(columns, schema=schema)


class _Columns:
    """The columns of whole loads, one behind the other.

    :ivar rows: which of their rows are meant, in order; None for all.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self.rows: np.ndarray[Any, np.dtype[np.int64]] | None = None
        if any(len(part.numbers) < len(part.load) for part in parts):
            starts = np.cumsum([0, *(len(part.load) for part in parts)])
            self.rows = np.concatenate(
                [np.asarray(part.numbers) + start for part, start in zip(parts, starts, strict=False)]
            )

    def chosen(self, column: pa.Array) -> pa.Array:
        """Return the rows that are meant."""
        return column if self.rows is None else column.take(pa.array(self.rows))

    def digests(self) -> pa.StringArray:
        """Return the digests of the messages that are meant."""
        digests = [digest for part in self._parts for digest in part.digests]
        offsets = np.arange(len(digests) + 1, dtype=np.int32) * HEX_DIGITS
        return pa.StringArray.from_buffers(
            len(digests), pa.py_buffer(offsets), pa.py_buffer("".join(digests).encode())
        )

    def numbers(self, segment: int, kind: Any) -> np.ndarray[Any, Any]:  # Any: what numpy takes for a type
        """Return a segment of numbers."""
        return np.frombuffer(self._joined(segment), kind)

    def moments(self, segment: int) -> pa.Array:
        """Return a segment of times."""
        moments = self.numbers(segment, np.int64)
        return pa.array(moments, mask=moments == NO_MOMENT).cast(pa.timestamp("us", tz="UTC"))

    def texts(self, segment: int) -> pa.StringArray:
        """Return a column of texts."""
        lengths = self.numbers(segment, np.int32)
        is_null = lengths < 0
        nulls = int(np.count_nonzero(is_null))
        return pa.LargeStringArray.from_buffers(
            len(lengths),
            pa.py_buffer(_offsets(np.maximum(lengths, 0) if nulls else lengths)),
            pa.py_buffer(self._joined(segment + 1)),
            pa.py_buffer(np.packbits(~is_null, bitorder="little")) if nulls else None,
            nulls,
        ).cast(pa.string())

    def lists(self, segment: int) -> pa.ListArray:
        """Return a column of lists of texts."""
        offsets = _offsets(self.numbers(segment, np.int32)).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), self.texts(segment + 1))

    def _joined(self, segment: int) -> bytes:
        return b"".join([part.load.segment(segment) for part in self._parts])


def _texts_table(parts: Sequence[Part]) -> pa.Table:
    found = _Columns(parts)
    texts = [found.chosen(found.texts(TEXTS[name])) for name in ("text", "reply")]
    return pa.table([found.digests(), *texts], schema=TABLES["texts"].schema)


def _offsets(lengths: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _moments(moments: Sequence[datetime]) -> pa.Array:
    """Return times as Arrow; many are one moment, and to look that up costs less than a difference."""
    known = {moment: (moment - _EPOCH) // _MICROSECOND for moment in set(moments)}
    numbers = np.fromiter(map(known.__getitem__, moments), np.int64, len(moments))
    return pa.array(numbers).cast(pa.timestamp("us", tz="UTC"))
