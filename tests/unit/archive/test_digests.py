"""Digests as numbers: the same for a column, for one text, and for a set of them."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from mailroom.archive.digests import DigestSet, halves, halves_of


def digests(count: int) -> list[str]:
    return [hashlib.sha256(str(n).encode()).hexdigest() for n in range(count)]


def test_a_column_gives_the_same_numbers_as_each_text() -> None:
    """The vectorised and the single conversion agree."""
    words = digests(50)
    first, second = halves(pa.array(words))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [halves_of(word) for word in words]


def test_chunks_slices_and_nulls_are_understood() -> None:
    """A column may come in pieces, as a part of another, with nulls or foreign texts in it."""
    words = digests(6)
    column = pa.chunked_array(
        [pa.array(words[:2]), pa.array([None, "no digest"]), pa.array(words).slice(2, 3)]
    )
    first, second = halves(column)
    expected = [halves_of(w) for w in words[:2]] + [(0, 0), (0, 0)] + [halves_of(w) for w in words[2:5]]
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == expected


def test_an_empty_column_gives_nothing() -> None:
    """No rows, no numbers, whether or not there are chunks."""
    for column in (pa.array([], pa.string()), pa.chunked_array([], pa.string())):
        first, second = halves(column)
        assert len(first) == len(second) == 0


def test_a_set_finds_what_it_holds_and_nothing_else() -> None:
    """Places lead back to the order the digests were given in; doubles count once."""
    words = digests(100)
    held = DigestSet(*halves(pa.array(words[:60] + words[:5])))
    assert len(held) == 60
    places = held.find(*halves(pa.array(words)))
    assert (places[:60] >= 0).all()
    assert (places[60:] == -1).all()
    assert [held.order[place] % 60 for place in places[:60]] == list(range(60))
    assert held.holds(words[3])
    assert not held.holds(words[99])


def test_an_empty_set_holds_nothing() -> None:
    """Asking an empty set is no error."""
    held = DigestSet(np.empty(0, np.uint64), np.empty(0, np.uint64))
    assert len(held) == 0
    assert not held.holds(digests(1)[0])
    assert held.find(*halves(pa.array(digests(2)))).tolist() == [-1, -1]
