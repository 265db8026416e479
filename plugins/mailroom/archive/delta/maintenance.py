"""One table put in order: few files, all of their columns stated, a short log, nothing left of kills.

Belongs here: the steps for one table, and how it is. Does not belong here: the steps themselves
(``upkeep``, ``migration``, ``tables``), an archive as a whole (``services.optimize``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailroom.archive.delta.migration import gain_columns, state_completely
from mailroom.archive.delta.tables import Table
from mailroom.archive.delta.upkeep import join_all

__all__ = ["TableState", "optimize_table", "state_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """How a table is.

    :param files: data files of the newest version; ``octets`` is their size.
    :param stored_files: data files that lie there, also of older versions and of none.
    :param log_entries: entries of the log that a reader lists.
    """

    rows: int
    files: int
    octets: int
    stored_files: int
    log_entries: int


def state_of(table: Table) -> TableState:
    """Return how a table is now.

    :raises StoreUnavailable: where the store refuses.
    """
    table.refresh()
    files = table.files()
    names = table.store.names(f"tables/{table.name}")
    entries = table.store.names(f"tables/{table.name}/_delta_log")
    return TableState(
        rows=sum(file.rows for file in files),
        files=len(files),
        octets=sum(file.size for file in files),
        stored_files=sum(name.endswith(".parquet") for name in names),
        log_entries=sum(name.endswith(".json") for name in entries),
    )


def optimize_table(table: Table, sync: Callable[[], None], is_stopped: Callable[[], bool]) -> None:
    """Join small files, state all columns, and tidy the log and what kills left.

    :param sync: makes what was written durable.
    :param is_stopped: whether to leave off after the join in hand.
    :raises StoreUnavailable: where the store refuses.
    """
    while gain_columns(table):
        pass
    join_all(table, is_stopped)
    state_completely(table)
    if not is_stopped():
        table.tidy(sync, strays=True)
