"""``mailroom hold``: place, release and list legal holds, under which nothing is deleted."""

from __future__ import annotations

import argparse
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive, now, usage_errors, user
from mailroom.cli.phrases import messages, shown
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import duration, moment, name

if TYPE_CHECKING:
    from mailroom.ledger import HoldRow

__all__ = ["add_to", "run_add", "run_list", "run_release"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = words.add_parser(
        "hold",
        help="place, release and list legal holds: what is held is not deleted",
        description="Place, release and list legal holds: what is held is not deleted on any server.",
    )
    inner = parser.add_subparsers(
        title="commands", required=True, dest="action", metavar="COMMAND", parser_class=Parser
    )
    _add_add(inner)
    release = add_command(
        inner,
        "release",
        run_release,
        "release a hold; it is obeyed until its days of grace are over",
        "mailroom hold release 3f9a1c20b7d4 --archive ~/mail",
    )
    release.add_argument("hold_id", metavar="HOLD", help="the hold, as mailroom hold list names it")
    _add_by(release)
    add_command(inner, "list", run_list, "list all holds", "mailroom hold list --archive ~/mail")


def _add_add(inner: Words[Parser]) -> None:
    parser = add_command(
        inner,
        "add",
        run_add,
        "place a hold on all messages that meet what is given",
        "mailroom hold add --archive ~/mail --account ana@imap.example.org --from '*@bank.example' "
        "--reason 'case 7/2026'",
    )
    parser.add_argument(
        "--account", type=name, default="*", metavar="NAME", help="in this account (default: in every one)"
    )
    parser.add_argument("--folder", type=name, metavar="PATTERN", help="in folders of this name")
    parser.add_argument("--from", dest="sender", type=name, metavar="PATTERN", help="from this address")
    parser.add_argument("--query", metavar="WORDS", help="that these words mean, as in restore --query")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why nothing may be deleted")
    parser.add_argument("--until", type=moment, metavar="DAY", help="ends by itself (default: never)")
    parser.add_argument(
        "--grace", type=duration, metavar="7d", help="obeyed so long after its end (default: 7 days)"
    )
    _add_by(parser)


def _add_by(parser: Parser) -> None:
    parser.add_argument(
        "--by", type=name, metavar="NAME", help="who says so (default: who is signed in here)"
    )


def run_add(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Place a hold."""
    from mailroom.services.deleting.held import count_held
    from mailroom.services.holds import GRACE, place_hold

    archive = existing_archive(options.archive)
    with usage_errors():
        row = place_hold(
            archive,
            account=options.account,
            folder=options.folder,
            sender=options.sender,
            query=options.query,
            reason=options.reason,
            until=options.until,
            grace=GRACE if options.grace is None else options.grace,
            by=options.by or user("command line"),
            at=now(),
        )
    held = count_held(archive, row, now())
    outcome = _outcome(
        [row], f"Placed {_line(row, with_state=False)}. It means {messages(held)} of the archive now."
    )
    return replace(outcome, summary={**outcome.summary, "messages": held})


def run_release(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Release a hold."""
    from mailroom.policy.holds import end_of
    from mailroom.services.holds import release_hold

    archive = existing_archive(options.archive)
    with usage_errors():
        row = release_hold(archive, options.hold_id, by=options.by or user("command line"), at=now())
    end = end_of(row)
    until = f"; it is obeyed until {end:%Y-%m-%d %H:%M} UTC" if end else ""
    return _outcome([row], f"Released hold {row.hold_id}{until}.")


def run_list(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """List all holds that were ever placed."""
    from mailroom.archive.ledgers import read_holds

    rows = read_holds(existing_archive(options.archive))
    return _outcome(rows, "\n".join(_line(row) for row in rows) or "There are no holds.")


def _line(row: HoldRow, *, with_state: bool = True) -> str:
    """Return a hold in words."""
    from mailroom.policy.holds import is_obeyed

    parts = ["every account" if row.account == "*" else f"account {shown(row.account)}"]
    parts += [f"folder {shown(row.folder)}"] if row.folder else []
    parts += [f"from {shown(row.sender)}"] if row.sender else []
    parts += [f"query {shown(row.query)}"] if row.query else []
    parts += [f"until {row.until:%Y-%m-%d}"] if row.until else []
    state = f" ({row.state.value if is_obeyed(row, now()) else 'over'})" if with_state else ""
    who = f"{shown(row.by)}, {row.at:%Y-%m-%d}"
    return f"hold {row.hold_id}{state}: {', '.join(parts)}; {shown(row.reason)} ({who})"


def _outcome(rows: list[HoldRow], headline: str) -> Outcome:
    from mailroom.policy.holds import is_obeyed

    told = [
        {
            "hold_id": row.hold_id,
            "account": row.account,
            "folder": row.folder,
            "from": row.sender,
            "query": row.query,
            "reason": row.reason,
            "until": row.until.isoformat() if row.until else None,
            "grace_days": row.grace_days,
            "state": row.state.value,
            "obeyed": is_obeyed(row, now()),
            "by": row.by,
            "at": row.at.isoformat(),
        }
        for row in rows
    ]
    return Outcome(headline=headline, summary={"holds": told, "interrupted": False})
