"""Commit batches in the one order that a kill at any moment cannot hurt.

Belongs here: raw bytes synced, then ``messages``, ``texts``, ``attachments``, then
``plans``, ``audit``, ``locations``, ``folders``; and what to do where another writer works on the same
folder. Does not belong here: what is in a batch (``writer``).

The row in ``locations`` is the fact that a message is archived, so it comes after all
that it rests on. Everything that commits runs in one thread.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from mailroom.archive.delta.account_logs import append_numbered
from mailroom.archive.delta.rows import audit_table, folders_table, plans_table
from mailroom.archive.delta.tables import Table
from mailroom.archive.delta.upkeep import EVERY_COMMITS, keep_up
from mailroom.archive.memory import MemoryRelease
from mailroom.archive.storage.durability import Durability
from mailroom.archive.writing.arrivals import Arrival, NewMessage
from mailroom.archive.writing.batch import Batch
from mailroom.archive.writing.intake import Intake
from mailroom.archive.writing.locations import LocationLog, Placed
from mailroom.archive.writing.message_rows import MessageRows, Part
from mailroom.archive.writing.message_tables import MessageTables
from mailroom.exceptions import ArchiveError
from mailroom.model import Change, LocationRow

__all__ = ["Committer"]


class Committer:
    """Writes batches to the tables of one archive.

    :param open_table: returns a table by name, for this writer alone.
    :param complete: brings ``texts`` and ``attachments`` up to ``messages`` after a kill.
    :param keep_committed: whether ``committed`` collects the rows.
    :param revive: is told of new messages before their rows, which may be on their way out of the archive.
    """

    def __init__(
        self,
        *,
        open_table: Callable[[str], Table],
        tables: MessageTables,
        locations: LocationLog,
        durability: Durability,
        complete: Callable[[], int],
        keep_committed: bool,
        revive: Callable[[Collection[str]], None] | None = None,
    ) -> None:
        self.tables = tables
        self.counts: dict[str, int] = {}
        self.octets = 0
        self.committed: list[LocationRow] = []
        self.has_committed = False
        self._open_table = open_table
        self._locations = locations
        self._logs: dict[str, Table] = {}
        self._others: list[Table] = []
        self._durability = durability
        self._complete = complete
        self._revive = revive
        self._is_complete = False
        self._keep = keep_committed
        self._lock = threading.Lock()
        self._memory = MemoryRelease()

    def commit(self, batch: Batch, intake: Intake) -> bool:
        """Commit a batch whose arrivals may still be on their way; False where the intake gave up.

        The sync at its head covers the bytes of its messages, and the commits of the batch
        before: a power cut can tear no more than one batch of commits (see ``torn``).

        :raises ArchiveError: where the store refuses; what was not committed then never is.
        """
        for _, arrival in batch.entries:
            if arrival is not None and not arrival.is_ready and not intake.wait_for(arrival):
                return False
        self._durability.sync()
        if batch.arrivals and not self._is_complete:
            self._complete()
            self._is_complete = True
        self._commit_messages(batch, intake)
        self._append("plans", batch.plans, plans_table)
        self._append("audit", batch.audits, audit_table)
        placed = [self._placed(row, arrival) for row, arrival in batch.entries]
        if placed:
            self._locations.append(placed)
            self.has_committed = True
        self._append("folders", batch.folders, folders_table)
        self._note(placed)
        self._keep_up(closing=False)
        self._memory.release()
        return True

    def close(self) -> None:
        """Join small files where enough have gathered.

        :raises StoreUnavailable: where the store refuses.
        """
        self._keep_up(closing=True)

    def also_keep_up(self, table: Table) -> None:
        """Join small files of this table too."""
        self._others.append(table)

    def take_committed(self) -> list[LocationRow]:
        """Return the rows committed since this was asked last."""
        with self._lock:
            rows, self.committed = self.committed, []
        return rows

    def _commit_messages(self, batch: Batch, intake: Intake) -> None:
        fresh: dict[str, tuple[NewMessage, datetime]] = {}
        adopted: list[NewMessage] = []
        for row, arrival in batch.entries:
            message = None if arrival is None else arrival.message
            if message is not None and message.is_adopted:
                adopted.append(message)
            elif message is not None and message.archived_at is None:
                fresh.setdefault(message.digest, (message, row.at))
        if fresh:
            self._append_messages(fresh)
        with intake.lock:
            moments = self.tables.find(list(fresh))
            for (message, at), moment in zip(fresh.values(), moments, strict=True):
                message.archived_at = moment or at
            intake.settle([*adopted, *(message for message, _ in fresh.values())])

    def _append_messages(self, fresh: Mapping[str, tuple[NewMessage, datetime]]) -> None:
        parts: dict[int, Part] = {}
        for digest, (message, at) in fresh.items():
            load = message.load
            if load is None:
                continue
            part = parts.get(id(load))
            if part is None:
                part = parts[id(load)] = Part(load, [], [], [], [])
            part.numbers.append(message.number)
            part.digests.append(digest)
            part.octets.append(message.octets)
            part.archived_at.append(at)
        rows = MessageRows(parts.values())
        if self._revive is not None:
            self._revive(rows.digests)
        self.tables.append(rows)
        self.has_committed = True
        self.octets += rows.octets

    def _placed(self, row: LocationRow, arrival: Arrival | None) -> Placed:
        if arrival is not None:
            return Placed(row, *arrival.held_as)
        archived_at = row.archived_at
        if archived_at is None and row.sha256 is not None:
            archived_at = self.tables.archived_at(row.sha256)
            if archived_at is None and row.change is Change.ADDED:
                raise ArchiveError(
                    f"Message {row.sha256} was recorded as archived but is not held; nothing was recorded."
                )
        return Placed(row, row.sha256, archived_at)

    def _append(self, name: str, rows: Sequence[Any], as_table: Callable[[Any, Sequence[int]], Any]) -> None:
        """Commit rows of a log that is numbered by account."""
        if not rows:
            return
        table = self._logs.get(name)
        if table is None:
            table = self._logs[name] = self._open_table(name)
            self.also_keep_up(table)
        append_numbered(table, rows, as_table)
        self.has_committed = True

    def _note(self, placed: Sequence[Placed]) -> None:
        for change, number in Counter([place.row.change._value_ for place in placed]).items():
            self.counts[change] = self.counts.get(change, 0) + number
        if self._keep:
            rows = [p.row._replace(sha256=p.digest, archived_at=p.archived_at) for p in placed]
            with self._lock:
                self.committed.extend(rows)

    def _keep_up(self, *, closing: bool) -> None:
        tables = [self.tables.messages, self.tables.texts, self.tables.attachments, self._locations.table]
        for table in [*tables, *self._others]:
            if table.appended >= (1 if closing else EVERY_COMMITS):
                keep_up(table, self._durability.sync)
                table.appended = 0
