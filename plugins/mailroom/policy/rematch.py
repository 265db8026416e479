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
from itertools import islice

import numpy as np
import numpy.typing as npt

__all__ = ["Appearance", "Appearances", "match_appearances"]

KEY_OCTETS = 16
"""Length of a key: 128 bits make two different messages with one key a matter of theory."""

Keys = npt.NDArray[np.uint64]
"""Keys or digests as pairs of 64 bits; a pair of zeros is no key."""


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

RECEIVED_LEVELS = 2
"""How many of them hold only where the server says the same of a message as before."""


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
            yield np.frombuffer(bytes(column), dtype=np.uint64).reshape(-1, 2)


def match_appearances(
    former: Appearances, contents: Keys, found: Appearances, *, as_received: bool = False
) -> npt.NDArray[np.int64]:
    """Return for each found message the place of the former one it is, or -1.

    No former message is matched twice. Of several that share a key, all former ones must have
    the same content; they are then matched in their order, as far as they go round.

    :param contents: the first 128 bits of the digest of each former message, aligned to ``former``.
    :param as_received: whether the Date header, which people write, may not stand for the date of arrival.
    """
    levels = RECEIVED_LEVELS if as_received else LEVELS
    matches = np.full(len(found), -1, dtype=np.int64)
    is_taken = np.zeros(len(former), dtype=bool)
    for former_keys, found_keys in islice(zip(former.columns(), found.columns(), strict=True), levels):
        open_former = np.flatnonzero(~is_taken & former_keys.any(axis=1))
        open_found = np.flatnonzero((matches < 0) & found_keys.any(axis=1))
        if not len(open_former) or not len(open_found):
            continue
        places, targets = _pair(former_keys[open_former], contents[open_former], found_keys[open_found])
        matches[open_found[targets]] = open_former[places]
        is_taken[open_former[places]] = True
    return matches


def _pair(former: Keys, contents: Keys, found: Keys) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return places in ``former`` and in ``found`` that belong together by one level's keys."""
    left = np.argsort(former[:, 0], kind="stable")
    right = np.argsort(found[:, 0], kind="stable")
    left_keys, right_keys = former[left, 0], found[right, 0]
    starts = np.flatnonzero(np.concatenate(([True], left_keys[1:] != left_keys[:-1])))
    is_sure = _is_one(former[left, 1], starts) & _is_one(contents[left, 0], starts)
    is_sure &= _is_one(contents[left, 1], starts)
    # The n-th found message with a key goes with the n-th former one that has it.
    turn = np.arange(len(right_keys)) - np.searchsorted(right_keys, right_keys)
    asked = np.searchsorted(left_keys, right_keys) + turn
    place = np.minimum(asked, len(left_keys) - 1)
    is_pair = (asked == place) & (left_keys[place] == right_keys) & is_sure[place]
    is_pair &= former[left[place], 1] == found[right, 1]
    return left[place[is_pair]], right[is_pair]


def _is_one(values: npt.NDArray[np.uint64], starts: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Return for each value whether all of its group are the same; groups begin at ``starts``."""
    is_same = np.minimum.reduceat(values, starts) == np.maximum.reduceat(values, starts)
    found: npt.NDArray[np.bool_] = np.repeat(is_same, np.diff(np.append(starts, len(values))))
    return found


def _key(*parts: str | None) -> bytes:
    """Return one key of all parts, or an empty one where a part is missing."""
    if any(not part for part in parts):
        return b""
    text = "\0".join(part for part in parts if part)
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=KEY_OCTETS).digest()


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else str(int(moment.timestamp()))
