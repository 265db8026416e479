"""``mailroom fetch``: download a POP3 inbox into the archive."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.account import account_name
from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.early_connection import EarlyConnection
from mailroom.cli.engine import connect_pop3, now, run_context, usage_errors
from mailroom.cli.phrases import Summary, messages, notes, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import duration
from mailroom.model import MailProtocol

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "fetch",
        run,
        "download a POP3 inbox into the archive",
        "mailroom fetch pop3s://ana@pop.example.org --archive ~/mail --delete-after 7d",
        (MailProtocol.POP3,),
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--leave-on-server",
        action="store_true",
        help="leave a copy on the server (default); servers that offer the same mail by IMAP may mark as "
        "read what is fetched (RETR), in each of the modes",
    )
    mode.add_argument("--delete", action="store_true", help="leave none: delete what is safely archived")
    mode.add_argument(
        "--delete-after", type=duration, metavar="7d", help="delete this long after it was first archived"
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Download a POP3 inbox in one of the three modes."""
    endpoint = options.endpoint
    from mailroom.policy.fetch_mode import FetchMode

    with usage_errors():
        mode = FetchMode(leave_on_server=not options.delete, delete_after=options.delete_after)
    with EarlyConnection(connect_pop3(endpoint, options.ahead)) as connect:
        from mailroom.archive import Archive
        from mailroom.cli.remembering import remembering
        from mailroom.services.fetch import fetch_maildrop

        archive = Archive(options.archive)
        report = fetch_maildrop(
            connect,
            archive,
            run_context("fetch", account_name(options, endpoint)),
            mode=mode,
            now=now,
            progress=terminal.progress(),
            stop=stop,
            remember=remembering(options, archive, terminal, headline),
        )
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return what a POP3 fetch did."""
    age = f" (archived for {summary['age']})" if summary["age"] else ""
    lines = [
        f"{messages(summary['added'], 'new ')} of {summary['listed']:,} listed archived"
        f" ({octets_in_words(summary['octets'])}); {messages(summary['deleted'])} deleted on the server{age}."
    ]
    lines += notes(
        summary,
        held="due, but kept on the server under legal hold",
        differing="archived under a known UIDL are other mail than before; they stay on the server",
        not_listed="no longer listed; that may be a window, so they are not taken for gone",
        vanished="went away while they were listed",
    )
    if summary["identity"] != "uidl":
        lines.append(
            f"This server has no UIDL: messages were told apart by their {summary['identity']}, "
            "which takes longer."
        )
    return "\n".join(lines)
