"""``mailroom forget``: remove mail from the archive itself; first only say what would go."""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from mailroom.cli.account import UsageError
from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive, now, run_context, usage_errors
from mailroom.cli.phrases import Summary, count, messages, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import duration, name
from mailroom.exceptions import ConfigurationError

if TYPE_CHECKING:
    from mailroom.services.forget import ForgetReport, ForgetWish

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
        "--plan", type=name, metavar="PLAN", help="just what was shown, by the name that its plan was given"
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
    parser.add_argument(
        "--approve",
        type=name,
        metavar="NAME",
        help="with --plan: you have looked at it and agree, and this is who you are; the audit names you",
    )
    parser.add_argument(
        "--certificate",
        metavar="FILE",
        help="write what went to this file as well, as JSON, or as Markdown where its name ends with .md",
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Remove mail from the archive, or say what would go."""
    from mailroom.services.forget import answer_plan, forget_mail

    if options.approve and not (options.plan and options.apply):
        raise UsageError("--approve is for a plan that was shown: give --plan too, and --apply.")
    wish = None if options.plan else _wish(options)
    archive = existing_archive(options.archive)
    context = run_context("forget", options.account or "")
    with _certificate(options.certificate if options.apply else None) as file:
        if options.approve:
            answer_plan(
                archive, options.plan, is_yes=True, by=options.approve, at=now(), run_id=context.run_id
            )
        report = forget_mail(archive, context, wish, plan_id=options.plan, dry_run=not options.apply, now=now)
        if file is not None:
            _write_certificate(report, file)
    return Outcome.of(report, headline)


def _wish(options: argparse.Namespace) -> ForgetWish:
    from mailroom.services.forget import ForgetWish

    with usage_errors():
        return ForgetWish(
            account=options.account,
            person=options.person,
            older_than=options.older_than,
            by_date=options.by_date,
        )


def _write_certificate(report: ForgetReport, file: TextIO) -> None:
    from mailroom.services.forgetting.certificate import certificate_in_markdown

    if file.name.endswith(".md"):
        file.write(certificate_in_markdown(report.certified))
    else:
        json.dump(report.certified, file, indent=1, ensure_ascii=False)
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _certificate(path: str | None) -> Iterator[TextIO | None]:
    """Open the file before anything is removed; an empty one, left by a run that was cut off, is taken.

    :raises ConfigurationError: where something is there already, or nothing can be written.
    """
    if path is None:
        yield None
        return
    try:
        file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - it outlives this block
    except OSError as error:
        raise ConfigurationError(
            f"The certificate cannot be written to {path}: {error.strerror}; nothing was removed."
        ) from error
    with file:
        if file.tell():
            raise ConfigurationError(f"{path} is there already; name another file. Nothing was removed.")
        yield file


def headline(summary: Summary) -> str:
    """Return what went or would go, and what stays and why."""
    verb = "would be removed" if summary["dry_run"] else "removed"
    is_by_age = summary["what"].startswith(("first archived ", "sent "))
    age = f" {summary['what']}" if is_by_age else ""
    lines = [
        f"{messages(summary['messages'])}{age} ({octets_in_words(summary['octets'])}) {verb} from the "
        f"archive, and {count(summary['deliveries'], 'delivered attachment')}."
    ]
    if summary["held"]:
        lines.append(f"{messages(summary['held'])} kept: under legal hold.")
    if summary["shared"]:
        lines.append(f"{messages(summary['shared'])} kept: other accounts have them; this one's places go.")
    if summary["on_server"]:
        them = "it" if summary["on_server"] == 1 else "them"
        what = f"still on a server: the next run would bring {them} back."
        lines.append(f"{messages(summary['on_server'])} {'kept: still on a server.' if is_by_age else what}")
    if summary["later"]:
        lines.append(f"{messages(summary['later'])} kept: they came after the plan.")
    if summary["changed"]:
        lines.append(
            f"{count(summary['changed'], 'delivered attachment')} gone or changed since, left alone."
        )
    if summary["dry_run"]:
        lines.append("This was a dry run: nothing was removed. Add --apply to remove them.")
        lines += [f"To remove just these: --plan {summary['plan_id']} --apply"] if summary["plan_id"] else []
    else:
        lines.append(
            f"Their objects go with the first mailroom sweep after {summary['objects_go_after'][:16]}."
        )
        lines += [f"Certificate: {summary['certificate']}"] if summary["certificate"] else []
    return "\n".join(lines)
