"""``mailroom policy``: check a retention policy, and say what it means for a message."""

from __future__ import annotations

import argparse
import shlex
import threading

from mailroom.cli.common_arguments import Parser, Words, add_command, add_folders
from mailroom.cli.engine import existing_archive, now, read_policy
from mailroom.cli.phrases import count, octets_in_words, shown
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import duration, name
from mailroom.services.plain_table import table

__all__ = ["add_to", "run_check", "run_explain", "run_preview"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = words.add_parser(
        "policy",
        help="check a retention policy, and say which rule decides for a message",
        description="Check a retention policy, and say which rule decides for a message.",
    )
    inner = parser.add_subparsers(
        title="commands", required=True, dest="action", metavar="COMMAND", parser_class=Parser
    )
    check = inner.add_parser(
        "check", help="say whether a file states a policy", description="Say whether a file states a policy."
    )
    check.set_defaults(run=run_check, protocols=())
    check.add_argument("file", metavar="FILE", help="the policy, in YAML or JSON")
    check.add_argument("--json", action="store_true", help="end with one JSON object on standard output")
    explain = add_command(
        inner,
        "explain",
        run_explain,
        "say which rule decides for a message, and why; no server is asked",
        "mailroom policy explain policy.yaml '<1@example.org>' --archive ~/mail --account ana@example.org",
    )
    explain.add_argument("file", metavar="FILE", help="the policy, in YAML or JSON")
    explain.add_argument(
        "message", metavar="MESSAGE", help="its SHA-256, the beginning of it, or a Message-ID"
    )
    explain.add_argument(
        "--account", type=name, required=True, metavar="NAME", help="the account's name in the archive"
    )

    preview = add_command(
        inner,
        "preview",
        run_preview,
        "say how many messages are older than so many days, by each thing days can count from",
        "mailroom policy preview --older-than 90d --archive ~/mail --account ana@imap.example.org",
    )
    preview.add_argument("--older-than", type=duration, required=True, metavar="30d", help="the days")
    preview.add_argument(
        "--account", type=name, required=True, metavar="NAME", help="the account's name in the archive"
    )
    preview.add_argument("--include-flagged", action="store_true", help="count flagged messages too")
    add_folders(preview)


def run_preview(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Say how many messages are older than so many days, by each basis; no server is asked."""
    from mailroom.policy.retention import Basis, RetentionRule
    from mailroom.services.known_accounts import check_account_known
    from mailroom.services.retention_preview import preview_bases

    archive = existing_archive(options.archive)
    check_account_known(archive, options.account)
    rule = RetentionRule(
        older_than=options.older_than,
        folders=tuple(options.folder) or ("*",),
        exclude=tuple(options.exclude),
        include_flagged=options.include_flagged,
    )
    bases = [each.summary() for each in preview_bases(archive, options.account, rule, now())]
    rows = [
        [
            each["basis"],
            f"when {Basis(each['basis']).event}",
            f"{each['messages']:,}",
            octets_in_words(each["octets"]),
            (each["oldest"] or "")[:10],
            f"{each['unknown']:,}",
        ]
        for each in bases
    ]
    lines = table(["basis", "counted from", "older", "size", "oldest", "no date"], rows, text_columns={0, 1})
    return Outcome(headline="\n".join(lines), summary={"bases": bases, "interrupted": False})


def run_check(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Say whether a file states a policy, and which rules it has."""
    from mailroom.policy.rules import describe_rules

    policy = read_policy(options.file)
    rules = describe_rules(policy)
    lines = [f"{options.file} is a policy of {count(len(policy.rules), 'rule')}:", *rules]
    headline = "\n  ".join(lines)
    return Outcome(headline=headline, summary={"file": options.file, "rules": rules, "interrupted": False})


def run_explain(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Say which rule decides for a message at each place where it is."""
    from mailroom.services.known_accounts import check_account_known
    from mailroom.services.policy_explanation import explain_message, find_message

    policy = read_policy(options.file)
    archive = existing_archive(options.archive)
    check_account_known(archive, options.account)
    digest = find_message(archive, options.message)
    moment = now()
    places = explain_message(archive, options.account, digest, policy, moment)
    lines = [f"{shown(each.folder)}, {shown(each.number)}: {each.sentence(moment)}" for each in places]
    gone = (
        f"Message {digest} is not on the server of {options.account}; whether it was deleted, and by whom, "
        f"says: mailroom audit --archive {shlex.quote(options.archive)} --message {digest[:12]}"
    )
    headline = "\n".join(lines) or gone
    told = [each.summary(moment) for each in places]
    return Outcome(headline=headline, summary={"sha256": digest, "places": told, "interrupted": False})
