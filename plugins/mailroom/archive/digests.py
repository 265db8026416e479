"""SHA-256 digests as numbers, so that a million of them fit in 16 MB and are found by bisection.

Belongs here: the conversion from hex columns. Does not belong here: what is known of a
digest (``known``). 128 of the 256 bits are kept: enough that no two messages meet by
chance; whatever is decided by it about deleting is checked against the full digest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["DigestSet", "Halves", "halves", "halves_of", "halves_of_all"]

Halves = tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]
"""The first and the second 64 bits of each digest."""

HEX_DIGITS = 64
"""Length of a SHA-256 in hex."""

_NIBBLES = np.zeros(256, dtype=np.uint8)
for _digit in b"0123456789abcdef":
    _NIBBLES[_digit] = int(chr(_digit), 16)


def halves(column: pa.Array | pa.ChunkedArray) -> Halves:
    """Return the first 128 bits of hex digests; a null, or what is no digest, is all zero."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], pa.string())
    if not len(array):
        return np.empty(0, np.uint64), np.empty(0, np.uint64)
    whole = pc.fill_null(pc.equal(pc.binary_length(array), HEX_DIGITS), False)
    array = pc.if_else(whole, array, "0" * HEX_DIGITS)
    text = np.frombuffer(array.buffers()[2], dtype=np.uint8, count=HEX_DIGITS * len(array))
    nibbles = _NIBBLES[text.reshape(len(array), HEX_DIGITS)[:, : HEX_DIGITS // 2]]
    octets = np.ascontiguousarray((nibbles[:, ::2] << 4) | nibbles[:, 1::2])
    both = octets.view(">u8").astype(np.uint64)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def halves_of(digest: str) -> tuple[int, int]:
    """Return the first 128 bits of one hex digest."""
    return int(digest[:16], 16), int(digest[16:32], 16)


def halves_of_all(digests: Sequence[str]) -> Halves:
    """Return the first 128 bits of hex digests."""
    octets = bytes.fromhex("".join([digest[:32] for digest in digests]))
    both = np.frombuffer(octets, dtype=">u8").astype(np.uint64).reshape(len(digests), 2)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


class DigestSet:
    """Distinct digests, sorted for bisection.

    :ivar order: for each digest, its number among those given.
    """

    def __init__(self, first: npt.NDArray[np.uint64], second: npt.NDArray[np.uint64]) -> None:
        order = np.lexsort((second, first))
        first, second = first[order], second[order]
        once = np.ones(len(first), dtype=bool)
        once[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        self.first, self.second = first[once], second[once]
        self.order = order[once]

    def __len__(self) -> int:
        return len(self.first)

    def find(self, first: npt.NDArray[np.uint64], second: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Return the place of each digest, or -1.

        Where two of the set share their first half, which chance does not bring about, the
        second of them counts as not there.
        """
        if not len(self.first):
            return np.full(len(first), -1, dtype=np.int64)
        places = np.minimum(np.searchsorted(self.first, first), len(self.first) - 1)
        hit = (self.first[places] == first) & (self.second[places] == second)
        return np.where(hit, places, -1)

    def holds(self, digest: str) -> bool:
        """Say whether one hex digest is there."""
        return self.holds_halves(*halves_of(digest))

    def holds_halves(self, first: int, second: int) -> bool:
        """Say whether one digest is there, given as its two halves."""
        place = int(np.searchsorted(self.first, np.uint64(first)))
        return bool(place < len(self.first) and self.first[place] == first and self.second[place] == second)
