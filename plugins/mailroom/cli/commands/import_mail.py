"""``mailroom import``: archive mail that lies in files."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import now, run_context
from mailroom.cli.phrases import Summary, count, messages, notes, octets_in_words, shown
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import name, source

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "import",
        run,
        "archive mail from mbox files, Maildirs, .eml files, zips or a bucket",
        "mailroom import ~/takeout.zip --account ana@example.org --archive ~/mail",
    )
    parser.add_argument(
        "source",
        type=source,
        metavar="PATH_OR_URL",
        help="a folder, a file, a zip file or s3://bucket/prefix",
    )
    parser.add_argument(
        "--account", required=True, type=name, metavar="NAME", help="the account that it becomes mail of"
    )
    parser.add_argument(
        "--folder", type=name, metavar="NAME", help="put all of it there (default: folders as at the source)"
    )
    parser.add_argument(
        "--format",
        choices=["auto", "mbox", "maildir", "eml"],
        default="auto",
        help="take files of this kind only (default: tell each by itself)",
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Archive the mail of mbox files, Maildirs, single messages, zips or a bucket."""
    from mailroom.archive import Archive
    from mailroom.services.import_mail import FileKind, import_mail

    report = import_mail(
        options.source,
        Archive(options.archive),
        run_context("import", options.account),
        form=None if options.format == "auto" else FileKind(options.format),
        folder=options.folder,
        now=now,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return what was imported, and which files were left out."""
    lines = [
        f"{messages(summary['added'], 'new ')} ({octets_in_words(summary['octets'])}) of "
        f"{count(summary['files'], 'file')} imported as {shown(summary['account'])}, "
        f"{count(summary['folders'], 'folder')}."
    ]
    lines += notes(summary, already="there already")
    if summary["skipped"]:
        named = ", ".join(shown(path) for path in summary["skipped_files"])
        more = ", …" if summary["skipped"] > len(summary["skipped_files"]) else ""
        lines.append(f"{count(summary['skipped'], 'file')} without mail left out: {named}{more}.")
    return "\n".join(lines)
