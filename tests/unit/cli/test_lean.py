"""What the command does to its own process, and to no other."""

from __future__ import annotations

import gc
import subprocess
import sys

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


def test_somebody_else_s_process_is_left_as_it_is() -> None:
    """A program that calls the command as a function keeps its finders and its garbage collection."""
    before = (gc.get_threshold(), list(sys.meta_path))
    assert main(["nothing"]) == 2
    assert (gc.get_threshold(), list(sys.meta_path)) == before
