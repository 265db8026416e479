"""Parse messages off the network's path.

Belongs here: where parsing runs. The first messages are parsed in the thread that
brings them; once there are many, a process of its own takes over, because parsing is
pure Python and would hold the interpreter's lock against the thread that reads from the
network. Its start costs a tenth of a second, which small runs do not pay. Does not
belong here: parsing (``message``), and what is kept of it (``indexed``).

The process is started, never forked, and lives on a pipe: when this process ends,
however it ends, the pipe closes and so does the other.
"""

from __future__ import annotations

import fcntl
import io
import logging
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Generic, TypeVar, cast

import mailroom
from mailroom.archive.index_worker import ANSWER, CONTENT, PATH, REQUEST
from mailroom.archive.indexed import Indexed, index_content, index_file, not_indexed

__all__ = ["Indexer"]

log = logging.getLogger(__name__)

PROCESS_AFTER = 200
"""Messages parsed in this process before another is started for the rest."""

PROCESS_AFTER_OCTETS = 4 * 1024 * 1024
"""Octets of messages parsed in this process before another is started for the rest."""

LARGE_OCTETS = 256 * 1024
"""Larger messages are always parsed in another process, whose memory ends with it. Octets."""

MAX_PROCESSES = 3
"""More parse faster than one connection brings messages."""

BACKLOG = 64
"""Messages that may wait for each process before one more is started, where there is a core for it."""

PIPED_OCTETS = 32 * 1024
"""Contents up to this size are sent through the pipe; larger ones are read from their file. Octets."""

ANSWER_OCTETS = 64 * 1024
"""How much of the answers is read at a time. Octets."""

PIPE_OCTETS = 1024 * 1024
"""Size of the pipe that requests wait in, where the system grants it. Octets."""

MAX_DEATHS = 3
"""How often the indexing process may die before its work is done here."""

Key = TypeVar("Key")


class Indexer(Generic[Key]):
    """Parses messages, and hands each result to ``done``.

    :param done: called with the key and the result, from any thread.
    :param process_after: how many messages are parsed here before a process is started.
    :param processes: how many may be started; by default one for each further core.
    """

    def __init__(
        self,
        done: Callable[[Key, Indexed], None],
        *,
        process_after: int = PROCESS_AFTER,
        processes: int | None = None,
    ) -> None:
        self._done = done
        self._left = process_after
        self._left_octets = PROCESS_AFTER_OCTETS
        self._most = processes or max(1, min(MAX_PROCESSES, _cores() - 1))
        self._deaths = 0
        self._lock = threading.Lock()
        self._processes: list[_Process[Key]] = []
        self._closed = False

    def submit(self, key: Key, octets: int, *, path: str | None = None, content: bytes | None = None) -> None:
        """Parse a message, here and now or soon and elsewhere; a file must stay until ``done``.

        Where both are given, whichever is cheaper is used.
        """
        process = self._elsewhere(octets)
        if process is None:
            self._done(key, _index(path, content))
        else:
            process.submit(key, path, content)

    def close(self) -> None:
        """Stop; what was not parsed yet is given up."""
        with self._lock:
            self._closed = True
            processes, self._processes = self._processes, []
        for process in processes:
            process.close()

    def _elsewhere(self, octets: int) -> _Process[Key] | None:
        """Return the process that has least to do; None where the work is to be done here."""
        with self._lock:
            self._left -= 1
            self._left_octets -= octets
            is_early = self._left >= 0 and self._left_octets >= 0
            if self._closed or (is_early and octets < LARGE_OCTETS and not self._processes):
                return None
            for process in [process for process in self._processes if process.is_over]:
                self._deaths += 1 if process.has_started else MAX_DEATHS + 1
                self._processes.remove(process)
            idlest = min(self._processes, key=lambda process: process.backlog, default=None)
            is_busy = idlest is None or idlest.backlog > BACKLOG
            if is_busy and len(self._processes) < self._most and self._deaths <= MAX_DEATHS:
                return self._started() or idlest
            return idlest

    def _started(self) -> _Process[Key] | None:
        if not sys.executable:
            return None
        try:
            process = _Process(self._done)
        except OSError as error:  # no memory or no process left to us: slower, but it goes on
            log.warning("The indexing process cannot be started: %s", error.strerror)
            self._deaths = MAX_DEATHS + 1
            return None
        self._processes.append(process)
        return process


class _Process(Generic[Key]):
    """One indexing process, and the thread that reads its answers."""

    def __init__(self, done: Callable[[Key, Indexed], None]) -> None:
        self._done = done
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Key, str | None, bytes | None]] = deque()
        self._closing = False
        self.has_started = False
        self.is_over = False
        self._child = subprocess.Popen(
            [sys.executable, "-m", "mailroom.archive.index_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for this process, which finishes its batch
        )
        self._requests = cast(IO[bytes], self._child.stdin)
        self._answers = io.BufferedReader(cast(io.FileIO, self._child.stdout), ANSWER_OCTETS)
        with suppress(AttributeError, OSError):  # not on every system, and not beyond the user's limit
            fcntl.fcntl(self._requests.fileno(), fcntl.F_SETPIPE_SZ, PIPE_OCTETS)
        self._thread = threading.Thread(target=self._receive, name="mailroom-index", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """How many messages wait for an answer."""
        return len(self._waiting)

    def submit(self, key: Key, path: str | None, content: bytes | None) -> None:
        """Send a message; what cannot be sent any more is parsed here."""
        if content is not None and (path is None or len(content) <= PIPED_OCTETS):
            kind, payload = CONTENT, content
        else:
            kind, payload = PATH, os.fsencode(path or "")
        with self._lock:
            self._waiting.append((key, path, None if path is not None else content))
            if self.is_over:
                self._finish_here()
                return
            try:
                self._send(REQUEST.pack(kind, len(payload)) + payload)
            except BrokenPipeError:
                return  # it died: the receiving thread does what is waiting

    def _send(self, request: bytes) -> None:
        descriptor = self._requests.fileno()
        sent = os.write(descriptor, request)
        while sent < len(request):
            sent += os.write(descriptor, request[sent:])

    def close(self) -> None:
        self._closing = True
        self._child.kill()
        self._child.wait()
        self._thread.join()

    def _receive(self) -> None:
        while len(header := self._answers.read(ANSWER.size)) == ANSWER.size:
            answer = self._answers.read(ANSWER.unpack(header)[0])
            if not self.has_started:
                self.has_started = True
                continue
            key = self._waiting[0][0]
            try:
                indexed = Indexed(*pickle.loads(answer))
            except (EOFError, pickle.UnpicklingError):
                break
            self._waiting.popleft()
            self._done(key, indexed)
        self._bury()

    def _bury(self) -> None:
        self._child.kill()
        self._child.wait()
        with self._lock:
            self.is_over = True
            self._answers.close()
            self._requests.close()
            if self._closing or not self._waiting:
                return
            log.warning(
                "The indexing process ended with status %s; going on without it", self._child.returncode
            )
            if self.has_started:  # the message it was at is what killed it
                key, _, _ = self._waiting.popleft()
                self._done(key, not_indexed("the parser's process ended"))
            self._finish_here()

    def _finish_here(self) -> None:
        while self._waiting and not self._closing:
            key, path, content = self._waiting.popleft()
            self._done(key, _index(path, content))


def _index(path: str | None, content: bytes | None) -> Indexed:
    if content is not None:
        return index_content(content)
    try:
        return index_file(path or "")
    except OSError as error:
        return not_indexed(error.strerror or type(error).__name__)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _environment() -> dict[str, str]:
    """Return this environment with our package found first: Airflow puts it on ``sys.path`` only."""
    home = str(Path(next(iter(mailroom.__path__))).parent)
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": home + (os.pathsep + before if before else "")}
