"""Write one run into the archive: messages and facts go in, durable rows come out.

Belongs here: what callers see, and the bounds of a batch. Does not belong here: how
bytes are stored (``intake``), in what order tables are committed (``committer``), and
the threads in between (``pipeline``), how all of it is set in motion (``engine``).

Nothing may be changed on a mail server on the strength of ``add`` or ``record``: only
when ``flush`` has returned is what was handed in durable.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mailroom.archive.archive import Archive
from mailroom.archive.storage.store import LocalStore
from mailroom.archive.unannounced import HeldNote, Unannounced
from mailroom.archive.writing.batch import Batch, key_of
from mailroom.archive.writing.pipeline import Pipeline
from mailroom.archive.writing.worker_start import end_worker, start_workers
from mailroom.exceptions import ArchiveError
from mailroom.model import Announced

if TYPE_CHECKING:
    from mailroom.archive.intents import Following, IntendedDeletions
    from mailroom.archive.reading.described import Described
    from mailroom.archive.writing.arrivals import Arrival, Expected
    from mailroom.archive.writing.engine import Engine
    from mailroom.archive.writing.worker_start import Worker
    from mailroom.ledger import AuditRow, PlanRow
    from mailroom.model import Body, Change, FolderRow, LocationRow, RunContext

__all__ = ["ArchiveWriter"]

log = logging.getLogger(__name__)

BATCH_MESSAGES = 3000
"""Messages of a batch; a kill costs at most fetching a few batches again."""

BATCH_OCTETS = 64 * 1024 * 1024
"""Octets of messages of a batch."""

BATCH_TEXT_OCTETS = 10 * 1024 * 1024
"""Octets of text of a batch, as far as can be guessed: they wait in memory for its commit."""

BATCH_ROWS = 10_000
"""Rows of a batch."""

ROOM_OCTETS = 1024 * 1024
"""Room that must be left on the disk before anything is deleted on a server, to record it."""

BATCH_SECONDS = 30.0
"""Age at which a batch is committed on a slow network, so that little is lost by a kill. Seconds."""

LOOK_AFTER_OCTETS = 256 * 1024
"""Octets of messages between two looks at how much text may be in a batch."""

_NOTHING: Expected = {}


class ArchiveWriter:
    """One run's way into the archive; a context manager, for one thread.

    Nothing is created or opened before the first row. Leaving the block without
    ``finish`` commits what was handed in and records the run as failed. Errors of the
    threads behind come up at the next call.

    :param keep_committed: whether ``flush`` returns the rows it committed.
    """

    def __init__(self, archive: Archive, context: RunContext, *, keep_committed: bool = False) -> None:
        self._archive = archive
        self._context = context
        self._keep = keep_committed
        self._pipeline = Pipeline(archive.url)
        self._engine: Engine | None = None
        self._workers: list[Worker] = []
        self._expected: dict[str, Expected] = {}
        self._keeping_bytes: set[str] = set()
        self._batch = Batch()
        self._batch_began = 0.0
        self._looked_at = 0
        self._is_synced = True
        self._is_over = False
        self._begun: tuple[str, str] | None = None
        self._note: HeldNote | None = None

    def __enter__(self) -> Self:
        """Begin; what a power cut tore is repaired first, also in a run that brings nothing new.

        :raises StoreUnavailable: where the store refuses.
        """
        if self._archive.has_torn_messages():
            self._opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._is_over and not self._pipeline.has_failed:
                done = None if self._engine is None else self._engine.committer
                counts, octets = ({}, 0) if done is None else (done.counts, done.octets)
                self.finish("failed", counts, octets)
        except ArchiveError as failure:
            if error is None:
                raise
            if str(failure) != str(error):
                log.warning("What was not committed yet is given up: %s", failure)
        finally:
            self._close()

    def announce(self, messages: int) -> None:
        """Say how many messages are likely to come: for many, other processes are started early."""
        if self._engine is None and not self._workers:
            self._workers = start_workers(messages)

    def add(self, body: Body, row: LocationRow) -> None:
        """Archive a message and the place it was found at; returns before either is durable.

        Digest, time of archiving and seq of the row are filled in here.

        :raises ArchiveError: where an earlier message could not be archived.
        """
        intake = self._opened().intake
        expected, keeps_bytes = self._expected.get(row.folder, _NOTHING), row.folder in self._keeping_bytes
        self._put(row, intake.add(body, expected, keeps_bytes=keeps_bytes))
        self._batch.arrivals += 1
        self._batch.octets += body.octets
        self._hand_over_when_full()

    def expect(
        self, moved: Mapping[str, Sequence[Described]], *, folder: str, keep_bytes: bool = False
    ) -> None:
        """Say which archived messages may come into a folder again under other bytes, and no others.

        A message added to it from now on whose bytes are new but whose identity is among these
        becomes a place of the archived one, and no second copy is stored.

        :param keep_bytes: whether its bytes are stored after all, for they are to be deleted where they
            came from; what it shares with the archived one is the time of archiving.
        """
        self._expected[folder] = dict(moved)
        (self._keeping_bytes.add if keep_bytes else self._keeping_bytes.discard)(folder)

    def record(self, rows: Iterable[LocationRow]) -> None:
        """Record what happened to messages that are archived already, or that were never delivered.

        :raises ArchiveError: where an earlier row could not be committed.
        """
        for row in rows:
            self._opened()
            self._put(row, None)
            self._hand_over_when_full()

    def audit(self, rows: Iterable[AuditRow]) -> None:
        """Record who took messages away; committed before the rows of ``locations`` that say they are gone.

        :raises ArchiveError: where an earlier row could not be committed.
        """
        for row in rows:
            self._opened()
            self._begin_batch()
            self._batch.audits.append(row)

    def plan(self, rows: Iterable[PlanRow]) -> None:
        """Record what is about to be deleted, or what became of a plan; committed before all else.

        :raises ArchiveError: where an earlier row could not be committed.
        """
        for row in rows:
            self._opened()
            self._begin_batch()
            self._batch.plans.append(row)

    def close_folder(self, row: FolderRow) -> None:
        """Record a folder's state; committed after every row handed in before it.

        A state that says the same as the last one is not written again.

        :raises ArchiveError: where an earlier row could not be committed.
        """
        if self._archive.says_already(row):
            return
        self._opened()
        self._begin_batch()
        self._batch.folders.append(row)

    def flush(self) -> list[LocationRow]:
        """Block until all that was handed in is committed and survives a power cut.

        :returns: the rows committed since the last flush, where they are kept.
        :raises ArchiveError: where something could not be committed; it then never was.
        """
        if self._engine is None:
            return []
        self._hand_over()
        self._engine.intake.hurry(on=True)
        self._pipeline.drain()
        self._engine.intake.hurry(on=False)
        if not self._is_synced:
            self._engine.durability.sync()
            self._is_synced = True
        return self._engine.committer.take_committed()

    def secure(self) -> None:
        """Block until all of the archive survives a power cut, whoever wrote it.

        For runs that delete on a server what an earlier run archived: that one may have
        been killed between its commit and its sync. What will be deleted has to be recorded,
        so a disk that is read-only or all but full is refused as well.

        :raises ArchiveError: where something could not be committed or synced.
        """
        engine = self._opened()
        if isinstance(self._archive.store, LocalStore):
            self._archive.store.claim_room(ROOM_OCTETS)
        self.flush()
        engine.durability.sync()

    def intend(self, rows: Sequence[AuditRow], change: Change, *, following: Following | None = None) -> None:
        """Write down what is about to be deleted on a server, and secure all of the archive.

        Nothing may be deleted by a clock that is wrong, so before the first time it is compared with
        the store's own, and with the last run's.

        :param rows: what the audit will say of each message.
        :param change: what ``locations`` will say of each.
        :param following: by IMAP, what each folder of the account numbers next.
        :raises ConfigurationError: where the clock cannot be trusted.
        :raises ArchiveError: where something could not be committed or synced.
        """
        self._opened()
        self._intended.begin(change, rows, following)
        self.secure()

    def carry_out(self, uids: Collection[int]) -> None:
        """Write down, and secure, that these messages of the last intent go now from an IMAP folder.

        :raises ArchiveError: where it could not be written.
        """
        self._intended.carry_out(uids)
        self.secure()

    def settle(self) -> None:
        """Commit what became of the last intent, and forget it.

        :raises ArchiveError: where something could not be committed; then the next run finds the intent.
        """
        self.flush()
        self._intended.end()

    def finish(
        self, outcome: str, counts: Mapping[str, int], octets: int, *, changed: bool | None = None
    ) -> None:
        """Commit the rest and the run itself; the writer takes nothing more.

        A run that changed nothing and succeeded is not recorded, so that a schedule of
        every minute does not fill the table.

        :param changed: whether the run changed anything; None means whether rows were committed.
        :raises ArchiveError: where something could not be committed.
        """
        self.flush()
        did_commit = self._engine is not None and self._engine.committer.has_committed
        if self._engine is not None:
            self._engine.seal()
        if (did_commit if changed is None else changed) or (
            outcome != "succeeded" and self._archive.exists()
        ):
            table = self._archive.table("runs")
            self._opened().append_run(table, self._context, outcome, counts, octets)
        if self._engine is not None:
            self._engine.committer.close()
            self._engine.durability.sync()
        self._is_over = True

    @cached_property
    def _intended(self) -> IntendedDeletions:
        from mailroom.archive.intents import IntendedDeletions

        return IntendedDeletions(self._archive)

    def _put(self, row: LocationRow, arrival: Arrival | None) -> None:
        key = key_of(row)
        if key in self._batch.keys:
            self._hand_over()  # two rows of one place in one commit could not be told apart
        batch = self._batch
        if not batch.entries:
            self._begin_batch()
            self._leave_note()
        batch.keys.add(key)
        batch.entries.append((row, arrival))
        if self._engine is not None and self._begun != (row.account, row.folder):
            self._begun = (row.account, row.folder)
            self._engine.locations.begin(*self._begun)

    def _leave_note(self) -> None:
        """Have another run announce what this one changes, should it never come to that."""
        if self._note is not None:
            self._note.renew()
        elif self._context.announces is Announced.MAILBOX:
            self._note = Unannounced(self._archive, self._context).begin()

    def _begin_batch(self) -> None:
        if self._batch.is_empty:
            self._batch_began = time.monotonic()
            self._looked_at = 0

    def _hand_over_when_full(self) -> None:
        batch = self._batch
        if (
            batch.arrivals >= BATCH_MESSAGES
            or batch.octets >= BATCH_OCTETS
            or len(batch.entries) >= BATCH_ROWS
            or (batch.arrivals and time.monotonic() - self._batch_began >= BATCH_SECONDS)
        ):
            self._hand_over()
        elif batch.octets - self._looked_at >= LOOK_AFTER_OCTETS and self._engine is not None:
            self._looked_at = batch.octets
            if self._is_full_of_text(self._engine):
                self._hand_over()

    def _is_full_of_text(self, engine: Engine) -> bool:
        return self._batch.octets * engine.intake.share_of_text() >= BATCH_TEXT_OCTETS

    def _hand_over(self) -> None:
        self._pipeline.check()
        if self._batch.is_empty:
            return
        batch, self._batch = self._batch, Batch()
        batch.keys.clear()  # nothing more comes to it
        if self._engine is not None:
            self._engine.intake.hand_over()
        self._is_synced = False
        self._pipeline.hand_over(batch)

    def _opened(self) -> Engine:
        if self._is_over:
            raise ArchiveError("The run is finished; open another writer for more.")
        if self._engine is None:
            from mailroom.archive.writing.engine import open_engine

            workers, self._workers = self._workers, []
            self._engine = open_engine(
                self._archive, self._pipeline, self._context, keep_committed=self._keep, workers=workers
            )
        else:
            self._pipeline.check()
        return self._engine

    def _close(self) -> None:
        self._is_over = True
        for worker in self._workers:
            end_worker(worker)
        if self._engine is not None:
            self._engine.intake.stop()
        self._pipeline.stop()
        if self._engine is not None:
            self._engine.durability.close()
            with contextlib.suppress(ArchiveError):
                self._intended.let_go()
        if self._note is not None:
            with contextlib.suppress(ArchiveError):
                self._note.let_go()
