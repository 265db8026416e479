"""Digests of rows, and the root of a Merkle tree over them: what a seal is made of.

Belongs here: from rows to one number that changes with any of them. Does not belong here: which rows
(``seals``). A digest does not depend on how rows lie in files, on their order, or on columns that a later
version adds, so it survives upkeep and migration; and it tells nothing of a row that is gone.

As in RFC 6962 section 2.1 leaves and nodes are hashed with different first octets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["leaf_digests", "merkle_root"]

LEAF, NODE = b"\x00", b"\x01"


def leaf_digests(name: str, table: pa.Table) -> list[bytes]:
    """Return the SHA-256 of each row of a table, over its values that are not null."""
    parts = [_stated(column, table[column]) for column in table.column_names]
    texts = pc.binary_join_element_wise(*parts, "\n", null_handling="skip").to_pylist()
    begin = LEAF + name.encode() + b"\n"
    return [hashlib.sha256(begin + text.encode("utf-8", "surrogatepass")).digest() for text in texts]


def merkle_root(leaves: Iterable[bytes]) -> str:
    """Return the root over leaves in any order, in hex.

    >>> merkle_root([b"a", b"b"]) == merkle_root([b"b", b"a"]) != merkle_root([b"a", b"b", b"b"])
    True
    """
    level = sorted(leaves)
    while len(level) > 1:
        pairs = [hashlib.sha256(NODE + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = [*pairs, level[-1]] if len(level) % 2 else pairs
    return (level[0] if level else hashlib.sha256(b"").digest()).hex()


def _stated(column: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ``name=length:value`` for each value, so that no two rows are written alike; null for null."""
    if pa.types.is_list(values.type):
        values = pc.binary_join(values, "\x1f")
    elif pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    text = values.cast(pa.string())
    length = pc.binary_length(text).cast(pa.string())
    return pc.binary_join_element_wise(f"{column}=", length, ":", text, "")
