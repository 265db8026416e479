"""``mailroom audit``: who deleted what, and when."""

from __future__ import annotations

import argparse
import threading
from datetime import UTC, datetime, time

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive
from mailroom.cli.phrases import Summary, messages, octets_in_words, shown
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import count_of, day, name
from mailroom.services.plain_table import table

__all__ = ["add_to", "headline", "run"]

DIGEST_CHARACTERS = 12
"""How much of a message's SHA-256 is shown; enough to name it to ``--message``."""


NUMBER = 3
"""The column with UIDs, which stand right."""


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "audit",
        run,
        "say who deleted what, when, and by which rule",
        "mailroom audit --archive ~/mail --account ana@example.org --since 2026-01-01",
    )
    parser.add_argument("--account", type=name, metavar="NAME", help="only this account")
    parser.add_argument("--folder", metavar="PATTERN", help="only these folders")
    parser.add_argument("--since", type=day, metavar="DAY", help="from this day on (UTC), such as 2026-01-31")
    parser.add_argument(
        "--message", type=name, metavar="SHA256", help="only this message; its first digits do"
    )
    parser.add_argument(
        "--limit", type=count_of, default=1000, metavar="N", help="the newest so many (default: 1000)"
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Say who deleted what."""
    from mailroom.services.audit import AuditSelection, read_audit

    selection = AuditSelection(
        account=options.account,
        folder=options.folder,
        since=None if options.since is None else datetime.combine(options.since, time.min, UTC),
        message=None if options.message is None else options.message.strip().lower(),
        limit=options.limit,
    )
    return Outcome.of(read_audit(existing_archive(options.archive), selection), headline)


def headline(summary: Summary) -> str:
    """Return a line for each deletion, the newest last."""
    if not summary["matching"]:
        return "The audit has no such deletion."
    head = ("when (UTC)", "account", "folder", "number", "message", "what", "rule", "by", "approved by")
    rows = [
        (
            row["at"][:19].replace("T", " "),
            shown(row["account"]),
            shown(row["folder"]),
            shown(str(row["uid"] if row["uid"] is not None else row["uidl"] or "")),
            (row["message_sha256"] or "")[:DIGEST_CHARACTERS],
            row["action"],
            row["rule"] or "",
            row["who"],
            row["approved_by"] or "",
        )
        for row in summary["rows"]
    ]
    left_out = summary["matching"] - len(rows)
    lines = table(head, rows, text_columns=set(range(len(head))) - {NUMBER})
    if left_out:
        lines.append(f"… and {messages(left_out)} before these; see --limit.")
    size = octets_in_words(summary["octets"])
    return "\n".join([*lines, f"{messages(summary['matching'])} ({size}) in all."])
