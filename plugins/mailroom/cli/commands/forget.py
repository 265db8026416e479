"""``mailroom forget``: remove mail from the archive itself; first only say what would go."""

from __future__ import annotations

import argparse
import json
import threading

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive, now, run_context, usage_errors
from mailroom.cli.phrases import Summary, count, messages, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import duration, name

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    parser = add_command(
        words,
        "forget",
        run,
        "remove mail from the archive itself; without --apply it only says what would go",
        "mailroom forget --archive ~/mail --person ana@example.org",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--account",
        type=name,
        metavar="NAME",
        help="this account: all of its places, and messages that no other account has",
    )
    what.add_argument(
        "--person", type=name, metavar="ADDRESS", help="messages that this address wrote or received"
    )
    what.add_argument(
        "--older-than",
        type=duration,
        metavar="3650d",
        help="messages archived so long ago, unless they are on a server still",
    )
    parser.add_argument(
        "--by-date", action="store_true", help="with --older-than: count from when it was sent"
    )
    parser.add_argument("--apply", action="store_true", help="really remove it")
    parser.add_argument("--certificate", metavar="FILE", help="write what went to this file, as JSON")


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Remove mail from the archive, or say what would go."""
    from mailroom.services.forget import ForgetWish, forget_mail

    with usage_errors():
        wish = ForgetWish(
            account=options.account,
            person=options.person,
            older_than=options.older_than,
            by_date=options.by_date,
        )
    report = forget_mail(
        existing_archive(options.archive),
        run_context("forget", options.account or ""),
        wish,
        dry_run=not options.apply,
        now=now,
    )
    if options.certificate is not None and options.apply:
        with open(options.certificate, "x", encoding="utf-8") as file:
            json.dump(report.certificate(), file, indent=1, ensure_ascii=False)
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return what went or would go, and what stays and why."""
    verb = "would be removed" if summary["dry_run"] else "removed"
    lines = [
        f"{messages(summary['messages'])} ({octets_in_words(summary['octets'])}) {verb} from the archive, "
        f"and {count(summary['deliveries'], 'delivered attachment')}."
    ]
    if summary["held"]:
        lines.append(f"{messages(summary['held'])} kept: under legal hold.")
    if summary["shared"]:
        lines.append(f"{messages(summary['shared'])} kept: other accounts have them; this one's places go.")
    if summary["on_server"]:
        stays = summary["what"].startswith("older than")
        what = (
            "kept: still on a server." if stays else "still on a server: the next run would bring them back."
        )
        lines.append(f"{messages(summary['on_server'])} {what}")
    if summary["changed"]:
        lines.append(
            f"{count(summary['changed'], 'delivered attachment')} gone or changed since, left alone."
        )
    if summary["dry_run"]:
        lines.append("This was a dry run: nothing was changed. Add --apply to remove them.")
    else:
        lines.append(
            f"Their objects go with the first mailroom sweep after {summary['objects_go_after'][:16]}."
        )
    return "\n".join(lines)
