"""``mailroom policy``: check a retention policy, and say what it means for a message."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import check_account_known, existing_archive, now, read_policy
from mailroom.cli.phrases import count, shown
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import name

__all__ = ["add_to", "run_check", "run_explain"]


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
    from mailroom.services.policy_explanation import explain_message, find_message

    policy = read_policy(options.file)
    archive = existing_archive(options.archive)
    check_account_known(archive, options.account)
    digest = find_message(archive, options.message)
    moment = now()
    places = explain_message(archive, options.account, digest, policy, moment)
    lines = [f"{shown(each.folder)}, {shown(each.number)}: {each.sentence(moment)}" for each in places]
    headline = "\n".join(lines) or f"Message {digest} is not on the server of {options.account}."
    told = [each.summary(moment) for each in places]
    return Outcome(headline=headline, summary={"sha256": digest, "places": told, "interrupted": False})
