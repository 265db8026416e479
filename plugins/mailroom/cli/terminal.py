"""What a user sees: a progress bar on a terminal, plain lines elsewhere, a summary at the end.

Progress and complaints go to stderr; stdout carries results only, so that ``--json`` can be
piped: it is one JSON object, also where the command failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from mailroom.cli.wording import for_command_line, plain

if TYPE_CHECKING:
    from mailroom.services.progress import Progress

__all__ = ["Outcome", "Report", "ResultNotWritten", "Terminal"]

MAX_FAILURES_SHOWN = 20


class ResultNotWritten(Exception):
    """Standard output refused the result; the sentence says why."""


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
    """The place a command reports to; use it as a context manager.

    :param as_json: end with one JSON object on stdout instead of a headline.
    :param quiet: show no progress.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._progress: Progress | None = None
        self._lines = _Lines()

    def __enter__(self) -> Terminal:
        """Make both streams ready for any text, and show what the engine warns of."""
        sys.stdout, sys.stderr = _ready(sys.stdout), _ready(sys.stderr)
        logging.getLogger("mailroom").addHandler(self._lines)
        logging.getLogger().addHandler(_SILENT)  # libraries must not write between our lines
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the progress bar away and hand over what was printed, whoever still reads it."""
        self._settle()
        logging.getLogger("mailroom").removeHandler(self._lines)
        logging.getLogger().removeHandler(_SILENT)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                _discard(stream)

    def progress(self) -> Progress:
        """Return what a service reports its progress to."""
        from mailroom.services.progress import LogProgress, NoProgress

        if self._quiet:
            self._progress = NoProgress()
        elif sys.stderr.isatty():
            from mailroom.cli.progress_bar import ProgressBar

            self._progress = ProgressBar()
        else:
            log = logging.getLogger("mailroom.progress")
            log.setLevel(logging.INFO)
            self._progress = LogProgress(log)
        return self._progress

    def show_help(self, parser: argparse.ArgumentParser) -> None:
        """Say on stderr what can be typed, to somebody who typed nothing."""
        parser.print_help(sys.stderr)

    def complain(self, sentence: str) -> None:
        """Say on stderr what went wrong, in one line."""
        with contextlib.suppress(OSError):
            print(f"mailroom: {plain(for_command_line(sentence))}", file=sys.stderr)

    def fail(self, sentence: str, kind: str) -> None:
        """Say what ended the command; as JSON on stdout as well, where that was asked for.

        :param kind: what sort of error it is, for programs.
        """
        self._settle()
        self.complain(sentence)
        if self._as_json:
            told = plain(for_command_line(sentence))
            document = {"error": told, "kind": kind, "failures": [told], "interrupted": False}
            with contextlib.suppress(ResultNotWritten):
                _write(_as_json(document))

    def conclude(self, outcome: Outcome) -> None:
        """Show how the command ended.

        :raises ResultNotWritten: where standard output is full or broken.
        """
        self._settle()
        unsaid = [failure for failure in outcome.failures if not self._lines.has_said(failure)]
        for failure in unsaid[:MAX_FAILURES_SHOWN]:
            self.complain(failure)
        if len(unsaid) > MAX_FAILURES_SHOWN:
            self.complain(f"… and {len(unsaid) - MAX_FAILURES_SHOWN:,} more.")
        if outcome.interrupted:
            self.complain("Interrupted. What is committed stays; run the same command again to go on.")
        _write(self.result_of(outcome))

    def result_of(self, outcome: Outcome) -> str:
        """Return what goes to stdout of an outcome."""
        if self._as_json:
            told = [for_command_line(failure) for failure in outcome.failures]
            document = {**outcome.summary, "failures": told, "interrupted": outcome.interrupted}
            return _as_json(document)
        return "\n".join(plain(line) for line in for_command_line(outcome.headline).splitlines())

    def _settle(self) -> None:
        if self._progress is not None:
            self._progress.finish()
            self._progress = None


class _Lines(logging.Handler):
    """Shows progress lines, and the first warnings of the engine, on the stderr of the moment."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = plain(for_command_line(record.getMessage()))
        if record.levelno >= logging.WARNING:
            if len(self._said) >= MAX_FAILURES_SHOWN:
                return
            self._said.append(text)
            text = f"mailroom: {text}"
        elif record.name != "mailroom.progress":
            return
        with contextlib.suppress(OSError):
            print(text, file=sys.stderr)

    def has_said(self, failure: str) -> bool:
        """Return whether a warning began with this sentence."""
        sentence = plain(for_command_line(failure))
        return any(line.startswith(sentence) for line in self._said)


_SILENT = logging.NullHandler()


def _as_json(document: Mapping[str, Any]) -> str:
    is_wide = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(document, default=str, ensure_ascii=not is_wide)


def _write(text: str) -> None:
    """Print a result and hand it over; a reader that went away, as ``head`` does, is no failure.

    :raises ResultNotWritten: where standard output refuses for another reason.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _discard(sys.stdout)
    except OSError as error:
        _discard(sys.stdout)
        raise ResultNotWritten(
            f"The work is done, but its result could not be written to standard output: {error.strerror}."
        ) from error


def _ready(stream: TextIO | None) -> TextIO:
    """Return a stream that takes any text, and one into nothing where the caller closed ours."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return stream


def _discard(stream: TextIO) -> None:
    """Lead a broken stream into nothing, so that Python's own flush at the end does not fail."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
