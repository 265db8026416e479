"""``mailroom history``: what an account or a folder looked like at any past moment."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive
from mailroom.cli.phrases import Summary, count, messages, shown
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import moment, name
from mailroom.services.plain_table import table

__all__ = ["add_to", "headline", "run"]

WIDE = 48
"""How many characters of a sender or subject are shown."""


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "history",
        run,
        "show what an account or a folder looked like at any past moment",
        "mailroom history --archive ~/mail --folder INBOX --as-of 2026-01-31T08:00",
    )
    parser.add_argument(
        "--account", type=name, metavar="NAME", help="whose mail; may be left out where there is one only"
    )
    parser.add_argument(
        "--folder", metavar="NAME", help="its messages (default: the folders and their counts)"
    )
    parser.add_argument(
        "--as-of",
        type=moment,
        metavar="TIME",
        help="as it was then: a day, to its end, or 2026-01-31T08:00 (UTC unless it says +01:00)",
    )
    parser.add_argument(
        "--runs", action="store_true", help="the runs that changed something: when, what, how it ended"
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Show what an account or a folder looked like at any past moment."""
    from mailroom.services.change_choice import only_account
    from mailroom.services.known_accounts import check_folder_known

    archive = existing_archive(options.archive)
    account = only_account(archive, options.account)
    summary: dict[str, Any] = {"account": account, "folder": options.folder, "as_of": options.as_of}
    if options.runs:
        found = archive.read_table("runs").to_pylist()
        summary["runs"] = [row for row in found if row["account"] == account and _is_then(row, options.as_of)]
    elif options.folder is not None:
        check_folder_known(archive, account, options.folder)
        summary["messages"] = archive.folder_as_of(account, options.folder, options.as_of).to_pylist()
    else:
        from mailroom.archive.reading.history import folders_as_of, imported_as_of

        summary["folders"] = folders_as_of(archive, account, options.as_of).to_pylist()
        summary["imported"] = imported_as_of(archive, account, options.as_of)
    return Outcome(headline=headline(summary), summary=summary)


def headline(summary: Summary) -> str:
    """Return a table of what was asked for, and how much of it there is."""
    when = f" as of {summary['as_of']:%Y-%m-%d %H:%M:%S} UTC" if summary["as_of"] else ""
    if "runs" in summary:
        lines = _runs(summary["runs"])
        return "\n".join([*lines, f"{count(len(summary['runs']), 'run')} of {summary['account']}{when}."])
    if "messages" in summary:
        lines = _messages(summary["messages"])
        where = f"{shown(summary['folder'])} of {summary['account']}{when}"
        return "\n".join([*lines, f"{messages(len(summary['messages']))} in {where}."])
    lines = _folders(summary["folders"])
    total = sum(row["live"] for row in summary["folders"])
    folders = count(len(summary["folders"]), "folder")
    lines.append(f"{messages(total)} in {folders} of {summary['account']}{when}.")
    if summary["imported"]:
        lines.append(
            f"Beside them {messages(summary['imported'])} that came from files and are on no server."
        )
    return "\n".join(lines)


def _messages(rows: Iterable[Summary]) -> list[str]:
    cells = [
        [
            str(row["uid"] if row["uid"] is not None else row["uidl"]),
            _time(row["internal_date"] or row["date"]),
            " ".join(row["flags"]),
            _short(row["from"]),
            _short(row["subject"]),
        ]
        for row in rows
    ]
    return table(["uid", "received", "flags", "from", "subject"], cells, text_columns={1, 2, 3, 4})


def _folders(rows: Iterable[Summary]) -> list[str]:
    cells = [
        [
            shown(row["folder"]),
            f"{row['live']:,}",
            str(row["uidvalidity"] or ""),
            row["special_use"] or "",
            {True: "yes", False: "no", None: ""}[row["subscribed"]],
            _time(row["at"]),
        ]
        for row in rows
    ]
    head = ["folder", "messages", "uidvalidity", "use", "subscribed", "changed"]
    return table(head, cells, text_columns={0, 3, 4, 5})


def _runs(rows: Iterable[Summary]) -> list[str]:
    cells = []
    for row in sorted(rows, key=lambda row: row["ended"]):
        counts = {k: v for k, v in json.loads(row["counts"] or "{}").items() if v}
        told = ", ".join(f"{key} {value:,}" for key, value in counts.items() if type(value) is int)
        cells.append([_time(row["ended"]), row["what"], row["outcome"], row["who"] or "", told])
    return table(["ended", "what", "outcome", "who", "counts"], cells, text_columns={0, 1, 2, 3, 4})


def _is_then(row: Summary, as_of: datetime | None) -> bool:
    return as_of is None or row["ended"] <= as_of


def _time(value: datetime | None) -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M:%S}"


def _short(text: str | None) -> str:
    told = shown(text or "")
    return told if len(told) <= WIDE else f"{told[: WIDE - 1]}…"
