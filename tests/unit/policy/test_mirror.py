"""What a mirror takes part in, by the choice of a user and by counts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.model import FolderRow, RunLoss
from mailroom.policy.mirror import (
    SMALL_LOSS,
    MirrorSelection,
    check_folders,
    check_loss,
    is_unchanged,
    losses_remembered,
    search_criteria,
)
from tests.unit.policy.rows import NOW

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
    check_loss("a", before - after, before, max_gone, NOW)


@pytest.mark.parametrize(("before", "after", "max_gone"), [(51, 0, 0.25), (1000, 749, 0.25), (100, 49, 0.0)])
def test_mass_disappearance_stops_with_a_way_on(before: int, after: int, max_gone: float) -> None:
    """A server that lost its mail is not taken for a person who deleted it."""
    with pytest.raises(ConfigurationError, match=r"no longer on the server.*max_gone=1") as caught:
        check_loss("a", before - after, before, max_gone, NOW)
    assert (caught.value.facts["lost"], caught.value.facts["held"]) == (before - after, before)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], (0, 7)),
        ([(1, 10)], (10, 7)),
        ([(8, 10)], (10, 8)),  # a week is not over where a mirror runs once a week
        ([(7 * week + 1, 10) for week in range(9)], (40, 22)),  # the last four
        ([(day, 10) for day in range(7)], (70, 7)),
        ([(60, 10), (91, 10), (93, 10)], (20, 91)),
        ([(1, 10), (3, -1), (5, 10)], (10, 3)),  # allowed: what went before does not count
        ([(1, 10), (30, -1)], (10, 7)),
    ],
)
def test_losses_are_remembered_over_days_and_over_runs(
    losses: list[tuple[int, int]], expected: tuple[int, int]
) -> None:
    """Days ago and how many went; less than none stands for a run in which all was allowed."""
    runs = [
        RunLoss(
            started=NOW - timedelta(days=days, hours=1),
            ended=NOW - timedelta(days=days),
            lost=abs(lost),
            is_allowed=lost < 0,
        )
        for days, lost in losses
    ]
    lost, since = losses_remembered(NOW, runs)
    assert (lost, (NOW - since).days) == expected


def test_every_folder_gone_is_another_account() -> None:
    """However few messages there were; a person who means it says so."""
    check_folders("a", 2, 1, 0.25)
    check_folders("a", 2, 2, 1)
    with pytest.raises(ConfigurationError, match=r"Every folder of a that was ever mirrored.*max_gone=1"):
        check_folders("a", 2, 2, 0.25)
