"""``mailroom flag``: ask for flags of messages to be set or taken away on the server."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.account import UsageError
from mailroom.cli.changing import add_choice, chosen, flag, headline, outcome_of
from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import usage_errors, who
from mailroom.cli.terminal import Outcome, Terminal

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "flag",
        run,
        "ask for flags to be set or taken away on the server",
        "mailroom flag --archive ~/mail --query 'from:*@shop.example before:2024-01-01' --add seen",
    )
    add_choice(parser)
    parser.add_argument(
        "--add",
        action="append",
        default=[],
        type=flag,
        metavar="FLAG",
        help="seen, answered, flagged, draft or a keyword; may be repeated",
    )
    parser.add_argument(
        "--remove", action="append", default=[], type=flag, metavar="FLAG", help="likewise, to take it away"
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Ask for flags to be set or taken away."""
    if not (options.add or options.remove):
        raise UsageError("Say which flag: --add seen, for example, or --remove flagged.")
    changes, messages = chosen(options)
    with usage_errors():
        requested = changes.request_flags(messages, add=options.add, remove=options.remove, by=who())
    return outcome_of(options, requested, changes)
