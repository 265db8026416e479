"""``mailroom move``: ask for messages to be moved to another folder of the server."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.changing import add_choice, chosen, headline, outcome_of
from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import who
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import name

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "move",
        run,
        "ask for messages to be moved to another folder of the server",
        "mailroom move --archive ~/mail --folder INBOX --query 'before:2024-01-01' --to Archive/2023",
    )
    add_choice(parser)
    parser.add_argument("--to", required=True, type=name, metavar="FOLDER", help="made where it is not there")


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Ask for messages to be moved."""
    changes, messages = chosen(options)
    return outcome_of(options, changes.request_move(messages, options.to, by=who()), changes)
