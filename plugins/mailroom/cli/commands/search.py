"""``mailroom search``: find archived messages."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive, usage_errors
from mailroom.cli.phrases import Summary, messages, shown
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import count_of
from mailroom.services.plain_table import table

__all__ = ["add_to", "headline", "run"]

MAX_CHARACTERS = {"from": 32, "subject": 56}
"""Longer ones are cut in the table, not in JSON."""

DIGEST_CHARACTERS = 12
"""How much of a digest the table shows: enough to find ``raw/<first two>/<digest>.eml``."""


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "search",
        run,
        "find archived messages by words of subject, people, text and attachments' names",
        "mailroom search --archive ~/mail 'invoice from:*@supplier.example after:2026-01-01'",
    )
    parser.add_argument(
        "words",
        nargs="+",
        metavar="WORDS",
        help="what a message must have, all of it: bare words, from:, to:, subject:, text:, file:, id:, "
        "after:2026-01-31, before:, larger:10M, smaller:; a minus before what must not be, as in "
        "'invoice -draft'; \"two words\" in quotes follow each other",
    )
    parser.add_argument(
        "--limit", type=count_of, default=50, metavar="N", help="show the newest N (default: 50)"
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Find archived messages."""
    from mailroom.policy.query import parse_conditions
    from mailroom.services.search import MORE_KEYS, search_messages, search_query

    words = " ".join(options.words)
    with usage_errors():
        search_query(parse_conditions(words, more=MORE_KEYS))
    report = search_messages(
        existing_archive(options.archive),
        words,
        limit=options.limit,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return what was found, as a table."""
    found = summary["messages"]
    if not found:
        return "No message was found."
    rows = [
        [
            (one["date"] or "")[:16].replace("T", " "),
            _cut(one["from"], "from"),
            _cut(one["subject"], "subject"),
            str(one["attachments"] or ""),
            one["sha256"][:DIGEST_CHARACTERS],
        ]
        for one in found
    ]
    lines = table(["date (UTC)", "from", "subject", "files", "message"], rows, text_columns={0, 1, 2, 4})
    if summary["total"] > len(found):
        lines.append(f"{messages(summary['total'])} found; the newest {len(found):,} are shown.")
    else:
        lines.append(f"{messages(summary['total'])} found.")
    return "\n".join(lines)


def _cut(text: str | None, column: str) -> str:
    told = " ".join(shown(text or "").split())
    most = MAX_CHARACTERS[column]
    return told if len(told) <= most else told[: most - 1] + "…"
