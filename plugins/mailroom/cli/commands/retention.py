"""``mailroom retention``: delete from the server what is old, archived and verified."""

from __future__ import annotations

import argparse
import shlex
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from mailroom.cli.account import UsageError, account_name
from mailroom.cli.common_arguments import Parser, Words, add_command, add_folders, connection_options
from mailroom.cli.consent import ask_on_terminal
from mailroom.cli.engine import connecting, existing_archive, now, read_policy, run_context, usage_errors
from mailroom.cli.phrases import Summary, count, messages, octets_in_words, shown
from mailroom.cli.plan_table import plan_table
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import duration, name, place, share
from mailroom.model import MailProtocol

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.model import RunContext
    from mailroom.policy.rules import RetentionPolicy
    from mailroom.services.retention import RetentionReport

__all__ = ["add_to", "headline", "run"]

FEW_MESSAGES = 100
"""So many messages and more are worth an advice to begin with a part of them."""

BASES = ("internal", "archived", "saved", "date", "seen")
"""What the days of retention count from; the words of ``policy.retention.Basis``, which is slower to load."""


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "retention",
        run,
        "delete from the server what is old, archived and verified",
        "mailroom retention imaps://ana@imap.example.org --archive ~/mail --older-than 90d --dry-run",
        (MailProtocol.IMAP, MailProtocol.POP3),
    )
    add_folders(parser)
    _add_rules(parser)
    _add_proof(parser)
    parser.add_argument(
        "--to-trash", action="store_true", help="move into the server's trash instead of deleting for good"
    )
    parser.add_argument(
        "--mark-seen", action="store_true", help="mark unread messages as read before they are deleted"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would go, and plan it; delete nothing"
    )


def _add_rules(parser: Parser) -> None:
    """Add what says which messages go."""
    rules = parser.add_mutually_exclusive_group(required=True)
    rules.add_argument("--older-than", type=duration, metavar="30d", help="keep what is younger")
    rules.add_argument("--policy", metavar="FILE", help="several rules, in YAML or JSON")
    rules.add_argument(
        "--plan", type=name, metavar="PLAN", help="just what a dry run showed, by the name it gave its plan"
    )
    parser.add_argument(
        "--approve",
        type=name,
        metavar="NAME",
        help="with --plan: you have looked at it and agree, and this is who you are; the audit names you",
    )
    parser.add_argument(
        "--basis",
        choices=BASES,
        help="count from when the server received it, when it was first archived, when it came into its "
        "folder, when it was sent, or since when it is known to be read (default: internal; saved for "
        "Trash and Junk; archived for POP3)",
    )
    parser.add_argument("--include-flagged", action="store_true", help="delete flagged messages too")
    parser.add_argument(
        "--max-fraction",
        type=share,
        metavar="SHARE",
        help="at most this share of a folder a run (default: 1, all of it)",
    )
    parser.add_argument(
        "--allow-incomplete",
        action="store_true",
        help="delete also in a folder of which the archive does not hold everything",
    )


def _add_proof(parser: Parser) -> None:
    """Add what says how it is proved that they are archived."""
    parser.add_argument(
        "--copy",
        action="append",
        default=[],
        type=place,
        metavar="ROOT2",
        help="delete only what this second archive holds as well (see mailroom replicate); may be repeated",
    )
    parser.add_argument(
        "--proof",
        choices=["read", "head"],
        help="how archived bytes are proved: read back (default, unless a policy says otherwise), or by the "
        "checksum that S3 keeps of them",
    )
    parser.add_argument(
        "--refetch",
        action="store_true",
        help="fetch each message from the server once more, whole, and compare it before it is deleted",
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Delete from the server what is old, archived and verified."""
    endpoint = options.endpoint
    from mailroom.archive import Archive
    from mailroom.policy.proof import ProofMode
    from mailroom.services.retention import enforce_retention

    if options.approve and (not options.plan or options.dry_run):
        raise UsageError(
            "--approve is for a plan that a dry run has shown: give --plan too, and no --dry-run."
        )
    has_own_rules = options.policy or options.plan
    policy = _stated_policy(options) if has_own_rules else _plain_policy(options)
    archive = existing_archive(options.archive)
    context = run_context("retention", account_name(options, endpoint))
    if options.approve:
        _approve(archive, context, options)
    report = enforce_retention(
        connecting(endpoint),
        archive,
        context,
        policy=policy,
        plan_id=options.plan,
        dry_run=options.dry_run,
        now=now,
        progress=terminal.progress(),
        stop=stop,
        proof=ProofMode(options.proof) if options.proof else None,
        refetch=options.refetch,
        copies=[Archive(root) for root in options.copy],
        consent=ask_on_terminal,
    )
    outcome = Outcome.of(report, headline)
    if report.dry_run:
        return replace(outcome, headline=_with_advice(outcome.headline, archive, report, options))
    if report.undo is None:
        return outcome
    is_imap = endpoint.protocol is MailProtocol.IMAP
    words = [options.url, *connection_options(options)] if is_imap else ["imaps://USER@HOST"]
    undo = report.undo.replace(" URL ", f" {shlex.join(words)} ", 1)
    return replace(outcome, headline=f"{outcome.headline}\nTo bring it back: {undo}")


def _with_advice(told: str, archive: Archive, report: RetentionReport, options: argparse.Namespace) -> str:
    """Return what a dry run tells, with what to type where there is something to be careful of."""
    from mailroom.archive.ledgers import has_plan_in_state
    from mailroom.ledger import PlanState

    if options.copy:
        # The plan is carried out with no fewer copies than it was made with.
        copies = shlex.join(word for root in options.copy for word in ("--copy", root))
        told = told.replace(f"--plan {report.plan_id}", f"--plan {report.plan_id} {copies}")
    is_plain = options.older_than is not None and options.max_fraction is None
    is_first = is_plain and not has_plan_in_state(
        archive, report.account, PlanState.EXECUTED, least_messages=1
    )
    if report.deleted < FEW_MESSAGES or not is_first:
        return told
    dry = "This was a dry run"
    advice = (
        "Nothing was deleted in this account before: with --max-fraction 0.25 the oldest quarter of each "
        "folder goes first, the rest in later runs."
    )
    return told.replace(dry, f"{advice}\n{dry}", 1)


def _approve(archive: Archive, context: RunContext, options: argparse.Namespace) -> None:
    from mailroom.services.plan_approval import record_answer

    record_answer(
        archive,
        context.account,
        options.plan,
        is_yes=True,
        by=options.approve,
        at=now(),
        run_id=context.run_id,
    )


def _stated_policy(options: argparse.Namespace) -> RetentionPolicy | None:
    """Return the policy of a file, which says all there is to say, or None where a plan has its own."""
    if options.folder or options.exclude or options.basis or options.include_flagged:
        raise UsageError(
            "A policy or plan states folders, basis and flagged messages itself: leave out --folder, "
            "--exclude, --basis and --include-flagged."
        )
    if options.max_fraction is not None or options.allow_incomplete or options.to_trash or options.mark_seen:
        raise UsageError(
            "A policy states max_fraction, allow_incomplete, to_trash and mark_seen itself: leave out the "
            "options."
        )
    return read_policy(options.policy) if options.policy else None


def _plain_policy(options: argparse.Namespace) -> RetentionPolicy:
    """Return the policy of one rule that the options state."""
    from mailroom.policy.retention import Basis, RetentionRule
    from mailroom.policy.rules import policy_of

    with usage_errors():
        plain = policy_of(
            RetentionRule(
                older_than=options.older_than,
                basis=Basis(options.basis) if options.basis else None,
                folders=tuple(options.folder) or ("*",),
                exclude=tuple(options.exclude),
                include_flagged=options.include_flagged,
                max_fraction=1.0 if options.max_fraction is None else options.max_fraction,
                allow_incomplete=options.allow_incomplete,
            )
        )
    return replace(plain, to_trash=options.to_trash, mark_seen=options.mark_seen)


def headline(summary: Summary) -> str:
    """Return what retention deleted or would delete, a line a folder."""
    verb = "would be deleted" if summary["dry_run"] else "deleted"
    number = summary["would_delete" if summary["dry_run"] else "deleted"]
    lines = [
        f"{messages(number)} {verb} on the server ({octets_in_words(summary['octets'])}),"
        f" of {summary['due']:,} that were old enough ({summary['age']})."
    ]
    if summary.get("left"):
        lines.append(f"{messages(summary['left'])} of the plan stay, as they changed since or may not go.")
    for folder in summary["folders"]:
        lines.append(f"  {_folder_line(folder)}")
        lines += _message_lines(folder)
    if summary["folders_not_shown"]:
        lines.append(f"  … and {count(summary['folders_not_shown'], 'more folder')}.")
    # Where there is one rule, the folders' lines tell it all.
    lines += plan_table(summary["rules"]) if len({part["rule"] for part in summary["rules"]}) > 1 else []
    lines += _quota_lines(summary.get("quota"))
    if summary["dry_run"]:
        lines.append("This was a dry run: nothing was deleted.")
        lines += _plan_lines(summary)
    return "\n".join(lines)


def _plan_lines(summary: Summary) -> list[str]:
    """Return how the plan of a dry run is carried out."""
    if summary["plan_id"] is None:
        return []
    how = f"To delete just this: --plan {summary['plan_id']}"
    if summary["consent"] is None:
        return [how]
    return [f"The policy wants somebody to agree first, for {summary['consent']}.", f'{how} --approve "NAME"']


def _quota_lines(quota: Summary | None) -> list[str]:
    """Return how much room the account has, and how much was gained by the server's own count."""
    if quota is None:
        return []
    used = f"{octets_in_words(quota['used'])} of {octets_in_words(quota['limit'])} are used"
    if "gained" not in quota:
        return [f"By the server's quota {used}."]
    planned, gained = octets_in_words(quota["planned"]), octets_in_words(max(0, quota["gained"]))
    return [f"Planned to free {planned}; by the server's quota {gained} were gained: {used} now."]


def _folder_line(folder: Summary) -> str:
    from mailroom.policy.retention import Basis

    if "note" in folder:
        return f"{shown(folder['folder'])}: passed over, {folder['note']}"
    parts = [f"{folder['deleted']:,} of {folder['due']:,}"]
    if folder.get("octets"):
        parts.append(octets_in_words(folder["octets"]))
    if folder.get("oldest"):
        parts.append(f"from {folder['oldest'][:10]} to {folder['newest'][:10]}")
    if folder.get("basis"):
        counted = " or ".join(Basis(basis).event for basis in folder["basis"].split(", "))
        parts.append(f"counted from when {counted}")
    parts += [f"{number:,} kept: {reason}" for reason, number in folder.get("kept", {}).items()]
    return f"{shown(folder['folder'])}: {', '.join(parts)}"


def _message_lines(folder: Summary) -> list[str]:
    """Return the messages that a dry run lists, and how many more there are."""
    listed = folder.get("messages", ())
    lines = []
    for message in listed:
        kind = "uid" if "uid" in message else "uidl"
        size = octets_in_words(message["octets"] or 0)
        since = (message["since"] or "no date")[:10]
        lines.append(f"    {kind.upper()} {shown(str(message[kind]))}, {size}, {since}")
    more = folder["deleted"] - len(listed)
    return [*lines, f"    … and {count(more, 'more message')}"] if listed and more else lines
