"""What is restored, which flags go along, and what counts as altered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from mailroom.exceptions import ConfigurationError
from mailroom.model import FetchedMessage
from mailroom.policy.restore import RestoreSelection, find_alterations, sendable_flags

DATE = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"messages": ("abc",)}, "64 hex digits"),
        ({"messages": ("AB" * 32,)}, "64 hex digits"),
        ({"messages": ("ab" * 32,), "query": "x"}, "by one of these"),
        ({"run": "r", "query": "x"}, "by one of these"),
        ({"into": "  "}, "into is empty"),
        ({"as_of": datetime(2026, 1, 1)}, "time zone"),
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, Any], words: str) -> None:
    """One sentence that says how to say it."""
    with pytest.raises(ConfigurationError, match=words):
        RestoreSelection(**values)


@pytest.mark.parametrize(
    ("flags", "permanent", "kept", "dropped"),
    [
        (["\\seen", "\\Recent"], None, ("\\Seen",), ()),
        (["$Work", "\\Flagged"], {"\\flagged", "\\*"}, ("$Work", "\\Flagged"), ()),
        (["$Work", "\\Flagged"], {"\\flagged"}, ("\\Flagged",), ("$Work",)),
        (["$Work"], {"$work"}, ("$Work",), ()),
        (["\\Draft"], {"\\seen", "\\*"}, (), ("\\Draft",)),
        (["ünïcode", "a b", "x(y", "\\Strange", ""], None, (), ("", "\\Strange", "a b", "x(y", "ünïcode")),
    ],
)
def test_flags_that_can_be_sent(
    flags: list[str], permanent: set[str] | None, kept: tuple[str, ...], dropped: tuple[str, ...]
) -> None:
    """What the folder stores and the grammar allows; \\Recent is the server's own."""
    assert sendable_flags(flags, permanent) == (kept, dropped)


def found(**values: Any) -> FetchedMessage:
    return FetchedMessage(**{"uid": 1, "octets": 100, "internal_date": DATE, "flags": ("\\Seen",)} | values)


@pytest.mark.parametrize(
    ("message", "altered"),
    [
        (found(), ()),
        (found(flags=("\\SEEN", "\\Recent")), ()),
        (found(internal_date=DATE.astimezone(timezone(timedelta(hours=5)))), ()),
        (found(octets=102), ("line end",)),
        (found(octets=98), ("line end",)),
        (found(octets=99), ("size",)),
        (found(octets=None), ()),
        (found(internal_date=DATE + timedelta(seconds=1)), ("internal date",)),
        (found(internal_date=None), ("internal date",)),
        (found(flags=None), ("flags",)),
        (found(octets=1, flags=("\\Seen", "$Work")), ("size", "flags")),
    ],
)
def test_alterations_are_named(message: FetchedMessage, altered: tuple[str, ...]) -> None:
    """A line end more or less is told apart from other bytes."""
    assert find_alterations(100, DATE + timedelta(milliseconds=300), ("\\Seen",), message) == altered
