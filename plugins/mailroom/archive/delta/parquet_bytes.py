"""Rows of a table as one Parquet file in memory, for other places than the archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mailroom.archive.delta.schemas import TABLES

__all__ = ["as_parquet"]


def as_parquet(name: str, rows: Sequence[Mapping[str, Any]]) -> bytes:  # Any: values of the columns
    """Return rows with the columns of a table, described as there.

    The same rows give the same bytes.
    """
    schema = TABLES[name].schema
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=schema), sink, compression="zstd")
    return bytes(sink.getvalue())
