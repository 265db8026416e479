"""What a mirror fetches and records, planned from snapshots."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.model import FetchedMessage, FolderRow
from mailroom.policy.mirror import (
    SMALL_LOSS,
    FolderPlan,
    MirrorSelection,
    check_loss,
    find_changed_flags,
    is_unchanged,
    may_be_another,
    normal_flags,
    plan_folder,
    search_criteria,
)
from tests.unit.policy.rows import NOW, days_ago, mailbox_row


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


STATUS = {"MESSAGES": 3, "UIDNEXT": 10, "UIDVALIDITY": 7, "HIGHESTMODSEQ": 99}


def folder_row(**values: Any) -> FolderRow:
    """Return the row that goes with ``STATUS``."""
    row: dict[str, Any] = {
        "account": "a",
        "folder": "INBOX",
        "at": NOW,
        "run_id": "earlier",
        "uid_validity": 7,
        "uid_next": 10,
        "highest_modseq": 99,
        "messages": 3,
    }
    return FolderRow(**(row | values))


def test_folder_whose_status_is_as_it_was_need_not_be_opened() -> None:
    """Four numbers and the count of live rows prove that nothing changed."""
    assert is_unchanged(STATUS, folder_row(), 3)


@pytest.mark.parametrize("item", sorted(STATUS))
def test_any_other_number_means_a_change(item: str) -> None:
    """Each of the four numbers counts."""
    assert not is_unchanged({**STATUS, item: STATUS[item] + 1}, folder_row(), 3)


@pytest.mark.parametrize(
    "values", [{"complete": False}, {"windowed": True}, {"deleted": True}, {"highest_modseq": None}]
)
def test_row_of_a_folder_not_wholly_seen_proves_nothing(values: dict[str, Any]) -> None:
    """What was left out or undelivered then must be looked for again."""
    assert not is_unchanged(STATUS, folder_row(**values), 3)


@pytest.mark.parametrize("item", ["HIGHESTMODSEQ", "UIDVALIDITY"])
@pytest.mark.parametrize("value", [0, None])
def test_server_that_does_not_count_changes_is_always_asked(item: str, value: int | None) -> None:
    """Without HIGHESTMODSEQ flags change unseen, and without UIDVALIDITY numbers prove nothing."""
    status = {name: number for name, number in STATUS.items() if name != item}
    if value is not None:
        status[item] = value
    last = folder_row(highest_modseq=status.get("HIGHESTMODSEQ"), uid_validity=status.get("UIDVALIDITY"))
    assert not is_unchanged(status, last, 3)


def test_rows_missing_from_the_archive_are_noticed() -> None:
    """An archive that lost rows is not in step, whatever the folder's own row says."""
    assert not is_unchanged(STATUS, folder_row(), 2)


def test_nothing_is_known_without_status_or_row() -> None:
    """A first run, or a server that gives no STATUS along, opens the folder."""
    assert not is_unchanged(None, folder_row(), 3)
    assert not is_unchanged(STATUS, None, 3)


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        (MirrorSelection(), ("ALL",)),
        (MirrorSelection(since=date(2024, 12, 31)), ("SINCE", "31-Dec-2024")),
        (MirrorSelection(until=date(2024, 1, 2)), ("BEFORE", "2-Jan-2024")),
        (MirrorSelection(larger_than=0), ("LARGER", "0")),
        (
            MirrorSelection(since=date(1999, 5, 1), until=date(2000, 1, 1), larger_than=5),
            ("SINCE", "1-May-1999", "BEFORE", "1-Jan-2000", "LARGER", "5"),
        ),
    ],
)
def test_selection_becomes_search_keys(selection: MirrorSelection, keys: tuple[str, ...]) -> None:
    """Days are written as RFC 3501 wants them, in no locale."""
    assert search_criteria(selection) == keys
    assert selection.is_partial == (keys != ("ALL",))


@pytest.mark.parametrize(
    "values",
    [
        {"order": "random"},
        {"max_gone": 1.5},
        {"max_gone": -0.1},
        {"since": date(2024, 1, 2), "until": date(2024, 1, 2)},
        {"larger_than": -1},
    ],
)
def test_selection_that_cannot_be_meant_is_refused(values: dict[str, Any]) -> None:
    """A mistake is told before anything is done."""
    with pytest.raises(ConfigurationError):
        MirrorSelection(**values)


@pytest.mark.parametrize(
    ("before", "after", "max_gone"),
    [
        (SMALL_LOSS, 0, 0.25),
        (1000, 750, 0.25),
        (1000, 1200, 0.0),
        (1000, 0, 1.0),
        (0, 0, 0.25),
        (60, 60 - SMALL_LOSS, 0.0),
    ],
)
def test_loss_within_limits_is_recorded(before: int, after: int, max_gone: float) -> None:
    """Few messages may always go, more of them up to the share allowed."""
    check_loss("a", before, after, max_gone)


@pytest.mark.parametrize(("before", "after", "max_gone"), [(51, 0, 0.25), (1000, 749, 0.25), (100, 49, 0.0)])
def test_mass_disappearance_stops_with_a_way_on(before: int, after: int, max_gone: float) -> None:
    """A server that lost its mail is not taken for a person who deleted it."""
    with pytest.raises(ConfigurationError, match=r"no longer on the server.*max_gone=1") as caught:
        check_loss("a", before, after, max_gone)
    assert (caught.value.facts["before"], caught.value.facts["after"]) == (before, after)


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
