"""``mailroom forget``: remove mail from the archive itself; first only say what would go."""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.engine import existing_archive, now, run_context, usage_errors
from mailroom.cli.phrases import Summary, count, messages, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal
from mailroom.cli.values import duration, name
from mailroom.exceptions import ConfigurationError

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
    archive = existing_archive(options.archive)
    with _certificate(options.certificate if options.apply else None) as file:
        report = forget_mail(
            archive, run_context("forget", options.account or ""), wish, dry_run=not options.apply, now=now
        )
        if file is not None:
            json.dump(report.certificate(), file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
    return Outcome.of(report, headline)


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
