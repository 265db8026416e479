"""Running one program from cold start to end: its time, and the memory of all its processes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Measured", "ProgramFailed", "measure"]

SAMPLE_SECONDS = 0.03
"""How often memory is looked at: often enough for a run of seconds, too seldom to slow it."""

LONGEST_SECONDS = 300.0
"""After so long a program is ended, and the whole measurement with it."""


class ProgramFailed(RuntimeError):
    """A measured program did not end well; its last words are the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run.

    :param cpu_seconds: processor time of the program and all that it waited for, user and system.
    :param peak_mib: the peaks of all its processes, added up, in MiB.
    :param output: what it printed.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    output: str = ""


def measure(
    command: Sequence[str], environment: Mapping[str, str], longest: float = LONGEST_SECONDS
) -> Measured:
    """Run ``command`` to its end and say what it took.

    :raises ProgramFailed: if its exit status is not 0, or it has not ended after ``longest`` seconds.
    """
    # What earlier runs have written is on the disk before the clock starts.
    os.sync()
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        start_new_session=True,
    )
    assert process.stdout is not None
    peaks: dict[int, int] = {}
    ended, overdue = threading.Event(), threading.Event()
    sampler = threading.Thread(target=_watch, args=(process.pid, peaks, ended, overdue, longest))
    sampler.start()
    try:
        output = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        _end(process.pid)
        raise
    finally:
        ended.set()
        sampler.join()
        process.stdout.close()
    if overdue.is_set():
        raise ProgramFailed(f"{command[0]} had not ended after {longest:.0f} seconds: {output[-500:]}")
    if process.returncode != 0:
        raise ProgramFailed(f"{command[0]} ended with status {process.returncode}: {output[-1500:]}")
    return Measured(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mib=sum(peaks.values()) / 1024,
        output=output,
    )


def _watch(
    leader: int, peaks: dict[int, int], ended: threading.Event, overdue: threading.Event, longest: float
) -> None:
    """Note the peak of every process of the family until it has ended; end it when it takes too long."""
    deadline = time.monotonic() + longest
    while not ended.wait(SAMPLE_SECONDS):
        for pid in _family(leader):
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                found = re.search(r"VmHWM:\s+(\d+) kB", status)
                if found:
                    peaks[pid] = int(found[1])
        if time.monotonic() > deadline and not overdue.is_set():
            overdue.set()
            _end(leader)


def _end(leader: int) -> None:
    """Kill a program with all processes of its session."""
    with contextlib.suppress(OSError):
        os.killpg(leader, signal.SIGKILL)


def _family(pid: int) -> list[int]:
    found = [pid]
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                found += _family(int(child))
    return found
