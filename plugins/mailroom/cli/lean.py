"""Keep a process of our own lean; Airflow's and other people's processes are left as they are.

Here: settings of the whole interpreter that suit this command. Not here: anything that
changes what the engine does.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from _signal import SIGINT, SIGTERM, signal  # type: ignore[import-not-found]  # has no stubs; signal loads enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType, TracebackType

__all__ = ["EXIT_STATUS_BASE", "NOT_BEGUN", "ended_by_signals", "leave", "make_lean"]

EXIT_STATUS_BASE = 128
"""A process ended by signal N exits with this plus N, as shells have it."""

NOT_BEGUN = b"mailroom: Interrupted before anything was begun.\n"

COLLECT_AFTER = 50_000
"""Allocations between two collections of garbage: rows on their way make many objects and no cycles."""


class _WithoutPandas:
    """A finder of modules (PEP 451) that says that there is no pandas.

    pyarrow imports it, where it is installed, to see whether a list is one of its columns: a quarter
    of a second and 46 MB for an answer that is always no, as nothing here makes such a column.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse one package, and leave all others to the finders behind.

        :raises ModuleNotFoundError: for pandas.
        """
        if name == "pandas":
            raise ModuleNotFoundError("The mailroom command works without pandas.", name=name)
        return None


def make_lean() -> None:
    """Save time and memory for the length of this process."""
    gc.set_threshold(COLLECT_AFTER)
    # numpy's linear algebra, of which nothing is used, has a thread for each core, which spins at first.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _WithoutPandas())


def leave(status: int) -> int:
    """End this process without taking it apart, which takes a tenth of a second once tables were written.

    What was asked for at exit is done first. Returns the status, for Python to end in its own way, where
    threads are at work still, or what was printed does not get out: then Python says so; and where a
    profiler, a tracer or ``python -i`` has something to say after us.
    """
    if _is_watched() or _has_others():
        return status
    atexit._run_exitfuncs()
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except (OSError, ValueError):  # nobody reads it any more, or it is closed
        return status
    os._exit(status)


class ended_by_signals:
    """A block in which Ctrl-C and SIGTERM end the process at once, in one line: nothing was begun yet.

    Outside the main thread, where signals cannot be caught, they do what they did.
    """

    def __enter__(self) -> None:
        try:
            self._former = {number: signal(number, _end) for number in (SIGINT, SIGTERM)}
        except ValueError:
            self._former = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    try:
        os.write(2, NOT_BEGUN)
    finally:
        os._exit(EXIT_STATUS_BASE + number)


def _has_others() -> bool:
    """Return whether threads are at work that Python would wait for."""
    if "threading" not in sys.modules:
        return False
    import threading

    others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    return any(not thread.daemon for thread in others)


def _is_watched() -> bool:
    """Return whether somebody looks at what this process does, and waits for its end."""
    if sys.getprofile() is not None or sys.gettrace() is not None or sys.flags.inspect:
        return True
    if sys.version_info >= (3, 12):  # PEP 669: what cProfile and others use from there on
        return any(sys.monitoring.get_tool(number) for number in range(6))
    return False
