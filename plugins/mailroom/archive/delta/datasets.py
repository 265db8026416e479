"""Tables as pyarrow datasets, which DuckDB, Polars and pandas read lazily, and the state of a log.

Belongs here: from a table of an archive to what other libraries scan, in the columns of today
whatever version wrote it. Does not belong here: which rows somebody wants (``mailroom.tables``).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs

from mailroom.archive.archive import Archive
from mailroom.archive.delta.data_files import aligned
from mailroom.archive.delta.derived import SOURCE, is_current, worked_out
from mailroom.archive.delta.derived_sql import DERIVED
from mailroom.archive.failures import translated
from mailroom.archive.storage.arrow_s3 import open_arrow_s3
from mailroom.archive.storage.object_store import ObjectStore
from mailroom.archive.storage.store import LocalStore, Store

__all__ = ["STATE_KEYS", "newest_rows", "open_dataset"]

MANY_MESSAGES = 200_000
"""From how many on somebody is told that what follows from them had better be stored: it takes seconds."""

_log = logging.getLogger(__name__)

STATE_KEYS = {
    "locations": ("account", "protocol", "folder", "uidvalidity", "uid", "uidl", "sha256"),
    "folders": ("account", "folder"),
}
"""The columns that name the place a row of a log is about; UIDL and digest count by protocol only."""


def open_dataset(archive: Archive, name: str) -> ds.Dataset:
    """Return a table as it is now; nothing but its log is read.

    A table that follows from the messages, and is not up to date or not there, is worked out in memory.

    The statistics of files that an older Mailroom wrote are left aside, because pyarrow takes
    a column they leave out for one without values.

    :raises ConfigurationError: where there is no such table.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    schema = archive.schema(name)
    if name in DERIVED and not is_current(archive, name):
        return _worked_out(archive, name)
    table = archive.reader(name)
    if table.version < 0 or not table.files():
        return ds.dataset(schema.empty_table())
    with translated(archive.url):
        found = table.delta.to_pyarrow_dataset()
        files = _read_by_arrow(table.store, name) or found.filesystem
        sizes = {file.path: file.size for file in table.files()}
        fragments = [
            found.format.make_fragment(path, filesystem=files, file_size=sizes.get(path))
            for path in found.files
        ]
        return ds.FileSystemDataset(fragments, schema, found.format, files)


def _read_by_arrow(store: Store, name: str) -> pafs.FileSystem | None:
    """Return what reads a table with no object of Python, see ``arrow_s3``; None where ``deltalake`` must."""
    if isinstance(store, LocalStore):
        return pafs.SubTreeFileSystem(store.absolute(f"tables/{name}"), pafs.LocalFileSystem())
    if not isinstance(store, ObjectStore) or store.scheme != "s3":
        return None
    found = open_arrow_s3(store.delta_options() or {}, os.environ)
    return None if found is None else pafs.SubTreeFileSystem(store.absolute(f"tables/{name}"), found)


def _worked_out(archive: Archive, name: str) -> ds.Dataset:
    schema = archive.schema(name)
    messages = sum(file.rows for file in archive.reader(SOURCE).files())
    if messages >= MANY_MESSAGES:
        _log.warning(
            "%s of %s are worked out in memory, anew from %d messages, each time that they are read: "
            "mailroom optimize --table threads --table contacts stores them",
            name,
            archive.url,
            messages,
        )
    with worked_out(archive, name) as connection:
        found = connection.sql('SELECT *, now() AS "at" FROM fresh').to_arrow_table()
    return ds.dataset(aligned(found, schema))


def newest_rows(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    """Return the row with the highest ``seq`` of each place, in the order they have.

    :param keys: columns of ``rows`` that name a place, as in ``STATE_KEYS``.
    """
    if not rows.num_rows:
        return rows
    asked = {key: _counted(rows, key) for key in keys}
    order = pc.sort_indices(rows["seq"])
    named = pa.table({**asked, "row": pa.array(np.arange(rows.num_rows))}).take(order)
    newest = named.group_by(list(keys), use_threads=False).aggregate([("row", "last")])
    return rows.take(np.sort(newest["row_last"].to_numpy()))


def _counted(rows: pa.Table, key: str) -> Any:  # Any: an Arrow array
    """Return a column of a key, null where the protocol does not count it."""
    if key not in ("uidl", "sha256"):
        return rows[key]
    counts = pc.equal(rows["protocol"], "pop3") if key == "uidl" else pc.not_equal(rows["protocol"], "imap")
    return pc.if_else(counts, rows[key], None)
