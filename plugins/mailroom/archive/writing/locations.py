"""Append to the ``locations`` log, each change once, whoever else writes about the same folder.

Belongs here: the numbers that make two writers meet, and what the loser leaves out.
Does not belong here: reading the log's state (``places``, ``state``).

A folder's ``seq`` is the Delta transaction version of ``account/folder``. A writer
plans on the state it has read; if the number has moved since, someone else wrote, and
rows that say what is written already are dropped before they are committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import NamedTuple

import pyarrow as pa

from mailroom.archive.delta.rows import locations_table
from mailroom.archive.delta.tables import Append, Table
from mailroom.archive.reading.places import CHANGES
from mailroom.model import Change, LocationRow

__all__ = ["LocationLog", "Placed", "transaction_name"]

_KEY = ("protocol", "uidvalidity", "uid", "uidl", "sha256", "change", "flags", "seq", "folder")

Key = tuple[object, ...]


class Placed(NamedTuple):
    """A row, and the message it is about as the archive holds it."""

    row: LocationRow
    digest: str | None
    archived_at: datetime | None


def transaction_name(account: str, folder: str) -> str:
    """Return the Delta transaction identifier of a folder."""
    return f"{account}/{folder}"


class LocationLog:
    """The ``locations`` table for one writer.

    :param planned_on: the number each folder had when its state was read.
    """

    def __init__(self, table: Table, planned_on: Mapping[str, int]) -> None:
        self.table = table
        self._planned_on = planned_on
        self._planned: dict[str, int] = {}
        self._mine: dict[str, int] = {}
        self._shared: set[str] = set()

    def begin(self, account: str, folder: str) -> None:
        """Note that rows of a folder are coming, planned on the state as it was read last."""
        name = transaction_name(account, folder)
        if name not in self._planned and name in self._planned_on:
            self._planned[name] = self._planned_on[name]

    def append(self, placed: Sequence[Placed]) -> None:
        """Commit rows; what another writer has said already is left out.

        :raises StoreUnavailable: where the store refuses.
        """
        folders = _by_folder(placed)

        def plan() -> Append | None:
            for (account, folder), places in folders.items():
                self._catch_up(account, folder, places)
            numbers = {
                transaction_name(*where): self._mine[transaction_name(*where)] + 1
                for where, places in folders.items()
                if places
            }
            return Append(rows=[_table(folders, numbers)], transactions=numbers) if numbers else None

        self.table.append(plan)
        for where, places in folders.items():
            self._mine[transaction_name(*where)] += bool(places)

    def _catch_up(self, account: str, folder: str, places: list[Placed]) -> None:
        """Drop what others have said since the state was read, and go on from their number.

        Once another writer was seen in a folder, every later batch is looked at too: it was
        planned on the state as it was read, not on what was committed since.
        """
        name = transaction_name(account, folder)
        now = self.table.transaction_version(name)
        planned = self._planned.setdefault(name, now)
        if now != self._mine.get(name, planned):
            self._shared.add(name)
        if name in self._shared:
            said = _said_since(self.table, account, folder, planned)
            places[:] = [place for place in places if not _is_said(place, said)]
        self._mine[name] = now


def _by_folder(placed: Sequence[Placed]) -> dict[tuple[str, str], list[Placed]]:
    """Return rows by account and folder; mostly many of one folder come in a row."""
    folders: dict[tuple[str, str], list[Placed]] = {}
    account = folder = None
    some: list[Placed] = []
    for place in placed:
        row = place.row
        if row.folder is not folder or row.account is not account:
            account, folder = row.account, row.folder
            some = folders.setdefault((account, folder), [])
        some.append(place)
    return folders


@dataclass(slots=True)
class _Said:
    """What others have said of one place since the state was read: the newest row, and who was added."""

    seq: int
    change: str
    digest: str | None
    flags: list[str]
    added: set[str | None]


def _said_since(table: Table, account: str, folder: str, seq: int) -> dict[Key, _Said]:
    """Return what was said of each place after ``seq``."""
    said: dict[Key, _Said] = {}
    for piece in table.scan(_KEY, equal={"account": account, "folder": folder}):
        for row in piece.table.to_pylist():
            if row["seq"] <= seq:
                continue
            digest = row["sha256"] if row["protocol"] != "imap" else None
            key = (row["protocol"], row["uidvalidity"], row["uid"], row["uidl"], digest)
            before = said.get(key)
            added = set() if before is None else before.added
            if row["change"] in _LIVE:
                added.add(row["sha256"])
            if before is None or before.seq < row["seq"]:
                said[key] = _Said(row["seq"], row["change"], row["sha256"], row["flags"] or [], added)
    return said


def _is_said(place: Placed, said: Mapping[Key, _Said]) -> bool:
    """Return whether a row adds nothing; what was added and is gone again was added all the same."""
    row = place.row
    digest = place.digest if row.protocol.value != "imap" else None
    found = said.get((row.protocol.value, row.uid_validity, row.uid, row.uidl, digest))
    if found is None:
        return False
    if row.change is Change.ADDED:
        return place.digest in found.added
    is_same = found.change == row.change.value and found.digest == place.digest
    return is_same and sorted(row.flags) == list(found.flags)


_LIVE = frozenset(word for word in CHANGES if Change(word).is_live)


def _table(folders: Mapping[tuple[str, str], Sequence[Placed]], numbers: Mapping[str, int]) -> pa.Table:
    placed = list(chain.from_iterable(folders.values()))
    seqs = [[numbers[transaction_name(*where)]] * len(places) for where, places in folders.items() if places]
    rows, digests, archived = (list(column) for column in zip(*placed, strict=True))
    return locations_table(rows, digests, archived, list(chain.from_iterable(seqs)))
