"""Where the compiled reader is missing or switched off, nothing is missing but time."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(
    importlib.util.find_spec("mailroom.message.compiled.plain") is None,
    reason="there is no compiled reader: the tests of messages ran in pure Python",
)
def test_all_that_is_known_of_messages_holds_in_pure_python() -> None:
    """The tests of messages pass without the compiled reader, which answers most of them otherwise."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/unit/message"]
    ran = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "MAILROOM_PURE_PYTHON": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-1000:]
    assert " passed" in ran.stdout
