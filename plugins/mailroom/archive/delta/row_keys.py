"""What makes two rows of a table the same row, as 128 bits each, so that millions fit in memory.

Belongs here: the key columns of every table. Does not belong here: comparing archives (``replication``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.digests import Halves, halves

__all__ = ["key_columns", "row_keys"]

_KEYS = {
    "messages": ("sha256",),
    "texts": ("sha256",),
    "attachments": ("message_sha256", "part"),
    "locations": ("account", "protocol", "folder", "uidvalidity", "uid", "uidl", "sha256", "seq"),
    "folders": ("account", "folder", "seq"),
    "seals": ("account", "seq", "seal"),
    "consumed": ("consumer", "message_sha256", "part"),
    "zip_members": ("message_sha256", "archive", "part"),
}
"""Key columns of the tables whose rows have some; of any other table a row is all its columns."""

_BETWEEN = "\x1f"
_NULL = "\x00"


def key_columns(name: str) -> Sequence[str]:
    """Return the columns that tell the rows of a table apart."""
    return _KEYS.get(name) or TABLES[name].schema.names


def row_keys(table: pa.Table, columns: Sequence[str]) -> Halves:
    """Return a key for each row, made of these columns.

    >>> row_keys(pa.table({"a": ["x", "x", None], "b": [1, 1, 2]}), ["a", "b"])[0].tolist()[0] > 0
    True
    """
    if tuple(columns) == ("sha256",):
        return halves(table["sha256"])
    parts = [_as_text(table[name]) for name in columns]
    joined = pc.binary_join_element_wise(*parts, _BETWEEN)
    digests = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for text in joined.to_pylist()
    )
    both = np.frombuffer(digests, dtype=">u8").astype(np.uint64).reshape(table.num_rows, 2)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_list(column.type):
        column = pc.binary_join(column, " ")
    return pc.fill_null(column.cast(pa.string()), _NULL)
