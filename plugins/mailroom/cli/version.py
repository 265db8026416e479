"""``mailroom --version``: which release this is, and which of its readers of messages is at work.

Belongs here: what whoever wonders about speed is to know of an installation. Does not belong here:
versions of other packages, which their installer tells.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence

from mailroom import __version__

__all__ = ["ShowVersion", "reader_at_work"]

_COMPILED = "mailroom.message.compiled.plain"


def reader_at_work() -> str:
    """Return in a few words how messages are read in this process; where it is in pure Python, why."""
    importlib.import_module("mailroom.message.index")  # what it loads is what will be used
    if _COMPILED in sys.modules:
        return "messages are read by compiled code"
    if os.environ.get("MAILROOM_PURE_PYTHON"):
        reason = "MAILROOM_PURE_PYTHON is set"
    elif importlib.util.find_spec(_COMPILED) is None:
        reason = "the compiled reader was not built"
    else:
        reason = "the compiled reader cannot be loaded"
    return f"messages are read in pure Python: {reason}"


class ShowVersion(argparse.Action):
    """The option that prints the version and leaves; it looks for nothing where it is not asked."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        """Print one line, and end with exit status 0."""
        print(f"mailroom {__version__} ({reader_at_work()})")
        parser.exit()
