"""What becomes of a change where both sides had a say."""

from __future__ import annotations

from itertools import combinations

import pytest

from mailroom.policy.two_way import decide_flags, flags_differ, split_flags

SEEN, FLAGGED, WORK = "\\Seen", "\\Flagged", "$Work"


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ([], [], ("\\Seen", "", "")),
        ([], [SEEN], ("", "", "")),
        ([SEEN], [SEEN], ("", "", "")),
        ([SEEN], [], ("", "", "\\Seen")),
        ([], ["\\seen"], ("", "", "")),
        ([], [FLAGGED, WORK], ("\\Seen", "", "")),
    ],
)
def test_a_flag_to_set(before: list[str], now: list[str], expected: tuple[str, str, str]) -> None:
    """It is set unless it is there, or the server's side has taken it away since."""
    found = decide_flags([SEEN], [], before, now)
    assert tuple(" ".join(part) for part in (found.add, found.remove, found.overruled)) == expected


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ([SEEN], [SEEN], ("", "\\Seen", "")),
        ([SEEN], [], ("", "", "")),
        ([], [SEEN], ("", "", "\\Seen")),
        ([], [], ("", "", "")),
    ],
)
def test_a_flag_to_take_away(before: list[str], now: list[str], expected: tuple[str, str, str]) -> None:
    """It is taken away unless it is gone, or the server's side has set it since."""
    found = decide_flags([], [SEEN], before, now)
    assert tuple(" ".join(part) for part in (found.add, found.remove, found.overruled)) == expected


def test_done_once_is_done() -> None:
    """Whatever the server had: after what is decided is done, nothing is left to do."""
    sets = [set(some) for size in range(4) for some in combinations((SEEN, FLAGGED, WORK), size)]
    for before in sets:
        for now in sets:
            found = decide_flags([SEEN, WORK], [FLAGGED], before, now)
            after = (now | set(found.add)) - set(found.remove)
            again = decide_flags([SEEN, WORK], [FLAGGED], before, after)
            assert again.is_done
            assert again.overruled == found.overruled


def test_only_flags_of_the_message_count_as_a_change() -> None:
    """Sessions come and go, and a deletion under way marks the message itself."""
    assert not flags_differ([SEEN], ["\\seen", "\\Recent", "\\Deleted"])
    assert flags_differ([SEEN], [])
    assert flags_differ([], [WORK])


def test_flags_that_a_folder_keeps() -> None:
    """New keywords only where the folder says so (PERMANENTFLAGS)."""
    assert split_flags([SEEN, WORK], {"\\seen"}) == ([SEEN], [WORK])
    assert split_flags([SEEN, WORK], {"\\*"}) == ([WORK], [SEEN])
    assert split_flags([SEEN, WORK], None) == ([SEEN, WORK], [])
