"""Sequence sets: many UIDs as few ranges, both ways (RFC 3501 section 9, RFC 4731).

Belongs here: texts such as ``1:5,9`` and sorted arrays of numbers. ``*`` is not among
them: what it means is known to the server only. Pure.

``sequence-set = (seq-number / seq-range) *("," sequence-set)``
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from mailroom.exceptions import LimitExceeded, RemoteProtocolError

__all__ = [
    "MAX_SET_OCTETS",
    "MAX_UIDS",
    "Uids",
    "as_uids",
    "decode_sequence_set",
    "encode_sequence_set",
    "sequence_sets",
]

Uids = npt.NDArray[np.int64]
"""UIDs in ascending order, each once."""

MAX_SET_OCTETS = 8000
"""Longest set sent in one command; RFC 7162 section 4 asks servers to take lines of 8,192 octets."""

MAX_UIDS = 100_000_000
"""More numbers in one answer than any mailbox holds: a range like 1:4294967295 is no listing."""

_RANGE = re.compile(r"(\d{1,10})(?::(\d{1,10}))?\Z")


def as_uids(uids: Iterable[int] | Uids) -> Uids:
    """Return UIDs in any order, with repeats, as a sorted array."""
    array = uids if isinstance(uids, np.ndarray) else np.fromiter(uids, dtype=np.int64)
    return np.unique(array.astype(np.int64, copy=False))


def encode_sequence_set(uids: Iterable[int] | Uids) -> str:
    """Return UIDs as one sequence set, whatever its length.

    >>> encode_sequence_set([1, 2, 3, 9])
    '1:3,9'
    """
    return ",".join(_ranges(as_uids(uids)))


def sequence_sets(uids: Iterable[int] | Uids, *, max_octets: int = MAX_SET_OCTETS) -> Iterator[str]:
    """Yield UIDs in ascending order as sequence sets of at most ``max_octets``."""
    held: list[str] = []
    octets = 0
    for text in _ranges(as_uids(uids)):
        if held and octets + len(text) + 1 > max_octets:
            yield ",".join(held)
            held, octets = [], 0
        held.append(text)
        octets += len(text) + 1
    if held:
        yield ",".join(held)


def decode_sequence_set(text: str) -> Uids:
    """Return the numbers that a set names, in ascending order.

    :raises RemoteProtocolError: where it is no set of plain numbers.
    :raises LimitExceeded: where it names more than ``MAX_UIDS``.

    >>> decode_sequence_set("9,1:3").tolist()
    [1, 2, 3, 9]
    """
    if not text:
        return np.empty(0, dtype=np.int64)
    pieces: list[Uids] = []
    total = 0
    for item in text.split(","):
        match = _RANGE.match(item)
        if match is None:
            raise RemoteProtocolError(
                "The server sent a list of UIDs that is none.", received=item[:200].encode()
            )
        low, high = sorted((int(match[1]), int(match[2] or match[1])))
        total += high - low + 1
        if total > MAX_UIDS:
            raise LimitExceeded(
                f"The server listed more than {MAX_UIDS} messages in one folder.", limit=MAX_UIDS, found=total
            )
        pieces.append(np.arange(low, high + 1, dtype=np.int64))
    return np.unique(np.concatenate(pieces))


def _ranges(uids: Uids) -> Iterator[str]:
    if not uids.size:
        return
    breaks = np.flatnonzero(np.diff(uids) != 1)
    firsts = uids[np.concatenate(([0], breaks + 1))]
    lasts = uids[np.concatenate((breaks, [uids.size - 1]))]
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        yield str(first) if first == last else f"{first}:{last}"
