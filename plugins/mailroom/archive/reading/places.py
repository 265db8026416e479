"""The ``locations`` log of one account, reduced to the newest row of each key.

Belongs here: reading a few columns of the log into NumPy arrays, and finding rows again.
Does not belong here: what callers see of it (``state``). A row is held as some forty
octets; whatever else it says is read from its file when asked for. Rows are reduced
as they come in, so a long history costs no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.delta.data_files import DataFile, Slice
from mailroom.archive.delta.tables import Table
from mailroom.archive.digests import halves
from mailroom.archive.memory import MemoryRelease
from mailroom.model import Change, MailProtocol

__all__ = ["CHANGES", "Places", "RowReader", "Rows", "Vocabulary", "joined"]

CHANGES = [change.value for change in Change]
"""The closed list of changes; a row holds its number in this list."""

Ints = npt.NDArray[np.int64]

_COMMON = ("folder", "change", "seq", "flags")

_KEYS = {
    MailProtocol.IMAP: ("uidvalidity", "uid"),
    MailProtocol.POP3: ("sha256", "uidl"),
    MailProtocol.IMPORT: ("sha256",),
}

_REDUCE_ROWS = 100_000
"""After how many new rows of a folder older ones of the same key are dropped while reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Aligned columns of log rows of one folder.

    :param epoch: UIDVALIDITY (-1: none); else the first 64 bits of the message's digest (0: none).
    :param number: UID (-1: none); for POP3 the number of the UIDL, for an import the next 64 bits.
    :param group: number of the row group the row is in, and ``row`` its place there.
    """

    epoch: Ints
    number: Ints
    seq: npt.NDArray[np.int32]
    change: npt.NDArray[np.int8]
    flags: npt.NDArray[np.int32]
    group: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.seq)

    def take(self, chosen: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Rows:
        """Return some of the rows, by number or mask."""
        return Rows(**{name: getattr(self, name)[chosen] for name in self.__slots__})

    def newest(self) -> Rows:
        """Return the newest row of each key, ordered by epoch and number."""
        if _is_rising(self.epoch, self.number):
            return self
        rows = self.take(np.lexsort((self.seq, self.number, self.epoch)))
        last = np.ones(len(rows), dtype=bool)
        last[:-1] = (rows.epoch[1:] != rows.epoch[:-1]) | (rows.number[1:] != rows.number[:-1])
        return rows if last.all() else rows.take(last)


class Vocabulary:
    """Texts and their numbers, in order of first sight."""

    def __init__(self, *known: str) -> None:
        self.words: list[str] = list(known)
        self._numbers = {word: number for number, word in enumerate(known)}

    def numbers(self, column: pa.ChunkedArray | pa.Array) -> Ints:
        """Return the number of each text; a null counts as the empty text."""
        encoded = pc.fill_null(column, "").dictionary_encode()
        encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        if isinstance(encoded, pa.ChunkedArray):
            encoded = (
                encoded.chunk(0) if encoded.num_chunks else pa.array([], pa.string()).dictionary_encode()
            )
        mine = np.array([self.number(word) for word in encoded.dictionary.to_pylist()], dtype=np.int64)
        return mine[encoded.indices.to_numpy(zero_copy_only=False)] if len(mine) else np.empty(0, np.int64)

    def number(self, word: str) -> int:
        """Return a text's number; a new one gets the next."""
        found = self._numbers.get(word)
        if found is None:
            found = self._numbers[word] = len(self.words)
            self.words.append(word)
        return found

    def find(self, word: str) -> int:
        """Return a text's number, or -1."""
        return self._numbers.get(word, -1)


class RowReader:
    """Finds whole rows again; stays valid for a snapshot after upkeep has joined the files."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.files: dict[str, DataFile] = {}
        self.groups: list[tuple[str, int]] = []
        self._last: tuple[object, pa.Table] | None = None

    def read(
        self, rows: Rows, columns: Sequence[str] | None = None
    ) -> Iterator[tuple[npt.NDArray[np.intp], pa.Table]]:
        """Yield, group by group, which of ``rows`` were read, and their columns.

        The last group stays in memory: rows are mostly asked for in the order they were written.

        :raises StoreUnavailable: where a file cannot be read.
        """
        order = np.argsort(rows.group, kind="stable")
        cuts = np.flatnonzero(np.diff(rows.group[order])) + 1
        for chosen in np.split(order, cuts) if len(order) else ():
            yield chosen, self._group(int(rows.group[chosen[0]]), columns).take(rows.row[chosen])

    def _group(self, number: int, columns: Sequence[str] | None) -> pa.Table:
        wanted = (number, None if columns is None else tuple(columns))
        if self._last is None or self._last[0] != wanted:
            path, group = self.groups[number]
            self._last = None
            self._last = (wanted, self._table.read_group(self.files[path], group, columns))
        return self._last[1]


class Places:
    """The newest rows of one account and protocol, folder by folder, kept up with the table.

    :param until: leave out what was seen or done later, so that these are the newest rows of then.
    """

    def __init__(
        self, table: Table, account: str, protocol: MailProtocol, *, until: datetime | None = None
    ) -> None:
        self._table = table
        self._until = None if until is None else pa.scalar(until, pa.timestamp("us", tz="UTC"))
        self._equal = {"account": account, "protocol": protocol.value}
        self._protocol = protocol
        self._memory = MemoryRelease()
        self._forget()

    def _forget(self) -> None:
        self.reader = RowReader(self._table)
        self.flags = Vocabulary("")
        self.uidls = Vocabulary("")
        self._folders = Vocabulary()
        self._parts: dict[int, list[Rows]] = {}

    def update(self) -> None:
        """Read what the table in hand has that was not read yet.

        :raises StoreUnavailable: where the table cannot be read.
        """
        now = {file.path: file for file in self._table.files()}
        if not self.reader.files.keys() <= now.keys():
            self._forget()  # files were joined: every row is in a new place
        fresh = [file for path, file in now.items() if path not in self.reader.files]
        if not fresh:
            return
        self.reader.files.update(now)
        columns = (*_KEYS[self._protocol], *_COMMON, *(() if self._until is None else ("at",)))
        for piece in self._table.scan(columns, equal=self._equal, files=fresh):
            self._sort_in(*self._rows_of(self._of_then(piece)))
        self._memory.release()

    def folder_names(self) -> list[str]:
        """Return the folders that have rows."""
        return list(self._folders.words)

    def of_folder(self, folder: str) -> Rows:
        """Return the newest rows of one folder, ordered by epoch and number."""
        number = self._folders.find(folder)
        parts = self._parts.get(number)
        if parts is None:
            return _no_rows()
        if len(parts) > 1:
            parts[:] = [joined(parts).newest()]
        return parts[0]

    def _sort_in(self, folders: Ints, rows: Rows) -> None:
        for number in np.unique(folders).tolist():
            mine = folders == number
            parts = self._parts.setdefault(number, [_no_rows()])
            parts.append(rows if mine.all() else rows.take(mine))
            if sum(len(part) for part in parts[1:]) > max(_REDUCE_ROWS, len(parts[0]) // 2):
                parts[:] = [joined(parts).newest()]

    def _of_then(self, piece: Slice) -> Slice:
        """Return a piece without the rows that came later than the moment asked for."""
        if self._until is None:
            return piece
        then = pc.fill_null(pc.less_equal(piece.table["at"], self._until), True)
        return replace(piece, table=piece.table.filter(then), rows=piece.rows[then.to_numpy()])

    def _rows_of(self, piece: Slice) -> tuple[Ints, Rows]:
        """Return rows of a piece, and the number of each one's folder."""
        table = piece.table
        group = len(self.reader.groups)
        self.reader.groups.append((piece.file, piece.group))
        if self._protocol is MailProtocol.POP3:
            epoch, number = halves(table["sha256"])[0].view(np.int64), self.uidls.numbers(table["uidl"])
        elif self._protocol is MailProtocol.IMPORT:
            first, second = halves(table["sha256"])
            epoch, number = first.view(np.int64), second.view(np.int64)
        else:
            epoch, number = _ints(table["uidvalidity"]), _ints(table["uid"])
        changes = pc.fill_null(pc.index_in(table["change"], pa.array(CHANGES)), -1)
        rows = Rows(
            epoch=epoch,
            number=number,
            seq=_ints(table["seq"]).astype(np.int32),
            change=changes.to_numpy().astype(np.int8),
            flags=self.flags.numbers(pc.binary_join(table["flags"], " ")).astype(np.int32),
            group=np.full(table.num_rows, group, dtype=np.int32),
            row=piece.rows,
        )
        return self._folders.numbers(table["folder"]), rows


def _is_rising(epoch: Ints, number: Ints) -> bool:
    """Say whether keys are in order and each is there once, which a first mirror's are."""
    if len(epoch) < 2:
        return True
    later = (epoch[1:] > epoch[:-1]) | ((epoch[1:] == epoch[:-1]) & (number[1:] > number[:-1]))
    return bool(later.all())


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(pc.fill_null(column, -1).to_numpy(), dtype=np.int64)


def _no_rows() -> Rows:
    wide, narrow = np.empty(0, np.int64), np.empty(0, np.int32)
    return Rows(
        epoch=wide,
        number=wide,
        seq=narrow,
        change=np.empty(0, np.int8),
        flags=narrow,
        group=narrow,
        row=narrow,
    )


def joined(parts: list[Rows]) -> Rows:
    """Return the rows of several as one; at least one is given."""
    return Rows(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in Rows.__slots__})
