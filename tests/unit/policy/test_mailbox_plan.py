"""What is fetched of one mailbox and recorded, planned from snapshots."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mailroom.model import FetchedMessage
from mailroom.policy.mailbox_plan import (
    FolderPlan,
    find_changed_flags,
    may_be_another,
    normal_flags,
    plan_folder,
)
from tests.unit.policy.rows import days_ago, mailbox_row


def uids(*numbers: int) -> np.ndarray:
    """Return UIDs as an array."""
    return np.array(numbers, dtype=np.int64)


def plan(
    listed: tuple[int, ...], *, live: tuple[int, ...] = (), unfetchable: tuple[int, ...] = (), **options: Any
) -> FolderPlan:
    """Plan with tuples in place of arrays."""
    return plan_folder(uids(*listed), live=uids(*live), unfetchable=uids(*unfetchable), **options)


def as_lists(found: FolderPlan) -> dict[str, list[int]]:
    """Return a plan's parts that are not empty."""
    parts = {name: getattr(found, name).tolist() for name in ("fetch", "retry", "gone", "given_up")}
    return {name: numbers for name, numbers in parts.items() if numbers}


def test_new_messages_are_fetched_and_missing_ones_are_gone() -> None:
    """What only the server has is fetched, what only the archive has is gone."""
    assert as_lists(plan((2, 3, 4), live=(1, 2))) == {"fetch": [3, 4], "gone": [1]}


def test_agreement_makes_an_empty_plan() -> None:
    """Nothing is done where both sides hold the same."""
    assert plan((1, 2), live=(1, 2)).is_empty
    assert plan(()).is_empty


def test_newest_first_turns_the_order_of_fetching_only() -> None:
    """The order concerns the download; what is gone stays ascending."""
    found = plan((5, 3, 4), live=(1, 2), order="newest")
    assert as_lists(found) == {"fetch": [5, 4, 3], "gone": [1, 2]}


def test_message_never_delivered_is_tried_again_while_it_is_listed() -> None:
    """An unfetchable UID is retried apart from new ones, and given up once it is not listed."""
    assert as_lists(plan((1, 2, 3), live=(1,), unfetchable=(2, 9))) == {
        "fetch": [3],
        "retry": [2],
        "given_up": [9],
    }


def test_selection_narrows_the_download_and_not_what_is_known() -> None:
    """A message left out by since or size is not fetched; a live one left out is not gone."""
    found = plan((1, 2, 3, 4), live=(1,), unfetchable=(2,), wanted=uids(4))
    assert as_lists(found) == {"fetch": [4]}


def test_selection_cannot_bring_back_what_is_not_listed() -> None:
    """A UID that only the narrowing search names is not asked for."""
    assert as_lists(plan((1,), wanted=uids(1, 7))) == {"fetch": [1]}


def test_uid_listed_twice_is_fetched_once() -> None:
    """Servers repeat themselves."""
    assert as_lists(plan((3, 3, 1))) == {"fetch": [1, 3]}


def flags(*texts: str) -> np.ndarray:
    """Return joined flags as an array."""
    return np.array(texts, dtype=object)


def changed(
    live: tuple[int, ...], known: tuple[str, ...], seen: tuple[int, ...], told: tuple[str, ...]
) -> list[int]:
    """Return the places in ``seen`` whose flags changed."""
    return find_changed_flags(uids(*live), flags(*known), uids(*seen), flags(*told)).tolist()


def test_only_differing_flags_of_live_messages_count() -> None:
    """Equal flags, and flags of messages that are not held, are no change."""
    assert changed((1, 2, 3), ("", "\\Seen", "a"), (1, 2, 3, 4), ("\\Seen", "\\Seen", "", "x")) == [0, 2]


def test_last_of_several_answers_about_one_message_counts() -> None:
    """Flags that changed twice while they were asked for are as they were told last."""
    assert changed((1,), ("",), (1, 1), ("\\Seen", "")) == []
    assert changed((1,), ("",), (1, 1), ("", "\\Seen")) == [1]


@pytest.mark.parametrize(("live", "seen"), [((), (1,)), ((1,), ()), ((5,), (9,)), ((5,), (1,))])
def test_flags_of_nothing_in_common_are_no_change(live: tuple[int, ...], seen: tuple[int, ...]) -> None:
    """Empty and disjoint sides are fine."""
    assert changed(live, ("",) * len(live), seen, ("x",) * len(seen)) == []


def test_recent_is_no_property_of_a_message() -> None:
    """A flag that goes away by itself would be recorded as a change in each run."""
    assert normal_flags(("\\recent", "\\FLAGGED", "b", "a", "a")) == ("\\Flagged", "a", "b")
    assert normal_flags(None) == ()


@pytest.mark.parametrize(
    ("held", "stated", "expected"),
    [
        ({}, {}, False),
        ({}, {"internal_date": days_ago(40), "octets": 100}, False),
        ({}, {"internal_date": days_ago(39), "octets": 100}, True),
        ({}, {"internal_date": days_ago(40), "octets": 101}, True),
        ({}, {"octets": 101}, True),
        ({"object_id": "M1"}, {"object_id": "M1", "internal_date": days_ago(1)}, False),
        ({"object_id": "M1"}, {"object_id": "M2", "internal_date": days_ago(40)}, True),
        ({"object_id": "M1", "internal_date": None, "size": None}, {"octets": 5}, False),
        ({"size": 0, "internal_date": None}, {"octets": 7}, True),
    ],
)
def test_another_message_under_a_known_number_is_suspected_by_what_the_server_states(
    held: dict[str, Any], stated: dict[str, Any], expected: bool
) -> None:
    """Whatever both know must agree, unless the object id says that it is the same."""
    assert may_be_another(mailbox_row(5, **held), FetchedMessage(uid=5, **stated)) is expected
