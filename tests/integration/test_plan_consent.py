"""Consent to plans of deletion: what was refused or spared stays, whoever else is asked."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.checking.seal_marks import open_marks
from mailroom.archive.ledgers import plan_consents, read_plans, record_plan
from mailroom.exceptions import ConfigurationError
from mailroom.ledger import PlanRow, PlanState
from mailroom.policy.policy_file import parse_policy
from mailroom.services.deleting.retention_plan import (
    Plan,
    load_plan,
    plan_of_rows,
    refuse_if_over,
    row_of_plan,
    settle_plan,
)
from mailroom.services.forgetting.forget_plan import load_forget_plan, settle_forget_plan
from mailroom.services.plan_approval import record_answer, why_to_ask_about
from tests.integration.runs import days
from tests.integration.test_retention_policy import Filled, mirror
from tests.support.dovecot import Dovecot
from tests.support.forgetting import NOW, fill, forget

FIRST_ASKS = "{approval: {first_run: true}, rules: [{delete_after: 30d}]}"
MANY_ASK = "{approval: {over_messages: 3}, rules: [{delete_after: 30d}]}"
SPARED = "it means messages that were spared when somebody agreed to an earlier plan"


@pytest.fixture
def filled(dovecot: Dovecot, user: str, archive_root: Path) -> Filled:
    """Four old messages and a new one in INBOX, mirrored."""
    return Filled(dovecot, user, archive_root).put_and_mirror(100, 90, 80, 70, 10)


def plan(filled: Filled, text: str) -> str:
    report = filled.account.retain(parse_policy(text), dry_run=True)
    assert report.plan_id is not None
    return report.plan_id


def loaded(filled: Filled, name: str) -> Plan:
    return load_plan(Archive(filled.account.root), "account", name)


def answer(filled: Filled, name: str, *, is_yes: bool = True, least_age: timedelta | None = None) -> None:
    record_answer(
        Archive(filled.account.root),
        "account",
        name,
        is_yes=is_yes,
        by="ana",
        at=filled.account.now(),
        run_id="asking",
        least_age=least_age,
    )


def settle(
    filled: Filled, shown: Plan, state: PlanState, by: str, *, least_age: timedelta | None = None
) -> Plan:
    archive = Archive(filled.account.root)
    at = filled.account.now()
    return settle_plan(archive, shown, state, by=by, at=at, run_id=by, least_age=least_age)


def why(filled: Filled, name: str) -> str | None:
    return why_to_ask_about(Archive(filled.account.root), loaded(filled, name))


def test_a_plan_that_deleted_nothing_is_not_the_first(filled: Filled) -> None:
    """Whoever spared all of the first plan is asked about the next one."""
    name = plan(filled, FIRST_ASKS)
    answer(filled, name, least_age=days(3650))
    assert filled.account.carry_out(name).deleted == 0
    assert loaded(filled, name).state is PlanState.EXECUTED
    with pytest.raises(ConfigurationError, match="it is the first of this account"):
        filled.retain(FIRST_ASKS)
    assert len(filled.there()) == 5


@pytest.mark.parametrize("text", [FIRST_ASKS, MANY_ASK])
def test_what_was_spared_is_asked_about_again(filled: Filled, text: str) -> None:
    """Also where the plan that is left is neither the first nor large."""
    name = plan(filled, text)
    answer(filled, name, least_age=days(85))
    assert filled.account.carry_out(name).deleted == 2
    with pytest.raises(ConfigurationError, match=SPARED):
        filled.retain(text)
    assert filled.there() == [3, 4, 5]
    assert filled.retain(text, consent=lambda plan, why: "ana").deleted == 2


def test_other_mail_than_what_was_spared_goes_as_the_policy_says(filled: Filled) -> None:
    """Consent is asked for again by message, not for all that comes later."""
    name = plan(filled, FIRST_ASKS)
    answer(filled, name, least_age=days(75))
    assert filled.account.carry_out(name).deleted == 3
    assert why(filled, plan(filled, FIRST_ASKS)) == SPARED
    filled.account.wait(days(25))
    with filled.dovecot.mailbox(filled.user) as phone:
        phone.select_folder("INBOX")
        phone.delete_messages([4])
        phone.expunge()
    mirror(filled.account)
    assert filled.retain(FIRST_ASKS).deleted == 1


def test_what_somebody_agreed_to_as_a_whole_is_no_longer_spared(filled: Filled) -> None:
    """Mail of a later plan that nobody carried out goes without a second question."""
    first = plan(filled, MANY_ASK)
    answer(filled, first, least_age=days(85))
    filled.account.carry_out(first)
    second = plan(filled, MANY_ASK)
    assert why(filled, second) == SPARED
    answer(filled, second)
    assert why(filled, plan(filled, MANY_ASK)) is None
    answer(filled, second, is_yes=False)
    assert why(filled, plan(filled, MANY_ASK)) == SPARED


def test_consents_are_told_in_the_order_of_the_last_ones(filled: Filled) -> None:
    """With the most that anybody spared of each plan."""
    one, two = plan(filled, FIRST_ASKS), plan(filled, FIRST_ASKS)
    answer(filled, one, least_age=days(85))
    answer(filled, two)
    answer(filled, one)
    archive = Archive(filled.account.root)
    assert list(plan_consents(archive, "account").items()) == [(two, None), (one, 85.0)]
    assert plan_consents(archive, "another") == {}


def test_of_two_answers_at_once_a_refusal_is_final(filled: Filled) -> None:
    """Whoever had looked at the plan before the other answered is told so."""
    name = plan(filled, FIRST_ASKS)
    seen = loaded(filled, name)
    settle(filled, seen, PlanState.REFUSED, "ana")
    with pytest.raises(ConfigurationError, match="was refused by ana"):
        settle(filled, seen, PlanState.APPROVED, "bob")
    with pytest.raises(ConfigurationError, match="was refused by ana"):
        filled.account.carry_out(name)
    assert len(filled.there()) == 5


def test_a_refusal_is_final_however_the_rows_came_in(filled: Filled) -> None:
    """Consent that was written down after it, as it could be once, does not count."""
    name = plan(filled, FIRST_ASKS)
    seen = loaded(filled, name)
    settle(filled, seen, PlanState.REFUSED, "ana")
    at = filled.account.now()
    late = row_of_plan(seen, PlanState.APPROVED, by="bob", at=at, run_id="bob")
    record_plan(filled.account.archive, [late])
    assert [row.state.value for row in read_plans(Archive(filled.account.root), "account", name)] == [
        "planned",
        "refused",
        "approved",
    ]
    with pytest.raises(ConfigurationError, match="was refused by ana"):
        filled.account.carry_out(name)
    assert len(filled.there()) == 5


def test_a_refusal_between_the_look_and_the_commit_is_seen(filled: Filled) -> None:
    """The plan is looked at again where somebody else was faster, and nothing is written then."""
    name = plan(filled, FIRST_ASKS)
    seen = loaded(filled, name)
    looks: list[list[str]] = []

    def check(rows: list[PlanRow]) -> None:
        looks.append([row.state.value for row in rows])
        if len(looks) == 1:
            settle(filled, seen, PlanState.REFUSED, "ana")
        refuse_if_over(plan_of_rows(rows))

    late = row_of_plan(seen, PlanState.APPROVED, by="bob", at=filled.account.now(), run_id="bob")
    with pytest.raises(ConfigurationError, match="was refused by ana"):
        record_plan(Archive(filled.account.root), [late], check)
    assert looks == [["planned"], ["planned", "refused"]]
    assert len(read_plans(Archive(filled.account.root), "account", name)) == 2
    assert open_marks(Archive(filled.account.root), "account") == []


def test_of_two_consents_at_once_what_each_spared_stays(filled: Filled) -> None:
    """Neither takes back what the other wanted, whoever was first."""
    name = plan(filled, FIRST_ASKS)
    seen = loaded(filled, name)
    settle(filled, seen, PlanState.APPROVED, "ana", least_age=days(85))
    agreed = settle(filled, seen, PlanState.APPROVED, "bob")
    assert (agreed.approved_by, agreed.least_age) == ("bob", days(85))
    assert loaded(filled, name) == agreed
    assert filled.account.carry_out(name).deleted == 2


def test_a_refusal_of_a_plan_to_forget_is_final(tmp_path: Path) -> None:
    """For whoever had looked at it before, too."""
    archive = Archive(tmp_path / "archive")
    fill(archive, range(1, 4))
    name = forget(archive, account="post", apply=False).plan_id or ""
    seen = load_forget_plan(archive, name)
    settle_forget_plan(archive, seen, PlanState.REFUSED, by="Eva", at=NOW, run_id="a")
    with pytest.raises(ConfigurationError, match="was refused by Eva"):
        settle_forget_plan(archive, seen, PlanState.APPROVED, by="Bob", at=NOW, run_id="b")
    assert load_forget_plan(Archive(archive.url), name).state is PlanState.REFUSED
