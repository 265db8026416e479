"""What a check of an archive can find, and how it is told.

Belongs here: the words. Does not belong here: the check (``integrity``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

__all__ = ["Problem", "ProblemKind", "VerifyReport"]


class ProblemKind(enum.Enum):
    """What can be wrong, or look wrong and be harmless; a closed list."""

    DAMAGED = "damaged"
    MISSING = "missing"
    SIZE = "wrong_size"
    UNREADABLE = "unreadable"
    TORN = "torn"
    DANGLING = "dangling"
    DOUBLED = "doubled"
    INCOMPLETE = "incomplete"
    NOT_INDEXED = "not_indexed"
    LEFTOVER = "leftover"
    TAMPERED = "tampered"
    UNSEALED = "unsealed"

    @property
    def is_harmless(self) -> bool:
        """Whether it is only the trace of a kill, which the next run clears or takes up."""
        return self in _HARMLESS


_HARMLESS = (ProblemKind.NOT_INDEXED, ProblemKind.LEFTOVER, ProblemKind.INCOMPLETE, ProblemKind.UNSEALED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: what, where, and what to do."""

    kind: ProblemKind
    where: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What a check found.

    :param problems: the first ``MAX_LISTED`` of each kind.
    :param counts: how many of each kind.
    """

    objects: int
    octets: int
    rows: dict[str, int]
    problems: tuple[Problem, ...]
    counts: dict[ProblemKind, int]
    interrupted: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong that matters."""
        return not self.failures and not self.interrupted

    @property
    def failures(self) -> tuple[str, ...]:
        """What is wrong, one sentence each."""
        return tuple(p.sentence for p in self.problems if not p.kind.is_harmless)

    @property
    def notes(self) -> tuple[str, ...]:
        """What only looks wrong, one sentence each."""
        return tuple(p.sentence for p in self.problems if p.kind.is_harmless)

    def summary(self) -> dict[str, Any]:  # Any: JSON values
        """Return counts, as JSON takes them."""
        wrong = sum(n for kind, n in self.counts.items() if not kind.is_harmless)
        harmless = {kind.value: n for kind, n in self.counts.items() if kind.is_harmless}
        return {
            "objects": self.objects,
            "octets": self.octets,
            "messages": self.rows.get("messages", 0),
            "locations": self.rows.get("locations", 0),
            "attachments": self.rows.get("attachments", 0),
            "wrong": wrong,
            "problems": {kind.value: n for kind, n in self.counts.items() if not kind.is_harmless},
            "harmless": harmless,
        }
