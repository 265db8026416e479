"""What holds for every deletion plan, whatever server and archive say."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from mailroom.model import Change, Fingerprint
from mailroom.policy.deletion import Candidate, plan_deletions
from mailroom.policy.proof import ArchivedCopy, ServerAnswer
from mailroom.policy.retention import allowance_of
from tests.unit.policy.rows import days_ago, mailbox_row

CUTOFF = days_ago(30)


@dataclass
class Case:
    """A folder: candidates, what the server answers, what the archive gives back."""

    candidates: list[Candidate]
    answers: dict[int, ServerAnswer]
    copies: dict[str, ArchivedCopy]
    include_flagged: bool
    allowance: int | None

    def plan(self) -> list[Candidate]:
        made = plan_deletions(
            self.candidates,
            self.answers,
            self.copies,
            cutoff=CUTOFF,
            include_flagged=self.include_flagged,
            allowance=self.allowance,
        )
        return list(made.delete)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    candidates, answers, copies = [], {}, {}
    for uid in range(1, draw(st.integers(0, 6)) + 1):
        archived = draw(st.booleans())
        row = mailbox_row(
            uid,
            sha256=f"sha of {uid}" if archived else None,
            change=draw(st.sampled_from(list(Change))) if archived else Change.UNFETCHABLE,
            size=draw(st.sampled_from([100, None])),
        )
        age = draw(st.sampled_from([0, 29.9, 30, 31, 400, None]))
        candidates.append(Candidate(key=uid, row=row, since=days_ago(age) if age is not None else None))
        if draw(st.booleans()):
            answers[uid] = ServerAnswer(
                fingerprint=Fingerprint(
                    octets=draw(st.sampled_from([100, 101])), message_id=draw(st.sampled_from(["<a>", "<b>"]))
                ),
                flags=draw(st.sampled_from([(), ("\\Flagged",)])),
            )
        if draw(st.booleans()):
            copies[f"sha of {uid}"] = ArchivedCopy(
                is_intact=draw(st.booleans()), fingerprint=Fingerprint(message_id="<a>")
            )
    return Case(candidates, answers, copies, draw(st.booleans()), draw(st.sampled_from([None, 0, 1, 2])))


@given(cases())
def test_never_deletes_unarchived_unverified_unproved_or_younger(case: Case) -> None:
    """Everything that goes is live in the archive, intact, old enough, and who it was."""
    for candidate in case.plan():
        row = candidate.row
        assert row.sha256 is not None
        assert row.change.is_live
        assert candidate.since is not None
        assert candidate.since <= CUTOFF
        assert case.copies[row.sha256].is_intact
        assert case.answers[candidate.key].fingerprint.message_id == "<a>"
        assert row.size in (None, case.answers[candidate.key].fingerprint.octets)
        assert case.include_flagged or not case.answers[candidate.key].flags


@given(cases())
def test_never_deletes_more_than_allowed(case: Case) -> None:
    """The allowance is a ceiling."""
    assert case.allowance is None or len(case.plan()) <= case.allowance


@given(cases(), st.randoms(use_true_random=False))
def test_order_does_not_matter(case: Case, chance: random.Random) -> None:
    """The same candidates in another order make the same plan."""
    before = case.plan()
    chance.shuffle(case.candidates)
    assert case.plan() == before


@given(cases())
def test_plan_after_apply_is_empty(case: Case) -> None:
    """What was deleted no longer answers, and nothing else became due by it."""
    case.allowance = None
    gone = {candidate.key for candidate in case.plan()}
    case.answers = {key: answer for key, answer in case.answers.items() if key not in gone}
    assert case.plan() == []


@given(cases())
def test_one_decision_a_candidate(case: Case) -> None:
    """Each candidate goes or has a reason to stay."""
    made = plan_deletions(case.candidates, case.answers, case.copies, cutoff=CUTOFF)
    assert sorted(d.candidate.key for d in made.decisions) == [c.key for c in case.candidates]
    assert len(made.delete) + sum(made.kept().values()) == len(case.candidates)


@given(st.integers(0, 10_000), st.floats(0.001, 1.0))
def test_allowance_never_exceeds_the_fraction(live: int, fraction: float) -> None:
    """Rounding down stays within a message of the fraction, and the whole is the whole; one may always go."""
    allowed = allowance_of(live, fraction)
    assert allowed <= max(live * fraction + 1e-6, min(live, 1))
    assert allowed or not live
    assert live * fraction - 1 < allowed <= live
    assert allowance_of(live, 1.0) == live
