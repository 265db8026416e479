"""Messages recognised under other numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from mailroom.policy.rematch import Appearance, Appearances, match_appearances

RECEIVED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WRITTEN = RECEIVED - timedelta(minutes=3)


def message(number: int = 1, **values: Any) -> Appearance:
    """Return one message as a server and an archive both see it."""
    known: dict[str, Any] = {
        "octets": 1000 + number,
        "internal_date": RECEIVED,
        "message_id": f"<{number}@example.org>",
        "date": WRITTEN,
    }
    return Appearance(**(known | values))


def match(former: list[tuple[Appearance, str]], found: list[Appearance]) -> list[int]:
    """Return for each found message the place of the former one it is, or -1."""
    before, after = Appearances(), Appearances()
    for appearance, _ in former:
        before.add(appearance)
    for appearance in found:
        after.add(appearance)
    contents = np.array([[len(content), ord(content[0])] for _, content in former], dtype=np.uint64)
    return match_appearances(before, contents, after).tolist()


def test_same_message_is_recognised_in_any_order() -> None:
    """Size, date and Message-ID tell a message from others."""
    former = [(message(1), "a"), (message(2), "b"), (message(3), "c")]
    assert match(former, [message(3), message(4), message(1)]) == [2, -1, 0]


@pytest.mark.parametrize(
    "values",
    [
        {"octets": 7},
        {"octets": None},
        {"message_id": "<other@example.org>"},
        {"message_id": None},
        {"internal_date": None, "date": None},
        {"internal_date": RECEIVED + timedelta(days=1), "date": WRITTEN + timedelta(days=1)},
    ],
)
def test_message_that_differs_is_downloaded(values: dict[str, Any]) -> None:
    """A wrong match would lose a message, so every doubt means a download."""
    assert match([(message(), "a")], [message(1, **values)]) == [-1]


def test_date_header_serves_where_the_server_changed_the_internal_date() -> None:
    """A restore gives messages the date of the restore."""
    assert match([(message(), "a")], [message(1, internal_date=RECEIVED + timedelta(days=9))]) == [0]


def test_object_id_recognises_a_message_without_message_id() -> None:
    """EMAILID or X-GM-MSGID stands for the message, where the size agrees."""
    nameless: dict[str, Any] = {"message_id": None, "object_id": "M1"}
    assert match([(message(1, **nameless), "a")], [message(1, **nameless)]) == [0]
    assert match([(message(1, **nameless), "a")], [message(2, **nameless)]) == [-1]


def test_object_id_tells_messages_apart_that_look_the_same() -> None:
    """The surest key comes first."""
    former = [(message(1, object_id="A"), "a"), (message(1, object_id="B"), "b")]
    assert match(former, [message(1, object_id="B"), message(1, object_id="A")]) == [1, 0]


def test_messages_that_look_the_same_but_differ_are_downloaded() -> None:
    """With one Message-ID, size and date but different bytes nobody can tell which is which."""
    former = [(message(1), "a"), (message(1), "b")]
    assert match(former, [message(1), message(1)]) == [-1, -1]


def test_copies_of_one_message_are_matched_one_by_one() -> None:
    """Of three copies on the server two are the archive's two; the third is downloaded."""
    former = [(message(1), "a"), (message(1), "a")]
    assert match(former, [message(1), message(1), message(1)]) == [0, 1, -1]


def test_a_message_taken_by_a_surer_key_is_not_matched_again() -> None:
    """One former message is one message on the server."""
    former = [(message(1, object_id="A"), "a")]
    assert match(former, [message(1), message(1, object_id="A")]) == [-1, 0]


def test_nothing_matches_nothing() -> None:
    """Empty sides are fine."""
    assert match([], []) == []
    assert match([], [message()]) == [-1]
    assert match([(message(), "a")], []) == []


def test_keys_do_not_run_into_each_other() -> None:
    """Where one field ends and the next begins is part of a key."""
    former = [(message(1, octets=11, message_id="<x>1"), "a")]
    assert match(former, [message(1, octets=1, message_id="<x>11")]) == [-1]


def test_undecodable_message_id_is_matched_as_it_stands() -> None:
    """Octets that are no text are kept as surrogates, and must not stop anything."""
    odd: dict[str, Any] = {"message_id": "<\udcff@x>"}
    assert match([(message(1, **odd), "a")], [message(1, **odd)]) == [0]
