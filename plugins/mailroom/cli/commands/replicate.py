"""``mailroom replicate``: bring a second copy of the archive up to date."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive
from mailroom.cli.phrases import Summary, messages, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import place

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "replicate",
        run,
        "copy the archive to a second place, or bring that copy up to date",
        "mailroom replicate ~/mail s3://company-backup/mail",
        has_archive=False,
    )
    parser.add_argument("archive", type=place, metavar="ROOT", help="the archive")
    parser.add_argument(
        "copy", type=place, metavar="ROOT2", help="its copy: an empty or new place, or an earlier copy of it"
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Copy what the copy lacks: objects first, compared with their names, then rows."""
    from mailroom.archive import Archive
    from mailroom.services.replicate import replicate_archive

    report = replicate_archive(
        existing_archive(options.archive), Archive(options.copy), progress=terminal.progress(), stop=stop
    )
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return what was copied."""
    if not summary["rows"] and not summary["failed"] and not summary["interrupted"]:
        return f"{summary['copy']} was up to date: nothing to copy."
    lines = [
        f"{messages(summary['messages'])} copied to {summary['copy']} ({octets_in_words(summary['octets'])})."
    ]
    others = {name: rows for name, rows in summary["rows"].items() if name != "messages"}
    if others:
        lines.append(f"  rows: {', '.join(f'{name} {rows:,}' for name, rows in others.items())}")
    if summary["failed"]:
        lines.append(f"{messages(summary['failed'])} could not be copied.")
    return "\n".join(lines)
