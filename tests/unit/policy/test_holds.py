"""Legal holds: which are obeyed, and which messages they mean."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailroom.ledger import HoldRow, HoldState
from mailroom.policy.holds import FolderHolds, holds_on, is_obeyed
from tests.unit.policy.rows import NOW, days_ago

FIELDS = {"from_address": "ana@bank.example", "subject": "Statement", "size": 10}


def hold(**values: Any) -> HoldRow:
    known: dict[str, Any] = {
        "hold_id": "h1",
        "account": "*",
        "reason": "case 7",
        "grace_days": 7.0,
        "state": HoldState.PLACED,
        "by": "clerk",
        "at": days_ago(10),
    }
    return HoldRow(**(known | values))


def on(*holds: HoldRow, account: str = "ana", folder: str = "INBOX", **values: Any) -> FolderHolds:
    return holds_on(holds, account, folder, NOW, **values)


@pytest.mark.parametrize(
    ("values", "obeyed"),
    [
        ({}, True),
        ({"until": days_ago(-1)}, True),
        ({"until": days_ago(6.9)}, True),
        ({"until": days_ago(7)}, False),
        ({"state": HoldState.RELEASED, "at": days_ago(6.9)}, True),
        ({"state": HoldState.RELEASED, "at": days_ago(7)}, False),
        ({"state": HoldState.RELEASED, "at": days_ago(0), "grace_days": 0.0}, False),
        ({"state": HoldState.RELEASED, "at": days_ago(1), "until": days_ago(8)}, False),
    ],
)
def test_a_hold_is_obeyed_until_its_days_of_grace_are_over(values: dict[str, Any], obeyed: bool) -> None:
    """After its release, or its end, whichever came first."""
    assert is_obeyed(hold(**values), NOW) is obeyed


@pytest.mark.parametrize(
    ("values", "concerns"),
    [
        ({}, True),
        ({"account": "ana"}, True),
        ({"account": "bob"}, False),
        ({"folder": "IN*"}, True),
        ({"folder": "Sent"}, False),
        ({"folder": "\\Sent"}, False),
    ],
)
def test_a_hold_concerns_its_account_and_folder(values: dict[str, Any], concerns: bool) -> None:
    """Both must match where both are given."""
    assert bool(on(hold(**values))) is concerns


def test_a_hold_on_a_special_use_concerns_the_folder_so_marked() -> None:
    """The folder may have any name."""
    assert on(hold(folder="\\Sent"), folder="Enviados", use="\\Sent")


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ({}, True),
        ({"sender": "*@BANK.example"}, True),
        ({"sender": "*@shop.example"}, False),
        ({"query": "subject:statement"}, True),
        ({"query": "subject:advert"}, False),
        ({"sender": "*@bank.example", "query": "subject:advert"}, False),
    ],
)
def test_a_hold_means_what_meets_all_it_names(values: dict[str, Any], held: bool) -> None:
    """Sender and query both, where both are given."""
    assert (on(hold(**values)).reason(FIELDS) == "case 7 (h1)") is held


def test_a_message_that_nobody_can_describe_is_held() -> None:
    """Doubt keeps."""
    assert on(hold(sender="*@shop.example")).reason(None) is not None


def test_only_what_is_asked_for_has_to_be_looked_up() -> None:
    """A hold on a whole account needs to know nothing of messages."""
    assert on(hold()).columns == ()
    assert "from_address" in on(hold(sender="x")).columns


def test_without_holds_nothing_is_held() -> None:
    """The commonest case."""
    assert not on()
    assert on(hold(at=days_ago(1) + timedelta(0), account="bob")).reason(FIELDS) is None


def test_the_first_of_the_holds_to_end_is_when_to_look_again() -> None:
    """Each after its days of grace; one that nobody released and that has no end never ends."""
    assert on().first_end is None
    assert on(hold()).first_end is None
    ending = hold(hold_id="h2", until=days_ago(-3))
    released = hold(hold_id="h3", state=HoldState.RELEASED, at=days_ago(2))
    assert on(hold(), ending).first_end == days_ago(-10)
    assert on(hold(), ending, released).first_end == days_ago(-5)
    assert on(hold(), hold(hold_id="h4", account="bob", until=days_ago(-1))).first_end is None
