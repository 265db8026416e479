"""Rows of ``messages`` by digest."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.described import Described
from mailroom.archive.tables import Table

__all__ = ["describe"]

_COLUMNS = ["sha256", "identity", "message_id", "date", "archived_at", "size"]


def describe(messages: Table, digests: Collection[str]) -> dict[str, Described]:
    """Return what the table says of these digests; unknown ones are left out.

    :raises StoreUnavailable: where the table cannot be read.
    """
    wanted = pa.array(sorted(set(digests)), pa.string())
    found: dict[str, Described] = {}
    for file in messages.files():
        for piece in messages.scan(["sha256"], files=[file]):
            rows = pc.indices_nonzero(pc.is_in(piece.table["sha256"], value_set=wanted))
            if len(rows):
                table = messages.read_rows(file, piece.group, rows, _COLUMNS)
                found.update((row["sha256"], _described(row)) for row in table.to_pylist())
    return found


def _described(row: dict[str, object]) -> Described:
    values = {**row, "identity": row["identity"] or ""}
    return Described(**values)  # type: ignore[arg-type]  # the columns have the fields' types
