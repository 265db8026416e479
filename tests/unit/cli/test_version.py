"""The line of ``mailroom --version``."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

from mailroom import __version__

IMPORTED = """
import sys
from mailroom.cli.arguments import build_parser
build_parser("fetch").parse_known_args(["fetch", "pop3s://ana@pop.example.org", "--archive", "mail"])
print("mailroom.message" in sys.modules)
"""


def shown(*words: str, **environment: str) -> str:
    """Return what a fresh Python prints."""
    inherited = {name: value for name, value in os.environ.items() if name != "MAILROOM_PURE_PYTHON"}
    ran = subprocess.run(
        [sys.executable, *words], env={**inherited, **environment}, capture_output=True, text=True, check=True
    )
    assert not ran.stderr
    return ran.stdout


def test_the_version_says_how_messages_are_read() -> None:
    """By compiled code where there is any, and where there is not, why."""
    is_built = importlib.util.find_spec("mailroom.message.compiled.plain") is not None
    how = "by compiled code" if is_built else "in pure Python: the compiled reader was not built"
    assert shown("-m", "mailroom", "--version") == f"mailroom {__version__} (messages are read {how})\n"


def test_the_version_says_who_switched_compiled_code_off() -> None:
    """Whoever wonders why mail is read slowly learns that a variable of the environment is the reason."""
    line = shown("-m", "mailroom", "--version", MAILROOM_PURE_PYTHON="1")
    assert line.endswith("(messages are read in pure Python: MAILROOM_PURE_PYTHON is set)\n")


def test_no_command_pays_for_the_line() -> None:
    """What reads messages is loaded to tell the version, and by commands that read messages."""
    assert shown("-c", IMPORTED) == "False\n"
