"""Rows of ``messages`` by digest."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.delta.tables import Table
from mailroom.archive.reading.described import Described

__all__ = ["describe", "fields_of"]

_COLUMNS = ["sha256", "identity", "message_id", "date", "archived_at", "size"]


def describe(messages: Table, digests: Collection[str]) -> dict[str, Described]:
    """Return what the table says of these digests; unknown ones are left out.

    :raises StoreUnavailable: where the table cannot be read.
    """
    return {digest: _described(row) for digest, row in fields_of(messages, digests, _COLUMNS).items()}


def fields_of(
    messages: Table, digests: Collection[str], columns: Sequence[str]
) -> dict[str, dict[str, object]]:
    """Return these columns of ``messages`` for these digests; unknown ones are left out.

    :raises StoreUnavailable: where the table cannot be read.
    """
    names = list(dict.fromkeys(["sha256", *columns]))
    wanted = pa.array(sorted(set(digests)), pa.string())
    found: dict[str, dict[str, object]] = {}
    for file in messages.files():
        for piece in messages.scan(["sha256"], files=[file]):
            rows = pc.indices_nonzero(pc.is_in(piece.table["sha256"], value_set=wanted))
            if len(rows):
                table = messages.read_rows(file, piece.group, rows, names)
                found.update((row["sha256"], row) for row in table.to_pylist())
    return found


def _described(row: dict[str, object]) -> Described:
    values = {**row, "identity": row["identity"] or ""}
    return Described(**values)  # type: ignore[arg-type]  # the columns have the fields' types
