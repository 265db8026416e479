"""Many instants in little memory: the latest of each digest, and nothing of any other."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mailroom.archive.reading.digest_times import DigestTimes

START = datetime(2026, 11, 26, tzinfo=UTC)


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def column(times: list[int | None]) -> np.ndarray:
    stamps = [
        None if time is None else (START + timedelta(hours=time)).replace(tzinfo=None) for time in times
    ]
    return np.array(stamps, dtype="datetime64[us]")


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 99)))))
def test_the_latest_instant_of_each_digest_is_found(pieces: list[list[tuple[int, int | None]]]) -> None:
    """In however many pieces and in whatever order they come; what has no instant is not known."""
    known: dict[int, int] = {}
    for number, time in (pair for piece in pieces for pair in piece):
        if time is not None:
            known[number] = max(time, known.get(number, time))
    columns = [(pa.array([digest(n) for n, _ in p], pa.string()), column([t for _, t in p])) for p in pieces]
    found = DigestTimes(columns)
    assert len(found) == len(known)
    for number in range(10):
        time = known.get(number)
        assert found.latest(digest(number)) == (None if time is None else START + timedelta(hours=time))
    assert found.latest(None) is None


def test_what_is_no_digest_is_left_out() -> None:
    """A row without a message says nothing of any."""
    odd = pa.array([None, "", digest(1)], pa.string())
    assert len(DigestTimes([(odd, column([1, 2, 3]))])) == 1
