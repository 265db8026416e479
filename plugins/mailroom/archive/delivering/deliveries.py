"""Attachments in another store, each exactly once, and the table that says so.

Belongs here: the write side of a delivery: exclusive creation, adoption of what a kill
left behind, and rows of ``deliveries``. Does not belong here: which attachments, and
under which names (``policy.attachments``, ``policy.destinations``).

The order is: create the object under a name nobody has, then commit the row that says
so. A kill in between leaves an object without a row; the next run finds the same
content under the same name, claimed by no row, and adopts it. Nothing is overwritten,
ever: a name that is taken by other content is reported as taken, and the caller tries
the next. Rows are committed by a thread of its own, while deliveries go on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.delivering.customer_key import CustomerKey
from mailroom.archive.delivering.delivery_content import Content
from mailroom.archive.delivering.delivery_keys import PairSet, path_digests
from mailroom.archive.delivering.delivery_row import DeliveryOutcome, DeliveryRow
from mailroom.archive.delivering.delivery_store import DeliveryStore, open_delivery_store
from mailroom.archive.delta.data_files import DataFile
from mailroom.archive.delta.rows import build_table
from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.delta.tables import Append, Table
from mailroom.archive.delta.upkeep import keep_up
from mailroom.archive.memory import MemoryRelease
from mailroom.archive.storage.durability import Durability
from mailroom.archive.storage.store import Root

__all__ = ["Deliveries"]

COMMIT_ROWS = 2000
"""Deliveries that are committed together; a kill costs looking at up to twice as many objects again."""

TRIM_OCTETS = 32 * 1024 * 1024
"""After so much was delivered, what the allocators hold on to is given back. Octets."""

_NO_WORD = pa.array([""])

log = logging.getLogger(__name__)


class Deliveries:
    """Deliveries to one destination; a context manager.

    Several threads may deliver at once. Leaving the block commits what was delivered, also
    where it is left by an error: what lies at the destination should be in the table.

    :param storage_options: for ``fsspec``, where the destination is a URL.
    :param object_options: what S3 is asked of every object, such as its encryption.
    :param customer_key: what S3 encrypts every object with, where that is not its own affair.
    """

    def __init__(
        self,
        archive: Archive,
        destination: Root,
        *,
        storage_options: Mapping[str, Any] | None = None,
        object_options: Mapping[str, str] | None = None,
        customer_key: CustomerKey | None = None,
    ) -> None:
        self._archive = archive
        self._store: DeliveryStore = open_delivery_store(
            destination, storage_options, object_options, customer_key
        )
        self._table: Table = archive.table("deliveries")
        self._table_lock = threading.Lock()  # taken before the other one, never after it
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._busy: set[str] = set()
        self._waiting: list[tuple[DeliveryRow, bool]] = []
        self._own: set[tuple[str, str]] = set()
        self._own_paths: set[str] = set()
        self._committed = PairSet()
        self._quarantined = PairSet()
        self._claimed: PairSet | None = None
        self._durability: list[Durability] = []
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mailroom-deliveries")
        self._commit: Future[None] | None = None
        self._is_refused = False
        self._is_contended = False
        self._handing_over = threading.Lock()
        self._memory = MemoryRelease()
        self._untrimmed = 0
        self._take_in(self._table.files())

    @property
    def url(self) -> str:
        """The destination for people and in rows, without credentials."""
        return self._store.url

    @property
    def store(self) -> DeliveryStore:
        """The place itself, for what is no attachment."""
        return self._store

    @property
    def at_once(self) -> int:
        """How many threads deliver best side by side."""
        return self._store.at_once

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
        finally:
            self._pool.shutdown()
            for durability in self._durability:
                durability.close()

    def is_delivered(self, message_sha256: str, part: str) -> bool:
        """Say whether an attachment was delivered here, in this run or before; to quarantine is not."""
        with self._lock:
            return (message_sha256, part) in self._own or self._committed.holds_one(message_sha256, part)

    def is_quarantined(self, message_sha256: str, part: str) -> bool:
        """Say whether an attachment lies in quarantine here by an earlier commit."""
        with self._lock:
            return self._quarantined.holds_one(message_sha256, part)

    def _holds(self, row: DeliveryRow) -> bool:
        return self._committed.holds_one(row.message_sha256, row.part) or (
            row.quarantine is not None and self._quarantined.holds_one(row.message_sha256, row.part)
        )

    def are_delivered(self, attachments: pa.Table) -> npt.NDArray[np.bool_]:
        """Say for each row with a ``message_sha256`` and a ``part`` whether an earlier commit has it."""
        with self._lock:
            return self._committed.holds(attachments["message_sha256"], attachments["part"])

    def deliver(self, row: DeliveryRow, content: Content) -> DeliveryOutcome:
        """Create an attachment at its path, unless something is there.

        ``ADOPTED`` means that the very content lay there and belonged to no delivery; ``ALREADY``
        that another run has delivered this attachment in the meantime; ``TAKEN`` that the path
        belongs to something else, and nothing was done.

        :param content: returns the decoded content in pieces, anew each time.
        :raises IntegrityError: where the content is not what ``row`` says.
        :raises StoreUnavailable: where the destination or the archive refuses.
        """
        with self._alone_at(row.path):
            outcome = self._deliver(row, content)
        if outcome in (DeliveryOutcome.CREATED, DeliveryOutcome.ADOPTED):
            self._commit_where_due()
        return outcome

    def _deliver(self, row: DeliveryRow, content: Content) -> DeliveryOutcome:
        with self._lock:
            if not self._durability:
                self._durability = [self._store.durability(), self._archive.prepare()]
            met = self._met(row) if self._is_contended or self._is_claimed(row.path) else None
        if met is not None:
            return met
        created = self._store.create(
            row.path,
            content,
            digest=row.sha256,
            size=row.size,
            content_type=row.content_type,
            facts=row.facts(),
        )
        if not created:
            self._load_claims()
            with self._lock:
                met = self._met(row)
            if met is not None:
                return met
            if self._store.digest_of(row.path, row.size) != row.sha256:
                return DeliveryOutcome.TAKEN
        with self._lock:
            self._waiting.append((row, not created))
            self._own.add((row.message_sha256, row.part))
            self._own_paths.add(row.path)
            self._untrimmed += row.size
            is_to_trim = self._untrimmed >= TRIM_OCTETS
            if is_to_trim:
                self._untrimmed = 0
        if is_to_trim:
            self._memory.release()
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
        with self._handing_over:
            if self._commit is not None:
                wait((self._commit,))
                self._commit = None
            self._commit_rows(self._taken(1))  # those of a commit that failed are among them

    def _commit_where_due(self) -> None:
        """Have enough rows committed while deliveries go on; blocks while the commit before is busy.

        :raises StoreUnavailable: where the archive refuses; the rows wait for the next attempt.
        """
        if len(self._waiting) < COMMIT_ROWS:
            return
        with self._handing_over:
            if self._commit is not None:
                wait((self._commit,))
                self._commit = None
            rows = self._taken(COMMIT_ROWS)
            if self._is_refused:  # not in the background, so that every caller hears of it
                self._commit_rows(rows)
            elif rows:
                self._commit = self._pool.submit(self._commit_rows, rows)

    def _taken(self, at_least: int) -> list[tuple[DeliveryRow, bool]]:
        """Return the rows that wait, which wait no longer; none where there are too few."""
        with self._lock:
            if len(self._waiting) < at_least:
                return []
            rows, self._waiting = self._waiting, []
            return rows

    def _commit_rows(self, rows: list[tuple[DeliveryRow, bool]]) -> None:
        if not rows:
            return
        destination, archive = self._durability
        try:
            destination.sync()
            with self._table_lock:
                self._append(rows)
                keep_up(self._table, archive.sync)
            archive.sync()
        except BaseException:
            with self._lock:
                self._waiting[:0] = rows
            self._is_refused = True
            raise
        self._is_refused = False
        with self._lock:
            for row, _ in rows:
                self._own.discard((row.message_sha256, row.part))
                self._own_paths.discard(row.path)
        self._memory.release()

    def _append(self, rows: Sequence[tuple[DeliveryRow, bool]]) -> None:
        """Commit rows, without those that other runs have committed meanwhile."""
        left = list(rows)

        def plan() -> Append | None:
            nonlocal left
            theirs = self._take_in(self._table.unseen(), with_paths=True)
            left = self._not_committed([one for one in left if one[0].path not in theirs])
            number = self._table.transaction_version(self.url) + 1
            return Append(rows=[self._rows(left)], transactions={self.url: number}) if left else None

        self._table.append(plan)
        if len(left) < len(rows):
            log.info("%d attachments were delivered by another run at the same time", len(rows) - len(left))
        self._note_committed(self._rows(left))

    def _not_committed(self, rows: list[tuple[DeliveryRow, bool]]) -> list[tuple[DeliveryRow, bool]]:
        with self._lock:
            return [one for one in rows if not self._holds(one[0])]

    def _load_claims(self) -> None:
        """Read which paths deliveries have, at the first collision."""
        if self._claimed is not None:
            return
        with self._table_lock:
            if self._claimed is None:
                claimed = PairSet()
                for piece in self._table.scan(["path"], equal={"destination": self.url}):
                    _claim(claimed, piece.table["path"])
                self._claimed = claimed
                self._take_in(self._table.unseen(), with_paths=True)

    def _take_in(self, files: Sequence[DataFile], *, with_paths: bool = False) -> set[str]:
        """Note what files say is delivered; return the paths they name, where asked."""
        paths: set[str] = set()
        names = ["message_sha256", "part", "quarantine", *(["path"] if with_paths else [])]
        for piece in self._table.scan(names, equal={"destination": self.url}, files=files):
            self._note_committed(piece.table)
            if with_paths:
                self._is_contended = True
                paths.update(piece.table["path"].to_pylist())
        self._table.mark_seen()
        return paths

    def _note_committed(self, rows: pa.Table) -> None:
        with self._lock:
            good = rows.filter(pc.is_null(rows["quarantine"]))
            held = rows.filter(pc.is_valid(rows["quarantine"]))
            self._committed.add(good["message_sha256"], good["part"])
            self._quarantined.add(held["message_sha256"], held["part"])
            if self._claimed is not None:
                _claim(self._claimed, rows["path"])

    def _met(self, row: DeliveryRow) -> DeliveryOutcome | None:
        """Say what is known to stand in the way of a delivery; the caller holds the lock.

        Its own delivery by another run comes first: that is mostly what has the path.
        """
        if self._holds(row):
            return DeliveryOutcome.ALREADY
        return DeliveryOutcome.TAKEN if self._is_claimed(row.path) else None

    def _is_claimed(self, path: str) -> bool:
        if path in self._own_paths:
            return True
        if self._claimed is None:
            return False
        return bool(self._claimed.holds(path_digests([path]), _NO_WORD)[0])

    def _rows(self, waiting: Sequence[tuple[DeliveryRow, bool]]) -> pa.Table:
        names = TABLES["deliveries"].schema.names
        columns: list[list[Any]] = [
            [self.url] * len(waiting)
            if name == "destination"
            else [adopted if name == "adopted" else getattr(row, name) for row, adopted in waiting]
            for name in names
        ]
        return build_table("deliveries", columns)


def _claim(claimed: PairSet, paths: pa.ChunkedArray) -> None:
    claimed.add(path_digests(paths.to_pylist()), pa.array([""] * len(paths)))
