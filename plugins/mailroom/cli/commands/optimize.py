"""``mailroom optimize``: keep the tables of an archive quick."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive
from mailroom.cli.phrases import Summary, count, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.services.plain_table import table

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "optimize",
        run,
        "join small files of the tables, shorten their logs and delete what nobody needs any more",
        "mailroom optimize --archive ~/mail",
    )
    parser.add_argument(
        "--table",
        dest="tables",
        action="append",
        default=[],
        metavar="NAME",
        help="only this one; may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="say how the tables are, change nothing")


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Keep the tables of an archive quick, and those up to date that follow from others."""
    from mailroom.services.optimize import optimize_archive

    report = optimize_archive(
        existing_archive(options.archive),
        tables=options.tables,
        dry_run=options.dry_run,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return how the tables were and are."""
    rows = [
        [
            name,
            f"{one['rows']:,}",
            f"{one['files_before']:,}",
            f"{one['files_after']:,}",
            octets_in_words(one["octets_before"]),
            octets_in_words(one["octets_after"]),
        ]
        for name, one in summary["tables"].items()
    ]
    if not rows:
        return "The archive has no tables yet."
    head = ["table", "rows", "files", "now", "size", "now"]
    if summary["dry_run"]:
        rows, head = [[*row[:3], row[4]] for row in rows], ["table", "rows", "files", "size"]
    gone = summary["stored_files_before"] - summary["stored_files_after"]
    lines = table(head, rows, text_columns={0})
    if gone > 0:
        lines.append(f"{count(gone, 'file')} deleted that nobody needs any more.")
    return "\n".join(lines)
