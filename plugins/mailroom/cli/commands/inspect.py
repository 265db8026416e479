"""``mailroom inspect``: a closer look at archived messages, into tables."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.account import UsageError
from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive, now
from mailroom.cli.phrases import Summary, messages
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import name

__all__ = ["add_to", "headline", "run"]

TABLES = ("authentication", "envelopes", "links")


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "inspect",
        run,
        "look closer at archived messages: who they are really from, their envelopes, their links",
        "mailroom inspect --archive ~/mail --authentication --links",
    )
    parser.add_argument(
        "--authentication",
        action="store_true",
        help="what the receiving server found of SPF, DKIM and DMARC, into the table authentication",
    )
    parser.add_argument(
        "--envelopes",
        action="store_true",
        help="envelopes of journal reports and certified mail (PEC), into the table envelopes",
    )
    parser.add_argument(
        "--links", action="store_true", help="links in texts, into the table links; nothing is fetched"
    )
    parser.add_argument("--account", type=name, metavar="NAME", help="only mail of this account")
    parser.add_argument(
        "--authserv-id",
        metavar="NAME",
        help="the name that your mail server writes in Authentication-Results "
        "(default: learned from the mail)",
    )
    parser.add_argument(
        "--verify-dkim", action="store_true", help="check DKIM signatures anew, with keys from the DNS"
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Inspect what was not inspected yet."""
    from mailroom.services.inspection import inspect_messages

    what = [table for table in TABLES if getattr(options, table)]
    if not what:
        raise UsageError(f"Say what to look for: {', '.join(f'--{table}' for table in TABLES)}.")
    archive = existing_archive(options.archive)
    report = inspect_messages(
        archive,
        what=what,
        account=options.account,
        authserv_id=options.authserv_id,
        verify_dkim=options.verify_dkim,
        now=now,
        progress=terminal.progress(),
        stop=stop,
    )
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return what was looked at, and whose word was taken."""
    text = f"{messages(summary['inspected'])} inspected"
    if summary["rows"]:
        text += f"; rows: {', '.join(f'{table} {rows:,}' for table, rows in summary['rows'].items())}"
    lines = [f"{text}."]
    for account, server in summary["servers"].items():
        said = (
            f"the word of {server} is taken"
            if server
            else "which server receives is not clear: say --authserv-id"
        )
        lines.append(f"  {account}: {said}")
    return "\n".join(lines)
