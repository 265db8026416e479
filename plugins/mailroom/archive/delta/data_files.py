"""Parquet files of a table: written whole, read column by column.

Belongs here: one file at a time, and what its bounds tell without reading it; which files the
log names. Does not belong here: changing which they are (``tables``).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from mailroom.archive.delta.file_statistics import Statistics
from mailroom.archive.delta.schemas import TableSpec
from mailroom.archive.failures import translated
from mailroom.archive.storage.store import Store

__all__ = ["DataFile", "Slice", "aligned", "files_of", "read_slice", "write_file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """One Parquet file of a table.

    :param bounds: smallest and largest value of the columns it is stated for.
    """

    path: str
    size: int
    rows: int
    bounds: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    def may_hold(self, equal: Mapping[str, str]) -> bool:
        """Say whether rows with these values can be in the file, as far as its bounds tell."""
        for column, value in equal.items():
            low, high = self.bounds.get(column, (None, None))
            if low is not None and high is not None and not low <= value <= high:
                return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Rows of one row group of one file; ``rows`` are their numbers in the group."""

    file: str
    group: int
    rows: npt.NDArray[np.int32]
    table: pa.Table


def write_file(
    store: Store, spec: TableSpec, rows: Iterable[pa.Table], *, data_change: bool
) -> tuple[DataFile, AddAction]:
    """Write a new data file, and return it and the action that commits it; tables become row groups.

    Pages carry checksums, so that verifying an archive finds a flipped bit in a table too.

    :raises OSError: where the store refuses.
    """
    path = f"part-{uuid.uuid4()}.parquet"
    stated = Statistics(spec.schema)
    with store.create(f"tables/{spec.name}/{path}") as sink:
        with pq.ParquetWriter(
            sink,
            spec.schema,
            compression="zstd",
            use_dictionary=spec.repeating,
            write_page_checksum=True,
            memory_pool=pa.system_memory_pool(),
        ) as writer:
            for table in rows:
                writer.write_table(table)
                stated.add(table)
                del table  # while the next one is made
        size = sink.tell()
    return (
        DataFile(path=path, size=size, rows=stated.rows, bounds=stated.bounds(spec.bounds)),
        AddAction(path, size, {}, int(time.time() * 1000), data_change, stated.to_json()),
    )


def aligned(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with the columns of a schema; those an older file lacks are null."""
    columns = [
        table[f.name].cast(f.type) if f.name in table.column_names else pa.nulls(table.num_rows, f.type)
        for f in schema
    ]
    return pa.table(columns, schema=schema)


def read_slice(
    parquet: pq.ParquetFile, file: str, group: int, columns: Sequence[str], equal: Mapping[str, str]
) -> Slice | None:
    """Return the rows of a row group that match, or None; columns an older file lacks are left out.

    A column whose bounds say that all its values match is not read for matching.
    """
    open_ended = _not_settled(parquet.metadata.row_group(group), equal)
    if open_ended is None:
        return None
    there = set(parquet.schema_arrow.names)
    needed = [name for name in dict.fromkeys([*columns, *open_ended]) if name in there]
    table = parquet.read_row_group(group, columns=needed, use_threads=False)
    rows = np.arange(table.num_rows, dtype=np.int32)
    for column in open_ended:
        hit = pc.fill_null(pc.equal(table[column], equal[column]), False)
        if not pc.all(hit).as_py():
            table = table.filter(hit)
            rows = rows[hit.to_numpy()]
    return Slice(file=file, group=group, rows=rows, table=table.select([c for c in columns if c in there]))


def _not_settled(group: Any, equal: Mapping[str, str]) -> list[str] | None:  # Any: pyarrow's metadata
    """Return the columns that have to be compared row by row; None where no row can match."""
    left = dict(equal)
    for number in range(group.num_columns if equal else 0):
        column = group.column(number)
        value = left.get(column.path_in_schema)
        stats = None if value is None else column.statistics
        if stats is None or not stats.has_min_max:
            continue
        if not stats.min <= value <= stats.max:
            return None
        if stats.min == stats.max and stats.null_count == 0:
            del left[column.path_in_schema]
    return list(left)


def files_of(delta: DeltaTable, bounded: Sequence[str], where: str) -> list[DataFile]:
    """Return the data files of a table, oldest first, with the bounds of some columns.

    :raises StoreUnavailable: where the store refuses.
    """
    with translated(where):
        actions = pa.table(delta.get_add_actions(flatten=True))
    there = set(actions.column_names)
    stated = [name for name in bounded if {f"min.{name}", f"max.{name}"} <= there]
    columns = [
        "path",
        "size_bytes",
        "num_records",
        *(f"{end}.{name}" for name in stated for end in ("min", "max")),
    ]
    found = []
    for row in reversed(actions.select(columns).to_pylist()):
        bounds = {name: (row[f"min.{name}"], row[f"max.{name}"]) for name in stated}
        found.append(
            DataFile(path=row["path"], size=row["size_bytes"], rows=row["num_records"] or 0, bounds=bounds)
        )
    return found
