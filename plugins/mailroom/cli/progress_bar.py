"""A progress bar on a terminal: messages, size, rate and time left."""

from __future__ import annotations

import time

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["ProgressBar"]


class ProgressBar:
    """Shows what a service reports: one bar, started anew for each piece of work."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[size]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, size="")
        self._octets = 0
        self._began = time.monotonic()

    def start(self, what: str, messages: int | None, octets: int | None) -> None:
        """Begin one piece of work, such as a folder."""
        self._octets = 0
        self._began = time.monotonic()
        # A folder's name comes from the server: shown as text, never as markup or control codes.
        name = "".join(
            character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in what
        )
        self._bar.start()
        self._bar.reset(self._task, total=messages, description=escape(name), size="")

    def advance(self, messages: int, octets: int) -> None:
        """Count what is done."""
        self._octets += octets
        rate = self._octets / max(time.monotonic() - self._began, 0.001)
        self._bar.update(
            self._task, advance=messages, size=f"{decimal(self._octets)}, {decimal(int(rate))}/s"
        )

    def finish(self) -> None:
        """Take the bar away."""
        self._bar.stop()
