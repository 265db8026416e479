"""Digests of rows, and the root of a Merkle tree over them: what a seal is made of.

Belongs here: from rows to one number that changes with any of them. Does not belong here: which rows
(``seals``). A digest does not depend on how rows lie in files, on their order, or on columns that a later
version adds, so it survives upkeep and migration; and it tells nothing of a row that is gone.

As in RFC 6962 section 2.1 leaves and nodes are hashed with different first octets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Leaves", "leaf_digests"]

LEAF, NODE = b"\x00", b"\x01"

DIGEST_OCTETS = 32
"""Length of a SHA-256."""

_sha256 = hashlib.sha256


def leaf_digests(name: str, table: pa.Table) -> list[bytes]:
    """Return the SHA-256 of each row of a table, over its values that are not null."""
    if not table.num_rows:
        return []
    parts = _joined(_stated(column, table[column]) for column in table.column_names)
    begin = LEAF + name.encode() + b"\n"
    texts = pc.binary_join_element_wise(*parts, "\n", null_handling="skip") if parts else pa.scalar("")
    if isinstance(texts, pa.Scalar):  # all rows say the same
        return [_sha256(begin + texts.as_py().encode()).digest()] * table.num_rows
    return [digest for chunk in _chunks(texts) for digest in _digests(begin, chunk)]


class Leaves:
    """Digests of rows in any order; each takes its 32 octets of memory and no more.

    >>> Leaves([b"a" * 32, b"b" * 32]).root() == Leaves([b"b" * 32, b"a" * 32]).root()
    True
    >>> Leaves([b"a" * 32]).root() == Leaves([b"a" * 32, b"a" * 32]).root()
    False
    """

    def __init__(self, digests: Iterable[bytes] = ()) -> None:
        self._octets = bytearray()
        self.add(digests)

    def __len__(self) -> int:
        return len(self._octets) // DIGEST_OCTETS

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._octets), DIGEST_OCTETS):
            yield bytes(self._octets[start : start + DIGEST_OCTETS])

    def add(self, digests: Iterable[bytes]) -> None:
        """Add digests."""
        self._octets += b"".join(digests)

    def add_all(self, others: Leaves) -> None:
        """Add what others hold."""
        self._octets += others._octets

    def starts(self) -> npt.NDArray[np.int64]:
        """Return the first 8 octets of each, by which it can be found again among few millions."""
        octets = np.frombuffer(self._octets, dtype=">i8").reshape(len(self), DIGEST_OCTETS // 8)
        return octets[:, 0].astype(np.int64)

    def chosen(self, places: npt.NDArray[np.intp]) -> Leaves:
        """Return those at some places."""
        found = Leaves()
        octets = np.frombuffer(self._octets, dtype=np.uint8).reshape(len(self), DIGEST_OCTETS)
        found._octets += octets[places].tobytes()
        return found

    def root(self) -> str:
        """Return the root of the Merkle tree over them, in hex."""
        if not self._octets:
            return _sha256(b"").hexdigest()
        level = np.sort(np.frombuffer(self._octets, f"S{DIGEST_OCTETS}")).tobytes()
        while len(level) > DIGEST_OCTETS:
            level = _parents(level)
        return level.hex()


def _parents(level: bytes) -> bytes:
    """Return the next level of a tree; an odd one goes up as it is."""
    nodes, pair = memoryview(level), 2 * DIGEST_OCTETS
    paired = len(level) - len(level) % pair
    digests = [_sha256(NODE + nodes[start : start + pair]).digest() for start in range(0, paired, pair)]
    return b"".join([*digests, nodes[paired:]])


def _digests(begin: bytes, texts: pa.StringArray) -> list[bytes]:
    """Return the SHA-256 of each text behind the same beginning; no text becomes a value of Python's."""
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset :][: len(texts) + 1].tolist()
    octets = memoryview(texts.buffers()[2] or b"")
    return [_sha256(begin + octets[start:end]).digest() for start, end in pairwise(offsets)]


def _chunks(texts: pa.ChunkedArray | pa.StringArray) -> list[pa.StringArray]:
    return texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]


def _joined(
    stated: Iterable[pa.ChunkedArray | pa.StringScalar | None],
) -> list[pa.ChunkedArray | pa.StringScalar]:
    """Return what is stated, what all rows say joined with its neighbours: each part costs for every row."""
    parts: list[pa.ChunkedArray | pa.StringScalar] = []
    for part in stated:
        before = parts[-1] if parts else None
        if isinstance(part, pa.StringScalar) and isinstance(before, pa.StringScalar):
            parts[-1] = pa.scalar(f"{before.as_py()}\n{part.as_py()}")
        elif part is not None:
            parts.append(part)
    return parts


def _stated(column: str, values: pa.ChunkedArray) -> pa.ChunkedArray | pa.StringScalar | None:
    """Return ``name=length:value`` for each value, so that no two rows are written alike; null for null.

    Most columns of most batches say one thing, or nothing: one text for all rows, or None.
    """
    if values.null_count == len(values):
        return None
    if pa.types.is_list(values.type):
        values = pc.binary_join(values, "\x1f")
    elif pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    ends = None if values.null_count else pc.min_max(values)
    if ends is not None and ends["min"] == ends["max"]:
        text = ends["min"].cast(pa.string()).as_py()
        return pa.scalar(f"{column}={len(text.encode())}:{text}")
    text = values.cast(pa.string())
    length = pc.binary_length(text)
    lengths = pc.min_max(length)
    if lengths["min"] == lengths["max"]:  # digests and times are as long as each other
        return pc.binary_join_element_wise(f"{column}={lengths['min']}:", text, "")
    return pc.binary_join_element_wise(f"{column}=", length.cast(pa.string()), ":", text, "")
