"""``mailroom fetch``: what is refused before any server is asked."""

from __future__ import annotations

import argparse
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from mailroom.cli.account import UsageError
from mailroom.cli.commands import fetch
from mailroom.cli.terminal import Terminal
from tests.support.pop3_server import Maildrop, Pop3Server


def test_two_ways_of_deleting_are_refused_before_anybody_signs_in(tmp_path: Path) -> None:
    """A slip of the hand asks no server for anything."""
    with Pop3Server(Maildrop()) as server, Terminal(as_json=False, quiet=True) as terminal:
        options = argparse.Namespace(
            endpoint=server.endpoint(),
            archive=str(tmp_path / "archive"),
            account=None,
            delete=True,
            delete_after=timedelta(days=7),
        )
        with pytest.raises(UsageError, match="choose one"):
            fetch.run(options, terminal, threading.Event())
    assert server.commands == []
