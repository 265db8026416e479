"""Running one program from cold start to end: wall time, and the memory of all its processes."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Measured", "ProgramFailed", "measure"]

SAMPLE_SECONDS = 0.03
"""How often memory is looked at: often enough for a run of seconds, too seldom to slow it."""


class ProgramFailed(RuntimeError):
    """A measured program did not end well; its last words are the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run.

    :param peak_mib: the peaks of all its processes, added up, in MiB.
    """

    seconds: float
    peak_mib: float


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Measured:
    """Run ``command`` to its end and say what it took.

    :raises ProgramFailed: if its exit status is not 0.
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
    peaks: dict[int, int] = {}
    ended = threading.Event()
    sampler = threading.Thread(target=_sample, args=(process.pid, peaks, ended))
    sampler.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - started
    ended.set()
    sampler.join()
    if process.returncode != 0:
        words = output.decode(errors="replace")[-1500:]
        raise ProgramFailed(f"{command[0]} ended with status {process.returncode}: {words}")
    return Measured(seconds=seconds, peak_mib=sum(peaks.values()) / 1024)


def _sample(leader: int, peaks: dict[int, int], ended: threading.Event) -> None:
    while not ended.wait(SAMPLE_SECONDS):
        for pid in _family(leader):
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                found = re.search(r"VmHWM:\s+(\d+) kB", status)
                if found:
                    peaks[pid] = int(found[1])


def _family(pid: int) -> list[int]:
    found = [pid]
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                found += _family(int(child))
    return found
