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
from mailroom.archive.delta.maintenance import TableState, optimize_table, state_of
from mailroom.archive.delta.schemas import TABLES
from mailroom.exceptions import ArchiveError
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
    archive: Archive, *, dry_run: bool = False, progress: Progress, stop: threading.Event
) -> OptimizeReport:
    """Join small files, write check-points, and delete what no running reader or writer can need.

    Other runs may write to the archive meanwhile; what they need stays.

    :param dry_run: only tell how the tables are.
    :param stop: when set, the join in hand is finished, and the run ends.
    :raises ConfigurationError: where a newer Mailroom wrote the archive.
    :raises StoreUnavailable: where the archive cannot be reached.
    """
    changes, failures = [], []
    progress.start("tables", None, None)
    durability = None if dry_run else archive.prepare()
    try:
        for name in TABLES:
            table = archive.table(name)
            if table.version < 0 or stop.is_set():
                continue
            before = state_of(table)
            try:
                if durability is not None:
                    optimize_table(table, durability.sync, stop.is_set)
            except ArchiveError as error:
                failures.append(f"Table {name} was not optimized: {error}")
            changes.append(TableChange(name=name, before=before, after=state_of(table)))
            progress.advance(before.rows, before.octets)
    finally:
        progress.finish()
        if durability is not None:
            durability.close()
    return OptimizeReport(
        tables=changes, dry_run=dry_run, failures=tuple(failures), interrupted=stop.is_set()
    )
