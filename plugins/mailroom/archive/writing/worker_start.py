"""Start the indexing process; where its work comes from is in ``indexing``.

A module of its own that imports next to nothing: the process can start while this one
still imports its table libraries, which takes both about as long.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import mailroom

if TYPE_CHECKING:
    import subprocess

    Worker = subprocess.Popen[bytes]
    """An indexing process with its standard streams on pipes."""

__all__ = ["MANY_MESSAGES", "MAX_WORKERS", "Worker", "cores", "end_worker", "start_worker", "start_workers"]

log = logging.getLogger(__name__)

MANY_MESSAGES = 200
"""More messages than these are parsed in another process; its start takes a tenth of a second."""


MANY_FOR_ALL = 2000
"""More messages than these keep a process busy on each core."""

MAX_WORKERS = 3
"""More parse faster than one connection brings messages."""


def start_workers(messages: int) -> list[Worker]:
    """Start as many processes as so many messages are worth: none, one, or one for each core.

    They load their modules while this process loads its own, on cores that have nothing else to do.
    """
    if messages <= MANY_MESSAGES:
        return []
    wanted = min(MAX_WORKERS, cores()) if messages > MANY_FOR_ALL else 1
    return [worker for worker in (start_worker() for _ in range(wanted)) if worker is not None]


def start_worker() -> Worker | None:
    """Start a process that stores and parses; None where there is no memory or no process left to us."""
    if not sys.executable:
        return None
    import subprocess

    try:
        # -P: the folder that somebody happens to stand in is no place to import from.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "mailroom.archive.writing.index_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for this process, which finishes its batch
        )
    except OSError as error:  # slower, but it goes on
        log.warning("The indexing process cannot be started: %s", error.strerror)
        return None


def end_worker(worker: Worker) -> None:
    """End a process, whatever it does."""
    worker.kill()
    worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            pipe.close()


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _environment() -> dict[str, str]:
    """Return this environment with our package found first: Airflow puts it on ``sys.path`` only."""
    home = os.path.dirname(next(iter(mailroom.__path__)))
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": home + (os.pathsep + before if before else "")}
