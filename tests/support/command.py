"""The ``mailroom`` command in a process of its own: run, killed at any moment, or traced.

Nothing of the engine is imported here; what is seen is what a user's shell would see.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "Finished",
    "Running",
    "SystemCall",
    "kill_after",
    "parse_trace",
    "peak_kib_of",
    "run_command",
    "start_command",
    "trace_command",
]

REPOSITORY = Path(__file__).resolve().parents[2]

SYNCING = ("fsync", "fdatasync", "syncfs", "sync", "sync_file_range")
NAMING = ("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat")
SENDING = ("write", "writev", "sendto", "sendmsg", "openat", "open", "connect", "close")
TRACED = SYNCING + NAMING + SENDING
"""The system calls that show what was made durable, and what was said to a server, in which order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended.

    :param status: exit status; negative where a signal ended it.
    :param peak_kib: the most memory it held at a time (resident set), in KiB; under strace, strace's own.
    """

    status: int
    out: str
    err: str
    seconds: float
    peak_kib: int

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it, so that it had not finished by itself."""
        return self.status == -signal.SIGKILL

    @property
    def summary(self) -> Any:
        """What ``--json`` printed: the last line of standard output that is JSON."""
        for line in reversed(self.out.splitlines()):
            with contextlib.suppress(json.JSONDecodeError):
                return json.loads(line)
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemCall:
    """One system call as strace saw it, in the order in which calls returned.

    :param path: the file or connection of the first descriptor, where strace knew it.
    """

    process: int
    name: str
    arguments: str
    result: str
    path: str = ""


SAMPLE_SECONDS = 0.01
"""How often a running command's memory is looked at."""


class Running:
    """A command that has been started; leaving the ``with`` block ends it."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._started = time.monotonic()
        # Files and not pipes: a command that says much is never held up by a reader that waits.
        self._out = tempfile.TemporaryFile()  # noqa: SIM115  # closed when it has ended
        self._err = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            env=dict(environment),
            cwd=REPOSITORY,
            start_new_session=True,
        )
        self._finished: Finished | None = None

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self._finished is None:
            self.kill()
            self.wait()

    @property
    def pid(self) -> int:
        """The process id, which is that of its group and session as well."""
        return self._process.pid

    def said(self) -> str:
        """What it has written to standard error so far."""
        return _text(self._err)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command alone, as a shell or a supervisor would."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End the command and all its children at once, as a power cut would (SIGKILL)."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self, timeout: float = 300.0) -> Finished:
        """Wait until it ends.

        :raises AssertionError: if it takes longer than ``timeout`` seconds; it is then killed.
        """
        if self._finished is not None:
            return self._finished
        deadline = self._started + timeout
        peak_kib = 0
        # Asked again and again, as the figure is gone with the process.
        while self._process.poll() is None and time.monotonic() < deadline:
            peak_kib = max(peak_kib, peak_kib_of(self._process.pid))
            time.sleep(SAMPLE_SECONDS)
        late = self._process.poll() is None
        self.kill()
        self._process.wait()
        self._finished = Finished(
            status=self._process.returncode,
            out=_text(self._out),
            err=_text(self._err),
            seconds=time.monotonic() - self._started,
            peak_kib=peak_kib,
        )
        self._out.close()
        self._err.close()
        if late:
            raise AssertionError(
                f"the command took over {timeout:.0f} s; it said: {self._finished.err[-2000:]}"
            )
        return self._finished


def start_command(
    *arguments: str, password: str = "secret", environment: Mapping[str, str] | None = None
) -> Running:
    """Start ``mailroom`` with ``arguments``, as ``python -m mailroom`` of this checkout."""
    return Running([sys.executable, "-m", "mailroom", *arguments], _environment(password, environment))


def run_command(
    *arguments: str,
    password: str = "secret",
    environment: Mapping[str, str] | None = None,
    timeout: float = 300.0,
) -> Finished:
    """Run ``mailroom`` with ``arguments`` to its end."""
    with start_command(*arguments, password=password, environment=environment) as running:
        return running.wait(timeout)


def kill_after(
    seconds: float, *arguments: str, password: str = "secret", environment: Mapping[str, str] | None = None
) -> Finished:
    """Run ``mailroom`` and kill it after ``seconds``, unless it ends before; ``was_killed`` tells which."""
    with start_command(*arguments, password=password, environment=environment) as running:
        timer = threading.Timer(seconds, running.kill)
        timer.start()
        try:
            return running.wait()
        finally:
            timer.cancel()


def trace_command(
    *arguments: str,
    password: str = "secret",
    environment: Mapping[str, str] | None = None,
    calls: Sequence[str] = TRACED,
    timeout: float = 300.0,
) -> tuple[Finished, list[SystemCall]]:
    """Run ``mailroom`` under strace; return how it ended and its system calls in order.

    :raises FileNotFoundError: if strace is not installed.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise FileNotFoundError("strace is not installed; install it with: apt-get install strace")
    with tempfile.TemporaryDirectory(prefix="mailroom-trace-") as folder:
        written = Path(folder) / "trace"
        traced = ",".join(f"?{call}" for call in calls)
        command = [strace, "-f", "-y", "-s", "200", "-o", str(written), "-e", f"trace={traced}"]
        command += [sys.executable, "-m", "mailroom", *arguments]
        with Running(command, _environment(password, environment)) as running:
            finished = running.wait(timeout)
        return finished, parse_trace(written.read_text(errors="replace"))


_CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (.*)$")
_UNFINISHED = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (.*)$")
_DESCRIPTOR = re.compile(r"^-?\w+<([^>]*)>")


def parse_trace(text: str) -> list[SystemCall]:
    """Return the calls of a log that ``strace -f -y`` wrote, halves of interrupted ones joined."""
    calls: list[SystemCall] = []
    begun: dict[tuple[str, str], str] = {}
    for line in text.splitlines():
        if half := _UNFINISHED.match(line):
            begun[half[1], half[2]] = half[3]
            continue
        if rest := _RESUMED.match(line):
            process, name, result = rest[1], rest[2], rest[4]
            arguments = begun.pop((process, name), "") + rest[3]
        elif whole := _CALL.match(line):
            process, name, arguments, result = whole.groups()
        else:
            continue
        found = _DESCRIPTOR.match(arguments)
        path = found[1] if found else ""
        calls.append(
            SystemCall(process=int(process), name=name, arguments=arguments, result=result, path=path)
        )
    return calls


def _environment(password: str, more: Mapping[str, str] | None) -> dict[str, str]:
    paths = [str(REPOSITORY / "plugins"), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "MAILROOM_PASSWORD": password,
        **(more or {}),
    }


def _text(stream: Any) -> str:
    stream.flush()
    descriptor = stream.fileno()
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")


def peak_kib_of(pid: int) -> int:
    """Return the most memory a process has used so far, in KiB, and 0 if it is gone.

    Not ``getrusage``, which counts what the process that started it used, too.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) if found else 0
