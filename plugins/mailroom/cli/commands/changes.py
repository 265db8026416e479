"""``mailroom changes``: what waits to be changed on the server, and what became of the rest."""

from __future__ import annotations

import argparse
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from mailroom.cli.account import UsageError
from mailroom.cli.changing import add_account
from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive, who
from mailroom.cli.phrases import Summary, count, shown
from mailroom.cli.terminal import Outcome, Terminal

if TYPE_CHECKING:
    from mailroom.change_request import ChangeRequest

__all__ = ["add_to", "headline", "run"]

MAX_SHOWN = 50
"""How many changes are listed, those that wait first; all of them are in the table ``changes``."""


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "changes",
        run,
        "show what waits to be changed on the server, and what was not done",
        "mailroom changes --archive ~/mail",
    )
    add_account(parser)
    parser.add_argument("--done", action="store_true", help="what was done as well")
    parser.add_argument(
        "--withdraw",
        action="append",
        metavar="ID",
        help="take this change back, or 'all', unless a run has set out to do it; may be repeated",
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Show the changes of an account, or take some back."""
    from mailroom.services.change_choice import only_account

    archive = existing_archive(options.archive)
    account = only_account(archive, options.account)
    changes = archive.changes(account)
    summary: dict[str, Any] = {"account": account, "withdrawn": None}
    if options.withdraw:
        ids = None if "all" in options.withdraw else options.withdraw
        summary["withdrawn"] = changes.withdraw(ids, by=who())
        if ids is not None and not summary["withdrawn"]:
            raise UsageError(
                f"None of the changes {', '.join(map(shown, ids))} waits, or a run has set out to do it: "
                "mailroom changes lists those that wait, with their ids."
            )
    states: Counter[str] = Counter()
    waiting: list[dict[str, Any]] = []
    over: list[dict[str, Any]] = []
    for request in changes.newest():
        states[request.state.value] += 1
        is_told = options.done or request.state.value not in ("pushed", "withdrawn")
        told = waiting if request.state.is_waiting else over
        if is_told and len(told) < MAX_SHOWN:
            told.append(_told(request))
    listed = [*waiting, *over][:MAX_SHOWN]
    summary |= {"states": dict(sorted(states.items())), "changes": listed}
    return Outcome(headline=headline(summary), summary=summary)


def _told(request: ChangeRequest) -> dict[str, Any]:
    return {
        "id": request.change_id,
        "kind": request.kind.value,
        "folder": request.folder,
        "uid": request.uid,
        "sha256": request.sha256,
        **{key: value for key, value in request.arguments().items() if key != "attempt"},
        "state": request.state.value,
        "reason": request.reason,
    }


def headline(summary: Summary) -> str:
    """Return how many changes are in which state, and a line for each that is told of."""
    states = ", ".join(f"{number:,} {state}" for state, number in summary["states"].items())
    lines = [f"Changes of {summary['account']}: {states or 'none'}."]
    if summary["withdrawn"] is not None:
        lines.append(f"{count(summary['withdrawn'], 'change')} taken back.")
    return "\n".join([*lines, *(f"  {_line(change)}" for change in summary["changes"])])


def _line(change: Summary) -> str:
    which = shown(change["folder"]) + ("" if change["uid"] is None else f" UID {change['uid']}")
    asked = [f"+{flag}" for flag in change.get("add", ())] + [f"-{flag}" for flag in change.get("remove", ())]
    if "to" in change:
        asked.append(f"to {shown(change['to'])}")
    if change.get("expunge"):
        asked.append("expunge")
    reason = f": {change['reason']}" if change["reason"] else ""
    words = " ".join([change["kind"], which, *asked])
    return f"{change['id']}  {words}, {change['state']}{reason}"
