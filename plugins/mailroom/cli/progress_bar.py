"""A progress bar on a terminal: messages, size, rate and time left."""

from __future__ import annotations

import time

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["ProgressBar"]


SHOWN_EVERY_SECONDS = 0.1
"""How often a bar is drawn anew; drawing it for each small message took longer than fetching that."""


class ProgressBar:
    """Shows what a service reports: one bar, started anew for each piece of work.

    :param bars: the display to add the bar to; by default one of its own.
    """

    def __init__(self, bars: Progress | None = None) -> None:
        self._bars = bars or Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[size]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._is_first = bars is None
        self._task = self._bars.add_task("", total=None, size="", visible=self._is_first)
        self._messages = 0
        self._octets = 0
        self._began = self._shown = time.monotonic()

    def start(self, what: str, messages: int | None, octets: int | None) -> None:
        """Begin one piece of work, such as a folder."""
        self._messages = self._octets = 0
        self._began = self._shown = time.monotonic()
        # A folder's name comes from the server: shown as text, never as markup or control codes.
        name = "".join(
            character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in what
        )
        self._bars.start()
        self._bars.reset(self._task, total=messages, description=escape(name), size="", visible=True)

    def advance(self, messages: int, octets: int) -> None:
        """Count what is done."""
        self._messages += messages
        self._octets += octets
        now = time.monotonic()
        if now - self._shown >= SHOWN_EVERY_SECONDS:
            self._shown = now
            self._show(now)

    def finish(self) -> None:
        """Take the bar away."""
        self._show(time.monotonic())
        if self._is_first:
            self._bars.stop()
        else:
            self._bars.update(self._task, visible=False)

    def beside(self) -> ProgressBar:
        """Return another bar on the same display."""
        return ProgressBar(self._bars)

    def _show(self, now: float) -> None:
        rate = self._octets / max(now - self._began, 0.001)
        size = f"{decimal(self._octets)}, {decimal(int(rate))}/s" if self._octets else ""
        self._bars.update(self._task, completed=self._messages, size=size)
