"""What a writer sets in motion with its first row: threads, tables, the store's sync.

Belongs here: how the parts behind a writer fit together, and the row that a run leaves of
itself. Does not belong here: what callers see (``writer``). A module of its own, because
the libraries behind it take a third of a second to start, and most runs bring nothing new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailroom.archive.archive import Archive
from mailroom.archive.checking.sealer import Sealer
from mailroom.archive.checking.seals import SEALED
from mailroom.archive.delta.rows import build_table
from mailroom.archive.delta.tables import Append, Table
from mailroom.archive.removing.tombstones import Revival, Tombstones
from mailroom.archive.replicating.replica import refuse_replica
from mailroom.archive.storage.durability import Durability
from mailroom.archive.storage.store import LocalStore
from mailroom.archive.writing.committer import Committer
from mailroom.archive.writing.intake import IN_FLIGHT_OCTETS, Intake
from mailroom.archive.writing.locations import LocationLog
from mailroom.archive.writing.message_tables import MessageTables
from mailroom.archive.writing.pipeline import Pipeline
from mailroom.archive.writing.repair import Repair
from mailroom.model import RunContext

if TYPE_CHECKING:
    from mailroom.archive.writing.worker_start import Worker

__all__ = ["Engine", "open_engine"]

DISK_THREADS = 1
"""Threads that hash and write to a local disk: two wait for one folder's lock in the kernel, which
took three times the processor time for small messages (ext4), and one is not what limits a run."""

OBJECT_STORE_THREADS = 16
"""Threads that put objects; a store answers one by one in tens of milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts of a writer that has begun."""

    durability: Durability
    locations: LocationLog
    committer: Committer
    intake: Intake
    sealer: Sealer

    def seal(self) -> None:
        """Seal the rows of this run.

        :raises StoreUnavailable: where the store refuses.
        """
        if self.sealer.has_begun:
            self.durability.sync()  # a power cut must not take rows that are sealed
        table = self.sealer.seal()
        if table is not None:
            self.committer.also_keep_up(table)

    def append_run(
        self, table: Table, context: RunContext, outcome: str, counts: Mapping[str, int], octets: int
    ) -> None:
        """Commit the row of a run.

        :raises StoreUnavailable: where the store refuses.
        """
        values = (
            context.run_id,
            context.what,
            context.account,
            context.started,
            datetime.now(UTC),
            json.dumps(dict(counts), sort_keys=True),
            octets,
            outcome,
            context.who,
            self.sealer.newest.get(context.account),
        )
        row = build_table("runs", [[value] for value in values])
        table.append(lambda: Append(rows=[row], transactions={"runs": table.transaction_version("runs") + 1}))
        self.committer.also_keep_up(table)


def open_engine(
    archive: Archive,
    pipeline: Pipeline,
    context: RunContext,
    *,
    keep_committed: bool,
    workers: Sequence[Worker] = (),
) -> Engine:
    """Make ready to write, and start the threads.

    :param context: the run, whose rows are sealed at its end.
    :param keep_committed: whether the committer keeps the rows it commits.
    :param workers: indexing processes that are started already.
    :raises ConfigurationError: where the archive is a copy of another one.
    :raises StoreUnavailable: where the store refuses.
    """
    refuse_replica(archive.store)
    durability = archive.prepare()
    try:
        return _assembled(archive, pipeline, durability, Sealer(archive, context), keep_committed, workers)
    except BaseException:
        durability.close()
        raise


def _assembled(
    archive: Archive,
    pipeline: Pipeline,
    durability: Durability,
    sealer: Sealer,
    keep_committed: bool,
    workers: Sequence[Worker],
) -> Engine:
    tables = MessageTables(archive.table)
    stones = Tombstones(archive) if archive.store.exists("tables/tombstones") else None
    leaving = {} if stones is None else stones.read()
    repair = Repair(
        raw=archive.raw,
        tables=tables,
        locations=archive.table("locations"),
        url=archive.url,
        leaving={digest for digest, stone in leaving.items() if stone.state.is_pending},
    )
    if isinstance(archive.store, LocalStore):
        repair.rebuild_torn(archive.store.root)

    def opened(name: str) -> Table:
        table = archive.table(name)
        table.watcher = sealer if name in SEALED else None
        return table

    locations = LocationLog(opened("locations"), archive.planned_on)
    committer = Committer(
        open_table=opened,
        tables=tables,
        locations=locations,
        durability=durability,
        complete=repair.complete,
        revive=None if stones is None else Revival(archive, stones, sealer.run_id).revive,
        keep_committed=keep_committed,
    )
    intake = Intake(
        archive.raw,
        tables.find,
        pipeline.fail,
        threads=DISK_THREADS if archive.is_local else OBJECT_STORE_THREADS,
        in_flight=IN_FLIGHT_OCTETS if archive.is_local else IN_FLIGHT_OCTETS // 2,
        workers=workers,
    )
    pipeline.start(intake, committer)
    return Engine(
        durability=durability, locations=locations, committer=committer, intake=intake, sealer=sealer
    )
