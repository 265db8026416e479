"""Properties of sequence sets: every set of UIDs survives being written."""

from __future__ import annotations

import contextlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mailroom.exceptions import LimitExceeded, RemoteProtocolError
from mailroom.protocol.sequence_set import (
    decode_numbers,
    decode_sequence_set,
    encode_sequence_set,
    sequence_sets,
)

numbers = st.integers(min_value=1, max_value=60) | st.integers(min_value=1, max_value=2**32 - 1)
uids = st.lists(numbers, max_size=60)


@given(uids)
def test_what_is_written_is_read_back(uids: list[int]) -> None:
    """In any order, with repeats."""
    assert decode_sequence_set(encode_sequence_set(uids)).tolist() == sorted(set(uids))


@given(uids, st.integers(min_value=25, max_value=80))
def test_cut_sets_name_every_uid_once(uids: list[int], limit: int) -> None:
    """In ascending order, none longer than the limit."""
    texts = list(sequence_sets(uids, max_octets=limit))
    assert all(0 < len(text) <= limit for text in texts)
    read = [decode_sequence_set(text) for text in texts]
    assert (np.concatenate(read).tolist() if read else []) == sorted(set(uids))


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), max_size=8))
def test_ranges_mean_what_the_rfc_says(ranges: list[tuple[int, int]]) -> None:
    """Either end first, overlapping or not."""
    text = ",".join(f"{first}:{last}" for first, last in ranges)
    meant = {n for first, last in ranges for n in range(min(first, last), max(first, last) + 1)}
    assert decode_sequence_set(text).tolist() == sorted(meant)


@given(uids)
def test_search_answers_are_read_whatever_their_order(uids: list[int]) -> None:
    """RFC 3501 section 7.2.5."""
    assert decode_numbers(" ".join(map(str, uids)).encode()).tolist() == sorted(set(uids))


# A range of seven digits is millions of numbers: a busy machine needs a while for them.
@settings(deadline=None)
@given(st.text("0123456789,:* ", max_size=12) | st.text(max_size=6))
def test_any_text_is_a_set_or_the_servers_fault(text: str) -> None:
    """Nothing else can happen."""
    with contextlib.suppress(RemoteProtocolError, LimitExceeded):
        decoded = decode_sequence_set(text)
        assert np.all(np.diff(decoded) > 0)
    with contextlib.suppress(RemoteProtocolError):
        decode_numbers(text.encode())
