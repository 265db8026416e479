"""Sequence sets: many UIDs as few ranges, both ways (RFC 3501 section 9, RFC 4731).

Belongs here: texts such as ``1:5,9`` and sorted arrays of numbers. ``*`` is not among
them: what it means is known to the server only. Pure, and no loop runs over numbers one by
one in Python while decoding, for a mailbox may hold a million.

``sequence-set = (seq-number / seq-range) *("," sequence-set)``
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mailroom.exceptions import MAX_QUOTED_OCTETS, LimitExceeded, RemoteProtocolError

__all__ = [
    "MAX_SET_OCTETS",
    "MAX_UIDS",
    "Uids",
    "as_uids",
    "decode_numbers",
    "decode_sequence_set",
    "encode_sequence_set",
    "merged",
    "sequence_sets",
]

Uids = npt.NDArray[np.int64]
"""UIDs in ascending order, each once."""

MAX_SET_OCTETS = 8000
"""Longest set sent in one command; RFC 7162 section 4 asks servers to take lines of 8,192 octets."""

MAX_UIDS = 20_000_000
"""More numbers than any mailbox holds, 160 MB of them: a range like 1:4294967295 is no listing."""

_DIGITS = 10
"""Digits of the largest UID, 4294967295 (RFC 3501 section 9: nz-number)."""

_COMMA, _COLON, _SPACE, _ZERO, _NINE = b",: 09"


def as_uids(uids: Iterable[int] | Uids) -> Uids:
    """Return UIDs in any order, with repeats, as a sorted array."""
    array = uids if isinstance(uids, np.ndarray) else np.fromiter(uids, dtype=np.int64)
    array = array.astype(np.int64, copy=False)
    return array if array.size < 2 or bool(np.all(array[1:] > array[:-1])) else np.unique(array)


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
        if held and octets + len(text) > max_octets:
            yield ",".join(held)
            held, octets = [], 0
        held.append(text)
        octets += len(text) + 1
    if held:
        yield ",".join(held)


def decode_sequence_set(text: str | bytes) -> Uids:
    """Return the numbers that a set names, in ascending order.

    :raises RemoteProtocolError: where it is no set of plain numbers.
    :raises LimitExceeded: where it names more than ``MAX_UIDS``.

    >>> decode_sequence_set("9,1:3").tolist()
    [1, 2, 3, 9]
    """
    octets = text.encode("ascii", "replace") if isinstance(text, str) else text
    if not octets:
        return np.empty(0, dtype=np.int64)
    numbers, separators = _split(octets, (_COMMA, _COLON))
    follows = np.concatenate(([False], separators == _COLON))
    precedes = np.concatenate((separators == _COLON, [False]))
    if np.any(follows & precedes):
        raise _no_set(octets)
    starts, ends = numbers[~follows], numbers[~precedes]
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    return as_uids(_expand(low, high - low + 1))


def decode_numbers(text: bytes) -> Uids:
    """Return the numbers of a SEARCH response, in ascending order (RFC 3501 section 7.2.5).

    :raises RemoteProtocolError: where they are no plain numbers with one space between them.
    """
    if not text:
        return np.empty(0, dtype=np.int64)
    return as_uids(_split(text, (_SPACE,))[0])


def merged(sets: Sequence[Uids]) -> Uids:
    """Return the UIDs of several arrays in ascending order, each once."""
    return as_uids(np.concatenate(sets)) if sets else np.empty(0, dtype=np.int64)


def _split(text: bytes, separators: tuple[int, ...]) -> tuple[Uids, npt.NDArray[np.uint8]]:
    """Return the numbers of a text and the octets that stand between them."""
    octets = np.frombuffer(text, dtype=np.uint8)
    is_separator = np.isin(octets, separators)
    places = np.flatnonzero(is_separator)
    lengths = np.diff(np.concatenate(([-1], places, [octets.size]))) - 1
    if not np.all(is_separator | ((octets >= _ZERO) & (octets <= _NINE))) or not (
        lengths.min() >= 1 and lengths.max() <= _DIGITS
    ):
        raise _no_set(text)
    plain = text.replace(b":", b",").replace(b" ", b",").decode("ascii")
    numbers: Uids = np.fromstring(plain, dtype=np.int64, sep=",")
    return numbers, octets[places]


def _expand(starts: Uids, sizes: Uids) -> Uids:
    """Return all numbers of ranges, one range after the other."""
    total = int(sizes.sum())
    if total > MAX_UIDS:
        raise LimitExceeded(
            f"The server listed more than {MAX_UIDS} messages in one folder.", limit=MAX_UIDS, found=total
        )
    if total == starts.size:
        return starts
    firsts = np.cumsum(sizes) - sizes
    expanded: Uids = np.arange(total, dtype=np.int64) + np.repeat(starts - firsts, sizes)
    return expanded


def _ranges(uids: Uids) -> list[str]:
    if not uids.size:
        return []
    breaks = np.flatnonzero(np.diff(uids) != 1)
    firsts = uids[np.concatenate(([0], breaks + 1))]
    lasts = uids[np.concatenate((breaks, [uids.size - 1]))]
    if firsts.size == uids.size:
        return list(map(str, firsts.tolist()))
    pairs = zip(firsts.tolist(), lasts.tolist(), strict=True)
    return [str(first) if first == last else f"{first}:{last}" for first, last in pairs]


def _no_set(received: bytes) -> RemoteProtocolError:
    return RemoteProtocolError(
        "The server sent a list of message numbers that is none.", received=received[:MAX_QUOTED_OCTETS]
    )
