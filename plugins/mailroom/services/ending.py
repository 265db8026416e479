"""How a run ended, as the table ``runs`` tells it: from what its report says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["counts_of", "outcome_of"]


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
