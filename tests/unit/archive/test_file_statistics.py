"""What a file's log entry says of its columns holds for every row, whatever the values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from mailroom.archive.delta.file_statistics import MAX_BOUND_CHARACTERS, Statistics, statistics_of_footer

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("n", pa.int64()),
        ("l", pa.list_(pa.string())),
    ]
)
texts = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
moments = st.one_of(st.none(), st.datetimes(timezones=st.just(UTC)))
rows = st.lists(st.tuples(texts, moments, st.one_of(st.none(), st.integers(-(2**62), 2**62))), min_size=1)


def table_of(values: list[tuple[Any, ...]]) -> pa.Table:
    columns = [list(column) for column in zip(*values, strict=True)]
    return pa.table([*columns, [[] for _ in values]], schema=SCHEMA)


def stated(values: list[tuple[Any, ...]]) -> dict[str, Any]:
    found = Statistics(SCHEMA)
    found.add(table_of(values))
    said: dict[str, Any] = json.loads(found.to_json())
    return said


@given(rows)
def test_bounds_hold_for_every_value(values: list[tuple[Any, ...]]) -> None:
    """No row may be hidden from a query by what is said of its file."""
    said = stated(values)
    assert said["numRecords"] == len(values)
    for place, name in enumerate(("text", "at", "n")):
        column = [value[place] for value in values]
        assert said["nullCount"][name] == column.count(None)
        there = [value for value in column if value is not None]
        assert (name in said["minValues"]) == (name in said["maxValues"]) == bool(there)
        for value in there:
            low, high = said["minValues"][name], said["maxValues"][name]
            if name == "at":
                low, high = (datetime.fromisoformat(end.replace("Z", "+00:00")) for end in (low, high))
                last = datetime.max.replace(tzinfo=UTC, microsecond=999000)
                assert low <= value
                assert value <= high or high == last
            else:
                assert low <= value <= high


def test_long_texts_are_cut_to_bounds() -> None:
    """The log stays small whatever a sender writes."""
    said = stated([("é" * 500, None, 1), ("\U0010ffff" * 64 + "x", None, 2)])
    assert said["minValues"]["text"] == "é" * MAX_BOUND_CHARACTERS
    assert stated([("é" * 500, None, 1)])["maxValues"]["text"] == "é" * 63 + "ê"
    assert stated([("a" * 63 + "\ud7ff" + "x", None, 1)])["maxValues"]["text"] == "a" * 63 + "\ue000"


@given(rows)
def test_a_footer_says_the_same(values: list[tuple[Any, ...]]) -> None:
    """Files of an older Mailroom are stated without reading their rows."""
    table = table_of(values)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=3)
    metadata = pq.ParquetFile(pa.BufferReader(sink.getvalue())).metadata
    from_footer = statistics_of_footer(SCHEMA, metadata)
    assert from_footer is None or json.loads(from_footer) == stated(values)


def test_a_footer_without_bounds_says_nothing(tmp_path: Path) -> None:
    """Then the rows are read."""
    pq.write_table(table_of([("a", None, 1)]), tmp_path / "f", write_statistics=False)
    assert statistics_of_footer(SCHEMA, pq.ParquetFile(tmp_path / "f").metadata) is None
