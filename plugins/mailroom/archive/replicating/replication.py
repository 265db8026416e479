"""Copy an archive to a second root: raw objects, then the rows that rest on them, each once.

Belongs here: what is not in the copy yet, and the order in which it goes there. Does not belong here:
single objects (``object_copies``), what callers are told (``services.replicate``).

A row is copied when its key (``row_keys``) is not in the copy, so a run that was killed anywhere is simply
run again. To find new rows without reading everything, the copy's mark (``replica``) names the data files
of both sides as they were at the end of the last whole run: only files that came since are read. Where one
of those files is gone (joined with others, set aside after a power cut), keys are compared in full.

The order is that of every archive: objects, synced, then ``messages``, ``texts``, ``attachments``, then
``locations``; so a copy is at every moment an archive that can be read, and as old as its last whole run.
The source is opened in the opposite order, so that what one table refers to is in the other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.checking.integrity import KEYS, Watcher
from mailroom.archive.delta.data_files import DataFile, aligned
from mailroom.archive.delta.derived_sql import DERIVED
from mailroom.archive.delta.row_keys import key_columns, row_keys
from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.delta.tables import Append, Table
from mailroom.archive.delta.upkeep import EVERY_COMMITS, keep_up
from mailroom.archive.digests import DigestSet, Halves
from mailroom.archive.memory import MemoryRelease
from mailroom.archive.removing.removal import CERTIFICATES, follow_removals
from mailroom.archive.replicating.object_copies import ObjectCopies
from mailroom.archive.replicating.replica import (
    REPLICA_FILE,
    CopiedFiles,
    ReplicaMark,
    archive_identity,
    read_mark,
    write_mark,
)
from mailroom.archive.storage.durability import Durability
from mailroom.archive.writing.locations import transaction_name
from mailroom.exceptions import ConfigurationError

__all__ = ["Replication", "ReplicationTally"]

ORDER = ("messages", "texts", "attachments", "locations", "folders")
"""The tables that rest on each other; the others follow."""

OWN = ("tombstones", *DERIVED)
"""Tables that say what is going on in one archive, or follow from others; they are not copied."""

CHUNK_MESSAGES = 5000
"""Messages whose objects are copied before their rows are committed: what a kill costs looking at again."""

CHUNK_ROWS = 50_000
"""Rows of other tables that are committed together."""

CHUNK_OCTETS = 16 * 1024 * 1024
"""Octets of rows that are committed together, as they lie in memory."""

MAX_SENTENCES = 1000
"""How many objects that could not be copied are named; all are counted."""


@dataclass(slots=True, kw_only=True)
class ReplicationTally:
    """What was copied so far.

    :param rows: rows written, by table.
    :param octets: octets of raw objects written.
    :param failed: digests of messages whose objects could not be copied.
    :param sentences: what is wrong with the first of them.
    """

    rows: dict[str, int] = field(default_factory=dict)
    objects: int = 0
    octets: int = 0
    failed: set[str] = field(default_factory=set)
    sentences: list[str] = field(default_factory=list)


class Replication:
    """One pass from an archive to its copy.

    :raises ConfigurationError: where the copy is an archive of its own, or the copy of another one.
    :raises StoreUnavailable: where a store refuses.
    """

    def __init__(self, source: Archive, copy: Archive, progress: Watcher, stop: threading.Event) -> None:
        self.tally = ReplicationTally()
        self._archive = source
        self._copy = copy
        self._progress = progress
        self._stop = stop
        names = [*ORDER, *(name for name in TABLES if name not in (*ORDER, *OWN))]
        self._from = {name: source.table(name) for name in reversed(names)}
        self._files = {name: table.files() for name, table in self._from.items()}
        self._names = names
        found = self._read_mark()
        self._mark = found or ReplicaMark(of=self._identity, url=source.url)
        self._to = {name: copy.table(name) for name in names}
        self._memory = MemoryRelease()
        self._resumes = found is not None and not found.is_whole
        self._objects = ObjectCopies(source, copy, resumes=self._resumes)

    def run(self) -> None:
        """Copy what the copy lacks; a run that finds nothing writes nothing.

        :raises StoreUnavailable: where a store refuses; what was copied stays, and the next run goes on.
        """
        if self._mark.is_whole and not any(self._fresh(name) for name in self._names):
            return
        self._copy.make_root()
        write_mark(self._copy.store, ReplicaMark(of=self._mark.of, url=self._mark.url))
        durability = self._copy.prepare()
        try:
            for name in self._names:
                self._copy_table(name, durability)
                if self._stop.is_set():
                    return
            if self.tally.rows.get("erasures") or self._resumes:
                follow_removals(self._archive, self._copy, self._archive.clock())
            self._copy_certificates()
            self._finish(durability)
        finally:
            durability.close()
            self._copy.raw.close()

    def _copy_certificates(self) -> None:
        """Copy what certifies removals; one that was written again goes over what is there."""
        paths = self._archive.store.list_files(CERTIFICATES)
        read = (store.read_files(paths) for store in (self._archive.store, self._copy.store))
        for path, content, copied in zip(paths, *read, strict=True) if paths else ():
            if content is not None and content != copied:
                self._copy.store.replace_file(path, content)

    def _finish(self, durability: Durability) -> None:
        for table in self._to.values():
            if table.appended:
                keep_up(table, durability.sync)
        durability.sync()
        if self.tally.failed:
            return  # rows were held back: the next run has to compare in full
        tables = {
            name: CopiedFiles(source=_paths(self._files[name]), copy=self._there(name))
            for name in self._names
        }
        mark = ReplicaMark(of=self._mark.of, url=self._archive.url, is_whole=True, tables=tables)
        write_mark(self._copy.store, mark)
        durability.sync()

    @property
    def _identity(self) -> str:
        return archive_identity(self._archive)

    def _read_mark(self) -> ReplicaMark | None:
        """Return how far the copy has come, or None where it is new; refuse what is none."""
        of = self._identity
        mark = read_mark(self._copy.store)
        if mark is None:
            if self._copy.exists():
                raise ConfigurationError(
                    f"{self._copy.url} is an archive of its own (it has no {REPLICA_FILE}); give an empty "
                    "place for the copy."
                )
            return None
        if mark.of != of:
            raise ConfigurationError(
                f"{self._copy.url} is a copy of the archive at {mark.url}, not of {self._archive.url}; give "
                "each archive a place of its own for its copy."
            )
        return mark

    def _there(self, name: str) -> frozenset[str]:
        self._to[name].refresh()
        return _paths(self._to[name].files())

    def _fresh(self, name: str) -> list[DataFile]:
        """Return the files of the source that may have rows which the copy lacks."""
        copied = self._mark.tables.get(name, CopiedFiles())
        if not copied.copy <= self._there(name):
            return self._files[name]
        return [file for file in self._files[name] if file.path not in copied.source]

    def _copy_table(self, name: str, durability: Durability) -> None:
        fresh = self._fresh(name)
        if not fresh or (name == "seals" and self.tally.failed):
            return  # a seal would not fit rows that were held back
        source, table = self._from[name], self._to[name]
        table.mark_seen()
        held = self._held(name)
        most = CHUNK_MESSAGES if name == "messages" else CHUNK_ROWS
        self._progress.start(name, sum(file.rows for file in fresh), None)
        for rows in _chunks(source, fresh, most):
            missing = _without(rows, key_columns(name), held)
            self._progress.advance(rows.num_rows - missing.num_rows, 0)
            if missing.num_rows:
                self._copy_rows(name, missing, durability)
            if self._stop.is_set():
                break
            if table.appended >= EVERY_COMMITS:
                keep_up(table, durability.sync)
                table.appended = 0
            self._memory.release()
        self._progress.finish()

    def _copy_rows(self, name: str, rows: pa.Table, durability: Durability) -> None:
        if name == "messages":
            rows = self._with_objects(rows)
            durability.sync()
        else:
            self._progress.advance(rows.num_rows, 0)
            if name in KEYS and self.tally.failed:
                rows = _without_digests(rows, KEYS[name], self.tally.failed)
        if rows.num_rows:
            self._append(name, rows)

    def _with_objects(self, rows: pa.Table) -> pa.Table:
        """Copy the objects of messages; return the rows of those that are in the copy now."""
        there: set[str] = set()
        for digest, octets, wrong in self._objects.copy(rows["sha256"].to_pylist(), self._stop):
            if octets is None:
                self.tally.failed.add(digest)
                if len(self.tally.sentences) < MAX_SENTENCES:
                    self.tally.sentences.append(str(wrong))
            else:
                there.add(digest)
                self.tally.objects += octets > 0
                self.tally.octets += octets
            self._progress.advance(1, octets or 0)
        return rows.filter(pc.is_in(rows["sha256"], value_set=pa.array(sorted(there), pa.string())))

    def _append(self, name: str, rows: pa.Table) -> None:
        """Commit rows; what another replication has added meanwhile is left out."""
        table = self._to[name]
        mine = rows

        def plan() -> Append | None:
            nonlocal mine
            theirs = self._keys(table, table.unseen(), key_columns(name))
            mine = _without(mine, key_columns(name), theirs)
            if not mine.num_rows:
                return None
            return Append(rows=[mine], transactions=_numbers(table, mine))

        table.append(plan)
        table.mark_seen()
        self.tally.rows[name] = self.tally.rows.get(name, 0) + mine.num_rows

    def _held(self, name: str) -> DigestSet:
        """Return the keys of rows in the copy that the source's fresh files may have as well."""
        table = self._to[name]
        copied = self._mark.tables.get(name, CopiedFiles())
        is_settled = copied.source <= _paths(self._files[name]) and copied.copy <= _paths(table.files())
        known = copied.copy if is_settled else frozenset()
        return self._keys(table, [f for f in table.files() if f.path not in known], key_columns(name))

    def _keys(self, table: Table, files: Iterable[DataFile], columns: Iterable[str]) -> DigestSet:
        wanted = pa.schema([table.spec.schema.field(column) for column in columns])
        parts: list[Halves] = [
            row_keys(aligned(piece.table, wanted), wanted.names)
            for piece in table.scan(wanted.names, files=list(files))
        ]
        empty = np.empty(0, np.uint64)
        return DigestSet(
            np.concatenate([empty, *(first for first, _ in parts)]),
            np.concatenate([empty, *(second for _, second in parts)]),
        )


def _paths(files: Iterable[DataFile]) -> frozenset[str]:
    return frozenset(file.path for file in files)


def _chunks(table: Table, files: Iterable[DataFile], most: int) -> Iterator[pa.Table]:
    """Yield the rows of files in pieces of bounded size, small files together."""
    gathered: list[pa.Table] = []
    rows = octets = 0
    for piece in table.scan(table.spec.schema.names, files=list(files)):
        whole = aligned(piece.table, table.spec.schema)
        for start in range(0, whole.num_rows, most):
            part = whole.slice(start, most)
            if gathered and (rows + part.num_rows > most or octets + part.nbytes > CHUNK_OCTETS):
                yield pa.concat_tables(gathered)
                gathered, rows, octets = [], 0, 0
            gathered.append(part)
            rows, octets = rows + part.num_rows, octets + part.nbytes
    if gathered:
        yield pa.concat_tables(gathered)


def _without(rows: pa.Table, columns: Iterable[str], held: DigestSet) -> pa.Table:
    """Return the rows whose keys are not held."""
    if not len(held):
        return rows
    return rows.filter(pa.array(held.find(*row_keys(rows, list(columns))) < 0))


def _without_digests(rows: pa.Table, column: str, digests: set[str]) -> pa.Table:
    is_one = pc.is_in(rows[column], value_set=pa.array(sorted(digests), pa.string()))
    return rows.filter(pc.invert(is_one))


def _numbers(table: Table, rows: pa.Table) -> dict[str, int]:
    """Return the identifiers of a commit: the numbers that the rows have at the source, where they have some.

    So a copy that is made an archive of its own goes on counting where its source stopped.
    """
    if not {"account", "seq"} <= set(table.spec.schema.names):
        return {table.name: table.transaction_version(table.name) + 1}
    is_by_folder = table.name == "locations"
    by = ["account", "folder"] if is_by_folder else ["account"]
    found: dict[str, int] = {}
    for row in rows.group_by(by).aggregate([("seq", "max")]).to_pylist():
        name = transaction_name(row["account"], row["folder"]) if is_by_folder else row["account"]
        found[name] = max(int(row["seq_max"]), table.transaction_version(name))
    return found
