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

MAX_DEATHS = 3
"""How often the indexing process may die before its work is done here."""

Key = TypeVar("Key")


class Indexer(Generic[Key]):
    """Parses messages in the order they come, and hands each result to ``done``.

    :param done: called with the key and the result, from any thread.
    :param process_after: how many messages are parsed here before a process is started.
    """

    def __init__(self, done: Callable[[Key, Indexed], None], *, process_after: int = PROCESS_AFTER) -> None:
        self._done = done
        self._left = process_after
        self._deaths = 0
        self._lock = threading.Lock()
        self._process: _Process[Key] | None = None
        self._closed = False

    def submit(self, key: Key, *, path: str | None = None, content: bytes | None = None) -> None:
        """Parse a message, here and now or soon and elsewhere; a file must stay until ``done``.

        Where both are given, content is used here and the path elsewhere.
        """
        process = self._elsewhere()
        if process is None:
            self._done(key, _index(path, content))
        else:
            process.submit(key, path, content)

    def close(self) -> None:
        """Stop; what was not parsed yet is given up."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            process.close()

    def _elsewhere(self) -> _Process[Key] | None:
        with self._lock:
            if self._left > 0 or self._closed:
                self._left -= 1
                return None
            if self._process is not None and self._process.is_over:
                self._deaths += 1 if self._process.has_started else MAX_DEATHS + 1
                self._process = None
            if self._process is None and self._deaths <= MAX_DEATHS and sys.executable:
                try:
                    self._process = _Process(self._done)
                except OSError as error:  # no memory or no process left to us: slower, but it goes on
                    log.warning("The indexing process cannot be started: %s", error.strerror)
                    self._deaths = MAX_DEATHS + 1
            return self._process


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
            start_new_session=True,  # Ctrl-C is for this process, which finishes its batch
        )
        self._requests = cast(IO[bytes], self._child.stdin)
        self._answers = cast(IO[bytes], self._child.stdout)
        self._thread = threading.Thread(target=self._receive, name="mailroom-index", daemon=True)
        self._thread.start()

    def submit(self, key: Key, path: str | None, content: bytes | None) -> None:
        kind, payload = (PATH, os.fsencode(path)) if path is not None else (CONTENT, content or b"")
        with self._lock:
            self._waiting.append((key, path, None if path is not None else content))
            if self.is_over:
                self._finish_here()
                return
            try:
                self._requests.write(REQUEST.pack(kind, len(payload)) + payload)
                self._requests.flush()
            except (BrokenPipeError, ValueError):
                return  # it died: the receiving thread does what is waiting

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
            with suppress(BrokenPipeError):  # what was buffered for the dead is of no use
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


def _environment() -> dict[str, str]:
    """Return this environment with our package found first: Airflow puts it on ``sys.path`` only."""
    home = str(Path(next(iter(mailroom.__path__))).parent)
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": home + (os.pathsep + before if before else "")}
