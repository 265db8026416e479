"""``mailroom check``: compare an account with the archive, folder by folder."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from dataclasses import replace

from mailroom.cli.account import account_name
from mailroom.cli.common_arguments import Parser, Words, add_command, add_folders
from mailroom.cli.engine import connecting, existing_archive
from mailroom.cli.phrases import Summary, messages, octets_in_words, shown
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.model import MailProtocol
from mailroom.services.plain_table import table

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "check",
        run,
        "compare an account with the archive, folder by folder: is everything safe?",
        "mailroom check imaps://ana@imap.example.org --archive ~/mail --exclude Trash",
        (MailProtocol.IMAP, MailProtocol.POP3),
    )
    add_folders(parser)
    parser.add_argument(
        "--quick", action="store_true", help="compare numbers only, not the size and date of each message"
    )
    parser.add_argument(
        "--read", action="store_true", help="read every archived message back and compare its checksum"
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="fetch messages that the archive has lost, or holds damaged, from the server again; only the "
        "very same bytes are taken (by POP3 this marks them as read on servers that share them with IMAP)",
    )
    parser.add_argument(
        "--allow-new",
        action="store_true",
        help="mail that arrived since the last mirror may be missing (IMAP)",
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Compare an account on its server with the archive, folder by folder."""
    endpoint = options.endpoint
    from mailroom.services.check import check_account

    report = check_account(
        connecting(endpoint),
        existing_archive(options.archive),
        account_name(options, endpoint),
        folders=tuple(options.folder) or ("*",),
        exclude=tuple(options.exclude),
        quick=options.quick,
        read=options.read,
        repair=options.repair,
        allow_new=options.allow_new,
        progress=terminal.progress(),
        stop=stop,
    )
    outcome = Outcome.of(report, lambda summary: headline(summary, report.all_folders()))
    summary = {**outcome.summary, "folders": report.all_folders(), "folders_not_shown": 0}
    return replace(outcome, summary=summary)


def headline(summary: Summary, folders: Sequence[Summary]) -> str:
    """Return a table of the folders, and whether everything is archived."""
    has_new, has_damaged = any(f["arrived"] for f in folders), any(f.get("damaged") for f in folders)
    head = ["folder", "server", "archived", "missing", *(["of them new"] if has_new else []), "gone"]
    head += [*(["damaged"] if has_damaged else []), "size", "complete", ""]
    rows = [
        [
            shown(f["folder"]),
            f"{f['messages']:,}",
            f"{f['archived']:,}",
            f"{f['missing']:,}",
            *([f"{f['arrived']:,}"] if has_new else []),
            f"{f['gone']:,}",
            *([f"{f.get('damaged', 0):,}"] if has_damaged else []),
            octets_in_words(f["archived_octets"] if f["octets"] is None else f["octets"]),
            "yes" if f["complete"] else "no",
            f.get("note", ""),
        ]
        for f in folders
    ]
    lines = table(head, rows, text_columns={0, len(head) - 2, len(head) - 1})
    if summary["gone"]:
        lines.append(f"{messages(summary['gone'])} gone from the server; they stay in the archive.")
    if summary["repaired"]:
        was = "was" if summary["repaired"] == 1 else "were"
        lines.append(
            f"{messages(summary['repaired'])} {was} missing or damaged in the archive: fetched from the "
            "server again, with the same checksum, and whole now."
        )
    if summary["complete"]:
        held = f"{summary['messages']:,} of {messages(summary['messages'])}"
        allowed = summary["missing"]
        if allowed:
            held = f"{summary['archived']:,} of {messages(summary['messages'])}"
        new = f", and {allowed:,} arrived since the last mirror" if allowed else ""
        lines.append(f"Everything is safe: {held} of {summary['account']} are in the archive{new}.")
    return "\n".join(lines)
