"""The ``changes`` table: what waits to be pushed to a server, and what became of the rest.

Belongs here: reading the log down to the newest row of each change, and appending so that two
writers never act on the same state. Does not belong here: what a request means (``changes``).

A change that is over stays over: of a change with a row that says so, no other row counts. So what
waits is found by reading two columns, however long the history is (``open_changes``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.delta.rows import build_table
from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.delta.tables import Append
from mailroom.archive.delta.upkeep import keep_up
from mailroom.archive.open_changes import OVER, OpenChanges
from mailroom.change_request import ChangeRequest, RequestKind, RequestState

__all__ = ["ChangeLog"]


_LEAVING = pa.array([RequestKind.MOVE.value, RequestKind.DELETE.value])


class ChangeLog:
    """The changes of one account."""

    def __init__(self, archive: Archive, account: str) -> None:
        self._archive = archive
        self._account = account
        self._table = archive.table("changes")
        self._open = OpenChanges(self._table, account)

    @property
    def version(self) -> int:
        """The version of the table that was read last, or -1 where there is none."""
        return self._table.version

    def count(self) -> Counter[tuple[bool, str]]:
        """Return how many changes are not over, by whether they add messages, and by folder.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        self._refresh()
        return self._open.by_folder()

    def waiting(self, folders: Collection[str] | None = None) -> list[ChangeRequest]:
        """Return the changes that are not over, in the order in which they were asked for.

        :param folders: those of these folders alone.
        :raises StoreUnavailable: where the archive cannot be read.
        """
        self._refresh()
        return _newest(self._open.rows_of(folders))

    def newest(self) -> Iterator[ChangeRequest]:
        """Yield each change as it stands: those that are over first, then those that wait.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        self._table.refresh()
        for piece in self._table.scan(TABLES["changes"].schema.names, equal={"account": self._account}):
            over = piece.table.filter(pc.is_in(piece.table["state"], value_set=OVER))
            yield from (_request(row) for row in over.to_pylist())
        yield from self.waiting()

    def pushed_away(self, folder: str, uid_validity: int) -> list[int]:
        """Return the UIDs of messages of a folder that were moved or deleted by a push.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        self._table.refresh()
        columns = ["kind", "folder", "uidvalidity", "uid", "state"]
        found: list[int] = []
        for piece in self._table.scan(columns, equal={"account": self._account}):
            table = piece.table
            is_it = pc.and_(pc.equal(table["folder"], folder), pc.equal(table["uidvalidity"], uid_validity))
            is_done = pc.and_(is_it, pc.equal(table["state"], RequestState.PUSHED.value))
            leaves = pc.is_in(table["kind"], value_set=_LEAVING)
            found += table.filter(pc.and_(is_done, leaves))["uid"].drop_null().to_pylist()
        return found

    def append(self, plan: Callable[[list[ChangeRequest]], Sequence[ChangeRequest]]) -> list[ChangeRequest]:
        """Commit rows, durably; where another writer was first, ``plan`` is asked again.

        :param plan: returns the rows to be added, given what waits; none adds nothing.
        :raises StoreUnavailable: where the store refuses.
        """

        def planned() -> list[ChangeRequest]:
            self._open.refresh()
            return list(plan(_newest(self._open.rows_of(None))))

        return self._commit(planned)

    def request(
        self,
        rows: Sequence[ChangeRequest],
        after: Callable[[list[ChangeRequest], Sequence[ChangeRequest]], list[ChangeRequest]],
    ) -> list[ChangeRequest]:
        """Commit changes that are asked for, durably; return what was committed.

        :param after: returns the changes as they follow those that wait of the same messages.
        :raises StoreUnavailable: where the store refuses.
        """
        places = {row.place for row in rows}
        uids = {row.uid for row in rows if row.uid is not None}

        def planned() -> list[ChangeRequest]:
            self._open.refresh()
            waiting = _newest(self._open.asked_of(uids)) if uids else []
            return after([request for request in waiting if request.place in places], rows)

        return self._commit(planned)

    def update(self, rows: Sequence[ChangeRequest]) -> list[ChangeRequest]:
        """Commit, durably, how changes stand now, except those that are over; return what was committed.

        :raises StoreUnavailable: where the store refuses.
        """

        def plan() -> list[ChangeRequest]:
            self._open.refresh()
            return [row for row in rows if row.change_id in self._open.ids]

        return self._commit(plan)

    def _refresh(self) -> None:
        self._table.refresh()
        self._open.refresh()

    def _commit(self, plan: Callable[[], list[ChangeRequest]]) -> list[ChangeRequest]:
        added: list[ChangeRequest] = []

        def planned() -> Append | None:
            added[:] = plan()
            if not added:
                return None
            number = self._table.transaction_version(self._account) + 1
            return Append(rows=[_table(added, number)], transactions={self._account: number})

        with closing(self._archive.prepare()) as durability:
            self._table.refresh()
            self._table.append(planned)
            keep_up(self._table, durability.sync)
            durability.sync()
        return added


def _newest(rows: Iterable[dict[str, Any]]) -> list[ChangeRequest]:  # Any: columns of many kinds
    """Return the newest row of each change; it keeps the place of its first one, whatever was said since."""
    newest: dict[str, dict[str, Any]] = {}
    first: dict[str, int] = {}
    for row in rows:
        change_id, seq = row["change_id"], row["seq"]
        first[change_id] = min(seq, first.get(change_id, seq))
        if change_id not in newest or newest[change_id]["seq"] <= seq:
            newest[change_id] = row
    return [_request(newest[change_id]) for change_id in sorted(newest, key=first.__getitem__)]


def _table(rows: Sequence[ChangeRequest], seq: int) -> pa.Table:
    return build_table(
        "changes",
        [
            [r.change_id for r in rows],
            [r.account for r in rows],
            [r.kind.value for r in rows],
            [r.folder for r in rows],
            [r.uid_validity for r in rows],
            [r.uid for r in rows],
            [r.sha256 for r in rows],
            [json.dumps(r.arguments(), sort_keys=True) for r in rows],
            [r.requested_at for r in rows],
            [r.requested_by for r in rows],
            [r.state.value for r in rows],
            [r.reason for r in rows],
            [r.at for r in rows],
            [r.run_id for r in rows],
            [seq] * len(rows),
        ],
    )


def _request(row: dict[str, Any]) -> ChangeRequest:
    return ChangeRequest(
        change_id=row["change_id"],
        account=row["account"],
        kind=RequestKind(row["kind"]),
        folder=row["folder"],
        uid_validity=row["uidvalidity"],
        uid=row["uid"],
        sha256=row["sha256"],
        requested_at=row["requested_at"],
        requested_by=row["requested_by"],
        state=RequestState(row["state"]),
        reason=row["reason"],
        at=row["at"],
        run_id=row["run_id"],
        **ChangeRequest.read_arguments(json.loads(row["arguments"])),
    )
