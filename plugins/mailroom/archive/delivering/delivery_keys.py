"""Which attachments and paths are in ``deliveries``, as numbers.

Belongs here: sets of (digest, word) pairs that grow to millions in little memory. Does not
belong here: the table (``deliveries``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mailroom.archive.digests import DigestSet, Halves, halves, halves_of
from mailroom.archive.reading.places import Vocabulary

__all__ = ["PairSet", "path_digests"]

_GROWTH = 4
"""A set is joined with the one before it unless that is so many times larger: few sets, little sorting."""

_SPREAD = 0x9E3779B97F4A7C15
_ALL_BITS = 2**64 - 1

Column: TypeAlias = pa.ChunkedArray | pa.Array


class PairSet:
    """A set of pairs of a digest and a word, 16 octets each; one thread adds at a time.

    The word is mixed into both halves of the digest: a set of digests takes those that share
    their first half for one.
    """

    def __init__(self) -> None:
        self._words = Vocabulary()
        self._sets: tuple[DigestSet, ...] = ()

    def add(self, digests: Column, words: Column) -> None:
        """Add pairs, given as two columns of one length."""
        if not len(digests):
            return
        added = DigestSet(*self._mixed(digests, words))
        before = list(self._sets)
        while before and len(before[-1]) < _GROWTH * len(added):
            last = before.pop()
            added = DigestSet(
                np.concatenate([last.first, added.first]), np.concatenate([last.second, added.second])
            )
        self._sets = (*before, added)

    def holds(self, digests: Column, words: Column) -> npt.NDArray[np.bool_]:
        """Say for each of many pairs whether it is there."""
        found = np.zeros(len(digests), dtype=bool)
        if len(digests) and self._sets:
            first, second = self._mixed(digests, words)
            for some in self._sets:
                found |= some.find(first, second) >= 0
        return found

    def holds_one(self, digest: str, word: str) -> bool:
        """Say whether one pair is there."""
        first, second = halves_of(digest)
        mixed = self._words.number(word) * _SPREAD & _ALL_BITS
        return any(some.holds_halves(first ^ mixed, second ^ mixed) for some in self._sets)

    def _mixed(self, digests: Column, words: Column) -> Halves:
        first, second = halves(digests)
        mixed = _spread(self._words.numbers(words))
        return first ^ mixed, second ^ mixed


def path_digests(paths: Sequence[str]) -> pa.Array:
    """Return a digest for each path, as a column."""
    found = [hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest() for path in paths]
    return pa.array(found, pa.string())


def _spread(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Spread small numbers over 64 bits, so that they may be mixed into a digest."""
    return numbers.astype(np.uint64) * np.uint64(_SPREAD)
