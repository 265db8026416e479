"""What a data file's log entry says of its columns: smallest, largest, how many are null.

Belongs here: from rows, or from a Parquet footer, to the statistics of the Delta protocol.
Does not belong here: who reads them (``data_files``, engines).

All columns are stated or none: ``deltalake`` makes a filter of a file's statistics for the
datasets it hands to pyarrow, and takes a column without bounds for one that is never equal to
anything, so that a query would find no rows. Bounds of texts are cut, as the protocol allows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MAX_BOUND_CHARACTERS", "Statistics", "stated_columns", "statistics_of_footer"]

MAX_BOUND_CHARACTERS = 64
"""Texts are stated as a smallest or largest value up to this length."""

Bound = str | int | bool | datetime


class Statistics:
    """Statistics of one file, gathered while it is written.

    :ivar rows: how many there are so far.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.rows = 0
        self._columns = stated_columns(schema)
        self._nulls = dict.fromkeys(self._columns, 0)
        self._bounds: dict[str, tuple[Bound, Bound]] = {}

    def add(self, table: pa.Table) -> None:
        """Take in rows with the columns of the schema."""
        self.rows += table.num_rows
        for name in self._columns:
            column = table[name]
            self._nulls[name] += column.null_count
            found = pc.min_max(column)
            self._widen(name, found["min"].as_py(), found["max"].as_py())

    def add_group(self, rows: int, found: Mapping[str, tuple[int, Any, Any]]) -> None:
        """Take in a row group's nulls, smallest and largest by column; what is left out is all null."""
        self.rows += rows
        for name in self._columns:
            nulls, low, high = found.get(name, (rows, None, None))
            self._nulls[name] += nulls
            self._widen(name, low, high)

    def bounds(self, columns: Sequence[str]) -> dict[str, tuple[Any, Any]]:
        """Return smallest and largest value of some columns; none of a column that is all null."""
        return {name: self._bounds[name] for name in columns if name in self._bounds}

    def to_json(self) -> str:
        """Return them as the protocol writes them ("Per-file Statistics")."""
        return json.dumps(
            {
                "numRecords": self.rows,
                "minValues": {name: _spelled(low, up=False) for name, (low, _) in self._bounds.items()},
                "maxValues": {name: _spelled(high, up=True) for name, (_, high) in self._bounds.items()},
                "nullCount": self._nulls,
            }
        )

    def _widen(self, name: str, low: Any, high: Any) -> None:
        if low is None:
            return
        if isinstance(low, str):
            low, high = low[:MAX_BOUND_CHARACTERS], _cut_up(high)
        before = self._bounds.get(name, (low, high))
        self._bounds[name] = (min(low, before[0]), max(high, before[1]))


def stated_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that have an order, and so are stated."""
    return [field.name for field in schema if not pa.types.is_list(field.type)]


def statistics_of_footer(schema: pa.Schema, metadata: Any) -> str | None:  # Any: pyarrow's FileMetaData
    """Return the statistics of a file that is written already, from its footer alone.

    None where the footer leaves out a column's bounds, as it does for long texts.
    """
    found = Statistics(schema)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = {}
        for index in range(group.num_columns):
            column = group.column(index)
            stats = column.statistics
            if column.path_in_schema not in schema.names:
                continue
            nulls = None if stats is None or not stats.has_null_count else stats.null_count
            if nulls is None or not (stats.has_min_max or nulls == group.num_rows):
                return None
            bounds = (stats.min, stats.max) if stats.has_min_max else (None, None)
            columns[column.path_in_schema] = (nulls, *bounds)
        found.add_group(group.num_rows, columns)
    return found.to_json()


def _cut_up(text: str) -> str:
    """Return a text that is not smaller, and not much longer than a bound may be."""
    if len(text) <= MAX_BOUND_CHARACTERS:
        return text
    head = text[:MAX_BOUND_CHARACTERS]
    while head:
        following = ord(head[-1]) + 1
        if following <= 0x10FFFF:
            # Surrogates are no characters; the next one after them is larger still.
            return head[:-1] + chr(0xE000 if 0xD800 <= following < 0xE000 else following)
        head = head[:-1]
    return text


def _spelled(value: Bound, *, up: bool) -> str | int | bool:
    """Return a bound as JSON has it; times to the millisecond, away from the middle."""
    if not isinstance(value, datetime):
        return value
    moment = value.astimezone(UTC)
    over = moment.microsecond % 1000
    if over:
        moment -= timedelta(microseconds=over)
        if up and moment < datetime.max.replace(tzinfo=UTC) - timedelta(milliseconds=1):
            moment += timedelta(milliseconds=1)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
