"""Sets of UIDs as ascending arrays, fast for millions.

Here: union, intersection and difference by sorting and bisection. Not here: sequence sets as
text (``protocol.sequence_set``). NumPy's own set functions hash integers, which takes seconds
for a million UIDs in a row (2.x, measured: 2 s for one ``unique``, against 10 ms for a sort).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["Uids", "ascending", "common", "is_among", "joined", "without"]

Uids = npt.NDArray[np.int64]
"""UIDs in ascending order, each once."""


def ascending(uids: Iterable[int] | Uids) -> Uids:
    """Return UIDs in any order, with repeats, as a set.

    >>> ascending([3, 1, 3]).tolist()
    [1, 3]
    """
    array = uids if isinstance(uids, np.ndarray) else np.fromiter(uids, dtype=np.int64)
    found = np.sort(array.astype(np.int64, copy=False), kind="stable")
    return found[_is_first(found)]


def joined(*sets: Uids) -> Uids:
    """Return what is in any of the sets."""
    return ascending(np.concatenate([np.empty(0, dtype=np.int64), *sets]))


def common(one: Uids, other: Uids) -> Uids:
    """Return what is in both sets."""
    return one[is_among(one, other)]


def without(one: Uids, other: Uids) -> Uids:
    """Return what is in the first set and not in the second."""
    return one[~is_among(one, other)]


def is_among(uids: Uids, known: Uids) -> npt.NDArray[np.bool_]:
    """Return for each of ``uids``, in any order, whether it is in the set ``known``."""
    if not len(known):
        return np.zeros(len(uids), dtype=bool)
    places = np.minimum(np.searchsorted(known, uids), len(known) - 1)
    found: npt.NDArray[np.bool_] = known[places] == uids
    return found


def _is_first(ordered: Uids) -> npt.NDArray[np.bool_]:
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return first
