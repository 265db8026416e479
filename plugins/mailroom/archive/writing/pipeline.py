"""The threads behind a writer: batches wait here for their commit, errors wait for the caller.

Belongs here: the hand-over between the caller's thread and the one that commits. Does
not belong here: what a batch holds (``writer``), the order of commits (``committer``).
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from mailroom.archive.failures import foreign_errors, translate
from mailroom.exceptions import ArchiveError, MailroomError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from mailroom.archive.writing.batch import Batch
    from mailroom.archive.writing.committer import Committer
    from mailroom.archive.writing.intake import Intake

__all__ = ["Pipeline"]

MAX_UNFINISHED_BATCHES = 1
"""Batches that may be on their way before the caller waits: with the one it fills, so many are in memory."""


class Pipeline:
    """Commits batches in the order they are handed over, in one thread.

    :param where: the archive's root, for messages to people.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._changed = threading.Condition()
        self._waiting: deque[Batch] = deque()
        self._unfinished = 0
        self._stopping = False
        self._error: BaseException | None = None
        self._pool: ThreadPoolExecutor | None = None

    @property
    def has_failed(self) -> bool:
        """Whether a thread has ended with an error."""
        return self._error is not None

    def start(self, intake: Intake, committer: Committer) -> None:
        """Begin to commit what is handed over."""
        from concurrent.futures import ThreadPoolExecutor

        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mailroom-commit")
        self._pool.submit(self._run, intake, committer).add_done_callback(self._ended)

    def hand_over(self, batch: Batch) -> None:
        """Hand a batch over; blocks while the one before is not committed.

        :raises ArchiveError: where a thread has failed.
        """
        with self._changed:
            while self._unfinished >= MAX_UNFINISHED_BATCHES and self._error is None:
                self._changed.wait()
            self._waiting.append(batch)
            self._unfinished += 1
            self._changed.notify_all()
        self.check()

    def drain(self) -> None:
        """Block until all that was handed over is committed.

        :raises ArchiveError: where a thread has failed.
        """
        with self._changed:
            while self._unfinished and self._error is None:
                self._changed.wait()
        self.check()

    def check(self) -> None:
        """Raise what a thread has failed with.

        :raises ArchiveError: one sentence; the foreign error is its cause.
        """
        error = self._error
        if error is None:
            return
        if isinstance(error, MailroomError):
            raise error
        if isinstance(error, foreign_errors()):
            raise translate(error, self._where) from error
        raise ArchiveError(
            f"Writing to {self._where} stopped at an unexpected {type(error).__name__}; what was reported as "
            "archived is safe. This is a bug in Mailroom, please report it."
        ) from error

    def fail(self, error: BaseException) -> None:
        """Keep the first error of any thread for the caller."""
        with self._changed:
            if self._error is None:
                self._error = error
            self._changed.notify_all()

    def stop(self) -> None:
        """End the thread after the commit in hand; what still waits is given up."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    def _run(self, intake: Intake, committer: Committer) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                batch = self._waiting.popleft()
                self._changed.notify_all()
            if not committer.commit(batch, intake):
                return
            with self._changed:
                self._unfinished -= 1
                self._changed.notify_all()

    def _ended(self, future: Future[None]) -> None:
        error = future.exception()
        if error is not None:
            self.fail(error)
