"""Recognising messages: never two for one, never one taken for another."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mailroom.policy.rematch import Appearance, Appearances, match_appearances

MOMENTS = st.sampled_from([None, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)])
APPEARANCES = st.builds(
    Appearance,
    octets=st.sampled_from([None, 1, 2]),
    internal_date=MOMENTS,
    message_id=st.sampled_from([None, "<a>", "<b>"]),
    object_id=st.sampled_from([None, None, "X", "Y"]),
    date=MOMENTS,
)
CONTENTS = st.sampled_from([b"one", b"two", b"three"])
FORMER = st.lists(st.tuples(APPEARANCES, CONTENTS), max_size=12)


def match(former: list[tuple[Appearance, bytes]], found: list[Appearance]) -> list[int]:
    """Return for each found message the place of the former one it is, or -1."""
    before, after = Appearances(), Appearances()
    for appearance, _ in former:
        before.add(appearance)
    for appearance in found:
        after.add(appearance)
    contents = np.array([[0, content[0]] for _, content in former], dtype=np.uint64)
    return match_appearances(before, contents, after).tolist()


@given(former=FORMER, found=st.lists(APPEARANCES, max_size=12))
def test_no_message_is_matched_twice(former: list[tuple[Appearance, bytes]], found: list[Appearance]) -> None:
    """One former message is at most one message on the server."""
    places = [place for place in match(former, found) if place >= 0]
    assert len(places) == len(set(places))
    assert all(place < len(former) for place in places)


@given(former=FORMER, found=st.lists(APPEARANCES, max_size=12))
def test_matched_messages_share_size_and_a_name(
    former: list[tuple[Appearance, bytes]], found: list[Appearance]
) -> None:
    """Nothing is matched on a guess: size, and Message-ID with a date or an object id, agree."""
    for one, place in zip(found, match(former, found), strict=True):
        if place < 0:
            continue
        other = former[place][0]
        assert one.octets == other.octets is not None
        by_object = one.object_id is not None and one.object_id == other.object_id
        by_mail = one.message_id is not None and one.message_id == other.message_id
        same_date = (one.date == other.date is not None) or (
            one.internal_date == other.internal_date is not None
        )
        assert by_object or (by_mail and same_date)


@given(
    messages=st.lists(st.tuples(st.integers(1, 1000), CONTENTS), max_size=20, unique_by=lambda pair: pair[0]),
    data=st.data(),
)
def test_distinct_messages_are_recognised_in_any_order(
    messages: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    """A server that only numbers anew costs no download, and each message is the one it was."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    known = {
        number: Appearance(octets=100, internal_date=moment, message_id=f"<{number}>")
        for number, _ in messages
    }
    numbers = data.draw(st.permutations(list(known)))
    former = [(known[number], content) for number, content in messages]
    places = match(former, [known[number] for number in numbers])
    assert [messages[place][0] for place in places] == numbers
