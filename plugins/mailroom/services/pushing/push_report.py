"""What pushing tells whoever asked for it: what was done, what was not, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mailroom.change_request import ChangeRequest, RequestState
from mailroom.services.mirroring.mirror_report import MirrorReport

__all__ = ["PushReport", "PushTally", "TwoWayReport"]

MAX_SENTENCES = 100
"""How many conflicts and refusals are told of one by one; all of them are in the table ``changes``."""

MAX_WARNINGS_SUMMED_UP = 10
"""How many warnings a summary carries."""

_WORDS = {
    "flags": "Changing the flags of",
    "labels": "Labelling",
    "move": "Moving",
    "delete": "Deleting",
    "append": "Adding",
}


@dataclass(slots=True, kw_only=True)
class PushTally:
    """Counts that grow while changes are pushed, sessions that broke included."""

    pushed: int = 0
    refused: int = 0
    conflicts: int = 0
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def take(self, request: ChangeRequest) -> str | None:
        """Count what became of a change; return the sentence that tells of it, if it was not done."""
        if request.state is RequestState.PUSHED:
            self.pushed += 1
            return None
        text = sentence(request)
        if request.state is RequestState.CONFLICT:
            self.conflicts += 1
            _add(self.warnings, text)
        else:
            self.refused += 1
            _add(self.failures, text)
        return text

    @property
    def steps(self) -> int:
        """How many changes are over."""
        return self.pushed + self.refused + self.conflicts


@dataclass(frozen=True, slots=True, kw_only=True)
class PushReport:
    """What pushing did.

    :param pushed: changes that are done on the server.
    :param refused: changes that the server does not do, or that could not be proved to be right.
    :param conflicts: changes whose message was changed on the server since; that stands.
    :param waiting: changes that wait for the next run.
    """

    account: str
    pushed: int = 0
    refused: int = 0
    conflicts: int = 0
    waiting: int = 0
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    interrupted: bool = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as a small JSON object."""
        return {
            "pushed": self.pushed,
            "refused": self.refused,
            "conflicts": self.conflicts,
            "waiting": self.waiting,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoWayReport:
    """What a mirror in both directions did: the push first, then the mirror."""

    push: PushReport
    mirror: MirrorReport

    @property
    def by_folder(self) -> Mapping[str, Mapping[str, int]]:
        """What the mirror found changed in each folder."""
        return self.mirror.by_folder

    @property
    def failures(self) -> tuple[str, ...]:
        """One sentence for each thing that did not work."""
        return (*self.push.failures, *self.mirror.failures)

    @property
    def interrupted(self) -> bool:
        """Whether the run was asked to stop before it was done."""
        return self.push.interrupted or self.mirror.interrupted

    def summary(self) -> dict[str, Any]:
        """Return the counts of both as a small JSON object."""
        mirrored = self.mirror.summary()
        warnings = [*self.push.warnings, *mirrored["warnings"]]
        return {
            **mirrored,
            **self.push.summary(),
            "failed": len(self.failures),
            "interrupted": self.interrupted,
            "warnings": warnings[:MAX_WARNINGS_SUMMED_UP],
        }


def sentence(request: ChangeRequest) -> str:
    """Return what became of a change, for people."""
    which = f"message {(request.sha256 or '')[:12]} in folder {request.folder!r} of {request.account}"
    where = "" if request.uid is None else f" (UID {request.uid})"
    return f"{_WORDS[request.kind.value]} {which}{where} was not done: {request.reason or 'no reason given'}."


def _add(sentences: list[str], text: str) -> None:
    if len(sentences) < MAX_SENTENCES:
        sentences.append(text)
