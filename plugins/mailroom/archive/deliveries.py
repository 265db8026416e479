"""Attachments in another store, each exactly once, and the table that says so.

Belongs here: the write side of a delivery: exclusive creation, adoption of what a kill
left behind, and rows of ``deliveries``. Does not belong here: which attachments, and
under which names (``policy.attachments``, ``policy.destinations``).

The order is: create the object under a name nobody has, then commit the row that says
so. A kill in between leaves an object without a row; the next run finds the same
content under the same name, claimed by no row, and adopts it. Nothing is overwritten,
ever: a name that is taken by other content is reported as taken, and the caller tries
the next.
"""

from __future__ import annotations

import enum
import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mailroom.archive.archive import Archive
from mailroom.archive.data_files import DataFile
from mailroom.archive.delivery_store import Content, DeliveryStore, open_delivery_store
from mailroom.archive.digests import DigestSet, Halves, halves, halves_of
from mailroom.archive.durability import Durability
from mailroom.archive.places import Vocabulary
from mailroom.archive.rows import build_table
from mailroom.archive.schemas import TABLES
from mailroom.archive.store import Root
from mailroom.archive.tables import Append, Table
from mailroom.archive.upkeep import keep_up

__all__ = ["Deliveries", "DeliveryOutcome", "DeliveryRow"]

COMMIT_ROWS = 500
"""Deliveries that are committed together; a kill costs looking at this many objects again."""

MAX_FACT_CHARACTERS = 200
"""Metadata of an object holds 2 KB in all on S3."""


class DeliveryOutcome(enum.Enum):
    """What became of an attempt to deliver."""

    CREATED = "created"
    ADOPTED = "adopted"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One attachment as it was delivered; becomes a row of ``deliveries``.

    :param path: below the destination.
    :param sha256: of the decoded content.
    """

    path: str
    message_sha256: str
    part: str
    sha256: str
    size: int
    content_type: str
    filename: str
    account: str | None
    sender: str | None
    subject: str | None
    date: datetime | None
    at: datetime
    run_id: str

    def facts(self) -> dict[str, str]:
        """Return where the attachment came from, as metadata of its object."""
        stated = {
            "message-sha256": self.message_sha256,
            "part": self.part,
            "sha256": self.sha256,
            "sender": (self.sender or "")[:MAX_FACT_CHARACTERS],
            "filename": self.filename[:MAX_FACT_CHARACTERS],
            "date": self.date.isoformat() if self.date else "",
        }
        return {name: value for name, value in stated.items() if value}


class Deliveries:
    """Deliveries to one destination; a context manager.

    Several threads may deliver at once. Leaving the block commits what was delivered, also
    where it is left by an error: what lies at the destination should be in the table.

    :param storage_options: for ``fsspec``, where the destination is a URL.
    """

    def __init__(
        self, archive: Archive, destination: Root, *, storage_options: Mapping[str, Any] | None = None
    ) -> None:
        self._archive = archive
        self._store: DeliveryStore = open_delivery_store(destination, storage_options)
        self._table: Table = archive.table("deliveries")
        self._waiting: list[tuple[DeliveryRow, bool]] = []
        self._done = _Keys()
        self._claimed: _Keys | None = None
        self._durability: list[Durability] = []
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._busy: set[str] = set()
        self._load(self._table.files())

    @property
    def url(self) -> str:
        """The destination for people and in rows, without credentials."""
        return self._store.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
        finally:
            for durability in self._durability:
                durability.close()

    def is_delivered(self, message_sha256: str, part: str) -> bool:
        """Say whether an attachment was delivered here, in this run or before."""
        return self._done.holds(message_sha256, part)

    def deliver(self, row: DeliveryRow, content: Content) -> DeliveryOutcome:
        """Create an attachment at its path, unless something is there.

        ``ADOPTED`` means that the very content lay there and belonged to no delivery;
        ``TAKEN`` that the path belongs to something else, and nothing was done.

        :param content: returns the decoded content in pieces, anew each time.
        :raises IntegrityError: where the content is not what ``row`` says.
        :raises StoreUnavailable: where the destination or the archive refuses.
        """
        with self._alone_at(row.path):
            return self._deliver(row, content)

    def _deliver(self, row: DeliveryRow, content: Content) -> DeliveryOutcome:
        with self._lock:
            self._open()
            if self._is_claimed(row.path, only_if_loaded=True):
                return DeliveryOutcome.TAKEN
        created = self._store.create(
            row.path,
            content,
            digest=row.sha256,
            size=row.size,
            content_type=row.content_type,
            facts=row.facts(),
        )
        with self._lock:
            if not created and (
                self._is_claimed(row.path) or self._store.digest_of(row.path, row.size) != row.sha256
            ):
                return DeliveryOutcome.TAKEN
            self._waiting.append((row, not created))
            self._done.add(row.message_sha256, row.part)
            if self._claimed is not None:
                self._claimed.add(_path_key(row.path), "")
            if len(self._waiting) >= COMMIT_ROWS:
                self.flush()
        return DeliveryOutcome.CREATED if created else DeliveryOutcome.ADOPTED

    @contextmanager
    def _alone_at(self, path: str) -> Iterator[None]:
        """Keep other threads from a path for the length of a block."""
        with self._idle:
            while path in self._busy:
                self._idle.wait()
            self._busy.add(path)
        try:
            yield
        finally:
            with self._idle:
                self._busy.discard(path)
                self._idle.notify_all()

    def flush(self) -> None:
        """Commit what was delivered, once it is durable at the destination.

        :raises StoreUnavailable: where the archive refuses; the next run adopts what was delivered.
        """
        if not self._waiting:
            return
        destination, archive = self._open()
        destination.sync()
        waiting = self._waiting

        def plan() -> Append | None:
            nonlocal waiting
            theirs = _Keys()
            for name, part in self._keys_in(self._table.unseen()):
                theirs.merge(name, part)
            waiting = [
                (row, adopted) for row, adopted in waiting if not theirs.holds(row.message_sha256, row.part)
            ]
            number = self._table.transaction_version(self.url) + 1
            return Append(rows=[self._rows(waiting)], transactions={self.url: number}) if waiting else None

        self._table.append(plan)
        self._table.mark_seen()
        self._waiting = []
        keep_up(self._table, archive.sync)
        archive.sync()

    def _open(self) -> list[Durability]:
        if not self._durability:
            self._durability = [self._store.durability(), self._archive.prepare()]
        return self._durability

    def _load(self, files: Sequence[DataFile]) -> None:
        for digests, parts in self._keys_in(files):
            self._done.merge(digests, parts)
        self._table.mark_seen()

    def _keys_in(self, files: Sequence[DataFile]) -> Iterator[tuple[pa.ChunkedArray, pa.ChunkedArray]]:
        wanted = {"destination": self.url}
        for piece in self._table.scan(["message_sha256", "part"], equal=wanted, files=files):
            yield piece.table["message_sha256"], piece.table["part"]

    def _is_claimed(self, path: str, *, only_if_loaded: bool = False) -> bool:
        """Say whether a delivery has this path; the paths are read at the first collision."""
        if self._claimed is None:
            if only_if_loaded:
                return False
            self._claimed = _Keys()
            for piece in self._table.scan(["path"], equal={"destination": self.url}):
                paths = [_path_key(path) for path in piece.table["path"].to_pylist()]
                self._claimed.merge(pa.array(paths, pa.string()), pa.array([""] * len(paths)))
            for row, _ in self._waiting:
                self._claimed.add(_path_key(row.path), "")
        return self._claimed.holds(_path_key(path), "")

    def _rows(self, waiting: Sequence[tuple[DeliveryRow, bool]]) -> pa.Table:
        names = TABLES["deliveries"].schema.names
        columns: list[list[Any]] = [
            [self.url] * len(waiting)
            if name == "destination"
            else [adopted if name == "adopted" else getattr(row, name) for row, adopted in waiting]
            for name in names
        ]
        return build_table("deliveries", columns)


class _Keys:
    """A set of (digest, word) pairs, 16 octets each where they come by the column.

    The word is mixed into both halves of the digest: a set of digests takes those that share
    their first half for one.
    """

    def __init__(self) -> None:
        self._words = Vocabulary()
        self._columns: list[Halves] = []
        self._sorted: DigestSet | None = None
        self._added: set[tuple[str, str]] = set()

    def merge(self, digests: pa.ChunkedArray | pa.Array, words: pa.ChunkedArray | pa.Array) -> None:
        first, second = halves(digests)
        mixed = _spread(self._words.numbers(words))
        self._columns.append((first ^ mixed, second ^ mixed))
        self._sorted = None

    def add(self, digest: str, word: str) -> None:
        self._added.add((digest, word))

    def holds(self, digest: str, word: str) -> bool:
        if (digest, word) in self._added:
            return True
        number = self._words.find(word)
        if number < 0:
            return False
        if self._sorted is None:
            empty = np.empty(0, np.uint64)
            self._sorted = DigestSet(
                np.concatenate([empty, *(first for first, _ in self._columns)]),
                np.concatenate([empty, *(second for _, second in self._columns)]),
            )
        first, second = (np.array([half], np.uint64) for half in halves_of(digest))
        mixed = _spread(np.array([number], np.int64))
        return bool(self._sorted.find(first ^ mixed, second ^ mixed)[0] >= 0)


def _spread(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Spread small numbers over 64 bits, so that they may be mixed into a digest."""
    return numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def _path_key(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()
