"""What the commands share that ask for changes on a server: which messages, and what to say at the end.

Belongs here: the words and the sentences of ``flag``, ``move``, ``delete`` and ``append``. Does not
belong here: what each of them asks for (``commands``).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mailroom.cli.common_arguments import Parser, add_folders
from mailroom.cli.engine import existing_archive, usage_errors
from mailroom.cli.phrases import Summary, count, messages
from mailroom.cli.terminal import Outcome
from mailroom.cli.values import name

if TYPE_CHECKING:
    from mailroom.archive import AccountChanges, Requested
    from mailroom.model import LocationRow

__all__ = ["add_account", "add_choice", "chosen", "flag", "headline", "outcome_of"]

_SHORT = {"seen": "\\Seen", "answered": "\\Answered", "flagged": "\\Flagged", "draft": "\\Draft"}


def flag(text: str) -> str:
    """Take a flag; the usual ones need no backslash, which shells eat.

    >>> flag("seen"), flag("$Work")
    ('\\\\Seen', '$Work')
    """
    from mailroom.change_request import check_flag
    from mailroom.exceptions import ConfigurationError

    try:
        return check_flag(_SHORT.get(text.lower(), text))
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from error


def add_account(parser: Parser, *, hint: str = "the account (default: the only one of the archive)") -> None:
    """Let a command be told which account of the archive is meant."""
    parser.add_argument("--account", type=name, metavar="NAME", help=hint)


def add_choice(parser: Parser) -> None:
    """Let a command be told which messages are meant."""
    add_account(parser)
    add_folders(parser)
    parser.add_argument("--uid", metavar="1:7,9", help="these UIDs; needs one --folder")
    parser.add_argument(
        "--message",
        action="append",
        default=[],
        metavar="SHA256",
        help="this message, in every folder it is in; may be repeated",
    )
    parser.add_argument(
        "--query", metavar="WORDS", help="messages that it means, as 'from:ana after:2024-01-31'"
    )
    parser.add_argument("--all", action="store_true", help="every message of the folders")


def chosen(options: argparse.Namespace) -> tuple[AccountChanges, Iterator[LocationRow]]:
    """Return the changes of the account that is meant, and the messages that were chosen."""
    from mailroom.policy.change_choice import MessageChoice
    from mailroom.services.change_choice import choose_messages, only_account

    with usage_errors():
        choice = MessageChoice(
            folders=tuple(options.folder) or ("*",),
            exclude=tuple(options.exclude),
            uids=options.uid,
            messages=tuple(options.message),
            query=options.query,
            everything=options.all,
        )
    archive = existing_archive(options.archive)
    account = only_account(archive, options.account)
    options.account = account
    return archive.changes(account), choose_messages(archive, account, choice)


def outcome_of(options: argparse.Namespace, requested: Requested, changes: AccountChanges) -> Outcome:
    """Return what came of asking."""
    summary: dict[str, Any] = {
        "account": options.account,
        "requested": requested.requested,
        "left_out": requested.left_out,
        "waiting": changes.count(),
    }
    return Outcome(headline=headline(summary), summary=summary)


def headline(summary: Summary) -> str:
    """Return what was asked for, and how it comes about."""
    lines = [f"{messages(summary['requested'])} of {summary['account']} to be changed on the server."]
    if not summary["requested"]:
        lines = [f"No message of {summary['account']} is meant: nothing was asked for."]
    if summary["left_out"]:
        lines.append(
            f"{messages(summary['left_out'])} left out: a move or a deletion of them waits already, "
            "and comes first."
        )
    if summary["waiting"]:
        number = count(summary["waiting"], "change")
        verb = "waits" if summary["waiting"] == 1 else "wait"
        lines.append(
            f"{number} {verb} in all; mailroom mirror URL --two-way does them, mailroom changes shows them."
        )
    return "\n".join(lines)
