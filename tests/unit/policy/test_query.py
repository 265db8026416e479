"""The small language that means some messages of an archive."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.exceptions import ConfigurationError
from mailroom.policy.query import parse_query

MESSAGE: dict[str, Any] = {
    "subject": "Factura de Mayo",
    "from": "Ana López <ana@example.org>",
    "from_address": "ana@example.org",
    "to": ["Bob <bob@example.com>"],
    "cc": ["Carla <carla@example.com>"],
    "message_id": "<7@example.org>",
    "date": datetime(2026, 5, 31, 23, 59, tzinfo=UTC),
    "size": 2048,
}


@pytest.mark.parametrize(
    "text",
    [
        "factura",
        "FACTURA mayo",
        "lópez",
        "carla",
        "from:ana",
        "from:*@example.org",
        "to:carla to:bob@",
        'subject:"de mayo"',
        "id:<7@example.org>",
        "after:2026-05-31 before:2026-06-01",
        "larger:2k smaller:2k",
        "-subject:junio",
        "-otro from:ana",
        "subject:Factura*Mayo",
    ],
)
def test_query_means_the_message(text: str) -> None:
    """All conditions hold."""
    assert parse_query(text)(MESSAGE)


@pytest.mark.parametrize(
    "text",
    ["junio", "factura junio", "to:ana", "after:2026-06-01", "before:2026-05-31", "larger:3k", "-factura",
     "subject:fact?ra?"],
)  # fmt: skip
def test_query_does_not_mean_the_message(text: str) -> None:
    """One condition that does not hold is enough."""
    assert not parse_query(text)(MESSAGE)


def test_message_without_a_date_is_neither_before_nor_after() -> None:
    """What nobody knows is not guessed."""
    undated = {**MESSAGE, "date": None}
    assert not parse_query("after:2000-01-01")(undated)
    assert not parse_query("before:2100-01-01")(undated)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ('subject:"open', "not closed"),
        ("subject:", "empty"),
        ("colour:red", "knows no 'colour'"),
        ("after:yesterday", "not a day"),
        ("larger:big", "not a size"),
    ],
)
def test_query_that_cannot_be_meant_is_refused(text: str, words: str) -> None:
    """The sentence says how to write it."""
    with pytest.raises(ConfigurationError, match=words):
        parse_query(text)


@given(st.text(max_size=30))
def test_any_text_is_a_query_or_a_sentence(text: str) -> None:
    """Nothing a person types breaks it."""
    with contextlib.suppress(ConfigurationError):
        assert parse_query(text)(MESSAGE) in (True, False)
