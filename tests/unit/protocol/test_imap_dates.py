"""IMAP's own way to write dates."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from mailroom.protocol.imap_dates import format_search_date, parse_internal_date


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"17-Jul-1996 02:44:25 -0700", datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)),
        (b" 5-Jan-2026 00:30:00 +0100", datetime(2026, 1, 4, 23, 30, tzinfo=UTC)),
        (b"5-jan-2026 00:30:00 +0530", datetime(2026, 1, 4, 19, 0, tzinfo=UTC)),
        (b"29-Feb-2024 12:00:00 +0000", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        (b"31-Dec-2016 23:59:60 +0000", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_an_internal_date_becomes_a_moment_in_utc(text: bytes, moment: datetime) -> None:
    """Whatever zone the server counts in; a leap second is the second before."""
    assert parse_internal_date(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"00-Jan-0000 00:00:00 +0000",
        b"30-Feb-2026 00:00:00 +0000",
        b"17-Foo-1996 02:44:25 -0700",
        b"17-Jul-1996 25:44:25 -0700",
        b"01-Jan-0001 00:00:00 +0100",
        b"31-Dec-9999 23:00:00 -0100",
        b"17-Jul-1996 02:44:25 -0700\n",
        b"1996-07-17",
    ],
)
def test_a_date_that_is_none_is_unknown(text: bytes) -> None:
    """Servers send zeroes where they do not know; that is no reason to lose the message."""
    assert parse_internal_date(text) is None


def test_search_dates_are_english_whatever_the_machine_speaks() -> None:
    """RFC 3501 section 9: date-month is Jan to Dec."""
    days = [format_search_date(date(2026, month, 1)) for month in (1, 5, 12)]
    assert days == ["1-Jan-2026", "1-May-2026", "1-Dec-2026"]
