"""``mailroom copy``: bring an IMAP account to another server, or keep a copy of it in step."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence

from mailroom.cli.account import UsageError, account_name, user_at_host
from mailroom.cli.commands.restore import headline as restored
from mailroom.cli.common_arguments import Parser, Words, add_command, add_destination, add_folders
from mailroom.cli.engine import connect_imap, now, run_context, usage_errors
from mailroom.cli.phrases import Summary, messages
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import place
from mailroom.model import AuthMethod, MailProtocol

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "copy",
        run,
        "copy an IMAP account to another one: folders, messages, flags and dates, nothing twice",
        "mailroom copy imaps://ana@imap.old.example imaps://ana@imap.new.example --exclude Trash --dry-run",
        (MailProtocol.IMAP,),
        has_archive=False,
    )
    parser.add_argument("target_url", metavar="URL2", help="the account it goes to, likewise")
    parser.add_argument(
        "--archive",
        type=place,
        metavar="ROOT",
        help="go by way of this archive: mirror, then add what the target lacks (default: straight)",
    )
    add_folders(parser)
    add_destination(parser, "at the source")
    parser.add_argument(
        "--state",
        type=place,
        metavar="FOLDER",
        help="remember here what both accounts had, so that what is in step is not compared again "
        "(with --archive it is remembered there)",
    )
    parser.add_argument(
        "--target-auth",
        choices=[method.value for method in AuthMethod],
        default=AuthMethod.PASSWORD.value,
        help="how to sign in at the second account (its password: MAILROOM_TARGET_PASSWORD)",
    )
    parser.add_argument(
        "--target-ca-file",
        metavar="FILE",
        help="likewise for the second account (default: that of --ca-file)",
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Copy one account to another."""
    from mailroom.policy.restore import ReadBack, RestoreSelection
    from mailroom.services.copy import copy_account, copy_by_archive, is_one_account

    with usage_errors():
        selection = RestoreSelection(
            folders=tuple(options.folder) or ("*",),
            exclude=tuple(options.exclude),
            folder_names=tuple(options.map),
            into=options.into,
            with_flags=options.update_flags,
            read_back=ReadBack(options.read_back),
        )
    if options.state is not None and options.archive is not None:
        raise UsageError("--state is for a copy without --archive: an archive remembers by itself.")
    if is_one_account(options.endpoint, options.target_endpoint):
        raise UsageError(f"{user_at_host(options.endpoint)} is both source and target: name two accounts.")
    source, target = connect_imap(options.endpoint), connect_imap(options.target_endpoint)
    account, goal = account_name(options, options.endpoint), user_at_host(options.target_endpoint)
    if options.archive is None:
        from mailroom.archive.reading.copy_marks import CopyMarks

        report = copy_account(
            source,
            target,
            account,
            goal,
            selection=selection,
            dry_run=options.dry_run,
            progress=terminal.progress(),
            stop=stop,
            marks=None if options.state is None else CopyMarks.at(options.state, account, goal),
        )
    else:
        from mailroom.archive import Archive

        report = copy_by_archive(
            source,
            target,
            Archive(options.archive),
            run_context("copy", account),
            goal,
            selection=selection,
            dry_run=options.dry_run,
            now=now,
            progress=terminal.progress(),
            stop=stop,
        )
    return Outcome.of(report, lambda summary: headline(summary, report.warnings))


def headline(summary: Summary, warnings: Sequence[str]) -> str:
    """Return what was copied, a line a folder in which anything was done."""
    lines = [restored(summary, warnings)]
    if "mirrored" in summary:
        lines.insert(0, f"{messages(summary['mirrored'], 'new ')} archived on the way.")
    return "\n".join(lines)
