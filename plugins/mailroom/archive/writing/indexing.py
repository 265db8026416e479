"""Store and parse messages off the network's path, a load of them at a time.

Belongs here: where that runs. The first messages are dealt with in the thread that
brings them; once there are many, processes of their own take over, because parsing is
pure Python and would hold the interpreter's lock against the thread that reads from the
network; they write the raw objects as well, for they have the octets at hand. Their start
costs a tenth of a second, which small runs do not pay. Does not belong here: parsing
(``message``), and what is kept of it (``indexed``).

The process is started, never forked, and lives on a pipe: when this process ends,
however it ends, the pipe closes and so does the other.
"""

from __future__ import annotations

import fcntl
import io
import logging
import marshal
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Generic, TypeVar, cast

from mailroom.archive.storage.raw_file import write_file_whole
from mailroom.archive.writing.columns import PackedColumns, pack_columns
from mailroom.archive.writing.index_worker import ANSWER, Job, pack_request, work_off
from mailroom.archive.writing.indexed import not_indexed
from mailroom.archive.writing.worker_start import MANY_MESSAGES, MAX_WORKERS, cores, start_worker

if TYPE_CHECKING:
    from mailroom.archive.writing.worker_start import Worker

__all__ = ["Indexer", "Load"]

log = logging.getLogger(__name__)

PROCESS_AFTER_OCTETS = 4 * 1024 * 1024
"""Octets of messages parsed in this process before another is started for the rest."""

LARGE_OCTETS = 256 * 1024
"""Larger messages are always parsed in another process, whose memory ends with it. Octets."""

BACKLOG = 2
"""Loads that may wait for each process before one more is started, where there is a core for it."""

MAX_PIECES = 512
"""How many pieces are written at once; systems take 1,024."""

ANSWER_OCTETS = 64 * 1024
"""How much of the answers is read at a time. Octets."""

PIPE_OCTETS = 1024 * 1024
"""Size of the pipe that requests wait in, where the system grants it. Octets."""

MAX_DEATHS = 3
"""How often the indexing process may die before its work is done here."""

Key = TypeVar("Key")


class Load(Generic[Key]):
    """Messages to index that are handed over together, and what to hand back with what is found of each."""

    __slots__ = ("contents", "jobs", "keys", "octets")

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.jobs: list[Job] = []
        self.contents: list[bytes | None] = []
        self.octets: list[int] = []

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: Key, content: bytes, place: tuple[str, str] | None = None) -> None:
        """Add a message that is at hand.

        :param place: where it is to be stored first: a new file's name, and the one to rename it to.
        """
        octets = len(content)
        self.keys.append(key)
        self.jobs.append((octets, None, None, None) if place is None else (octets, None, *place))
        self.contents.append(content)
        self.octets.append(octets)

    def add_file(self, key: Key, octets: int, path: str) -> None:
        """Add a message in a file, which must stay until the result is there."""
        self.keys.append(key)
        self.jobs.append((-1, path, None, None))
        self.contents.append(None)
        self.octets.append(octets)

    def each(self) -> Iterator[Load[Key]]:
        """Yield every message as a load of its own."""
        for number in range(len(self.keys)):
            one: Load[Key] = Load()
            one.keys, one.jobs = [self.keys[number]], [self.jobs[number]]
            one.contents, one.octets = [self.contents[number]], [self.octets[number]]
            yield one


Done = Callable[[Sequence[Key], PackedColumns], None]
"""Is given the keys of a load, and what was found of its messages, in the same order."""


class Indexer(Generic[Key]):
    """Stores and parses messages, a load at a time, and hands each load's results to ``done``.

    :param done: called from any thread.
    :param failed: called where a message cannot be stored, from any thread but the submitting one.
    :param process_after: how many messages are indexed here before a process is started.
    :param processes: how many may be started; by default one for each core: parsing takes more than the rest.
    :param workers: processes that are started already.
    """

    def __init__(
        self,
        done: Done[Key],
        failed: Callable[[BaseException], None],
        *,
        process_after: int = MANY_MESSAGES,
        processes: int | None = None,
        workers: Sequence[Worker] = (),
    ) -> None:
        self._done = done
        self._failed = failed
        self._left = process_after
        self._left_octets = PROCESS_AFTER_OCTETS
        self._most = processes or min(MAX_WORKERS, cores())
        self._deaths = 0
        self._lock = threading.Lock()
        self._processes: list[_Process[Key]] = []
        self._is_hurried = False
        self._closed = False
        for worker in workers:
            self._processes.append(_Process(worker, done, failed, self._orphaned))

    def hurry(self, *, on: bool) -> None:
        """Have this process index as well, while nothing comes in and somebody waits for the rest."""
        self._is_hurried = on

    def submit(self, load: Load[Key], *, is_suspect: bool = False) -> None:
        """Index messages, here and now or soon and elsewhere.

        :param is_suspect: whether a process has died over them, as this one must not.
        :raises OSError: where one cannot be stored here.
        """
        while (process := self._elsewhere(load, is_suspect=is_suspect)) is not None:
            if process.submit(load):
                return
        found = work_off(load.jobs, load.contents)
        self._done(load.keys, PackedColumns(pack_columns(found)))

    def close(self) -> None:
        """Stop; what was not indexed yet is given up."""
        with self._lock:
            self._closed = True
            processes, self._processes = self._processes, []
        for process in processes:
            process.close()

    def _elsewhere(self, load: Load[Key], *, is_suspect: bool) -> _Process[Key] | None:
        """Return the process that has least to do; None where the work is to be done here."""
        with self._lock:
            self._left -= len(load)
            self._left_octets -= sum(load.octets)
            is_early = self._left >= 0 and self._left_octets >= 0
            is_small = max(load.octets) < LARGE_OCTETS and not is_suspect
            if self._closed or (is_early and is_small and not self._processes):
                return None
            for process in [process for process in self._processes if process.is_over]:
                self._deaths += 1 if process.has_started else MAX_DEATHS + 1
                self._processes.remove(process)
            idlest = min(self._processes, key=lambda process: process.backlog, default=None)
            is_busy = idlest is None or idlest.backlog > BACKLOG
            if is_busy and is_small and self._is_hurried and idlest is not None:
                return None
            if is_busy and len(self._processes) < self._most and self._deaths <= MAX_DEATHS:
                return self._started() or idlest
            if is_busy and is_small and idlest is not None and not idlest.has_started:
                return None  # it still loads its modules, and more would only wait
            return idlest

    def _started(self) -> _Process[Key] | None:
        worker = start_worker()
        if worker is None:
            self._deaths = MAX_DEATHS + 1
            return None
        process = _Process(worker, self._done, self._failed, self._orphaned)
        self._processes.append(process)
        return process

    def _orphaned(self, loads: Sequence[Load[Key]], has_started: bool) -> None:
        """Index again what a process left when it died, message by message; one alone is what killed it."""
        for number, load in enumerate(loads):
            if not number and has_started and len(load) == 1:
                self._blame(load)
                continue
            for one in load.each():
                self.submit(one, is_suspect=True)

    def _blame(self, load: Load[Key]) -> None:
        [content], [(_, _, incoming, final)] = load.contents, load.jobs
        if content is not None and incoming is not None and final is not None:
            write_file_whole(content, incoming, final)
        self._done(load.keys, PackedColumns(pack_columns([not_indexed("the parser's process ended")])))


class _Process(Generic[Key]):
    """One indexing process, and the thread that reads its answers.

    :param orphaned: given what was not answered when it died.
    """

    def __init__(
        self,
        worker: Worker,
        done: Done[Key],
        failed: Callable[[BaseException], None],
        orphaned: Callable[[Sequence[Load[Key]], bool], None],
    ) -> None:
        self._done = done
        self._failed = failed
        self._orphaned = orphaned
        self._lock = threading.Lock()
        self._waiting: deque[Load[Key]] = deque()
        self._closing = False
        self.has_started = False
        self.is_over = False
        self._child = worker
        self._requests = cast(IO[bytes], self._child.stdin)
        self._answers = io.BufferedReader(cast(io.FileIO, self._child.stdout), ANSWER_OCTETS)
        with suppress(AttributeError, OSError):  # not on every system, and not beyond the user's limit
            fcntl.fcntl(self._requests.fileno(), fcntl.F_SETPIPE_SZ, PIPE_OCTETS)
        self._thread = threading.Thread(target=self._receive, name="mailroom-index", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """How many loads wait for an answer."""
        return len(self._waiting)

    def submit(self, load: Load[Key]) -> bool:
        """Send a load; False where the process is over."""
        head = pack_request(load.jobs)
        with self._lock:
            if self.is_over:
                return False
            self._waiting.append(load)
            # Where it died, the receiving thread takes care of what is waiting.
            with suppress(BrokenPipeError):
                self._send([head, *filter(None, load.contents)])
            return True

    def _send(self, pieces: list[bytes]) -> None:
        descriptor = self._requests.fileno()
        for start in range(0, len(pieces), MAX_PIECES):
            some = pieces[start : start + MAX_PIECES]
            sent = os.writev(descriptor, some)
            for piece in some:
                if sent >= len(piece):
                    sent -= len(piece)
                    continue
                rest = memoryview(piece)[sent:]
                sent = 0
                while rest:
                    rest = rest[os.write(descriptor, rest) :]

    def close(self) -> None:
        self._closing = True
        self._child.kill()
        self._child.wait()
        self._thread.join()

    def _receive(self) -> None:
        try:
            while len(header := self._answers.read(ANSWER.size)) == ANSWER.size:
                octets, refused = ANSWER.unpack(header)
                if not self.has_started:
                    self.has_started = True
                elif not self._take(octets, refused):
                    break
            self._bury()
        except BaseException as error:  # noqa: BLE001 (whoever waits for an answer has to learn of it)
            self._child.kill()
            self._failed(error)

    def _take(self, octets: int, refused: int) -> bool:
        """Hand on the results of the oldest load; False where the answer is not whole."""
        answer = self._answers.read(octets + refused)
        if len(answer) < octets + refused:
            return False
        if refused:
            raise OSError(*marshal.loads(answer))
        self._done(self._waiting.popleft().keys, PackedColumns(answer))
        return True

    def _bury(self) -> None:
        self._child.kill()
        self._child.wait()
        with self._lock:
            self.is_over = True
            self._answers.close()
            self._requests.close()
            left = list(self._waiting)
            self._waiting.clear()
        if left and not self._closing:
            status = self._child.returncode
            log.warning("The indexing process ended with status %s; going on without it", status)
            self._orphaned(left, self.has_started)
