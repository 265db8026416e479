"""``mailroom restore``: bring archived mail back onto an IMAP account."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence

from mailroom.cli.account import user_at_host
from mailroom.cli.common_arguments import Parser, Words, add_command, add_destination, add_folders
from mailroom.cli.engine import connect_imap, existing_archive, usage_errors
from mailroom.cli.phrases import Summary, count, messages, octets_in_words, shown
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import moment, name
from mailroom.model import MailProtocol

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "restore",
        run,
        "bring an archived account, or a part of it, back onto an IMAP account",
        "mailroom restore --archive ~/mail imaps://ana@imap.new.example --exclude Trash --dry-run",
        (MailProtocol.IMAP,),
    )
    add_folders(parser)
    parser.add_argument(
        "--as-of", type=moment, metavar="2024-01-31", help="the account as it was then (UTC; the day's end)"
    )
    parser.add_argument(
        "--query", metavar="WORDS", help="only messages that it means, as 'from:ana after:2024-01-31'"
    )
    parser.add_argument(
        "--message",
        action="append",
        default=[],
        metavar="SHA256",
        help="only this message, wherever it is or was last; may be repeated",
    )
    parser.add_argument(
        "--run",
        dest="run_id",
        type=name,
        metavar="RUN_ID",
        help="only what this run deleted, where it was",
    )
    parser.add_argument(
        "--with-deleted", action="store_true", help="what retention deleted on the server as well"
    )
    add_destination(parser, "in the archive")


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Bring an archived account, or a part of it, back onto an IMAP account."""
    endpoint = options.endpoint
    from mailroom.policy.query import parse_query
    from mailroom.policy.restore import ReadBack, RestoreSelection
    from mailroom.services.restore import choose_account, restore_account

    with usage_errors():
        if options.query is not None:
            parse_query(options.query)
        selection = RestoreSelection(
            folders=tuple(options.folder) or ("*",),
            exclude=tuple(options.exclude),
            as_of=options.as_of,
            query=options.query,
            messages=tuple(options.message),
            run=options.run_id,
            folder_names=tuple(options.map),
            into=options.into,
            with_flags=options.update_flags,
            with_deleted=options.with_deleted,
            read_back=ReadBack(options.read_back),
        )
    archive = existing_archive(options.archive)
    target = user_at_host(endpoint)
    report = restore_account(
        connect_imap(endpoint),
        archive,
        choose_account(archive, options.account, target),
        target,
        selection=selection,
        dry_run=options.dry_run,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, lambda summary: headline(summary, report.warnings))


def headline(summary: Summary, warnings: Sequence[str]) -> str:
    """Return what was brought back, a line a folder in which anything was done."""
    number = summary["would_add" if summary["dry_run"] else "added"]
    verb = "would be added" if summary["dry_run"] else "added"
    lines = [
        f"{messages(number)} of {summary['account']} {verb} to {summary['target']}"
        f" ({octets_in_words(summary['octets'])}); {summary['already']:,} were there already."
    ]
    if summary["refused"]:
        lines.append(f"{messages(summary['refused'])} not taken by the server.")
    lines += [f"  {_restored_line(folder)}" for folder in summary["folders"]]
    if summary["folders_not_shown"]:
        lines.append(f"  … and {count(summary['folders_not_shown'], 'more folder')}.")
    lines += warnings
    if summary["checked"] and not summary["altered"]:
        lines.append("Asked again: all have the size, date and flags they had.")
    if summary["dry_run"]:
        lines.append("This was a dry run: nothing was changed.")
    return "\n".join(lines)


def _restored_line(folder: Summary) -> str:
    name, target = shown(folder["folder"]), shown(folder["target"])
    parts = [f"{folder['added']:,} of {folder['messages']:,}"]
    if folder["already"]:
        parts.append(f"{folder['already']:,} there already")
    if folder.get("updated"):
        parts.append(f"{folder['updated']:,} got other flags")
    if folder.get("created"):
        parts.append("a new folder")
    parts += [f"{number:,} not taken: {reason}" for reason, number in folder.get("refused", {}).items()]
    if "note" in folder:
        parts.append(folder["note"])
    return f"{name}{'' if name == target else f' as {target}'}: {', '.join(parts)}"
