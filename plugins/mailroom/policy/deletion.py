"""Which messages may be deleted on a server, with a reason for each that may not.

Here: the one plan that fetch and retention share. Not here: which messages are
candidates at all (``fetch``, ``retention``), asking and deleting (``services``).

Nothing enters the deleting part of a plan unless its archived copy was read back intact
and the server's answer of this session matches it.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mailroom.model import LocationRow
from mailroom.policy.proof import ArchivedCopy, ServerAnswer, find_difference, is_re_encoded

__all__ = ["Candidate", "Decision", "DeletionPlan", "Keep", "plan_deletions"]


class Keep(enum.Enum):
    """Why a message stays on the server; a closed list."""

    TOO_YOUNG = "too young"
    NO_RULE = "no rule deletes it"
    NO_DATE = "no date to count from"
    FLAGGED = "flagged"
    HELD = "under legal hold"
    NEWEST = "among the newest of its folder"
    BY_RULE = "kept by a rule"
    NOT_ARCHIVED = "not archived"
    NOT_VERIFIED = "archived copy missing or damaged"
    NOT_COPIED = "not in every second archive"
    ELSEWHERE = "in another folder that keeps it"
    RE_ENCODED = "archived with other bytes"
    DIFFERS = "answers differently"
    GONE = "no longer on the server"
    AMBIGUOUS = "shares its UIDL with another"
    NOT_PLANNED = "came after the plan"
    OTHER = "not the message that was planned"
    OVER_FRACTION = "over max_fraction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A message on the server that the archive knows.

    :param key: its number in this session: UID, or POP3 message number.
    :param row: its newest row in the archive.
    :param since: the instant its days count from, or None where nobody knows.
    :param rule: the rule that decided, in words.
    :param keep: why that rule keeps it; None says that it is due as far as rules go.
    """

    key: int
    row: LocationRow
    since: datetime | None
    rule: str = ""
    keep: Keep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to become of one candidate.

    :param keep: why it stays; None says delete.
    :param difference: what differs, where ``keep`` is ``DIFFERS``.
    """

    candidate: Candidate
    keep: Keep | None
    difference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionPlan:
    """One decision a candidate, oldest first."""

    decisions: tuple[Decision, ...]

    @property
    def delete(self) -> tuple[Candidate, ...]:
        """Return what may be deleted, oldest first."""
        return tuple(d.candidate for d in self.decisions if d.keep is None)

    def kept(self) -> Counter[Keep]:
        """Return how many stay, by reason."""
        return Counter(d.keep for d in self.decisions if d.keep is not None)

    def kept_for(self, reason: Keep) -> tuple[Decision, ...]:
        """Return the decisions to keep for one reason."""
        return tuple(d for d in self.decisions if d.keep is reason)


def plan_deletions(
    candidates: Iterable[Candidate],
    answers: Mapping[int, ServerAnswer],
    copies: Mapping[str, ArchivedCopy],
    *,
    cutoff: datetime,
    include_flagged: bool = True,
    allowance: int | None = None,
) -> DeletionPlan:
    """Decide for each candidate; their order does not matter, the oldest go first.

    :param answers: what the server said in this session, by ``Candidate.key``.
    :param copies: what reading the archive gave, by SHA-256.
    :param cutoff: what counts from this instant or earlier is due.
    :param allowance: how many may be deleted at most; None for no limit.
    """
    decisions: list[Decision] = []
    left = allowance
    for candidate in sorted(candidates, key=_oldest_first):
        decision = _decide(candidate, answers, copies, cutoff, include_flagged)
        if decision.keep is None and left is not None:
            if left <= 0:
                decision = Decision(candidate=candidate, keep=Keep.OVER_FRACTION)
            left -= 1
        decisions.append(decision)
    return DeletionPlan(decisions=tuple(decisions))


def _oldest_first(candidate: Candidate) -> tuple[float, int]:
    since = candidate.since
    return (since.timestamp() if since is not None else float("inf"), candidate.key)


def _decide(
    candidate: Candidate,
    answers: Mapping[int, ServerAnswer],
    copies: Mapping[str, ArchivedCopy],
    cutoff: datetime,
    include_flagged: bool,
) -> Decision:
    """Return the decision for one candidate, its cheapest and plainest reason first."""
    row, answer = candidate.row, answers.get(candidate.key)
    copy = copies.get(row.sha256) if row.sha256 is not None else None
    keep: Keep | None = None
    difference: str | None = None
    if row.sha256 is None or not row.change.is_live:
        keep = Keep.NOT_ARCHIVED
    elif candidate.keep is not None:
        keep = candidate.keep
    elif candidate.since is None:
        keep = Keep.NO_DATE
    elif candidate.since > cutoff:
        keep = Keep.TOO_YOUNG
    elif answer is None:
        keep = Keep.GONE
    elif not include_flagged and "\\flagged" in {flag.lower() for flag in answer.flags}:
        keep = Keep.FLAGGED
    elif copy is None or not copy.is_intact:
        keep = Keep.NOT_VERIFIED
    elif not copy.is_copied:
        keep = Keep.NOT_COPIED
    else:
        difference = find_difference(row, copy, answer)
        if difference is not None:
            is_other = difference == "octets" and is_re_encoded(row, copy)
            keep = Keep.RE_ENCODED if is_other else Keep.DIFFERS
    return Decision(candidate=candidate, keep=keep, difference=difference)
