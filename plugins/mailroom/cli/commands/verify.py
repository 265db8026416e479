"""``mailroom verify``: check every object and every row."""

from __future__ import annotations

import argparse
import threading

from mailroom.cli.common_arguments import Parser, Words, add_command
from mailroom.cli.phrases import Summary, count, messages, octets_in_words
from mailroom.cli.terminal import Outcome, Terminal

__all__ = ["add_to", "headline", "run"]


def add_to(words: Words[Parser]) -> None:
    """Add the command and what may be typed after it."""
    add_command(
        words,
        "verify",
        run,
        "check every object and every row of the archive",
        "mailroom verify --archive ~/mail",
    )


def run(options: argparse.Namespace, terminal: Terminal, stop: threading.Event) -> Outcome:
    """Check every raw object against its name and every row against its object."""
    from mailroom.archive import Archive
    from mailroom.archive.checking.integrity import verify_archive

    report = verify_archive(Archive(options.archive), progress=terminal.progress(), stop=stop)
    return Outcome.of(report, headline)


def headline(summary: Summary) -> str:
    """Return how the archive is."""
    held = (
        f"{count(summary['objects'], 'object')} ({octets_in_words(summary['octets'])}), "
        f"{messages(summary['messages'])}, {count(summary['locations'], 'location')}, "
        f"{count(summary['attachments'], 'attachment')}"
    )
    if summary["wrong"]:
        lines = [f"{count(summary['wrong'], 'problem')} in {held}."]
    else:
        lines = [f"{'Nothing wrong so far' if summary['interrupted'] else 'All is well'}: {held}."]
    lines += [f"  {kind}: {number:,}" for kind, number in summary["problems"].items()]
    lines += [f"  {kind}: {number:,} (harmless)" for kind, number in summary["harmless"].items()]
    return "\n".join(lines)
