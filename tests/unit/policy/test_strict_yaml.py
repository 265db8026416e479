"""One reader for all that people write as YAML: it says where it is wrong, and never breaks."""

from __future__ import annotations

import contextlib
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.exceptions import ConfigurationError
from mailroom.policy.strict_yaml import read_yaml

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(values)
def test_json_means_what_it_means_to_json(value: Any) -> None:
    """A file may be either, and nobody has to say which."""
    assert read_yaml(json.dumps(value), "f") == value


def test_dates_are_dates() -> None:
    """As people write them, with no quotes."""
    assert read_yaml("since: 2026-01-31", "f") == {"since": date(2026, 1, 31)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml is neither YAML nor JSON: 'a' is given twice in line 3, column 1"),
        ("a: {b: 1, b: 2}", "'b' is given twice in line 1, column 11"),
        ("a: [", "in line 1, column"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
        ("{[1]: 2}", "unhashable"),
        ("[" * 5000, "nested too deeply"),
        ("\0", "special characters are not allowed"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_place(text: str, said: str) -> None:
    """Who wrote it knows where to look; objects of programs are not made."""
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(text, "f.yaml")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_anything_is_read_or_refused(text: str) -> None:
    """And no other error comes out of it."""
    with contextlib.suppress(ConfigurationError):
        read_yaml(text, "f")


@pytest.mark.parametrize("text", ["2026-13-01", "2026-02-31", "2026-02-28T25:00:00"])
def test_a_day_that_is_none_is_a_text(text: str) -> None:
    """Whoever reads the word says what is wrong with it, and where."""
    assert read_yaml(f"a: {text}", "f.yaml") == {"a": text}
