"""Maintenance of an archive: tables in few files with a short log, so that queries stay quick.

Here: which steps in which order, and the report. Not here: joining and check-points
(``archive.upkeep``). Ordinary runs do the same in small doses; this does all of it, however little
has gathered, and looks for what kills left. No row changes, and what another run or reader may still
need stays for a day.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mailroom.archive import Archive
from mailroom.archive.checking.clock import check_beside_store
from mailroom.archive.delta.derived import bring_up_to_date
from mailroom.archive.delta.derived_sql import DERIVED
from mailroom.archive.delta.maintenance import TableState, optimize_table, state_of
from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.delta.tables import Table
from mailroom.archive.storage.durability import Durability
from mailroom.exceptions import ArchiveError, ConfigurationError
from mailroom.services.progress import Progress

__all__ = ["OptimizeReport", "TableChange", "optimize_archive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """One table before and after."""

    name: str
    before: TableState
    after: TableState


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizeReport:
    """What was done."""

    tables: Sequence[TableChange] = ()
    dry_run: bool = False
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        totals = {
            f"{name}_{when}": sum(getattr(getattr(table, when), name) for table in self.tables)
            for name in ("files", "octets", "log_entries", "stored_files")
            for when in ("before", "after")
        }
        return {
            **totals,
            "dry_run": self.dry_run,
            "failed": len(self.failures),
            "tables": {
                table.name: {
                    "rows": table.after.rows,
                    "files_before": table.before.files,
                    "files_after": table.after.files,
                    "octets_before": table.before.octets,
                    "octets_after": table.after.octets,
                }
                for table in self.tables
            },
        }


def optimize_archive(
    archive: Archive,
    *,
    tables: Sequence[str] = (),
    dry_run: bool = False,
    progress: Progress,
    stop: threading.Event,
) -> OptimizeReport:
    """Join small files, write check-points, and delete what no running reader or writer can need.

    Threads and contacts are brought up to date before. Other runs may write to the archive meanwhile; what
    they need stays.

    :param tables: which ones; by default all of them.
    :param dry_run: only tell how the tables are.
    :param stop: when set, the join in hand is finished, and the run ends.
    :raises ConfigurationError: where there is no archive or no such table, a newer Mailroom wrote the
        archive, or this machine's clock is not the store's.
    :raises StoreUnavailable: where the archive cannot be reached.
    """
    unknown = [name for name in tables if name not in TABLES]
    if unknown:
        raise ConfigurationError(
            f"An archive has no table {unknown[0]!r}; there are {', '.join(TABLES)}.", argument="tables"
        )
    archive.require()
    changes, failures = [], []
    progress.start("tables", None, None)
    durability = None if dry_run else archive.prepare()
    try:
        if durability is not None:
            # By a clock that is a day ahead, what a writer is about to commit is what a kill left long ago.
            check_beside_store(archive)
        for name in [name for name in TABLES if name in tables or not tables]:
            if stop.is_set():
                break
            table = archive.table(name)
            before = state_of(table)
            try:
                if durability is not None:
                    _put_in_order(archive, table, durability, stop)
            except ArchiveError as error:
                failures.append(f"Table {name} was not optimized: {error}")
            if table.version >= 0:
                changes.append(TableChange(name=name, before=before, after=state_of(table)))
                progress.advance(before.rows, before.octets)
    finally:
        progress.finish()
        if durability is not None:
            durability.close()
    return OptimizeReport(
        tables=changes, dry_run=dry_run, failures=tuple(failures), interrupted=stop.is_set()
    )


def _put_in_order(archive: Archive, table: Table, durability: Durability, stop: threading.Event) -> None:
    if table.name in DERIVED:
        bring_up_to_date(archive, table.name, archive.clock())
        table.refresh()
    if table.version >= 0:
        optimize_table(table, durability.sync, stop.is_set)
