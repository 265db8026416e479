"""Dates as programs write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailroom.message.dates import MAX_DATE_CHARACTERS, parse_date

MOMENT = datetime(2026, 11, 24, 14, 6, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 24 Nov 2026 14:06:55 +0000",
        "Tue, 24 Nov 2026 15:06:55 +0100",
        "Tue, 24 Nov 2026 09:06:55 -0500 (EST)",
        "24 Nov 2026 14:06:55 GMT",
        "24 Nov 26 14:06:55 UT",
        "Tue,24 Nov 2026 15:06:55 +0100",
        "Tue, 24 Nov 126 14:06:55 +0000",
        "Tue, 24 Nov 2026 09:06:55 EST",
        "Tue, 24 Nov 2026 14:06:55",
        "Tue, 24 Nov 2026 14:06:55 Z",
        "Tue, 24 Nov 2026 14:06:55 -0000",
        "Tue, 24 Nov 2026 15:06:55 GMT+0100",
        "Tue, 24 Nov 2026 15:06:55 UTC+1",
        "Tue, 24 Nov 2026 15:06:55 +01:00",
        "Tue, 24 Nov 2026 15:06:55 +100",
        "Tue, 24 Nov 2026 15:06:55 (CET)",
        'Tue, 24 Nov 2026 14:06:55 "GMT"',
        "Tue, 24 Nov 2026 14:06:55 +0000GMT",
        "Tue, 24 Nov 2026 15:06:55 +0100 (Romance Standard Time)",
        "Tue, 24-Nov-2026 14:06:55 GMT",
        "Tue, 24 Nov 2026 14.06.55 +0000",
        "Tue, 24 Nov 2026 14 : 06 : 55 +0000",
        "Tue (a comment), 24 Nov 2026 14(x):06:55 +0000",
        "Tuesday, November 24, 2026 2:06:55 PM",
        "Tue Nov 24 14:06:55 2026",
        "Tue Nov 24 14:06:55 UTC 2026",
        "Tue Nov 24 15:06:55 +0100 2026",
        "11/24/2026 2:06:55 PM",
        "24/11/2026 14:06:55",
        "24.11.2026 14:06:55",
        "24-11-2026 14:06:55",
        "11-24-2026 14:06:55",
        "2026-11-24T14:06:55Z",
        "2026-11-24T15:06:55.123+01:00",
        "2026-11-24 15:06:55 +0100",
        "2026/11/24 14:06:55",
        "20261124T140655Z",
        "2026年11月24日 14:06:55",
        "周二, 24 11月 2026 22:06:55 +0800",
        "星期二, 24 十一月 2026 22:06:55 +0800",
        "2026年11月24日 14時06分55秒",
        "mar, 24 nov 2026 15:06:55 +0100",
        "Di, 24. November 2026 14:06:55",
        "mardi 24 novembre 2026 14:06:55",
        "24 de noviembre de 2026 14:06:55",
        "Вт, 24 ноя 2026 14:06:55 +0000",
        "wt., 24 lis 2026 14:06:55 +0000",
        "út, 24 lis 2026 15:06:55 +0100",
        "Sal, 24 Kas 2026 17:06:55 +0300",
        "Τρι, 24 Νοε 2026 16:06:55 +0200",
        "ti, 24 marras 2026 16:06:55 +0200",
        "2026년 11월 24일 오후 2:06:55",
        "2026/11/24 下午 02:06:55",
        "Tue, 24 Nov 2026 PM 2:06:55",
        "Tue, 24 Nov 2026 06:06:55 (Pacific Standard Time)",
        "Tue, 24 Nov 2026 09:06:55 Eastern Standard Time",
        "Tue, 24 Nov 2026 16:06:55 Central European Summer Time",
        "Tue, 24 Nov 2026 2:06:55 p.m.",
    ],
)
def test_one_moment_in_many_forms(value: str) -> None:
    """Orders, clocks, zones and languages that mail has are read; a missing zone counts as UTC."""
    assert parse_date(value) == MOMENT


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("Fri, 21 Nov 97 09:55:06 -0600", datetime(1997, 11, 21, 15, 55, 6, tzinfo=UTC)),
        ("Thu, 1 Jan 1970 00:00:00 +0000", datetime(1970, 1, 1, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 14:06:60 +0000", datetime(2026, 11, 24, 14, 6, 59, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 14:06 +0000", datetime(2026, 11, 24, 14, 6, tzinfo=UTC)),
        ("Tue, 24 Nov 2026 14:06:55 +9999", MOMENT),
        ("12 May 2026 12:30 AM", datetime(2026, 5, 12, 0, 30, tzinfo=UTC)),
        ("12 May 2026 12:30 PM", datetime(2026, 5, 12, 12, 30, tzinfo=UTC)),
        ("12 May 2026 9 PM", datetime(2026, 5, 12, 21, tzinfo=UTC)),
        ("24 Dez 2026 14:06", datetime(2026, 12, 24, 14, 6, tzinfo=UTC)),
        ("24 août 2026 14:06", datetime(2026, 8, 24, 14, 6, tzinfo=UTC)),
        ("1 ene 2026 14:06", datetime(2026, 1, 1, 14, 6, tzinfo=UTC)),
        ("24 Nov 2026", datetime(2026, 11, 24, tzinfo=UTC)),
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
        ("24.11.2026 14.06", datetime(2026, 11, 24, 14, 6, tzinfo=UTC)),
        ("11/10/2026 08:00", datetime(2026, 11, 10, 8, tzinfo=UTC)),
        ("Sat, 31 Dec 2026 23:30:00 -0100", datetime(2027, 1, 1, 0, 30, tzinfo=UTC)),
        ("Thu, 31 Dec 2026 24:00:00 +0000", datetime(2027, 1, 1, tzinfo=UTC)),
        ("Thu, 31 Dec 2026 24:00 -0130", datetime(2027, 1, 1, 1, 30, tzinfo=UTC)),
        ("Thu, 31 Dec 2026 24:00:00 +9900", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-02-28T24:00:00Z", datetime(2026, 3, 1, tzinfo=UTC)),
        ("20261124 240000", datetime(2026, 11, 25, tzinfo=UTC)),
        ("24/11/2026 24:00:00 GMT", datetime(2026, 11, 25, tzinfo=UTC)),
        ("Sat, 31 Dec 2016 23:59:60 +0000", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_other_moments(value: str, moment: datetime) -> None:
    """Two-digit years, leap seconds, both midnights and noon, days without a time, offsets that are none."""
    assert parse_date(value) == moment


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "yesterday",
        "Tue, 31 Feb 2026 14:06:55 +0000",
        "Tue, 24 Nov 2026 25:06:55 +0000",
        "Tue, 24 Nov 2026 24:00:01 +0000",
        "Tue, 24 Nov 2026 24:01:00 +0000",
        "Fri, 31 Dec 9999 24:00:00 +0000",
        "Tue, 24 Foo 2026 14:06:55 +0000",
        "Tue, 24 Nov 0000 14:06:55 +0000",
        "Wed, 15 Dec 2010    59:10 -0500",
        "Sat, 1 Jan 0001 00:00:00 +0100",
        "14:06:55",
        "99/99/9999 99:99",
        "x" * (MAX_DATE_CHARACTERS + 1),
        "\0\0\0",
    ],
)
def test_what_cannot_be_read_is_none(value: str) -> None:
    """A date is never guessed, and reading it never raises."""
    assert parse_date(value) is None
