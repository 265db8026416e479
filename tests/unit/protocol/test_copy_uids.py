"""COPYUID says where messages went, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.protocol.copy_uids import parse_copy_uids

numbers = st.lists(st.integers(1, 4_294_967_295), min_size=1, max_size=50)


@given(st.integers(1, 4_294_967_295), numbers, st.data())
def test_each_number_goes_with_the_one_in_its_place(
    validity: int, before: list[int], data: st.DataObject
) -> None:
    """Whatever order the server states them in."""
    former = list(dict.fromkeys(before))
    one = st.integers(1, 99_999)
    after = data.draw(st.lists(one, min_size=len(former), max_size=len(former), unique=True))
    text = f"{validity} {','.join(map(str, former))} {','.join(map(str, after))}".encode()
    assert parse_copy_uids(text) == (validity, dict(zip(former, after, strict=True)))


def test_ranges_run_as_they_are_stated() -> None:
    """Upwards, as RFC 4315 has it, and downwards, as some write them."""
    assert parse_copy_uids(b"COPYUID 7 1:2,9 5:7") == (7, {1: 5, 2: 6, 9: 7})
    assert parse_copy_uids(b"7 3:1 10:12") == (7, {3: 10, 2: 11, 1: 12})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"7",
        b"7 1:3 5:6",
        b"7 1,1 5,6",
        b"7 1,2 7,7",
        b"7 1:2:3 7:9",
        b"7 1, 5",
        b"7 1: 5",
        b"7 0 5",
        b"7 1 0:0",
        b"0 1 5",
        b"4294967296 1 5",
        b"7 1 4294967296",
        b"7 1:9999999999 1:9999999999",
        b"x 1 5",
    ],
)
def test_what_does_not_fit_says_nothing(text: bytes) -> None:
    """And costs no memory."""
    assert parse_copy_uids(text) is None


@given(st.binary(max_size=60) | st.text("0123456789:, ", max_size=30).map(lambda text: text.encode()))
def test_garbage_never_raises(text: bytes) -> None:
    """A server may write anything."""
    parse_copy_uids(text)
