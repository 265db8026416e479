"""Lengths of time and sizes as people write and read them: at a terminal, in forms, policies, plans, reports.

Belongs here: the one grammar of each. Does not belong here: the sentence that refuses what is none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import timedelta

__all__ = [
    "DURATION_WORDS",
    "FOREVER",
    "MAX_DURATION",
    "MAX_OCTETS",
    "age_in_words",
    "in_days",
    "parse_duration",
    "parse_octets",
]

SECONDS_A_DAY = 86_400.0

FOREVER = timedelta.max
"""What is kept for so long is never deleted."""

MAX_DURATION = timedelta(days=36_500)
"""A hundred years; mail is younger, and dates before the year 1 cannot be had."""

MAX_OCTETS = 2**62
"""No message is larger, and servers count in 63 bits (RFC 9051)."""

DURATION_WORDS = (
    f"a number of days up to {MAX_DURATION.days}, or a text such as 12h, 30d, 2w, 1y or 7 years (hours, "
    "days, weeks, or years of 365 days; there are no minutes, seconds or months)"
)
"""How a length of time is written, for whoever wrote something else."""

# No m: it would be minutes for one reader and months for the other, and mail is deleted by it.
_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "y": 365.0}
_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,20})?)\s*(h|hours?|d|days?|w|weeks?|y|years?|)", re.I)
_OCTETS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,15})(\.[0-9]{1,3}(?=\s*[kmg]))?\s*([kmg]?)i?b?", re.IGNORECASE)


def in_days(length: timedelta) -> str:
    """Return a length of time in days.

    >>> in_days(timedelta(days=30)), in_days(timedelta(days=1)), in_days(timedelta(hours=12))
    ('30 days', '1 day', '0.5 days')
    """
    if length == FOREVER:
        return "ever"
    days = length.total_seconds() / SECONDS_A_DAY
    return "1 day" if days == 1 else f"{days:g} days" if days < 1000 else f"{days:.0f} days"


def age_in_words(lengths: Iterable[timedelta]) -> str:
    """Return what ages somebody asked for, as a report states them.

    >>> age_in_words([timedelta(days=30), timedelta(days=7)]), age_in_words([timedelta(0)])
    ('more than 7 days or 30 days', 'any time')
    """
    told = [in_days(length) for length in sorted(set(lengths)) if length]
    return f"more than {' or '.join(told)}" if told else "any time"


def parse_duration(value: object) -> timedelta | None:
    """Return a length of time: a number of days, or a text such as ``30d``, ``2 weeks``, ``7 years``.

    None where it is none, or longer than a hundred years.

    >>> parse_duration("2 weeks"), parse_duration(7), parse_duration("soon")
    (datetime.timedelta(days=14), datetime.timedelta(days=7), None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, timedelta):
        found = value
    elif isinstance(value, (int, float)):
        if not math.isfinite(value) or abs(value) > MAX_DURATION.days:
            return None
        found = timedelta(days=value)
    else:
        match = _DURATION.fullmatch(str(value).strip())
        if match is None:
            return None
        found = timedelta(days=float(match[1]) * _DAYS[(match[2] or "d")[0].lower()])
    return found if timedelta(0) <= found <= MAX_DURATION else None


def parse_octets(value: object) -> int | None:
    """Return a size in octets: a number, or a text such as ``10M`` or ``1.5M``; None where it is none.

    >>> parse_octets("10 MB"), parse_octets("1.5k"), parse_octets(512), parse_octets("big")
    (10485760, 1536, 512, None)
    """
    match = None if isinstance(value, bool) else _SIZE.fullmatch(str(value).strip())
    if match is None:
        return None
    unit = _OCTETS[match[3].lower()]
    found = int(match[1]) * unit + int(float(match[2] or 0) * unit)
    return found if found <= MAX_OCTETS else None
