"""One figure: what was measured, what it is held against, and whether that is reached."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Bound", "Figure", "Target"]


class Bound(enum.Enum):
    """Which way a target is to be reached."""

    LEAST = "at least"
    MOST = "at most"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to be reached, by the ratio where there is one, else by our own value."""

    bound: Bound
    value: float

    def is_met_by(self, value: float) -> bool:
        """Return whether a value reaches it."""
        return value >= self.value if self.bound is Bound.LEAST else value <= self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the results.

    :param part: which part of the measurement it comes from.
    :param work: what is done, for people.
    :param against: whom it is compared with, or empty where the value stands for itself.
    :param ours: median over the rounds, as all values are.
    :param wire: seconds to receive the same octets and drop them, where mail comes over a network.
    :param ratio: rival to ours, or ours to the wire; for bytes a second, ours to the rival.
    :param all_ours: what each round took; likewise ``all_rival``.
    :param commands: who was started how.
    :param note: what has to be said so that nobody is misled.
    """

    part: str
    work: str
    unit: str
    ours: float
    account: str = ""
    link: str = ""
    against: str = ""
    rival: float | None = None
    wire: float | None = None
    ratio: float | None = None
    target: Target | None = None
    rounds: int = 1
    all_ours: list[float] = field(default_factory=list)
    all_rival: list[float] = field(default_factory=list)
    commands: dict[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.target is None:
            return None
        return self.target.is_met_by(self.ours if self.ratio is None else self.ratio)

    def as_json(self, versions: dict[str, str]) -> dict[str, Any]:
        """Return it for ``results.json``; ``versions`` are those of all programs."""
        found = asdict(self)
        if self.target is not None:
            found["target"] = {"bound": self.target.bound.value, "value": self.target.value}
        names = {"airflow-mailroom", "dovecot", "python", self.against.removesuffix(" loop").lower()}
        found["versions"] = {name: version for name, version in versions.items() if name in names}
        return {key: _rounded(value) for key, value in found.items()} | {"met": self.is_met}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
