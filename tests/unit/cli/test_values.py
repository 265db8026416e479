"""Single words of a command line become values, or one sentence that says how to write them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.cli import values


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7d", timedelta(days=7)),
        ("30", timedelta(days=30)),
        ("0d", timedelta(0)),
        ("12h", timedelta(hours=12)),
        ("2w", timedelta(days=14)),
        ("1.5d", timedelta(hours=36)),
        ("1y", timedelta(days=365)),
        ("365 days", timedelta(days=365)),
        ("7 Years", timedelta(days=2555)),
    ],
)
def test_durations_count_days_unless_said(text: str, meant: timedelta) -> None:
    """A bare number is days, as everywhere in mail clients."""
    assert values.duration(text) == meant


@pytest.mark.parametrize(("text", "meant"), [("1", 1), (" 8 ", 8), ("32", 32)])
def test_connections_are_a_number(text: str, meant: int) -> None:
    """At least one, and no more than any server allows."""
    assert values.connections(text) == meant


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((values.duration, text) for text in ("", "d", "-1d", "7 days ago", "1e9d", "9999999d", "٧d")),
        *((values.duration, text) for text in ("999999w", "40000d")),
        *((values.duration, text) for text in ("6m", "6M", "6 months", "30s", "5min", "1mo")),
        *((values.octets, text) for text in ("", "lots", "-1", "1.5", "1T", "999999999999999g")),
        *((values.day, text) for text in ("", "yesterday", "2026-13-01", "20260101", "2026-W01-1", "1.1.26")),
        *((values.connections, text) for text in ("", "0", "-1", "many", "1.5", "33", "٧")),
        *((values.moment, text) for text in ("", "then", "2026-13-01", "2026-01-31T25:00")),
        *((values.local_place, text) for text in ("", " ", "s3://bucket/x")),
        *((values.seconds, text) for text in ("", "0", "-1", "nan", "inf", "1e30", "soon")),
        *((values.share, text) for text in ("", "7", "-0.1", "nan", "101%", "half", "%")),
        *((values.name, text) for text in ("", "  ")),
        *((values.place, text) for text in ("", " ", "s3://", "ftp://h/x", "http://h", "s3://key:pass@b/x")),
    ],
)
def test_what_cannot_be_meant_is_refused(read: Callable[[str], object], text: str) -> None:
    """What is no value is wrong usage, never a guess and never an error further on."""
    with pytest.raises(argparse.ArgumentTypeError) as refusal:
        read(text)
    assert "\n" not in str(refusal.value)


@given(st.integers(min_value=0, max_value=10**9))
def test_sizes_round_trip_in_octets(number: int) -> None:
    """A number of octets is itself, and units multiply by 1,024."""
    assert values.octets(str(number)) == number
    assert values.octets(f"{number}k") == number * 1024


def test_other_values_are_read_as_people_write_them() -> None:
    """Days in ISO form, shares as fractions or per cent, seconds with a fraction."""
    assert values.day("2026-01-31") == date(2026, 1, 31)
    assert (values.share("0.25"), values.share("25%"), values.share("1")) == (0.25, 0.25, 1.0)
    assert values.seconds("2.5") == 2.5
    assert values.name("office") == "office"


@pytest.mark.parametrize(
    "text", ["mail", "~/mail", "/srv/mail", "file:///srv/mail", "s3://bucket", "gs://b/x"]
)
def test_places_are_taken_as_they_are(text: str) -> None:
    """Folders, new or old, and buckets; nothing is looked up in the network."""
    assert values.place(text) == text


def test_a_file_is_no_place(tmp_path: Path) -> None:
    """The person hears that it is a file, before a server is asked for anything."""
    (tmp_path / "mail").write_text("")
    with pytest.raises(argparse.ArgumentTypeError, match="is a file"):
        values.place(str(tmp_path / "mail"))


def test_a_secret_in_a_url_is_not_repeated() -> None:
    """What stands before an @ may be a key."""
    with pytest.raises(argparse.ArgumentTypeError) as refusal:
        values.place("s3://key:hunter2secret@bucket/x")
    assert "hunter2secret" not in str(refusal.value)


def test_a_day_as_a_moment_means_its_end() -> None:
    """Who asks for an account as of a day wants that day in it; times are UTC unless they say otherwise."""
    assert values.moment("2026-01-31") == datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert values.moment("2026-01-31T08:00") == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert values.moment("2026-01-31T08:00+02:00") == datetime(2026, 1, 31, 6, tzinfo=UTC)
