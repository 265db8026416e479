"""Folders packed into lanes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailroom.policy.lanes import pack_lanes

WORK = st.dictionaries(st.text(max_size=5), st.integers(0, 10_000), max_size=40)


@given(work=WORK, lanes=st.integers(1, 8))
def test_every_folder_is_in_one_lane(work: dict[str, int], lanes: int) -> None:
    """None is left out and none is mirrored twice; no lane is empty, and there are not too many."""
    packed = pack_lanes(work, lanes)
    assert sorted(name for lane in packed for name in lane) == sorted(work)
    assert len(packed) <= lanes
    assert all(packed)


@given(work=WORK, lanes=st.integers(1, 8))
def test_no_lane_is_much_longer_than_it_must_be(work: dict[str, int], lanes: int) -> None:
    """At most the even share and the longest folder, which no packing can cut."""
    for lane in pack_lanes(work, lanes):
        total = sum(work[name] for name in lane)
        assert total <= sum(work.values()) / lanes + max(work.values())


def test_nothing_to_do_is_one_lane() -> None:
    """A connection is opened for work."""
    assert pack_lanes({"a": 0, "b": 0}, 4) == [["a", "b"]]
    assert pack_lanes({}, 4) == []
