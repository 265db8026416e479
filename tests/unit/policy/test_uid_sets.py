"""Sets of UIDs as arrays do what sets do."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mailroom.policy.uid_sets import ascending, common, is_among, joined, without

NUMBERS = st.lists(st.integers(0, 30), max_size=20)


@given(one=NUMBERS, other=NUMBERS)
def test_arrays_are_sets(one: list[int], other: list[int]) -> None:
    """Union, intersection and difference are those of sets, in ascending order."""
    a, b = ascending(one), ascending(np.array(other, dtype=np.int64))
    assert a.tolist() == sorted(set(one))
    assert joined(a, b).tolist() == sorted(set(one) | set(other))
    assert common(a, b).tolist() == sorted(set(one) & set(other))
    assert without(a, b).tolist() == sorted(set(one) - set(other))
    assert is_among(np.array(one, dtype=np.int64), b).tolist() == [number in other for number in one]


def test_nothing_joined_is_nothing() -> None:
    """The union of no sets is an empty array of UIDs."""
    assert joined().dtype == np.int64
    assert len(joined()) == 0
