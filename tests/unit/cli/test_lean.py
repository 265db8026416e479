"""What the command does to its own process, and to no other."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from typing import Any

import pytest

from mailroom.cli import main

MAKE_AN_ARRAY = """
import sys
from mailroom.cli.lean import make_lean
if sys.argv[1] == "lean":
    make_lean()
import pyarrow
assert pyarrow.array(["a", None]).null_count == 1
print("pandas" in sys.modules)
"""


def loads_pandas(how: str) -> bool:
    """Return whether a process imports pandas to make a column."""
    shown = subprocess.run(
        [sys.executable, "-c", MAKE_AN_ARRAY, how], capture_output=True, text=True, check=True
    )
    return shown.stdout.strip() == "True"


def test_columns_are_made_without_pandas() -> None:
    """It takes a quarter of a second and 46 MB, and nothing here uses it."""
    assert loads_pandas("as it is")
    assert not loads_pandas("lean")


COUNT_THREADS = """
import os
from mailroom.cli.lean import make_lean
make_lean()
import numpy
print(len(os.listdir("/proc/self/task")), os.environ["OPENBLAS_NUM_THREADS"])
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted as Linux tells them")
@pytest.mark.parametrize("said", [None, "2"])
def test_numpy_starts_no_threads_but_those_the_user_wants(said: str | None) -> None:
    """Linear algebra is not used, and its threads would spin on the cores that read and parse."""
    named = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    more = {} if said is None else {"OPENBLAS_NUM_THREADS": said}
    shown = subprocess.run(
        [sys.executable, "-c", COUNT_THREADS], capture_output=True, text=True, check=True, env=named | more
    )
    threads, setting = shown.stdout.split()
    assert (setting, said is not None or threads == "1") == (said or "1", True)


def test_somebody_else_s_process_is_left_as_it_is() -> None:
    """A program that calls the command as a function keeps finders, garbage collection and environment."""
    before = (gc.get_threshold(), list(sys.meta_path), dict(os.environ))
    assert main(["nothing"]) == 2
    assert (gc.get_threshold(), list(sys.meta_path), dict(os.environ)) == before


LEAVE = """
import atexit, sys, threading, time
from mailroom.cli.lean import leave
atexit.register(print, "asked for at exit")

class Last:
    def __del__(self):
        print("taken apart")

last = Last()
print("printed before")
{before}
sys.exit(leave(3))
"""


def left(before: str = "", **how: Any) -> subprocess.CompletedProcess[str]:
    """Return how a process ended that left at once."""
    words = [sys.executable, "-c", LEAVE.format(before=before)]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False, env=buffered, **how)


def test_leaving_says_all_that_was_said_and_takes_nothing_apart() -> None:
    """The status stays, what was printed gets out, and what was asked for at exit is done."""
    shown = left(stdout=subprocess.PIPE)
    assert (shown.returncode, shown.stderr) == (3, "")
    assert shown.stdout.splitlines() == ["printed before", "asked for at exit"]


def test_leaving_waits_for_whoever_is_at_work() -> None:
    """A thread that must be waited for is, as at any end of a Python program."""
    slow = "threading.Thread(target=lambda: (time.sleep(0.2), print('done after all'))).start()"
    assert "done after all" in left(slow, stdout=subprocess.PIPE).stdout


def test_output_that_nobody_takes_is_python_s_own_error() -> None:
    """Where whoever read it is gone, that is told as ever, and in the exit status."""
    reader, writer = os.pipe()
    os.close(reader)
    shown = left(stdout=writer)
    os.close(writer)
    assert shown.returncode == 120
    assert "BrokenPipeError" in shown.stderr


@pytest.mark.parametrize("before", ["sys.setprofile(getattr)", "sys.settrace(getattr)"])
def test_leaving_waits_for_whoever_looks_on(before: str) -> None:
    """A profiler or a tracer tells what it saw at the end of the program."""
    assert "taken apart" in left(before, stdout=subprocess.PIPE).stdout


def test_a_profile_of_the_command_is_written() -> None:
    """As of any Python program."""
    profiled = [sys.executable, "-m", "cProfile", "-m", "mailroom"]
    shown = subprocess.run(profiled, capture_output=True, text=True, check=False)
    assert "function calls" in shown.stdout
