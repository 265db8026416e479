"""Dates as IMAP writes them (RFC 3501 section 9: ``date-time`` and ``date``). Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

__all__ = ["format_search_date", "parse_internal_date"]

_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_MONTH_NUMBERS = {name: number for number, name in enumerate(_MONTHS, 1)}
_DATE_TIME = re.compile(
    rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\Z", re.ASCII
)


def parse_internal_date(text: bytes) -> datetime | None:
    """Return an IMAP ``date-time`` in UTC, or None where it is none: servers send zeroes for unknown.

    >>> parse_internal_date(b"17-Jul-1996 02:44:25 -0700")
    datetime.datetime(1996, 7, 17, 9, 44, 25, tzinfo=datetime.timezone.utc)
    """
    match = _DATE_TIME.match(text)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    number = _MONTH_NUMBERS.get(month.lower())
    if number is None:
        return None
    try:
        # A leap second is the last second that datetime knows.
        at = datetime(int(year), number, int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC)
        if zone_hours == b"00" == zone_minutes:
            return at
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        return at + offset if sign == b"-" else at - offset
    except (ValueError, OverflowError):
        return None


def format_search_date(day: date) -> str:
    """Return a day as SEARCH takes it; ``strftime`` would use the language of this machine.

    >>> format_search_date(date(2026, 1, 5))
    '5-Jan-2026'
    """
    return f"{day.day}-{_MONTHS[day.month - 1].decode().title()}-{day.year:04d}"
