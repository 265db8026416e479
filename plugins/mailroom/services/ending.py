"""How a run ended: as the table ``runs`` tells it, and as the next run may remember it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from mailroom.archive.reading.noted import Standing
    from mailroom.client.transport import Transcript

__all__ = ["Remember", "counts_of", "outcome_of"]

_Report = TypeVar("_Report")

Remember = Callable[[_Report, "Transcript", "Standing"], None]
"""Takes what the next run reports that hears the same and finds the archive as it stands."""


class _Ended(Protocol):
    @property
    def interrupted(self) -> bool: ...

    @property
    def failures(self) -> Sequence[str]: ...


class _Told(Protocol):
    def summary(self) -> dict[str, Any]: ...


def outcome_of(report: _Ended) -> str:
    """Return ``interrupted``, ``failed`` or ``succeeded``."""
    return "interrupted" if report.interrupted else "failed" if report.failures else "succeeded"


def counts_of(report: _Told) -> dict[str, int]:
    """Return the numbers of a report's summary, which are what ``runs`` keeps of it."""
    return {name: value for name, value in report.summary().items() if type(value) is int}
