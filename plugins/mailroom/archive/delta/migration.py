"""Archives that an older Mailroom wrote: what is stated of their version, and the columns they gain.

Belongs here: the file ``archive.json`` at the root, and bringing a table's log up to the
columns of today. Does not belong here: the columns (``schemas``). Rows are never rewritten:
what an older file lacks is null. An older Mailroom goes on working on a newer archive, for
columns and tables are only ever added; where that should ever change, the first number of the
version grows, and older programs refuse to write.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import CommitProperties, PostCommitHookProperties, Schema
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from mailroom import __version__
from mailroom.archive.delta.data_files import aligned
from mailroom.archive.delta.file_statistics import Statistics, stated_columns, statistics_of_footer
from mailroom.archive.delta.schemas import SCHEMA_VERSION, TABLES
from mailroom.archive.delta.torn import LINES
from mailroom.archive.failures import translated
from mailroom.archive.storage.store import Store
from mailroom.exceptions import ConfigurationError

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive
    from mailroom.archive.delta.tables import Table

__all__ = ["STAMP", "bring_up_to_date", "gain_columns", "state_completely", "stated_version"]

log = logging.getLogger(__name__)

STAMP = "archive.json"
"""The file at the root that states the version of the tables."""

_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


def stated_version(store: Store) -> tuple[int, int] | None:
    """Return the version of the tables that an archive states, or None where it states none.

    A file that a power cut emptied states none, and is written anew.

    :raises StoreUnavailable: where the store refuses.
    """
    (octets,) = store.read_files([STAMP])
    if octets is None:
        return None
    try:
        major, _, minor = str(json.loads(octets)["schema"]).partition(".")
        return int(major), int(minor)
    except (ValueError, KeyError, TypeError):
        return None


def bring_up_to_date(archive: Archive) -> None:
    """Give the tables of an older archive the columns of today, and state the version; cheap where done.

    :raises ConfigurationError: where a newer Mailroom wrote what this one cannot add to.
    :raises StoreUnavailable: where the store refuses.
    """
    stated = stated_version(archive.store)
    if stated is not None and stated[0] > SCHEMA_VERSION[0]:
        raise ConfigurationError(
            f"The archive at {archive.url} has tables of version {stated[0]}.{stated[1]}, which a newer "
            f"Mailroom wrote; this one writes version {SCHEMA_VERSION[0]}: upgrade Mailroom."
        )
    if stated is not None and stated >= SCHEMA_VERSION:
        return
    for name in TABLES:
        table = archive.table(name)
        if table.version >= 0:
            while gain_columns(table):
                log.info("Table %s has the columns of version %d.%d", name, *SCHEMA_VERSION)
    said = {"schema": "{}.{}".format(*SCHEMA_VERSION), "written_by": f"mailroom {__version__}"}
    archive.store.replace_file(STAMP, json.dumps(said).encode("ascii") + b"\n")


def gain_columns(table: Table) -> bool:
    """Add the columns that a table's log lacks; say whether anything was to be done, by whomever.

    The files are stated anew first: between the two commits no reader misses rows.

    :raises StoreUnavailable: where the store refuses.
    """
    there = {field.name for field in table.delta.schema().fields}
    new = [field for field in table.spec.schema if field.name not in there]
    if not new:
        return False
    state_completely(table)
    with translated(table.store.url):
        try:
            table.delta.alter.add_columns(
                Schema.from_arrow(pa.schema(new)).fields,
                commit_properties=CommitProperties(custom_metadata={LINES: 2}, max_commit_retries=0),
                post_commithook_properties=_NO_HOOKS,
            )
        except CommitFailedError:
            log.info("Another run changed table %s at the same time", table.name)
    table.refresh()
    return True


def state_completely(table: Table) -> int:
    """State anew the files whose statistics leave a column out; return how many.

    :raises StoreUnavailable: where the store refuses.
    """
    lacking = _incomplete(table)
    actions: list[AddAction | RemoveAction] = [
        AddAction(path, size, {}, moment, False, _statistics(table, path)) for path, size, moment in lacking
    ]
    if not actions:
        return 0
    with translated(table.store.url):
        try:
            table.delta.create_write_transaction(
                actions,
                "append",
                table.delta.schema(),
                commit_properties=CommitProperties(
                    custom_metadata={LINES: 1 + len(actions)}, max_commit_retries=0
                ),
                post_commithook_properties=_NO_HOOKS,
            )
        except CommitFailedError:
            actions = []  # whoever was first may have replaced the files
    table.refresh()
    return len(actions)


def _incomplete(table: Table) -> list[tuple[str, int, int]]:
    """Return path, size and time of the files of which not every column is stated."""
    with translated(table.store.url):
        actions = pa.table(table.delta.get_add_actions(flatten=True))
    columns = stated_columns(table.spec.schema)
    names = set(actions.column_names)
    found = []
    for row in actions.to_pylist():
        is_complete = f"null_count.{columns[0]}" in names and all(
            row.get(f"null_count.{name}") is not None
            and (row.get(f"min.{name}") is not None or row[f"null_count.{name}"] == row["num_records"])
            for name in columns
        )
        if not is_complete:
            found.append((row["path"], row["size_bytes"], row["modification_time"]))
    return found


def _statistics(table: Table, path: str) -> str:
    (file,) = (file for file in table.files() if file.path == path)
    with translated(table.store.url), table.parquet(file) as parquet:
        from_footer = statistics_of_footer(table.spec.schema, parquet.metadata)
        if from_footer is not None:
            return from_footer
        found = Statistics(table.spec.schema)
        for batch in parquet.iter_batches(batch_size=8192, use_threads=False):
            found.add(aligned(pa.Table.from_batches([batch]), table.spec.schema))
        return found.to_json()
