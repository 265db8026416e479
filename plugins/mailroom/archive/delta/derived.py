"""Tables that follow from ``messages``, worked out anew and brought up to date: threads and contacts.

Belongs here: whether what is stored is what the messages say, and writing what differs. Does not belong
here: the queries (``derived_sql``), when it is done (``services.optimize``, ``removing``).

A thread changes with mail that comes later, and a contact with every message, so all of it is worked out
anew, by DuckDB in bounded memory, and compared with what is stored: new rows are added, and only files with
rows that are no longer so are written anew, in one commit. The commit carries, as a transaction identifier,
a number made of the names of the data files of ``messages``, by which a reader knows whether it is up to
date.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from mailroom.archive.archive import Archive
from mailroom.archive.delta.data_files import DataFile, aligned
from mailroom.archive.delta.derived_sql import DERIVED
from mailroom.archive.delta.tables import Append, Table
from mailroom.archive.failures import translated
from mailroom.archive.memory import MemoryRelease
from mailroom.exceptions import StoreUnavailable

if TYPE_CHECKING:
    import duckdb

__all__ = ["SOURCE", "bring_up_to_date", "is_current", "worked_out"]

SOURCE = "messages"
"""The table that these follow from; also the name of the transaction identifier."""

MEMORY = "256MB"
"""What DuckDB may hold before it goes on on the disk, in a temporary folder."""

WORK = "mailroom-derived-"
"""What the names of temporary folders begin with."""

LEFTOVER_SECONDS = 24 * 3600
"""Age at which a temporary folder was left by a kill; who people are must not lie about. Seconds."""

BATCH_ROWS = 16_384
"""Rows in our hands at a time."""

MAX_PASSES = 20
"""How often it is worked out again because another run committed meanwhile."""


def is_current(archive: Archive, name: str) -> bool:
    """Say whether a stored table is what the messages say that are archived now.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    return _says(archive.reader(name), _number(archive.reader(SOURCE).files()))


def bring_up_to_date(archive: Archive, name: str, at: datetime) -> int:
    """Make a stored table what the messages say; return how many rows were written.

    :param at: the moment that new rows state.
    :raises StoreUnavailable: where the store refuses, or others are always faster.
    """
    for _ in range(MAX_PASSES):
        table, files = archive.table(name), archive.reader(SOURCE).files()
        number = _number(files)
        if _says(table, number) or (table.version < 0 and not files):
            return 0
        with worked_out(archive, name, files) as connection, translated(archive.url):
            update = _Update(connection, table, at, number)
            if update.is_committed():
                return update.rows
    raise StoreUnavailable(
        f"The table {name} at {archive.url} was changed by others all the time; run this again when fewer "
        "runs are at work.",
        reason="busy",
        where=archive.url,
    )


@contextmanager
def worked_out(
    archive: Archive, name: str, files: Sequence[DataFile] | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection in which the table ``fresh`` is what the messages say, without the column ``at``.

    :param files: data files of ``messages``; by default those of now.
    :raises StoreUnavailable: where the archive cannot be read, or there is no room for temporary files.
    """
    import duckdb

    query, columns = DERIVED[name]
    _remove_leftovers()
    source = archive.reader(SOURCE)
    with (
        tempfile.TemporaryDirectory(prefix=WORK) as folder,
        translated(archive.url),
        duckdb.connect(f"{folder}/work.duckdb", config=_settings(folder)) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        rows = _rows(source, columns, source.files() if files is None else files)
        connection.register("arriving", rows)
        connection.execute(f"CREATE TABLE {SOURCE} AS FROM arriving")
        connection.execute(f"CREATE TABLE fresh AS {query}")
        connection.execute(f"DROP TABLE {SOURCE}")
        yield connection


class _Update:
    """A stored table compared with ``fresh``, and what differs."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, table: Table, at: datetime, number: int
    ) -> None:
        self._connection = connection
        self._table = table
        self._at = at
        self._numbers = {SOURCE: number}
        self._columns = [column for column in table.spec.schema.names if column != "at"]
        self.rows = 0

    def is_committed(self) -> bool:
        """Commit; False where anyone committed meanwhile, and nothing changed."""
        if self._table.version < 0:
            self._table.append(self._first)
            return _says(self._table, self._numbers[SOURCE])
        files = self._table.files()
        self._read_stored(files)
        outdated = [files[number] for number in self._outdated()]
        self.rows = self._count()
        if not outdated and not self.rows:
            return self._table.number(self._numbers)
        return self._table.replace(outdated, self._changed(outdated), drops=True, transactions=self._numbers)

    def _first(self) -> Append | None:
        if self._table.version >= 0:
            return None
        self.rows = self._count("")
        return Append(rows=self._added(""), transactions=self._numbers)

    def _read_stored(self, files: Sequence[DataFile]) -> None:
        self._connection.execute(f"CREATE TABLE keys AS SELECT {self._key} AS key FROM fresh")
        self._connection.execute("CREATE TABLE stored AS SELECT key, 0 AS file FROM keys LIMIT 0")
        for number, file in enumerate(files):
            self._connection.register("arriving", _rows(self._table, self._columns, [file]))
            self._connection.execute(f"INSERT INTO stored SELECT {self._key}, {number} FROM arriving")

    def _outdated(self) -> list[int]:
        """Return which files hold rows that are no longer so."""
        found = self._connection.execute(
            "SELECT DISTINCT file FROM stored ANTI JOIN keys USING (key) ORDER BY 1"
        )
        return [number for (number,) in found.fetchall()]

    def _count(self, among: str = "ANTI JOIN stored USING (key)") -> int:
        ((count,),) = self._connection.execute(
            f"SELECT count(*) FROM (SELECT {self._key} AS key FROM fresh) {among}"
        ).fetchall()
        return int(count)

    def _changed(self, outdated: Sequence[DataFile]) -> Iterator[pa.Table]:
        """Yield the rows of these files that are still so, then the new ones."""
        schema = self._table.spec.schema
        for file in outdated:
            self._connection.register("arriving", _rows(self._table, schema.names, [file]))
            yield from self._tables(
                f"SELECT *, {self._key} AS key FROM arriving", "SEMI JOIN keys USING (key)"
            )
        yield from self._added("ANTI JOIN stored USING (key)")

    def _added(self, among: str) -> Iterator[pa.Table]:
        said = f"TIMESTAMPTZ '{self._at.isoformat()}'"
        yield from self._tables(f'SELECT *, {said} AS "at", {self._key} AS key FROM fresh', among)

    def _tables(self, query: str, among: str) -> Iterator[pa.Table]:
        memory = MemoryRelease()
        found = self._connection.sql(f"SELECT * FROM ({query}) {among}")
        for batch in found.to_arrow_reader(BATCH_ROWS):
            yield aligned(pa.Table.from_batches([batch]), self._table.spec.schema)
            memory.release()

    @property
    def _key(self) -> str:
        """128 bits of all columns but ``at``, null told from empty."""
        kinds = self._table.spec.schema
        texts = [
            f'epoch_us("{name}")::VARCHAR'
            if pa.types.is_timestamp(kinds.field(name).type)
            else f'"{name}"::VARCHAR'
            for name in self._columns
        ]
        told = ", ".join(f"coalesce({text}, chr(30))" for text in texts)
        return f"md5_number(concat_ws(chr(31), {told}))"


def _rows(table: Table, columns: Sequence[str], files: Sequence[DataFile]) -> pa.RecordBatchReader:
    """Return rows of a table to be read once, some thousands at a time; what a file lacks is null."""
    schema = pa.schema([table.spec.schema.field(name) for name in columns])

    def batches() -> Iterator[pa.RecordBatch]:
        for piece in table.scan(schema.names, files=files):
            yield from aligned(piece.table, schema).to_batches(max_chunksize=BATCH_ROWS)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _remove_leftovers() -> None:
    """Delete temporary folders of runs that were killed, as far as they are ours to delete."""
    for folder in Path(tempfile.gettempdir()).glob(f"{WORK}*"):
        with suppress(OSError):
            if folder.stat().st_mtime < time.time() - LEFTOVER_SECONDS:
                shutil.rmtree(folder)


def _settings(folder: str) -> dict[str, str | bool | int | float | list[str]]:
    return {"memory_limit": MEMORY, "threads": 2, "temp_directory": folder, "preserve_insertion_order": False}


def _number(files: Sequence[DataFile]) -> int:
    """Return a number for a set of data files, whose names never come again."""
    names = "\n".join(sorted(file.path for file in files))
    return int.from_bytes(hashlib.sha256(names.encode()).digest()[:8]) >> 1


def _says(table: Table, number: int) -> bool:
    return table.version >= 0 and table.transaction_version(SOURCE) == number
