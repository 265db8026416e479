"""``mailroom delete``: ask for messages to be deleted on the server; the archive keeps them."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.changing import add_choice, chosen, headline, outcome_of
from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import who
from mailroom.cli.terminal import Outcome, Terminal

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "delete",
        run,
        "ask for messages to be deleted on the server; the archive keeps them",
        "mailroom delete --archive ~/mail --folder INBOX --uid 17,20:25",
    )
    add_choice(parser)
    parser.add_argument(
        "--expunge", action="store_true", help="remove them at once, instead of moving them to the trash"
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Ask for messages to be deleted on the server."""
    changes, messages = chosen(options)
    requested = changes.request_deletion(messages, expunge=options.expunge, by=who())
    return outcome_of(options, requested, changes)
