"""``mailroom append``: archive new messages, and ask for them to be added to a folder of the server."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.account import UsageError
from mailroom.cli.changing import add_account, flag, headline, outcome_of
from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive, now, run_context, who
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import moment, name, source

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "append",
        run,
        "ask for messages from files, or from the archive, to be added to a folder of the server",
        "mailroom append letter.eml --archive ~/mail --folder Drafts --flag draft --flag seen",
    )
    parser.add_argument("files", nargs="*", type=source, metavar="FILE", help="a file with one message")
    add_account(parser)
    parser.add_argument(
        "--folder", required=True, type=name, metavar="NAME", help="made where it is not there"
    )
    parser.add_argument(
        "--message",
        action="append",
        default=[],
        metavar="SHA256",
        help="a message of the archive instead of a file; may be repeated",
    )
    parser.add_argument(
        "--flag",
        action="append",
        default=[],
        type=flag,
        metavar="FLAG",
        help="a flag that they get: seen, answered, flagged, draft or a keyword; may be repeated",
    )
    parser.add_argument(
        "--date", type=moment, metavar="TIME", help="their date of arrival (default: what the file says)"
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Ask for messages to be added to a folder of the server."""
    if bool(options.files) == bool(options.message):
        raise UsageError("Give files, or messages of the archive with --message.")
    from mailroom.archive import NewMessage
    from mailroom.services.change_choice import archive_new, only_account

    archive = existing_archive(options.archive)
    options.account = only_account(archive, options.account)
    flags = tuple(options.flag)
    if options.files:
        wanted = archive_new(
            archive,
            run_context("append", options.account),
            options.files,
            options.folder,
            flags=flags,
            internal_date=options.date,
            now=now,
        )
    else:
        wanted = [
            NewMessage(sha256=digest, flags=flags, internal_date=options.date) for digest in options.message
        ]
    changes = archive.changes(options.account)
    return outcome_of(options, changes.request_append(wanted, options.folder, by=who()), changes)
