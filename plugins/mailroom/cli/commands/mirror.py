"""``mailroom mirror``: bring the archive in step with an IMAP account."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from mailroom.cli.account import account_name
from mailroom.cli.common_arguments import Parser, Words, add_command, add_folders
from mailroom.cli.early_connection import EarlyConnection
from mailroom.cli.engine import connect_imap, now, run_context, usage_errors
from mailroom.cli.phrases import Summary, count, messages, notes, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import connections, day, octets, share
from mailroom.model import DEFAULT_CONNECTIONS, MailProtocol

if TYPE_CHECKING:
    from mailroom.services.mirror import MirrorReport
    from mailroom.services.two_way import TwoWayReport

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "mirror",
        run,
        "mirror an IMAP account into the archive",
        "mailroom mirror imaps://ana%40example.org@imap.example.org --archive ~/mail --exclude Trash",
        (MailProtocol.IMAP,),
    )
    add_folders(parser)
    parser.add_argument(
        "--two-way",
        action="store_true",
        help="first do on the server what flag, move, delete and append have asked for",
    )
    parser.add_argument("--since", type=day, metavar="2024-01-31", help="only mail received since")
    parser.add_argument("--until", type=day, metavar="2024-12-31", help="only mail received before")
    parser.add_argument("--larger-than", type=octets, metavar="10M", help="only messages larger than this")
    parser.add_argument(
        "--order", choices=["oldest", "newest"], default="oldest", help="which mail comes first"
    )
    parser.add_argument(
        "--other-namespaces", action="store_true", help="shared and other users' folders as well"
    )
    parser.add_argument(
        "--max-gone",
        type=share,
        default=0.25,
        metavar="SHARE",
        help="stop where more than this share of the account would go within 7 days or 4 runs (1 allows it)",
    )
    parser.add_argument(
        "--windowed",
        action="append",
        default=[],
        metavar="PATTERN",
        help="a folder that shows its newest messages only: what it does not list is not taken for gone",
    )
    parser.add_argument(
        "--all-drafts",
        action="store_true",
        help="every state of a draft that the server shows, not the newest alone",
    )
    parser.add_argument(
        "--connections",
        type=connections,
        default=DEFAULT_CONNECTIONS,
        metavar="N",
        help=f"open at most so many at once, where the server is far away (default {DEFAULT_CONNECTIONS})",
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Bring the archive in step with an IMAP account."""
    endpoint = options.endpoint
    from mailroom.policy.mirror import MirrorSelection

    with usage_errors():
        selection = MirrorSelection(
            folders=tuple(options.folder) or ("*",),
            exclude=tuple(options.exclude),
            since=options.since,
            until=options.until,
            larger_than=options.larger_than,
            order=options.order,
            other_namespaces=options.other_namespaces,
            max_gone=options.max_gone,
            windowed=tuple(options.windowed),
            all_drafts=options.all_drafts,
        )
    with EarlyConnection(connect_imap(endpoint, options.ahead)) as connect:
        from mailroom.archive import Archive
        from mailroom.cli.remembering import remembering

        archive = Archive(options.archive)
        more = {} if options.two_way else {"remember": remembering(options, archive, terminal, headline)}
        report = _service(two_way=options.two_way)(
            connect,
            archive,
            run_context("mirror", account_name(options, endpoint)),
            selection=selection,
            now=now,
            progress=terminal.progress(),
            stop=stop,
            connections=options.connections,
            **more,
        )
    return Outcome.of(report, headline)


def _service(*, two_way: bool) -> Callable[..., MirrorReport | TwoWayReport]:
    if two_way:
        from mailroom.services.two_way import mirror_both_ways

        return mirror_both_ways
    from mailroom.services.mirror import mirror_account

    return mirror_account


def headline(summary: Summary) -> str:
    """Return what a mirror did."""
    folders = count(summary["folders"], "folder")
    unchanged = f", {summary['unchanged']:,} of them unchanged" if summary["unchanged"] else ""
    lines = [
        f"{folders}{unchanged}: {messages(summary['added'], 'new ')}"
        f" ({octets_in_words(summary['octets'])} downloaded)."
    ]
    lines += notes(
        summary,
        recognised="known under another number or folder, not downloaded again",
        flags="with changed flags",
        expunged="gone from the server; they stay in the archive",
        not_listed="not listed by a server that shows a part only",
        superseded="left out, for the server shows a newer state of the same draft",
        unfetchable="listed and not delivered; tried again in each run",
    )
    if summary["renamed_folders"]:
        lines.append(
            f"{count(summary['renamed_folders'], 'folder')} renamed on the server, "
            f"with {messages(summary['moved'])}."
        )
    if summary["deleted_folders"]:
        lines.append(f"{count(summary['deleted_folders'], 'folder')} gone from the server.")
    return "\n".join([*_pushed_lines(summary), *lines, *summary["warnings"]])


def _pushed_lines(summary: Summary) -> list[str]:
    """Return what was done on the server, where that was asked for."""
    told = {
        "pushed": "done on the server",
        "refused": "not done; mailroom changes says why",
        "conflicts": "overtaken by the server's side, whose change stands",
        "waiting": "left to the next run",
    }
    return [f"{count(summary[name], 'change')} {text}." for name, text in told.items() if summary.get(name)]
