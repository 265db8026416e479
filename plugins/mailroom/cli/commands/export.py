"""``mailroom export``: write archived mail as files."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.account import UsageError
from mailroom.cli.common_arguments import Parser, Words, add_command, add_folders
from mailroom.cli.engine import existing_archive
from mailroom.cli.phrases import Summary, count, messages, notes, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import local_place, moment, name

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "export",
        run,
        "write archived mail as files that any mail program reads",
        "mailroom export --archive ~/mail --to ~/Maildir --format maildir --account ana@example.org",
    )
    parser.add_argument(
        "--to", required=True, type=local_place, metavar="DIR", help="a folder of this machine"
    )
    parser.add_argument(
        "--format",
        required=True,
        choices=["mbox", "maildir", "eml"],
        help="mbox: one file a folder. maildir: for mutt, Dovecot and their like, with flags. "
        "eml: one file a message, under names people can read",
    )
    parser.add_argument(
        "--account",
        type=name,
        metavar="NAME",
        help="only this account, straight into DIR (default: all, a folder each)",
    )
    add_folders(parser)
    parser.add_argument(
        "--deleted", action="store_true", help="also what was deleted on the server and is in no other folder"
    )
    parser.add_argument(
        "--as-of",
        type=moment,
        metavar="TIME",
        help="the account as it was then: a day, to its end, or 2026-01-31T08:00 (UTC unless it says +01:00)",
    )
    parser.add_argument("--status", action="store_true", help="mbox: write flags as Status headers")
    parser.add_argument(
        "--zip", action="store_true", help="one zip file: DIR if it ends with .zip, else DIR/mail.zip"
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Write archived mail as files that any mail program reads."""
    from mailroom.services.export import ExportFormat, ExportSelection, export_archive

    if options.status and options.format != ExportFormat.MBOX.value:
        raise UsageError("--status goes with --format mbox; a Maildir keeps flags in its file names.")
    report = export_archive(
        existing_archive(options.archive),
        options.to,
        form=ExportFormat(options.format),
        selection=ExportSelection(
            account=options.account,
            folders=tuple(options.folder) or ("*",),
            exclude=tuple(options.exclude),
            deleted=options.deleted,
            as_of=options.as_of,
        ),
        zipped=options.zip,
        with_status=options.status,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return what was exported."""
    accounts = f" of {count(summary['accounts'], 'account')}" if summary["accounts"] > 1 else ""
    lines = [
        f"{messages(summary['exported'])} ({octets_in_words(summary['octets'])}) exported to "
        f"{summary['destination']}: {count(summary['folders'], 'folder')}{accounts} as {summary['format']}."
    ]
    lines += notes(summary, already="there already, and left alone")
    return "\n".join([*lines, *summary["warnings"]])
