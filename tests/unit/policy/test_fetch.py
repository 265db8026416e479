"""The three POP3 modes and what a listing leads to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.model import Change, LocationRow
from mailroom.policy.fetch import FetchPlan, Why, plan_fetch, shared_uidls, uidl_of_content, uidl_of_header
from mailroom.policy.fetch_mode import FetchMode
from tests.unit.policy.rows import NOW, Message, days_ago, maildrop_row

LEAVE = FetchMode()
DELETE = FetchMode(leave_on_server=False)
TEN_DAYS = FetchMode(delete_after=timedelta(days=10))


def plan(listing: list[Message], *known: LocationRow, mode: FetchMode = LEAVE) -> FetchPlan:
    rows: dict[str, list[LocationRow]] = {}
    for row in known:
        assert row.uidl is not None
        rows.setdefault(row.uidl, []).append(row)
    return plan_fetch(listing, rows, mode, NOW, shared=shared_uidls(listing))


def reasons(made: FetchPlan) -> list[tuple[int, Why]]:
    return [(item.number, item.why) for item in made.retrieve]


def test_unknown_message_is_retrieved() -> None:
    """What the archive has never seen is new."""
    assert reasons(plan([Message(1, 100, "u1")])) == [(1, Why.NEW)]


def test_known_message_is_not_retrieved_again() -> None:
    """A UIDL that the archive holds, with its size, stays where it is in leave mode."""
    made = plan([Message(1, 100, "u1")], maildrop_row())
    assert (made.retrieve, made.due, made.left) == ((), (), 1)


def test_number_of_a_message_means_nothing() -> None:
    """Numbers are given anew in each session; only the UIDL counts."""
    made = plan([Message(9, 100, "u1"), Message(1, 100, "u2")], maildrop_row())
    assert reasons(made) == [(1, Why.NEW)]


def test_known_uidl_with_another_size_is_retrieved() -> None:
    """A server that gives an old UIDL to another message must not hide it."""
    assert reasons(plan([Message(1, 101, "u1")], maildrop_row())) == [(1, Why.SIZE_CHANGED)]


def test_size_that_was_never_stated_is_not_compared() -> None:
    """A row without a size is no reason to retrieve again."""
    assert reasons(plan([Message(1, 101, "u1")], maildrop_row(size=None))) == []


def test_two_messages_under_one_uidl_are_both_retrieved() -> None:
    """After a restore one UIDL may stand for two messages; only their bytes tell them apart."""
    made = plan([Message(1, 100, "u1"), Message(2, 100, "u1")], maildrop_row())
    assert reasons(made) == [(1, Why.SHARED_UIDL), (2, Why.SHARED_UIDL)]


def test_one_listed_message_known_as_two_is_retrieved() -> None:
    """When one of two twins went away, its bytes say which one stayed."""
    made = plan([Message(1, 100, "u1")], maildrop_row(), maildrop_row(sha256="other"))
    assert reasons(made) == [(1, Why.SEVERAL_ROWS)]


@pytest.mark.parametrize(
    "change", [Change.DELETED_BY_FETCH, Change.DELETED_BY_RETENTION, Change.EXPUNGED], ids=lambda c: c.value
)
def test_deleted_message_that_is_listed_again_is_retrieved(change: Change) -> None:
    """A UIDL that comes back after its deletion may be another message."""
    assert reasons(plan([Message(1, 100, "u1")], maildrop_row(change=change))) == [(1, Why.CAME_BACK)]


def test_message_that_left_the_window_and_came_back_is_recorded_only() -> None:
    """Absence from a window is not deletion, so its return is no reason to retrieve."""
    made = plan([Message(1, 100, "u1")], maildrop_row(change=Change.NOT_LISTED))
    assert made.retrieve == ()
    assert [row.change for row in made.listed_again] == [Change.ADDED]


def test_message_back_from_the_window_is_due_at_once_when_old() -> None:
    """Its days went on while the window hid it."""
    made = plan([Message(1, 100, "u1")], maildrop_row(change=Change.NOT_LISTED), mode=TEN_DAYS)
    assert [candidate.row.change for candidate in made.due] == [Change.ADDED]


def test_unfetchable_message_is_tried_again() -> None:
    """A row that says unfetchable is no archived message."""
    unfetchable = maildrop_row(sha256=None, change=Change.UNFETCHABLE)
    assert reasons(plan([Message(1, 100, "u1")], unfetchable)) == [(1, Why.NEW)]


def test_unfetchable_row_beside_an_archived_one_does_not_disturb() -> None:
    """Once it was fetched after all, the message is known."""
    unfetchable = maildrop_row(sha256=None, change=Change.UNFETCHABLE)
    assert plan([Message(1, 100, "u1")], unfetchable, maildrop_row()).left == 1


def test_message_without_identity_is_retrieved() -> None:
    """On a server with neither UIDL nor TOP only content tells."""
    assert reasons(plan([Message(1, 100, None)])) == [(1, Why.NO_UIDL)]


def test_leftover_of_an_earlier_run_is_due_when_nothing_stays() -> None:
    """leave_on_server=False deletes what an earlier run archived but could not delete."""
    made = plan([Message(4, 100, "u1")], maildrop_row(archived_at=NOW), mode=DELETE)
    assert [(candidate.key, candidate.row.uidl) for candidate in made.due] == [(4, "u1")]


@pytest.mark.parametrize(
    ("age", "due"), [(9.99, 0), (10, 1), (11, 1)], ids=["too young", "to the second", "older"]
)
def test_days_count_from_the_first_archiving(age: float, due: int) -> None:
    """N days later means N times 24 hours after this archive first stored the message."""
    made = plan([Message(1, 100, "u1")], maildrop_row(archived_at=days_ago(age)), mode=TEN_DAYS)
    assert (len(made.due), made.left) == (due, 1 - due)


def test_message_of_unknown_age_is_never_due() -> None:
    """A row that does not say when it was archived does not delete."""
    assert plan([Message(1, 100, "u1")], maildrop_row(archived_at=None), mode=DELETE).due == ()


def test_zero_days_delete_what_this_run_archived() -> None:
    """delete_after=0 is leave_on_server=False by another name."""
    assert FetchMode(delete_after=timedelta(0)).is_due(NOW, NOW)


def test_leaving_is_the_default_and_never_deletes() -> None:
    """Who states no mode loses nothing."""
    assert not FetchMode().deletes
    assert FetchMode().cutoff(NOW) is None
    assert not FetchMode().is_due(days_ago(10_000), NOW)


@pytest.mark.parametrize(
    "values",
    [
        {"delete_after": timedelta(days=-1)},
        {"delete_after": 7},
        {"leave_on_server": False, "delete_after": timedelta(days=7)},
    ],
    ids=["negative", "not a timedelta", "both modes"],
)
def test_senseless_mode_is_refused_with_one_sentence(values: dict[str, Any]) -> None:
    """The person who wrote it reads what to write instead."""
    with pytest.raises(ConfigurationError, match=r"delete_after.*\.$"):
        FetchMode(**values)


def test_header_identity_ignores_what_servers_rewrite() -> None:
    """Status fields change as mail is read; the message does not."""
    before = b"From: a@example.org\r\nSubject: x\r\n\r\n"
    after = b"From: a@example.org\nStatus: RO\nX-Status: A\n continued\nSubject: x\n\n"
    assert uidl_of_header(before) == uidl_of_header(after)


def test_header_identity_sees_every_other_field() -> None:
    """Two messages that differ in one trace field are two."""
    one, two = (b"Received: by a; " + n + b"\r\nSubject: x\r\n\r\n" for n in (b"1", b"2"))
    assert uidl_of_header(one) != uidl_of_header(two)


def test_header_identity_stops_at_the_empty_line() -> None:
    """Lines of the body that a server sends along do not count."""
    assert uidl_of_header(b"Subject: x\r\n\r\n") == uidl_of_header(b"Subject: x\r\n\r\nbody\r\n")


def test_stand_ins_for_uidls_say_what_they_are() -> None:
    """Nobody takes a digest for a server's own UIDL."""
    assert uidl_of_header(b"").startswith("header:")
    assert uidl_of_content("00ff") == "sha256:00ff"
