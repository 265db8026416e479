"""Check an archive: every raw object against its name, every row against its object.

Belongs here: reading all of it, and saying what is wrong in words a person can act on.
Does not belong here: repairing (``repair``; the next run does it). Nothing is changed,
and memory stays flat: a million messages are held as 32 octets each.
"""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.checking.problems import Problem, ProblemKind, VerifyReport
from mailroom.archive.checking.seal_check import SealCheck
from mailroom.archive.delta.data_files import DataFile
from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.delta.torn import find_torn, torn_commits
from mailroom.archive.digests import DigestSet, Halves, halves, halves_of
from mailroom.archive.failures import translated
from mailroom.archive.storage.raw import object_path
from mailroom.archive.storage.store import LocalStore
from mailroom.exceptions import IntegrityError

__all__ = ["Watcher", "verify_archive"]

HASHING_THREADS = 4
"""Objects hashed side by side; hashing and reading leave the interpreter's lock."""

MAX_LISTED = 1000
"""How many problems of one kind a report lists; all are counted."""


KEYS = {"texts": "sha256", "attachments": "message_sha256", "locations": "sha256", "threads": "sha256"}
"""Tables whose rows are about messages, and the column that says about which."""


class Watcher(Protocol):
    """Watches the work; what ``services`` call progress."""

    def start(self, what: str, messages: int | None, octets: int | None) -> None:
        """Begin a piece of work."""

    def advance(self, messages: int, octets: int) -> None:
        """Say that so much more is done."""

    def finish(self) -> None:
        """End it."""


@dataclass(slots=True, kw_only=True)
class _Tally:
    objects: int = 0
    octets: int = 0
    counts: dict[ProblemKind, int] = field(default_factory=dict)
    listed: list[Problem] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    def note(self, kind: ProblemKind, where: str, sentence: str) -> None:
        before = self.counts.get(kind, 0)
        self.counts[kind] = before + 1
        if before < MAX_LISTED:
            self.listed.append(Problem(kind=kind, where=where, sentence=sentence))


def verify_archive(
    archive: Archive, *, progress: Watcher | None = None, stop: threading.Event | None = None
) -> VerifyReport:
    """Read every raw object and every row, and report what does not fit together.

    :raises ConfigurationError: where there is no archive.
    :raises StoreUnavailable: where the store cannot be read at all.
    """
    archive.require()
    check = _Check(archive, progress, stop or threading.Event())
    return check.run()


class _Check:
    """One pass over an archive."""

    def __init__(self, archive: Archive, progress: Watcher | None, stop: threading.Event) -> None:
        self._archive = archive
        self._progress = progress
        self._stop = stop
        self._tally = _Tally()
        self._files: dict[str, list[DataFile]] = {}
        self._torn: set[str] = set()
        self._seals: SealCheck | None = None

    def run(self) -> VerifyReport:
        """Check objects, then tables, and return what was found."""
        if self._progress is not None:
            self._progress.start("verify", None, None)
        objects, sizes = self._objects()
        if not self._stop.is_set():
            self._tables(objects, sizes)
        if self._progress is not None:
            self._progress.finish()
        tally = self._tally
        return VerifyReport(
            objects=tally.objects,
            octets=tally.octets,
            rows=tally.rows,
            problems=tuple(tally.listed),
            counts=tally.counts,
            interrupted=self._stop.is_set(),
        )

    def _objects(self) -> tuple[DigestSet, npt.NDArray[np.int64]]:
        """Hash every object; return the digests that are there, and their sizes in the same order."""
        first, second, sizes = array("Q"), array("Q"), array("q")
        waiting: deque[tuple[str, int, Future[str | None]]] = deque()
        with ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="mailroom-verify") as pool:
            for digest, size in self._archive.raw.objects():
                if self._stop.is_set():
                    break
                halves_of_it = halves_of(digest)
                first.append(halves_of_it[0])
                second.append(halves_of_it[1])
                sizes.append(size)
                waiting.append((digest, size, pool.submit(self._hash, digest)))
                if len(waiting) > 4 * HASHING_THREADS:
                    self._judge(*waiting.popleft())
            for one in waiting:
                self._judge(*one)
        found = DigestSet(np.array(first, dtype=np.uint64), np.array(second, dtype=np.uint64))
        return found, np.array(sizes, dtype=np.int64)[found.order]

    def _hash(self, digest: str) -> str | None:
        try:
            return self._archive.raw.hash(digest)
        except IntegrityError:
            return None  # it went between listing and reading

    def _judge(self, digest: str, size: int, hashed: Future[str | None]) -> None:
        found = hashed.result()
        self._tally.objects += 1
        self._tally.octets += size
        if found != digest:
            self._tally.note(
                ProblemKind.DAMAGED,
                object_path(digest),
                f"{object_path(digest)} is damaged: its bytes have another SHA-256 than its name says; "
                "mailroom check --read --repair fetches its mail again where a server has it; else restore "
                "it from a backup.",
            )
        if self._progress is not None:
            self._progress.advance(1, size)

    def _tables(self, objects: DigestSet, sizes: npt.NDArray[np.int64]) -> None:
        self._look_for_torn()
        if not self._torn:
            self._seals = SealCheck(self._archive)
        for name in TABLES:
            if name not in self._torn:
                self._files[name] = self._readable_files(name)
        if "messages" not in self._torn:
            held = self._messages(objects, sizes)
            for name, key in KEYS.items():
                if name not in self._torn:
                    self._rows_of(name, key, held)
            self._not_indexed(objects, held)
        if self._seals is not None:
            for problem in self._seals.problems(self._files):
                self._tally.note(problem.kind, problem.where, problem.sentence)
        self._leftovers()

    def _look_for_torn(self) -> None:
        """Note tables that end torn, and leave them alone: opening one would set aside what is torn."""
        if not isinstance(self._archive.store, LocalStore):
            return
        for name in TABLES:
            with translated(self._archive.url):
                torn = find_torn(self._archive.store.absolute(f"tables/{name}"))
            if torn:
                self._torn.add(name)
                self._tally.note(
                    ProblemKind.TORN,
                    f"tables/{name}",
                    f"The last {len(torn)} commits of tables/{name} are torn: files of theirs are cut or "
                    "missing, as after a power cut; run fetch or mirror again, which repairs it.",
                )

    def _readable_files(self, name: str) -> list[DataFile]:
        """Read every page of every file, checksums and all; return the files that can be read."""
        table = self._archive.reader(name)
        readable = []
        for file in table.files():
            try:
                with table.parquet(file, check=True) as parquet:
                    for group in range(parquet.metadata.num_row_groups):
                        parquet.read_row_group(group, use_threads=False)
            except (OSError, pa.ArrowException) as error:
                self._tally.note(
                    ProblemKind.UNREADABLE,
                    f"tables/{name}/{file.path}",
                    f"tables/{name}/{file.path} cannot be read ({type(error).__name__}), and has {file.rows} "
                    "rows; restore it from a backup.",
                )
            else:
                readable.append(file)
        self._tally.rows[name] = table.row_count()
        return readable

    def _scan(self, name: str, columns: list[str]) -> Iterator[pa.Table]:
        for piece in self._archive.reader(name).scan(columns, files=self._files[name]):
            yield piece.table

    def _messages(self, objects: DigestSet, sizes: npt.NDArray[np.int64]) -> _Held:
        parts: list[tuple[Halves, npt.NDArray[np.int64]]] = []
        for table in self._scan("messages", ["sha256", "size", "attachment_count"]):
            both = halves(table["sha256"])
            parts.append((both, table["attachment_count"].to_numpy().astype(np.int64)))
            places = objects.find(*both)
            for digest in _chosen(table["sha256"], places < 0):
                self._tally.note(
                    ProblemKind.MISSING,
                    object_path(digest),
                    f"Message {digest} is recorded but {object_path(digest)} is missing; mailroom check "
                    "--repair fetches its mail again where a server has it; else restore the file from a "
                    "backup.",
                )
            stated = table["size"].to_numpy()
            wrong = (places >= 0) & (sizes[np.maximum(places, 0)] != stated) if len(sizes) else places > 0
            for digest in _chosen(table["sha256"], wrong):
                self._tally.note(
                    ProblemKind.SIZE,
                    object_path(digest),
                    f"{object_path(digest)} is not of the recorded size; mailroom check --repair fetches its "
                    "mail again where a server has it; else restore it from a backup.",
                )
        held = _Held(parts)
        self._doubled("messages", held.rows - len(held.digests))
        return held

    def _rows_of(self, name: str, key: str, held: _Held) -> None:
        """Check that rows of a table are about messages that are held, and as many as there should be."""
        counts = np.zeros(len(held.digests), dtype=np.int64)
        for table in self._scan(name, [key]):
            table = table.filter(pc.is_valid(table[key]))
            places = held.digests.find(*halves(table[key]))
            for digest in set(_chosen(table[key], places < 0)):
                self._tally.note(
                    ProblemKind.DANGLING,
                    f"tables/{name}",
                    f"Table {name} tells of message {digest}, which is not in the archive.",
                )
            np.add.at(counts, places[places >= 0], 1)
        if name == "locations":
            return  # one message may be at any number of places
        wanted = held.attachments if name == "attachments" else np.ones_like(counts)
        self._doubled(name, int(np.maximum(counts - wanted, 0).sum()))
        if name == "threads":
            return  # those of new messages come with the next maintenance
        lacking = int((counts < wanted).sum())
        if lacking:
            self._tally.note(
                ProblemKind.INCOMPLETE,
                f"tables/{name}",
                f"{lacking} messages lack rows in table {name}; the next run that archives adds them.",
            )

    def _doubled(self, name: str, rows: int) -> None:
        if rows > 0:
            self._tally.note(
                ProblemKind.DOUBLED,
                f"tables/{name}",
                f"Table {name} has {rows} rows twice; please report this as a bug.",
            )

    def _not_indexed(self, objects: DigestSet, held: _Held) -> None:
        if (held.digests.find(objects.first, objects.second) >= 0).all():
            return
        for digest, _ in self._archive.raw.objects():
            if not held.digests.holds(digest):
                self._tally.note(
                    ProblemKind.NOT_INDEXED,
                    object_path(digest),
                    f"{object_path(digest)} is recorded nowhere: the leftover of a kill, which is harmless.",
                )

    def _leftovers(self) -> None:
        found = self._archive.raw.leftovers()
        if isinstance(self._archive.store, LocalStore):
            for name in TABLES:
                found += torn_commits(self._archive.store.absolute(f"tables/{name}"))
        for path in found:
            self._tally.note(
                ProblemKind.LEFTOVER,
                path,
                f"{path} was left behind by a kill or a power cut, which is harmless.",
            )


class _Held:
    """The messages that have a row, and how many attachments each should have."""

    def __init__(self, parts: list[tuple[Halves, npt.NDArray[np.int64]]]) -> None:
        empty = np.empty(0, np.uint64)
        first = np.concatenate([empty, *(both[0] for both, _ in parts)])
        second = np.concatenate([empty, *(both[1] for both, _ in parts)])
        self.rows = len(first)
        self.digests = DigestSet(first, second)
        counts = np.concatenate([np.empty(0, np.int64), *(count for _, count in parts)])
        self.attachments = counts[self.digests.order]


def _chosen(column: pa.ChunkedArray, mask: npt.NDArray[np.bool_]) -> list[str]:
    return [str(digest) for digest in column.filter(pa.array(mask)).to_pylist()] if mask.any() else []
