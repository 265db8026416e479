"""The plan that fetch and retention share: a reason for everything that stays."""

from __future__ import annotations

from typing import Any

import pytest

from mailroom.model import Change, Fingerprint
from mailroom.policy.deletion import Candidate, Decision, Keep, plan_deletions
from mailroom.policy.proof import ArchivedCopy, ServerAnswer
from tests.unit.policy.rows import days_ago, mailbox_row

CUTOFF = days_ago(30)
HELD = Fingerprint(message_id="<1@x>")
ANSWER = ServerAnswer(fingerprint=Fingerprint(octets=100, message_id="<1@x>"))
INTACT = ArchivedCopy(is_intact=True, fingerprint=HELD)


def decide(
    *,
    since: float | None = 40,
    answer: ServerAnswer | None = ANSWER,
    copy: ArchivedCopy | None = INTACT,
    flagged: bool = True,
    **row: Any,
) -> Decision:
    candidate = Candidate(key=1, row=mailbox_row(**row), since=days_ago(since) if since is not None else None)
    made = plan_deletions(
        [candidate],
        {1: answer} if answer else {},
        {"sha of 1": copy} if copy else {},
        cutoff=CUTOFF,
        include_flagged=flagged,
    )
    return made.decisions[0]


def test_due_proved_and_verified_message_goes() -> None:
    """Nothing speaks for keeping it."""
    assert decide().keep is None


@pytest.mark.parametrize(
    ("values", "keep"),
    [
        ({"since": 29.99}, Keep.TOO_YOUNG),
        ({"since": None}, Keep.NO_DATE),
        ({"sha256": None, "change": Change.UNFETCHABLE}, Keep.NOT_ARCHIVED),
        ({"change": Change.EXPUNGED}, Keep.NOT_ARCHIVED),
        ({"answer": None}, Keep.GONE),
        ({"copy": None}, Keep.NOT_VERIFIED),
        ({"copy": ArchivedCopy(is_intact=False, fingerprint=HELD)}, Keep.NOT_VERIFIED),
        ({"size": 99}, Keep.DIFFERS),
    ],
    ids=lambda v: v.value if isinstance(v, Keep) else "",
)
def test_each_reason_to_keep(values: dict[str, Any], keep: Keep) -> None:
    """One reason is enough, and the plan says which."""
    assert decide(**values).keep is keep


def test_message_exactly_as_old_as_the_limit_goes() -> None:
    """Older than N days includes the instant at which it becomes so."""
    assert decide(since=30).keep is None


@pytest.mark.parametrize("flag", ["\\Flagged", "\\FLAGGED"])
def test_flagged_message_stays_unless_asked(flag: str) -> None:
    """The flag is the server's of now, in any case of letters."""
    answer = ServerAnswer(fingerprint=ANSWER.fingerprint, flags=("\\Seen", flag))
    assert decide(answer=answer, flagged=False).keep is Keep.FLAGGED
    assert decide(answer=answer, flagged=True).keep is None


def test_difference_is_named_in_the_decision() -> None:
    """Who reads the report learns what did not fit."""
    assert decide(size=99).difference == "size"


def candidates(*ages: float) -> list[Candidate]:
    return [
        Candidate(key=number, row=mailbox_row(number), since=days_ago(age))
        for number, age in enumerate(ages, start=1)
    ]


def test_allowance_takes_the_oldest() -> None:
    """What is over the allowance is the youngest of what is due."""
    due = candidates(50, 70, 60)
    made = plan_deletions(
        due,
        {c.key: ServerAnswer(sha256=c.row.sha256) for c in due},
        {c.row.sha256 or "": INTACT for c in due},
        cutoff=CUTOFF,
        allowance=2,
    )
    assert [c.key for c in made.delete] == [2, 3]
    assert made.kept() == {Keep.OVER_FRACTION: 1}


def test_what_stays_anyway_uses_up_no_allowance() -> None:
    """A flagged old message must not stand in the way of the next one for ever."""
    due = candidates(70, 60)
    answers = {
        1: ServerAnswer(sha256="sha of 1", flags=("\\Flagged",)),
        2: ServerAnswer(sha256="sha of 2"),
    }
    made = plan_deletions(
        due,
        answers,
        {c.row.sha256 or "": INTACT for c in due},
        cutoff=CUTOFF,
        include_flagged=False,
        allowance=1,
    )
    assert [c.key for c in made.delete] == [2]
    assert [d.candidate.key for d in made.kept_for(Keep.FLAGGED)] == [1]
