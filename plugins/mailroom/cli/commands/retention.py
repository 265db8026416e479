"""``mailroom retention``: delete from the server what is old, archived and verified."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.account import account_name
from mailroom.cli.common_arguments import Parser, Words, add_command, add_folders
from mailroom.cli.engine import connecting, existing_archive, now, run_context, usage_errors
from mailroom.cli.phrases import Summary, count, messages, octets_in_words, shown
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import duration, place, share
from mailroom.model import MailProtocol

__all__ = ["add_to", "headline", "run"]

BASES = {"internal": "arrival", "archived": "first archiving", "saved": "coming into the folder"}
"""What the days of retention count from, in words."""


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "retention",
        run,
        "delete from the server what is old, archived and verified",
        "mailroom retention imaps://ana@imap.example.org --archive ~/mail --older-than 90d --dry-run",
        (MailProtocol.IMAP, MailProtocol.POP3),
    )
    add_folders(parser)
    parser.add_argument(
        "--older-than", type=duration, required=True, metavar="30d", help="keep what is younger"
    )
    parser.add_argument(
        "--basis",
        choices=["internal", "archived", "saved"],
        help="count from when the server received it, when it was first archived, or when it came into "
        "its folder (default: internal; saved for Trash and Junk; archived for POP3)",
    )
    parser.add_argument("--include-flagged", action="store_true", help="delete flagged messages too")
    parser.add_argument(
        "--max-fraction",
        type=share,
        default=1.0,
        metavar="SHARE",
        help="at most this share of a folder a run",
    )
    parser.add_argument(
        "--allow-incomplete",
        action="store_true",
        help="delete also in a folder of which the archive does not hold everything",
    )
    parser.add_argument(
        "--copy",
        action="append",
        default=[],
        type=place,
        metavar="ROOT2",
        help="delete only what this second archive holds as well (see mailroom replicate); may be repeated",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would go, change nothing")


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Delete from the server what is old, archived and verified."""
    endpoint = options.endpoint
    from mailroom.archive import Archive
    from mailroom.policy.retention import Basis, RetentionRule
    from mailroom.services.retention import enforce_retention

    with usage_errors():
        rule = RetentionRule(
            older_than=options.older_than,
            basis=Basis(options.basis) if options.basis else None,
            folders=tuple(options.folder) or ("*",),
            exclude=tuple(options.exclude),
            include_flagged=options.include_flagged,
            max_fraction=options.max_fraction,
            allow_incomplete=options.allow_incomplete,
        )
    report = enforce_retention(
        connecting(endpoint),
        existing_archive(options.archive),
        run_context("retention", account_name(options, endpoint)),
        rule=rule,
        dry_run=options.dry_run,
        now=now,
        progress=terminal.progress(),
        stop=stop,
        copies=[Archive(root) for root in options.copy],
    )
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return what retention deleted or would delete, a line a folder."""
    verb = "would be deleted" if summary["dry_run"] else "deleted"
    number = summary["would_delete" if summary["dry_run"] else "deleted"]
    lines = [
        f"{messages(number)} {verb} on the server ({octets_in_words(summary['octets'])}),"
        f" of {summary['due']:,} that were old enough."
    ]
    for folder in summary["folders"]:
        lines.append(f"  {_folder_line(folder)}")
        lines += _message_lines(folder)
    if summary["folders_not_shown"]:
        lines.append(f"  … and {count(summary['folders_not_shown'], 'more folder')}.")
    if summary["dry_run"]:
        lines.append("This was a dry run: nothing was changed.")
    return "\n".join(lines)


def _folder_line(folder: Summary) -> str:
    if "note" in folder:
        return f"{shown(folder['folder'])}: passed over, {folder['note']}"
    parts = [f"{folder['deleted']:,} of {folder['due']:,}"]
    if folder.get("octets"):
        parts.append(octets_in_words(folder["octets"]))
    if folder.get("oldest"):
        parts.append(f"from {folder['oldest'][:10]} to {folder['newest'][:10]}")
    if folder.get("basis"):
        parts.append(f"counted from {BASES[folder['basis']]}")
    parts += [f"{number:,} kept: {reason}" for reason, number in folder.get("kept", {}).items()]
    return f"{shown(folder['folder'])}: {', '.join(parts)}"


def _message_lines(folder: Summary) -> list[str]:
    """Return the messages that a dry run lists, and how many more there are."""
    listed = folder.get("messages", ())
    lines = []
    for message in listed:
        kind = "uid" if "uid" in message else "uidl"
        size = octets_in_words(message["octets"] or 0)
        since = (message["since"] or "no date")[:10]
        lines.append(f"    {kind.upper()} {shown(str(message[kind]))}, {size}, {since}")
    more = folder["deleted"] - len(listed)
    return [*lines, f"    … and {count(more, 'more message')}"] if listed and more else lines
