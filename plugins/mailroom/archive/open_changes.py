"""Which changes of an account are not over, read once and then kept by what is committed since.

Belongs here: the ids that wait, how many there are for each folder, and where their rows lie. Does not
belong here: what a row means (``change_log``).

A file is read once: what a run asks for or writes down in thousands of commits costs it one look at
each of them. Where upkeep has joined files, or rows were removed, all is read anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.delta.data_files import DataFile, Slice
from mailroom.archive.delta.tables import Table
from mailroom.change_request import RequestKind, RequestState

__all__ = ["OVER", "OpenChanges"]

OVER = pa.array([state.value for state in RequestState if not state.is_waiting])
"""The states of changes that are over."""

_PLACES = ["change_id", "state", "kind", "folder", "uid"]


class OpenChanges:
    """The changes of one account that are not over, by the version of the table in hand.

    :ivar ids: the changes.
    """

    def __init__(self, table: Table, account: str) -> None:
        self._table = table
        self._account = account
        self._files: dict[str, DataFile] = {}
        self._places: list[Slice] | None = None
        self.ids: set[str] = set()

    def refresh(self) -> None:
        """Take in what the version in hand has more than the one before.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        files = {file.path: file for file in self._table.files()}
        if not self._files.keys() <= files.keys():
            self._files, self._places, self.ids = {}, None, set()
        fresh = [file for path, file in files.items() if path not in self._files]
        if fresh:
            self.ids = self._read(fresh) if not self._files else self._added(fresh)
            if self._places is not None:
                self._places += self._scan_places(fresh)
        self._files = files

    def by_folder(self) -> Counter[tuple[bool, str]]:
        """Return how many changes wait, by whether they add messages, and by folder."""
        found: Counter[tuple[bool, str]] = Counter()
        for piece in self._places_read():
            for change_id, kind, folder in zip(
                *(piece.table[name].to_pylist() for name in ("change_id", "kind", "folder")), strict=True
            ):
                if change_id in self.ids:
                    found[kind == RequestKind.APPEND.value, folder] += 1
        return found

    def rows_of(self, folders: Collection[str] | None) -> Iterator[dict[str, Any]]:
        """Yield every row of the changes that wait for some folders, or for any where that is None."""
        ids = pa.array(self.ids, pa.string())
        wanted = None if folders is None else pa.array(folders, pa.string())

        def is_meant(table: pa.Table) -> Any:  # Any: an Arrow array
            waits = pc.is_in(table["change_id"], value_set=ids)
            return waits if wanted is None else pc.and_(waits, pc.is_in(table["folder"], value_set=wanted))

        equal = {"account": self._account}
        yield from self._whole(self._table.scan(["change_id", "folder"], equal=equal), is_meant)

    def asked_of(self, uids: Collection[int]) -> Iterator[dict[str, Any]]:
        """Yield the first row of each waiting change of a message with one of these UIDs, in any folder."""
        wanted = pa.array(sorted(uids), pa.int64())
        rows = self._whole(self._places_read(), lambda table: pc.is_in(table["uid"], value_set=wanted))
        return (row for row in rows if row["change_id"] in self.ids)

    def _whole(
        self, pieces: Iterator[Slice], is_meant: Callable[[pa.Table], Any]
    ) -> Iterator[dict[str, Any]]:
        """Yield whole rows of pieces, where they are meant."""
        for piece in pieces:
            chosen = is_meant(piece.table).to_numpy(zero_copy_only=False).astype(bool)
            if chosen.any():
                file = self._files[piece.file]
                yield from self._table.read_rows(file, piece.group, piece.rows[chosen]).to_pylist()

    def _read(self, files: Collection[DataFile]) -> set[str]:
        """Return the ids of changes that are not over, of files with all that was ever said of them."""
        known = self._states(files)
        is_over = pc.is_in(known["state"], value_set=OVER)
        over = known["change_id"].filter(is_over).combine_chunks()
        ids = pc.unique(known["change_id"].filter(pc.invert(is_over)))
        return set(ids.filter(pc.invert(pc.is_in(ids, value_set=over))).to_pylist())

    def _added(self, files: Collection[DataFile]) -> set[str]:
        """Return the ids of changes that are not over, with what newer files say."""
        known = self._states(files)
        is_new = pc.equal(known["state"], RequestState.PENDING.value)
        self.ids.update(known["change_id"].filter(is_new).to_pylist())
        is_over = pc.is_in(known["state"], value_set=OVER)
        self.ids.difference_update(known["change_id"].filter(is_over).to_pylist())
        return self.ids

    def _states(self, files: Collection[DataFile]) -> pa.Table:
        schema = pa.schema([("change_id", pa.string()), ("state", pa.string())])
        found = self._table.scan(schema.names, equal={"account": self._account}, files=list(files))
        return pa.concat_tables([schema.empty_table(), *(piece.table for piece in found)])

    def _places_read(self) -> Iterator[Slice]:
        if self._places is None:
            self._places = self._scan_places(self._files.values())
        return iter(self._places)

    def _scan_places(self, files: Collection[DataFile]) -> list[Slice]:
        """Return where the rows lie by which changes were asked for that are not over; one row a change."""
        found = []
        for piece in self._table.scan(_PLACES, equal={"account": self._account}, files=list(files)):
            is_first = pc.equal(piece.table["state"], RequestState.PENDING.value)
            ids = piece.table["change_id"].to_pylist()
            waits = pa.array([change_id in self.ids for change_id in ids], pa.bool_())
            chosen = pc.and_(is_first, waits)
            if pc.any(chosen).as_py():
                rows = piece.rows[chosen.to_numpy(zero_copy_only=False)]
                table = piece.table.filter(chosen).drop_columns(["state"])
                found.append(Slice(file=piece.file, group=piece.group, rows=rows, table=table))
        return found
