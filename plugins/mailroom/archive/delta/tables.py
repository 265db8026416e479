"""One Delta table: opened lazily, appended to with a transaction identifier, read by columns.

Belongs here: the log's protocol with other writers (who conflicts, who tries again) and
the reading of data files column by column. Does not belong here: what the rows mean,
upkeep (``upkeep``), the order of commits (``committer``).

Data files are written with ``pyarrow.parquet`` and committed by name: appending through
``write_deltalake`` starts a query engine that costs some 25 MB, and reading through
``pyarrow.dataset`` another 25 (measured); both matter where memory must stay flat.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from mailroom.archive.delta.data_files import (
    DataFile,
    Slice,
    aligned,
    files_of,
    read_slice,
    write_file,
)
from mailroom.archive.delta.migration import gain_columns
from mailroom.archive.delta.schemas import TableSpec
from mailroom.archive.delta.torn import LINES
from mailroom.archive.failures import translate, translated
from mailroom.archive.storage.store import Store
from mailroom.exceptions import StoreUnavailable

__all__ = ["Append", "RowWatcher", "Table"]

CONFIGURATION = {
    "delta.checkpointInterval": "50",
    "delta.enableExpiredLogCleanup": "true",
    "delta.logRetentionDuration": "interval 1 day",
}
"""Table properties; other tools that write the table obey them too."""

MAX_ATTEMPTS = 60
"""How often a commit is tried again after others were first, before giving up."""

REOPEN_SECONDS = 600
"""Age after which a table in an object store is opened anew, with fresh credentials. Seconds."""

TOMBSTONE_HOURS = 24
"""How long a replaced file stays, for readers that still use an older version. Hours."""

_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class RowWatcher(Protocol):
    """Is told what is committed."""

    def begin(self) -> None:
        """Be told that rows are coming."""

    def take(self, name: str, rows: pa.Table) -> None:
        """Be told of rows that are committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """What one commit adds: rows, and the identifiers that make writers of the same thing meet."""

    rows: Iterable[pa.Table]
    transactions: Mapping[str, int]


class Table:
    """A table below an archive's root; one thread uses one at a time.

    :param before_open: called once before the log is first read (repair after a power cut).
    :ivar appended: commits made here since upkeep last looked.
    :ivar watcher: is told of every append; the rows of one are then to be a list.
    :ivar tidied: version at the last check-point, as far as known here.
    :raises StoreUnavailable: from every method, where the store refuses.
    """

    def __init__(
        self, store: Store, spec: TableSpec, before_open: Callable[[str], None] | None = None
    ) -> None:
        self.store = store
        self.spec = spec
        self.name = spec.name
        self._before_open = before_open
        self._delta: DeltaTable | None = None
        self._opened_at = 0.0
        self._files: list[DataFile] | None = None
        self._seen: set[str] = set()
        self._is_pinned = False
        self._has_all_columns = False
        self.tidied = 0
        self.appended = 0
        self.watcher: RowWatcher | None = None

    @property
    def version(self) -> int:
        """The version in hand, or -1 where the table is not there."""
        delta = self._open()
        return -1 if delta is None else delta.version()

    @property
    def delta(self) -> DeltaTable:
        """The library's table; only where it is known to be there."""
        delta = self._open()
        if delta is None:
            raise StoreUnavailable(f"The table {self.name} at {self.store.url} is not there.")
        return delta

    def refresh(self) -> None:
        """Take in what others have committed."""
        self._files = None
        if self._delta is None:
            return
        with translated(self.store.url):
            if self.store.has_credentials and time.monotonic() - self._opened_at > REOPEN_SECONDS:
                self._delta = None
                self._open()
            else:
                self._delta.update_incremental()

    def transaction_version(self, name: str) -> int:
        """Return the number last committed under an identifier, or -1."""
        delta = self._open()
        with translated(self.store.url):
            found = None if delta is None else delta.transaction_version(name)
        return -1 if found is None else int(found)

    def files(self) -> list[DataFile]:
        """Return the data files of the version in hand, oldest first."""
        if self._files is None and (delta := self._open()) is not None:
            self._files = files_of(delta, self.spec.bounds, self.store.url)
        return self._files or []

    def row_count(self) -> int:
        """Return how many rows the version in hand has."""
        return sum(file.rows for file in self.files())

    def unseen(self) -> list[DataFile]:
        """Return the files that came since ``mark_seen``, by other writers or by upkeep."""
        return [file for file in self.files() if file.path not in self._seen]

    def mark_seen(self) -> None:
        """Count all files of the version in hand as seen."""
        self._seen = {file.path for file in self.files()}

    def append(self, plan: Callable[[], Append | None]) -> None:
        """Commit what ``plan`` returns; where another writer was first, refresh and plan again.

        ``plan`` must look at the table as it is then, and leave out what is there already.

        :raises StoreUnavailable: where the store refuses, or others are always faster.
        """
        if self.watcher is not None:
            self.watcher.begin()
        for attempt in range(MAX_ATTEMPTS):
            self._open()
            self._is_pinned = True  # a table that appears while planning would not be the one planned on
            try:
                wanted = plan()
            finally:
                self._is_pinned = False
            if wanted is None or self._try_append(wanted):
                return
            time.sleep(random.uniform(0, 0.01 * min(attempt, 20)))
        raise StoreUnavailable(
            f"The table {self.name} at {self.store.url} was changed by others {MAX_ATTEMPTS} times while "
            "this run tried to commit; run fewer tasks on this archive at once.",
            reason="busy",
            where=self.store.url,
        )

    def replace(
        self,
        old: Sequence[DataFile],
        rows: Iterable[pa.Table],
        *,
        drops: bool = False,
        transactions: Mapping[str, int] | None = None,
    ) -> bool:
        """Write rows of several files as one; False where anyone committed meanwhile, and nothing changed.

        :param drops: whether rows change, so that other readers must not take it for upkeep.

        The commit is refused unless it directly follows the version in hand, because
        ``deltalake`` takes it for a blind append and would let two of them double rows.
        """
        with translated(self.store.url):
            file, added = write_file(self.store, self.spec, rows, data_change=drops)
            stamp = int(time.time() * 1000)
            removed = [RemoveAction(f.path, drops, stamp, size=f.size, partition_values={}) for f in old]
            try:
                self._commit([added, *removed], _numbered(transactions or {}), max_retries=0)
            except CommitFailedError:
                self.store.remove(f"tables/{self.name}/{file.path}")
                self.refresh()
                return False
            self._take_in()
        if {f.path for f in old} <= self._seen:
            self._seen.add(file.path)
        return True

    def number(self, transactions: Mapping[str, int]) -> bool:
        """Commit identifiers alone; False where anyone committed meanwhile, and nothing changed."""
        with translated(self.store.url):
            try:
                self._commit([], _numbered(transactions), max_retries=0)
            except CommitFailedError:
                self.refresh()
                return False
            self._take_in()
        return True

    def tidy(self, sync: Callable[[], None], *, strays: bool = False) -> None:
        """Write a check-point, then delete log entries and data files nobody needs any more.

        What is deleted has to be replaced by something durable first, so ``sync`` comes between.

        :param strays: also files that no commit names, as kills leave them; all files are listed for it.
        """
        with translated(self.store.url):
            sync()
            self.delta.create_checkpoint()
            sync()
            self.delta.cleanup_metadata()
            for dry_run in (True, False):
                found = self.delta.vacuum(
                    TOMBSTONE_HOURS,
                    dry_run=dry_run,
                    enforce_retention_duration=False,
                    full=strays,
                    post_commithook_properties=_NO_HOOKS,
                )
                if not found:
                    break
        self.refresh()
        self.tidied = self.version

    def scan(
        self,
        columns: Sequence[str],
        *,
        equal: Mapping[str, str] | None = None,
        files: Sequence[DataFile] | None = None,
    ) -> Iterator[Slice]:
        """Yield row groups with the rows that match, reading only these columns.

        :param equal: columns and the value they must have; what their bounds exclude is not read.
        """
        wanted = dict(equal or {})
        for file in self.files() if files is None else files:
            if not file.may_hold(wanted):
                continue
            with translated(self.store.url), self.parquet(file) as parquet:
                for group in range(parquet.metadata.num_row_groups):
                    found = read_slice(parquet, file.path, group, columns, wanted)
                    if found is not None:
                        yield self._completed(found, columns)

    def _completed(self, found: Slice, columns: Sequence[str]) -> Slice:
        """Return rows of an older file with nulls in the columns it lacks."""
        if len(found.table.column_names) == len(columns):
            return found
        schema = pa.schema([self.spec.schema.field(name) for name in columns])
        return replace(found, table=aligned(found.table, schema))

    def read_rows(
        self, file: DataFile, group: int, rows: npt.NDArray[np.int32], columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return these rows of one row group; all columns of the schema where none are named."""
        return self.read_group(file, group, columns).take(rows)

    def read_group(self, file: DataFile, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return one row group; all columns of the schema where none are named."""
        names = list(columns or self.spec.schema.names)
        with translated(self.store.url), self.parquet(file) as parquet:
            found = parquet.read_row_group(group, columns=names, use_threads=False)
        return aligned(found, pa.schema([self.spec.schema.field(name) for name in names]))

    def parquet(self, file: DataFile, *, check: bool = False) -> pq.ParquetFile:
        """Open a data file.

        :param check: whether reading compares each page with its checksum.
        """
        source = self.store.source(f"tables/{self.name}/{file.path}", file.size)
        return pq.ParquetFile(
            source, pre_buffer=not isinstance(source, str), page_checksum_verification=check
        )

    def _open(self) -> DeltaTable | None:
        if self._delta is None and not self._is_pinned:
            if self._before_open is not None:
                before, self._before_open = self._before_open, None
                before(self.name)
            with translated(self.store.url):
                try:
                    self._delta = DeltaTable(
                        self.store.table_uri(self.name), storage_options=self.store.delta_options()
                    )
                except TableNotFoundError:
                    return None
            self._opened_at = time.monotonic()
            self._files = None
            self.tidied = max(self.tidied, self._delta.version())
        return self._delta

    def _create(self) -> bool:
        """Create the table; False where another writer was first, or has committed already."""
        try:
            self._delta = DeltaTable.create(
                self.store.table_uri(self.name),
                schema=self.spec.schema,
                name=self.name,
                description=self.spec.description,
                configuration=CONFIGURATION,
                storage_options=self.store.delta_options(),
            )
        except (DeltaError, OSError) as error:
            if self._open() is None:
                raise translate(error, self.store.url) from error
            return False
        self._opened_at = time.monotonic()
        self._files = None
        return bool(self._delta.version() == 0)

    def _gained_columns(self) -> bool:
        """Give the table of an older Mailroom its new columns; True where its version is another now."""
        if not self._has_all_columns:
            self._has_all_columns = not gain_columns(self)
        return not self._has_all_columns

    def _try_append(self, wanted: Append) -> bool:
        if (self._delta is None and not self._create()) or self._gained_columns():
            return False
        before = self.version
        with translated(self.store.url):
            file, added = write_file(self.store, self.spec, wanted.rows, data_change=True)
            try:
                self._commit([added], _numbered(wanted.transactions))
            except CommitFailedError as error:
                self.refresh()
                if self.version == before:
                    raise translate(error, self.store.url) from error
                self.store.remove(f"tables/{self.name}/{file.path}")
                return False
            self._take_in(before, file)
        self.appended += 1
        if self.watcher is not None:
            for rows in wanted.rows:
                self.watcher.take(self.name, rows)
        self._seen.add(file.path)
        return True

    def _commit(
        self,
        actions: list[AddAction | RemoveAction],
        transactions: list[Transaction],
        max_retries: int | None = None,
    ) -> None:
        """Commit data files that are written; whoever calls removes them only after a lost race.

        After any other error the commit may have reached the store all the same, so its
        file has to stay; one without a commit is harmless.
        """
        self.delta.create_write_transaction(
            actions,
            "append",
            self.delta.schema(),
            commit_properties=CommitProperties(
                custom_metadata={LINES: 1 + len(actions) + len(transactions)},
                max_commit_retries=max_retries,
                app_transactions=transactions or None,
            ),
            post_commithook_properties=_NO_HOOKS,
        )

    def _take_in(self, before: int = -1, added: DataFile | None = None) -> None:
        """Go to the version just committed; where it follows ``before``, its file is all that is new."""
        self.delta.update_incremental()
        known, self._files = self._files, None
        if added is not None and known is not None and self.version == before + 1:
            self._files = [*known, added]


def _numbered(transactions: Mapping[str, int]) -> list[Transaction]:
    return [Transaction(name, number) for name, number in transactions.items()]
