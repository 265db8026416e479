"""What a user sees: a progress bar on a terminal, plain lines elsewhere, a summary at the end.

Progress and complaints go to stderr; stdout carries results only, so that ``--json`` can be piped.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mailroom.services.progress import Progress

__all__ = ["Outcome", "Report", "Terminal"]

MAX_FAILURES_SHOWN = 20


class Report(Protocol):
    """What every service returns."""

    @property
    def failures(self) -> tuple[str, ...]:
        """Return one sentence for each thing that did not work."""

    @property
    def interrupted(self) -> bool:
        """Return whether the service was asked to stop before it was done."""

    def summary(self) -> dict[str, Any]:
        """Return what was done as a small JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended: a headline for people, a summary for machines, failures for both."""

    headline: str
    summary: Mapping[str, Any]
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    @classmethod
    def of(cls, report: Report, headline: Callable[[Mapping[str, Any]], str]) -> Outcome:
        """Return the outcome that a service's report tells of."""
        summary = {**report.summary(), "interrupted": report.interrupted}
        return cls(
            headline=headline(summary),
            summary=summary,
            failures=report.failures,
            interrupted=report.interrupted,
        )


class Terminal:
    """The place a command reports to.

    :param as_json: end with one JSON object on stdout instead of a headline.
    :param quiet: show no progress.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json = as_json
        self._quiet = quiet

    def progress(self) -> Progress:
        """Return what a service reports its progress to."""
        from mailroom.services.progress import LogProgress, NoProgress

        if self._quiet:
            return NoProgress()
        if sys.stderr.isatty():
            from mailroom.cli.progress_bar import ProgressBar

            return ProgressBar()
        log = logging.getLogger("mailroom.progress")
        if not log.handlers:
            log.addHandler(logging.StreamHandler(sys.stderr))
            log.setLevel(logging.INFO)
            log.propagate = False
        return LogProgress(log)

    def complain(self, sentence: str) -> None:
        """Say on stderr what went wrong."""
        print(f"mailroom: {sentence}", file=sys.stderr)

    def conclude(self, outcome: Outcome) -> None:
        """Show how the command ended."""
        for failure in outcome.failures[:MAX_FAILURES_SHOWN]:
            self.complain(failure)
        if len(outcome.failures) > MAX_FAILURES_SHOWN:
            self.complain(f"… and {len(outcome.failures) - MAX_FAILURES_SHOWN:,} more.")
        if outcome.interrupted:
            self.complain("Interrupted. What is committed stays; run the same command again to go on.")
        if self._as_json:
            document = {
                **outcome.summary,
                "failures": list(outcome.failures),
                "interrupted": outcome.interrupted,
            }
            print(json.dumps(document, default=str, ensure_ascii=False))
        else:
            print(outcome.headline)
