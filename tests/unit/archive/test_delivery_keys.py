"""Pairs of a digest and a word, remembered in little memory."""

from __future__ import annotations

import hashlib
import tracemalloc

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mailroom.archive.delivering.delivery_keys import PairSet, path_digests

DIGESTS = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(6)]
PAIRS = st.tuples(st.sampled_from(DIGESTS), st.sampled_from(["1", "2", "2.1", "2.uu1"]))


def columns(pairs: list[tuple[str, str]]) -> tuple[pa.Array, pa.Array]:
    """Return pairs as two columns."""
    return pa.array([one for one, _ in pairs], pa.string()), pa.array(
        [word for _, word in pairs], pa.string()
    )


@given(st.lists(st.lists(PAIRS, max_size=5), max_size=12), st.lists(PAIRS, max_size=10))
def test_it_holds_what_was_added(added: list[list[tuple[str, str]]], asked: list[tuple[str, str]]) -> None:
    """However pairs come in, the set holds them and no others."""
    found = PairSet()
    for some in added:
        found.add(*columns(some))
    expected = {pair for some in added for pair in some}
    assert found.holds(*columns(asked)).tolist() == [pair in expected for pair in asked]
    assert all(found.holds_one(*pair) == (pair in expected) for pair in asked)


def test_two_words_of_one_digest_are_two_pairs() -> None:
    """Parts of one message do not hide each other."""
    found = PairSet()
    found.add(*columns([(DIGESTS[0], "2"), (DIGESTS[0], "3")]))
    assert [found.holds_one(DIGESTS[0], word) for word in ("1", "2", "3")] == [False, True, True]


def test_paths_differ_by_every_character() -> None:
    """Paths are kept by digest, whatever is in them; equal ones are equal."""
    names = ["a", "A", "a ", "\ud800", "ä", "a\u0308"]
    assert len(set(path_digests(names).to_pylist())) == len(names)
    assert path_digests(["a"]) == path_digests(["a"])


def test_many_small_additions_stay_small() -> None:
    """A hundred thousand pairs that come a hundred at a time take some megabytes."""
    tracemalloc.start()
    found = PairSet()
    for start in range(0, 100_000, 100):
        digests = [f"{number:064x}" for number in range(start << 200, (start + 100) << 200, 1 << 200)]
        found.add(pa.array(digests), pa.array(["2"] * 100))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 8_000_000
    assert found.holds_one(f"{99_999 << 200:064x}", "2")
