"""The ``changes`` table: what waits to be pushed to a server, and what became of the rest.

Belongs here: reading the log down to the newest row of each change, and appending so that two
writers never act on the same state. Does not belong here: what a request means (``changes``).

A change that is over stays over: of a change with a row that says so, no other row counts. So what
waits is found by reading two columns, however long the history is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.delta.rows import build_table
from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.delta.tables import Append
from mailroom.archive.delta.upkeep import keep_up
from mailroom.change_request import ChangeRequest, RequestKind, RequestState

__all__ = ["ChangeLog"]

_OVER = pa.array([state.value for state in RequestState if not state.is_waiting])


class ChangeLog:
    """The changes of one account."""

    def __init__(self, archive: Archive, account: str) -> None:
        self._archive = archive
        self._account = account
        self._table = archive.table("changes")

    @property
    def version(self) -> int:
        """The version of the table that was read last, or -1 where there is none."""
        return self._table.version

    def waiting(self) -> list[ChangeRequest]:
        """Return the changes that are not over, in the order in which they were asked for.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        self._table.refresh()
        return self._waiting()

    def newest(self) -> Iterator[ChangeRequest]:
        """Yield each change as it stands: those that are over first, then those that wait.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        self._table.refresh()
        for piece in self._table.scan(TABLES["changes"].schema.names, equal={"account": self._account}):
            over = piece.table.filter(pc.is_in(piece.table["state"], value_set=_OVER))
            yield from (_request(row) for row in over.to_pylist())
        yield from self._waiting()

    def append(self, plan: Callable[[list[ChangeRequest]], Sequence[ChangeRequest]]) -> list[ChangeRequest]:
        """Commit rows, durably; where another writer was first, ``plan`` is asked again.

        :param plan: returns the rows to be added, given what waits; none adds nothing.
        :raises StoreUnavailable: where the store refuses.
        """
        return self._commit(lambda: list(plan(self._waiting())))

    def update(self, rows: Sequence[ChangeRequest]) -> list[ChangeRequest]:
        """Commit, durably, how changes stand now, except those that are over; return what was committed.

        :raises StoreUnavailable: where the store refuses.
        """

        def plan() -> list[ChangeRequest]:
            known = set(self._open_ids().to_pylist())
            return [row for row in rows if row.change_id in known]

        return self._commit(plan)

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

    def _open_ids(self) -> pa.Array:
        """Return the ids of changes that are not over."""
        columns = ["change_id", "state"]
        scanned = self._table.scan(columns, equal={"account": self._account})
        states = [piece.table for piece in scanned]
        if not states:
            return pa.array([], pa.string())
        known = pa.concat_tables(states)
        is_over = pc.is_in(known["state"], value_set=_OVER)
        over = known["change_id"].filter(is_over).combine_chunks()
        ids = pc.unique(known["change_id"].filter(pc.invert(is_over)))
        return ids.filter(pc.invert(pc.is_in(ids, value_set=over)))

    def _waiting(self) -> list[ChangeRequest]:
        ids = self._open_ids()
        if not len(ids):
            return []
        newest: dict[str, tuple[int, ChangeRequest]] = {}
        first: dict[str, int] = {}
        for piece in self._table.scan(TABLES["changes"].schema.names, equal={"account": self._account}):
            chosen = piece.table.filter(pc.is_in(piece.table["change_id"], value_set=ids))
            for row in chosen.to_pylist():
                first[row["change_id"]] = min(row["seq"], first.get(row["change_id"], row["seq"]))
                before = newest.get(row["change_id"])
                if before is None or before[0] <= row["seq"]:
                    newest[row["change_id"]] = (row["seq"], _request(row))
        # A change keeps the place of its first row, whatever was said of it since.
        return [newest[change_id][1] for change_id in sorted(newest, key=first.__getitem__)]


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
