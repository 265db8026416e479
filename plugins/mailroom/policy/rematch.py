"""Which messages of a mailbox that was numbered anew are ones the archive holds.

Here: matching by what a server says cheaply of each message. Not here: asking for it, and
the download of what stays unmatched (``services``). UIDVALIDITY says that all numbers of a
mailbox are void (RFC 3501 section 2.3.1.1); the messages are mostly the same.

A wrong match would lose a message, a missed one costs a download. So a match takes the
Message-ID or the server's object id, and beside it the size the server states and a date; and
where several messages look the same, they must all have the same bytes in the archive.
A million messages fit: each is held as some eighty octets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

__all__ = ["Appearance", "Appearances", "match_appearances"]

KEY_OCTETS = 16
"""Length of a key: 128 bits make two different messages with one key a matter of theory."""

Keys = npt.NDArray[np.bytes_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """What is known of one message without its content.

    :param octets: size as the server states it.
    :param object_id: EMAILID (RFC 8474) or X-GM-MSGID.
    :param date: the Date header, as a moment.
    """

    octets: int | None = None
    internal_date: datetime | None = None
    message_id: str | None = None
    object_id: str | None = None
    date: datetime | None = None

    def keys(self) -> tuple[bytes, ...]:
        """Return what it can be recognised by, the surest first; an empty key recognises nothing."""
        if self.octets is None:
            return (b"", b"", b"")
        mail, size = self.message_id, str(self.octets)
        return (
            _key("object", self.object_id, size, mail or "none") if self.object_id else b"",
            _key("received", mail, size, _moment(self.internal_date)),
            _key("written", mail, size, _moment(self.date)),
        )


LEVELS = 3
"""How many keys an appearance has."""


@dataclass(slots=True)
class Appearances:
    """The appearances of many messages, reduced to their keys."""

    _keys: list[bytearray] = field(default_factory=lambda: [bytearray() for _ in range(LEVELS)])
    _count: int = 0

    def __len__(self) -> int:
        return self._count

    def add(self, appearance: Appearance) -> None:
        """Add one message; its place is the number of those before it."""
        for column, key in zip(self._keys, appearance.keys(), strict=True):
            column += key or bytes(KEY_OCTETS)
        self._count += 1

    def columns(self) -> Iterator[Keys]:
        """Yield the keys of each level, aligned to the order of adding."""
        for column in self._keys:
            yield np.frombuffer(bytes(column), dtype=f"S{KEY_OCTETS}")


def match_appearances(
    former: Appearances, contents: npt.NDArray[np.bytes_], found: Appearances
) -> npt.NDArray[np.int64]:
    """Return for each found message the place of the former one it is, or -1.

    No former message is matched twice. Of several that share a key, all former ones must have
    the same content; they are then matched in their order, as far as they go round.

    :param contents: the content of each former message, as a digest, aligned to ``former``.
    """
    matches = np.full(len(found), -1, dtype=np.int64)
    is_taken = np.zeros(len(former), dtype=bool)
    for former_keys, found_keys in zip(former.columns(), found.columns(), strict=True):
        open_former = np.flatnonzero(~is_taken & (former_keys != b""))
        open_found = np.flatnonzero((matches < 0) & (found_keys != b""))
        places, targets = _pair(former_keys[open_former], contents[open_former], found_keys[open_found])
        matches[open_found[targets]] = open_former[places]
        is_taken[open_former[places]] = True
    return matches


def _pair(
    former: Keys, contents: npt.NDArray[np.bytes_], found: Keys
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return places in ``former`` and in ``found`` that belong together by one level's keys."""
    former_numbers, found_numbers, count = _numbered(former, found)
    telling = _with_one_content(former_numbers, contents, count)
    # The n-th former message with a key goes with the n-th found one.
    left, left_turn = _turns(former_numbers)
    right, right_turn = _turns(found_numbers)
    width = np.int64(len(former) + len(found) + 1)
    left_rank = former_numbers[left].astype(np.int64) * width + left_turn
    right_rank = found_numbers[right].astype(np.int64) * width + right_turn
    _, chosen_left, chosen_right = np.intersect1d(
        left_rank, right_rank, assume_unique=True, return_indices=True
    )
    places, targets = left[chosen_left], right[chosen_right]
    sure = telling[former_numbers[places]]
    return places[sure], targets[sure]


def _numbered(former: Keys, found: Keys) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Return the keys of both sides as numbers of one series, and how many there are."""
    words, numbers = np.unique(np.concatenate([former, found]), return_inverse=True)
    flat = numbers.reshape(-1).astype(np.int64)
    return flat[: len(former)], flat[len(former) :], len(words)


def _with_one_content(
    numbers: npt.NDArray[np.int64], contents: npt.NDArray[np.bytes_], count: int
) -> npt.NDArray[np.bool_]:
    """Return for each key number whether all former messages that have it have one content."""
    _, kinds = np.unique(contents, return_inverse=True)
    kinds = kinds.reshape(-1).astype(np.int64)
    lowest = np.full(count, np.iinfo(np.int64).max)
    highest = np.full(count, -1)
    np.minimum.at(lowest, numbers, kinds)
    np.maximum.at(highest, numbers, kinds)
    same: npt.NDArray[np.bool_] = lowest == highest
    return same


def _turns(numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the places ordered by number, and which turn each has among those of its number."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.searchsorted(ordered, ordered, side="left")
    return order.astype(np.int64), np.arange(len(ordered)) - starts


def _key(*parts: str | None) -> bytes:
    """Return one key of all parts, or an empty one where a part is missing."""
    if any(not part for part in parts):
        return b""
    text = "\0".join(part for part in parts if part)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=KEY_OCTETS).digest()
    # NumPy's byte strings end at their trailing zeros; the last octet says nothing, and is never one.
    return digest[:-1] + b"\1"


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else str(int(moment.timestamp()))
