"""``mailroom sweep``: delete the objects of messages that were removed from the archive days ago."""

from __future__ import annotations

import argparse
import threading
from datetime import timedelta

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive, now, run_context, usage_errors
from mailroom.cli.phrases import Summary, count, messages, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import duration

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "sweep",
        run,
        "delete the objects of mail that was removed from the archive, and cut the tables' history",
        "mailroom sweep --archive ~/mail",
    )
    parser.add_argument(
        "--grace",
        type=duration,
        default=timedelta(days=2),
        metavar="2d",
        help="how long ago it must have been removed; longer than any run takes (default: 2d)",
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Delete what was removed long enough ago."""
    from mailroom.services.forget import sweep_archive

    archive = existing_archive(options.archive)
    with usage_errors():
        report = sweep_archive(archive, run_context("sweep", ""), now=now, grace=options.grace)
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return what was deleted."""
    lines = [f"{count(summary['removed'], 'object')} deleted ({octets_in_words(summary['octets'])})."]
    if summary["revived"]:
        lines.append(f"{messages(summary['revived'])} came back meanwhile, and stay.")
    if summary["waiting"]:
        lines.append(f"{messages(summary['waiting'])} still in their days of grace.")
    return "\n".join(lines)
