"""What one account holds at a moment: its folders, and the messages in each, for whoever copies it elsewhere.

Belongs here: which rows of ``locations`` mean a message that a person would look for. Does not
belong here: the newest row of each place (``places``), the bytes (``raw``).

A message counts as held in its folder unless the newest row of its place says that somebody
removed it on the server. What Mailroom itself took off the server is held all the same: to free
the server was the reason to archive it. A folder may hold one message twice, as its server does;
but what was read by two protocols, or imported as well, is one message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from mailroom.archive.archive import Archive
from mailroom.archive.digests import DigestSet, Halves, halves
from mailroom.archive.reading.as_of import AccountAsOf
from mailroom.archive.reading.places import CHANGES, RowReader, Rows
from mailroom.archive.writing.locations import transaction_name
from mailroom.model import Change, MailProtocol

__all__ = ["AccountContents", "HeldFolder", "HeldMessage"]

CHUNK_ROWS = 4096
"""How many rows are turned into values at a time."""

_ORDER = (MailProtocol.IMAP, MailProtocol.POP3, MailProtocol.IMPORT)
"""A message that a folder holds by several protocols is told of as the first of these says."""

_TAKEN_BY_US = (Change.DELETED_BY_FETCH, Change.DELETED_BY_RETENTION, Change.NOT_LISTED)
_HELD = np.array([Change(word).is_live or Change(word) in _TAKEN_BY_US for word in CHANGES] + [False])
_GONE_WORDS = (Change.EXPUNGED, Change.DELETED_BY_REQUEST)
_GONE = np.array([Change(word) in _GONE_WORDS for word in CHANGES] + [False])

_COLUMNS = ("sha256", "flags", "internal_date", "archived_at", "at")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFolder:
    """One folder, and how many messages of it are held."""

    name: str
    delimiter: str | None
    special_use: str | None
    messages: int

    @property
    def levels(self) -> list[str]:
        """The levels of its name, the topmost first."""
        return self.name.split(self.delimiter) if self.delimiter else [self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldMessage:
    """One message at one place.

    :param turn: which of the folder's messages with this digest it is, from 1.
    :param flags: IMAP flags, sorted.
    :param internal_date: when the server received it, where it says so.
    :param archived_at: when this archive first stored it.
    """

    digest: str
    turn: int
    flags: tuple[str, ...]
    internal_date: datetime | None
    archived_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Rows of one folder, read by one protocol."""

    reader: RowReader
    rows: Rows


class AccountContents:
    """One account as of now or of a moment; a snapshot that does not change.

    Held as some forty octets a place; whatever else a row says is read when it is asked for.

    :param until: as of this moment; None means as of now.
    :param with_deleted: hold as well what was removed on the server and is held nowhere else in
        the account, each message once, where it was last.
    :raises StoreUnavailable: where the archive cannot be read.
    """

    def __init__(
        self, archive: Archive, account: str, *, until: datetime | None = None, with_deleted: bool = False
    ) -> None:
        self._account = account
        state = AccountAsOf(archive, account, until)
        self._table = state.table
        self._parts: dict[str, list[_Part]] = {}
        gone: dict[str, list[_Part]] = {}
        for protocol in _ORDER:
            places = state.places(protocol)
            for folder in places.folder_names():
                rows = _in_order(places.of_folder(folder), protocol)
                self._parts.setdefault(folder, []).append(
                    _Part(reader=places.reader, rows=rows.take(_HELD[rows.change]))
                )
                gone.setdefault(folder, []).append(
                    _Part(reader=places.reader, rows=rows.take(_GONE[rows.change]))
                )
        for parts in self._parts.values():
            parts[:] = _each_once(parts)
        if with_deleted:
            for folder, parts in _nowhere_else(self._parts, gone).items():
                self._parts.setdefault(folder, []).extend(parts)
        self._stated = state.folders

    @property
    def delimiter(self) -> str:
        """What separates levels in the names of this account's folders."""
        return next((row.delimiter for row in self._stated.values() if row.delimiter), "/")

    def folders(self) -> list[HeldFolder]:
        """Return the folders that hold messages or were there, sorted by name, INBOX first."""
        there = {name for name, row in self._stated.items() if not row.deleted}
        there |= {name for name in self._parts if self._count(name)}
        found = []
        for name in sorted(there, key=lambda name: (name.upper() != "INBOX", name)):
            stated = self._stated.get(name)
            found.append(
                HeldFolder(
                    name=name,
                    delimiter=self.delimiter if stated is None else stated.delimiter,
                    special_use=None if stated is None else stated.special_use,
                    messages=self._count(name),
                )
            )
        return found

    def messages(self, folder: str) -> Iterator[HeldMessage]:
        """Yield the messages of a folder, by number or in the order they were archived.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        parts = self._parts.get(folder, [])
        turns = _turns([_digests(part) for part in parts])
        for part, mine in zip(parts, turns, strict=True):
            for start in range(0, len(part.rows), CHUNK_ROWS):
                chosen = np.arange(start, min(start + CHUNK_ROWS, len(part.rows)))
                yield from _messages(part.reader, part.rows.take(chosen), mine[chosen])

    def digests(self, folder: str) -> Halves:
        """Return the digests of a folder's messages.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        found = [_digests(part) for part in self._parts.get(folder, [])]
        empty = np.empty(0, np.uint64)
        return (
            np.concatenate([empty, *(first for first, _ in found)]),
            np.concatenate([empty, *(second for _, second in found)]),
        )

    def seq_of(self, folder: str) -> int:
        """Return the number of the folder's last commit in this snapshot, or -1."""
        return self._table.transaction_version(transaction_name(self._account, folder))

    def _count(self, folder: str) -> int:
        return sum(len(part.rows) for part in self._parts.get(folder, ()))


def _in_order(rows: Rows, protocol: MailProtocol) -> Rows:
    """Return rows in the order of their numbers, or where there are none as they were archived."""
    return rows if protocol is MailProtocol.IMAP else rows.take(np.lexsort((rows.row, rows.group)))


def _digests(part: _Part) -> Halves:
    first = np.empty(len(part.rows), np.uint64)
    second = np.empty(len(part.rows), np.uint64)
    for chosen, table in part.reader.read(part.rows, ["sha256"]):
        first[chosen], second[chosen] = halves(table["sha256"])
    return first, second


def _turns(digests: list[Halves]) -> list[npt.NDArray[np.int64]]:
    """Return for each message which of those with its digest it is, counted over all parts."""
    first = np.concatenate([np.empty(0, np.uint64), *(half for half, _ in digests)])
    second = np.concatenate([np.empty(0, np.uint64), *(half for _, half in digests)])
    order = np.lexsort((second, first))
    numbers = np.arange(len(order))
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (first[order][1:] != first[order][:-1]) | (second[order][1:] != second[order][:-1])
    begins = np.maximum.accumulate(np.where(is_new, numbers, 0)) if len(order) else numbers
    turns = np.empty(len(order), dtype=np.int64)
    turns[order] = numbers - begins + 1
    return np.split(turns, np.cumsum([len(half) for half, _ in digests])[:-1]) if digests else []


def _each_once(parts: list[_Part]) -> list[_Part]:
    """Return parts without what an earlier one holds: one message read by IMAP and imported is one."""
    if sum(1 for part in parts if len(part.rows)) < 2:
        return parts
    kept: list[_Part] = []
    before = DigestSet(np.empty(0, np.uint64), np.empty(0, np.uint64))
    for part in parts:
        first, second = _digests(part)
        kept.append(_Part(reader=part.reader, rows=part.rows.take(before.find(first, second) < 0)))
        before = DigestSet(np.concatenate([before.first, first]), np.concatenate([before.second, second]))
    return kept


def _nowhere_else(held: dict[str, list[_Part]], gone: dict[str, list[_Part]]) -> dict[str, list[_Part]]:
    """Return of what is gone the last place of each message that is held nowhere."""
    holding = [_digests(part) for parts in held.values() for part in parts]
    leaving = [(folder, part) for folder, parts in gone.items() for part in parts]
    lost = [_digests(part) for _, part in leaving]
    if not lost:
        return {}
    firsts = np.concatenate([first for first, _ in [*holding, *lost]])
    seconds = np.concatenate([second for _, second in [*holding, *lost]])
    # Of one message what is held stands last, before it what was written last.
    count = sum(len(first) for first, _ in holding)
    ages = np.concatenate(
        [np.full(count, np.iinfo(np.int64).max), *(_age(part.rows) for _, part in leaving)]
    ).astype(np.int64)
    order = np.lexsort((ages, seconds, firsts))
    is_last = np.ones(len(order), dtype=bool)
    is_last[:-1] = (firsts[order][1:] != firsts[order][:-1]) | (seconds[order][1:] != seconds[order][:-1])
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[is_last]] = True
    found: dict[str, list[_Part]] = {}
    start = count
    for folder, part in leaving:
        mine = chosen[start : start + len(part.rows)]
        start += len(part.rows)
        found.setdefault(folder, []).append(_Part(reader=part.reader, rows=part.rows.take(mine)))
    return found


def _age(rows: Rows) -> npt.NDArray[np.int64]:
    """Return numbers that grow in the order in which rows were written."""
    return rows.group.astype(np.int64) << 32 | rows.row.astype(np.int64)


def _messages(reader: RowReader, rows: Rows, turns: npt.NDArray[np.int64]) -> list[HeldMessage]:
    """Return rows as messages in their order; what was never delivered is left out."""
    found: list[HeldMessage | None] = [None] * len(rows)
    for chosen, table in reader.read(rows, _COLUMNS):
        columns = [table[name].to_pylist() for name in _COLUMNS]
        places = zip(chosen.tolist(), turns[chosen].tolist(), *columns, strict=True)
        for place, turn, digest, flags, internal_date, archived_at, at in places:
            if digest is not None:
                found[place] = HeldMessage(
                    digest=digest,
                    turn=turn,
                    flags=tuple(flags or ()),
                    internal_date=internal_date,
                    archived_at=archived_at or at,
                )
    return [message for message in found if message is not None]
