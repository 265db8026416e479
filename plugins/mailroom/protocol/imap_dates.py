"""Dates as IMAP writes them (RFC 3501 section 9: ``date-time`` and ``date``). Pure."""

from __future__ import annotations

import functools
import re
from datetime import UTC, date, datetime, timedelta

__all__ = ["format_date_time", "format_search_date", "parse_internal_date"]

_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_MONTH_NUMBERS = {name: number for number, name in enumerate(_MONTHS, 1)}
_DAY = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4})\Z")
_ZONE = re.compile(rb"([+-])(\d\d)(\d\d)\Z")

_MINUTES = {
    b" %02d:%02d:" % (hour, minute): 3600 * hour + 60 * minute for hour in range(24) for minute in range(60)
}
_SECONDS = {b"%02d " % second: min(second, 59) for second in range(100)}
"""A leap second, and what else is no second, is the last one that datetime knows."""

_MAX_OCTETS = 27


def parse_internal_date(text: bytes) -> datetime | None:
    """Return an IMAP ``date-time`` in UTC, or None where it is none: servers send zeroes for unknown.

    One comes with every message, so it is cut at its fixed places: days and zones, of which
    there are few, are kept, and hours and minutes looked up.

    >>> parse_internal_date(b"17-Jul-1996 02:44:25 -0700")
    datetime.datetime(1996, 7, 17, 9, 44, 25, tzinfo=datetime.timezone.utc)
    """
    if len(text) > _MAX_OCTETS:
        return None
    midnight, ahead = _midnight(text[:-15]), _seconds_ahead(text[-5:])
    minutes, seconds = _MINUTES.get(text[-15:-8]), _SECONDS.get(text[-8:-5])
    if midnight is None or ahead is None or minutes is None or seconds is None:
        return None
    try:
        return midnight + timedelta(0, minutes + seconds - ahead)
    except OverflowError:
        return None


@functools.lru_cache(maxsize=5_000)
def _midnight(day: bytes) -> datetime | None:
    """Return when a day such as ``17-Jul-1996`` begins in UTC, or None if it is none."""
    match = _DAY.match(day)
    if match is None:
        return None
    try:
        return datetime(int(match[3]), _MONTH_NUMBERS[match[2].lower()], int(match[1]), tzinfo=UTC)
    except (KeyError, ValueError):
        return None


@functools.lru_cache(maxsize=200)
def _seconds_ahead(zone: bytes) -> int | None:
    """Return how far a zone such as ``-0700`` is ahead of UTC, or None if it is none."""
    match = _ZONE.match(zone)
    if match is None:
        return None
    seconds = 3600 * int(match[2]) + 60 * int(match[3])
    return -seconds if match[1] == b"-" else seconds


def format_date_time(moment: datetime) -> str:
    """Return a moment as APPEND takes it, in UTC, its day in two places.

    >>> format_date_time(datetime(2026, 3, 4, 10, 30, tzinfo=UTC))
    ' 4-Mar-2026 10:30:00 +0000'
    """
    at = moment.astimezone(UTC)
    month = _MONTHS[at.month - 1].decode().title()
    return f"{at.day:2d}-{month}-{at.year:04d} {at:%H:%M:%S} +0000"


def format_search_date(day: date) -> str:
    """Return a day as SEARCH takes it; ``strftime`` would use the language of this machine.

    >>> format_search_date(date(2026, 1, 5))
    '5-Jan-2026'
    """
    return f"{day.day}-{_MONTHS[day.month - 1].decode().title()}-{day.year:04d}"
