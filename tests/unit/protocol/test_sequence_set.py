"""Sequence sets: texts such as 1:5,9 and arrays of UIDs."""

from __future__ import annotations

import numpy as np
import pytest

from mailroom.exceptions import LimitExceeded, RemoteProtocolError
from mailroom.protocol.sequence_set import (
    MAX_SET_OCTETS,
    MAX_UIDS,
    as_uids,
    decode_numbers,
    decode_sequence_set,
    encode_sequence_set,
    sequence_sets,
)


@pytest.mark.parametrize(
    ("uids", "text"),
    [
        ([], ""),
        ([7], "7"),
        ([1, 2, 3], "1:3"),
        ([1, 3, 5], "1,3,5"),
        ([9, 1, 2, 2, 3], "1:3,9"),
        ([4294967294, 4294967295], "4294967294:4294967295"),
    ],
)
def test_uids_are_written_as_few_ranges(uids: list[int], text: str) -> None:
    """Neighbours make a range, in whatever order and however often they are given."""
    assert encode_sequence_set(uids) == text
    assert encode_sequence_set(np.array(uids, dtype=np.int64)) == text


def test_any_iterable_of_numbers_will_do() -> None:
    """A set, a generator and an array of another integer type name the same messages."""
    assert encode_sequence_set({3, 1, 2}) == "1:3"
    assert encode_sequence_set(uid for uid in (3, 1)) == "1,3"
    assert encode_sequence_set(np.array([5, 6], dtype=np.uint32)) == "5:6"


def test_as_uids_keeps_an_array_that_is_sorted_already() -> None:
    """A million sorted UIDs are not sorted again, nor copied."""
    uids = np.array([1, 5, 9], dtype=np.int64)
    assert as_uids(uids) is uids


@pytest.mark.parametrize(
    ("text", "uids"),
    [
        ("", []),
        ("7", [7]),
        ("1:3", [1, 2, 3]),
        ("3:1", [1, 2, 3]),
        ("9,1:3", [1, 2, 3, 9]),
        ("1:3,2:4,3", [1, 2, 3, 4]),
        ("5:5", [5]),
        (b"2,4:5", [2, 4, 5]),
    ],
)
def test_a_set_is_read_in_any_order(text: str | bytes, uids: list[int]) -> None:
    """RFC 3501: 4:2 means 2:4, and sets may overlap."""
    assert decode_sequence_set(text).tolist() == uids


@pytest.mark.parametrize(
    "text",
    ["1:2:3", ",1", "1,", "1,,2", "1:", ":1", "a", "1:*", "*", "1 2", "-1", "12345678901", "1:2\n", "١"],
)
def test_what_is_no_set_is_the_servers_fault(text: str) -> None:
    """A set that is malformed, or that only the server could know, is an error and not a guess."""
    with pytest.raises(RemoteProtocolError):
        decode_sequence_set(text)


def test_a_set_larger_than_any_mailbox_is_refused_before_it_fills_the_memory() -> None:
    """1:4294967295 would take 34 GB."""
    with pytest.raises(LimitExceeded) as caught:
        decode_sequence_set("1:4294967295")
    assert (caught.value.limit, caught.value.found) == (MAX_UIDS, 4294967295)


def test_many_uids_are_cut_into_sets_that_fit_a_command() -> None:
    """Each set is as long as it may be and no longer, and together they name all."""
    uids = np.arange(1, 40_000, 2)
    texts = list(sequence_sets(uids))
    assert max(map(len, texts)) <= MAX_SET_OCTETS
    assert min(map(len, texts[:-1])) > MAX_SET_OCTETS - 12
    assert np.concatenate([decode_sequence_set(text) for text in texts]).tolist() == uids.tolist()


def test_a_range_is_never_cut_to_fit() -> None:
    """A limit below one range still gives that range: the server must be asked for something."""
    assert list(sequence_sets([1, 2, 3, 9], max_octets=2)) == ["1:3", "9"]


def test_a_million_neighbours_are_one_short_set() -> None:
    """The first mirror of a large folder asks with a few octets."""
    assert list(sequence_sets(np.arange(1, 1_000_001))) == ["1:1000000"]


def test_no_uids_make_no_set() -> None:
    """Nothing is asked for rather than an empty set sent, which would be an error."""
    assert list(sequence_sets([])) == []


@pytest.mark.parametrize(("text", "uids"), [(b"", []), (b"5", [5]), (b"4 3 11 4", [3, 4, 11])])
def test_search_answers_are_read_as_sorted_numbers(text: bytes, uids: list[int]) -> None:
    """RFC 3501 section 7.2.5: the order is the server's own."""
    assert decode_numbers(text).tolist() == uids


@pytest.mark.parametrize("text", [b"1  2", b" 1", b"1,2", b"x", b"1:2"])
def test_a_search_answer_of_anything_else_is_the_servers_fault(text: bytes) -> None:
    """SEARCH answers with single numbers, one space apart."""
    with pytest.raises(RemoteProtocolError):
        decode_numbers(text)
