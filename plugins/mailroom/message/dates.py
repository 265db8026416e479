"""Dates as mail programs really write them, as UTC.

Belongs here: RFC 5322 section 3.3 with the obsolete forms of 4.3, and what else stands
in Date headers: other orders, other languages, 12-hour clocks, named or missing zones.
Does not belong here: which header to ask. A missing zone counts as UTC; a date that
cannot be read is None, never a guess. A day may end at 24:00, which is the next one's 0:00
(ISO 8601), and a leap second counts as the one before it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["MAX_DATE_CHARACTERS", "parse_date"]

MAX_DATE_CHARACTERS = 200
"""Longer values are no dates. Characters."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan ene gen janv янв sty led oca ian ιαν січ tam",
            "feb fev fév févr febr фев lut úno şub φεβ лют hel",
            "mar mär mrz mrt mars maart marz мар bře már maa maal μαρ μάρ бер",
            "apr abr avr апр kwi dub nis ápr απρ кві huh",
            "may mai mag mei maj май мая kvě máj μαϊ μαΐ μάι μαι тра tou",
            "jun juin giu июн cze čvn haz jún iun ιουν чер kes",
            "jul juil lug июл lip čvc tem júl iul ιουλ лип hei",
            "aug ago aoû aout août авг sie srp ağu agu αυγ сер elo",
            "sep set sept сен wrz zář eyl sze szep σεπ вер syy",
            "oct okt ott out окт paź říj eki οκτ жов lok",
            "nov noi ноя lis kas νοε лис marr",
            "dec dez dic déc dés дек gru pro ara des δεκ гру jou",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_ZONES = {
    name: hours
    for hours, names in {
        0: "UT UTC GMT Z WET", 1: "WEST BST CET MET MEZ", 2: "CEST MEST MESZ EET SAST", 3: "EEST MSK",
        4: "MSD", 5: "PKT", 5.5: "IST", 7: "ICT WIB", 8: "HKT SGT AWST", 9: "KST JST", 9.5: "ACST",
        10: "AEST", 10.5: "ACDT", 11: "AEDT", 12: "NZST", 13: "NZDT",
        -2: "BRST", -2.5: "NDT", -3: "BRT ART CLST ADT",
        -3.5: "NST", -4: "CLT AST EDT", -5: "COT PET EST CDT", -6: "CST MDT", -7: "MST PDT", -8: "PST AKDT",
        -9: "AKST", -10: "HST",
    }.items()
    for name in names.split()
}  # fmt: skip
_RFC5322 = re.compile(
    r"\s*(?:[A-Za-z]{3,9},?\s+|[A-Za-z]{3},)?(\d{1,2})\s+([A-Za-z]{3})[a-z]{0,6}\s+(\d{2,4})\s+"
    r"(\d{1,2}):(\d\d)(?::(\d\d))?(?:\.\d+)?\s+([+-])(\d\d)(\d\d)\s*(?:\(|\Z)"
)
_TIME = re.compile(
    r"(?<![\d:.+-])(\d{1,2})(?:[:.時]|h(?=\d))(\d{1,2})(?:[:.分m]+(\d{1,2}))?(?:[.,]\d{1,9})?[\s秒]*(?:([ap])\.?\s?m\b\.?)?",
    re.I,
)
_HALF_BEFORE = re.compile(r"(?:(上午|午前|오전|am)|下午|午後|오후|pm)\s?\Z", re.I)
_HOUR = re.compile(r"\b(\d{1,2})\s?([ap])\.?m\b", re.I)
_ZONE = re.compile(r"(?:\b(?:GMT|UTC?)\s?)?([+-])(\d{1,2})(?::?(\d\d))?(?!\d|[-/.:])")
_LONG_ZONES = {
    "eastern": -5, "central": -6, "mountain": -7, "pacific": -8, "atlantic": -4, "alaskan": -9,
    "hawaiian": -10, "gmt": 0, "greenwich": 0, "w. europe": 1, "romance": 1, "central europe": 1,
    "central european": 1, "e. europe": 2, "gtb": 2, "fle": 2, "russian": 3, "india": 5.5, "china": 8,
    "singapore": 8, "tokyo": 9, "japan": 9, "korea": 9, "aus eastern": 10,
}  # fmt: skip
_LONG_ZONE = re.compile(
    r"\b(aus eastern|[ew]\. europe|central europe(?:an)?|[a-z]+)\s(?:(standard|summer|daylight)\s)?time\b",
    re.I,
)
_ZONE_NAME = re.compile(r"\b([A-Z]{2,4}|Z)\b")
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})\s?[-/.年년]\s?(\d{1,2})\s?[-/.月월]\s?(\d{1,2})(?!\d)")
_COMPACT = re.compile(r"(?<!\d)(\d{4})(\d\d)(\d\d)[T ]?(\d\d)(\d\d)(\d\d)(?!\d)")
_CHINESE_MONTHS = (
    "一月",
    "二月",
    "三月",
    "四月",
    "五月",
    "六月",
    "七月",
    "八月",
    "九月",
    "十月",
    "十一月",
    "十二月",
)
_DAY_CHINESE_MONTH = re.compile(
    r"(?<!\d)(\d{1,2})\s+(\d{1,2}月|[一二三四五六七八九十]{1,2}月)\s+(\d{4})(?!\d)"
)
_DAY_MONTH = re.compile(r"(?<!\d)(\d{1,2})(?:st|nd|rd|th|er|º|\.)?[-/.,\s]*(?:de\s+|d['’]\s?)?([^\W\d_]{3,10})\.?(?:[-/.,'’\s]+(?:de[l]?\s+)?|(?=\d))(\d{2,4})(?![\d:])", re.I)  # fmt: skip  # noqa: E501
_MONTH_DAY = re.compile(
    r"([^\W\d_]{3,10})\.?[-/\s]*(\d{1,2})(?:st|nd|rd|th)?(?![\d:])[-/,\s]+(?:at\s)?", re.I
)
_YEAR = re.compile(r"(?<![\d:+-])(\d{4})(?![\d:])")
_NUMERIC = re.compile(r"(?<!\d)(\d{1,2})([-/.])(\d{1,2})\2(\d{2,4})(?!\d)")
_COMMENT = re.compile(r"\([^()]*+\)")
_AROUND_COLON = re.compile(r"(?:\([^()]*+\)|\s)*+:\s*")


def parse_date(value: str, *, with_24: bool = True) -> datetime | None:
    """Return the moment a Date header names, in UTC, or None where it cannot be read; never raises.

    :param with_24: whether 24:00 can be read.
    """
    found = _RFC5322.match(value)
    if found is not None:
        day, month_name, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups("0")
        month = _MONTHS.get(month_name.lower())
        if month is not None:
            offset = int(zone_hours) * 60 + int(zone_minutes)
            full_year = int(year) if len(year) == 4 else _full_year(year)
            moment = (full_year, month, int(day), int(hour), int(minute), int(second))
            return _utc(moment, -offset if sign == "-" else offset, with_24)
    if len(value) > MAX_DATE_CHARACTERS:
        return None
    return _parse_other(value, with_24)


def _full_year(digits: str) -> int:
    """RFC 5322 section 4.3: two digits below 50 are of this century, three count from 1900."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _utc(
    moment: tuple[int, int, int, int, int, int], offset_minutes: float, with_24: bool
) -> datetime | None:
    year, month, day, hour, minute, second = moment
    if second == 60:  # a leap second
        second = 59
    if hour == 24 and with_24 and not minute and not second:
        hour, offset_minutes = 0, (offset_minutes if abs(offset_minutes) < 24 * 60 else 0) - 24 * 60
    elif abs(offset_minutes) >= 24 * 60:
        offset_minutes = 0
    try:
        found = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        return found - timedelta(minutes=offset_minutes) if offset_minutes else found
    except (ValueError, OverflowError):
        return None


def _parse_other(value: str, with_24: bool) -> datetime | None:
    value = _AROUND_COLON.sub(":", value)
    compact = _COMPACT.search(value)
    if compact is not None:
        year, month, day, hour, minute, second = map(int, compact.groups())
        return _utc((year, month, day, hour, minute, second), _zone(value[compact.end() :], ""), with_24)
    clock, before, after = _time(value)
    if clock is None or (":" not in value and _calendar(before, after) is None):
        clock, before, after = (0, 0, 0), value, ""  # a day without a time
    comments = " ".join(_COMMENT.findall(after))
    after = _COMMENT.sub(" ", after)
    calendar = _calendar(before, after)
    if calendar is None:
        return None
    return _utc((*calendar, *clock), _zone(after, comments), with_24)


def _time(value: str) -> tuple[tuple[int, int, int] | None, str, str]:
    """Return the time of day, and what stands before and after it."""
    found = _TIME.search(value, 0 if ":" in value else _date_end(value)) or _TIME.search(value)
    if found is None:
        hour_only = _HOUR.search(value)
        if hour_only is None:
            return None, "", ""
        hour = int(hour_only[1]) % 12 + (12 if hour_only[2] in "pP" else 0)
        return (hour, 0, 0), value[: hour_only.start()], value[hour_only.end() :]
    if ":" in value and ":" not in found[0]:
        colon = re.search(r"\d{1,2}:", value)
        found = (_TIME.search(value, colon.start()) if colon is not None else None) or found
    hour = int(found[1])
    half = _HALF_BEFORE.search(value[: found.start()]) if not found[4] else None
    if found[4] or half is not None:
        is_afternoon = found[4] in ("p", "P") if half is None else half[1] is None
        hour = hour % 12 + (12 if is_afternoon else 0)
    return (hour, int(found[2]), int(found[3] or 0)), value[: found.start()], value[found.end() :]


def _date_end(value: str) -> int:
    """Return where a date with dots ends, so that it is not taken for a time with dots."""
    found = _YEAR_FIRST.search(value) or _NUMERIC.search(value)
    return found.end() if found is not None else 0


def _calendar(before: str, after: str) -> tuple[int, int, int] | None:
    for text in (before, after):
        if (found := _YEAR_FIRST.search(text)) is not None:
            return int(found[1]), int(found[2]), int(found[3])
        if (named := _named_month(text, after)) is not None:
            return named
        if (found := _NUMERIC.search(text)) is not None:
            return _numeric(found)
    return None


def _named_month(text: str, after: str) -> tuple[int, int, int] | None:
    if (chinese := _DAY_CHINESE_MONTH.search(text)) is not None:
        name = chinese[2]
        if name in _CHINESE_MONTHS:
            return int(chinese[3]), _CHINESE_MONTHS.index(name) + 1, int(chinese[1])
        if name[0].isascii():
            return int(chinese[3]), int(name[:-1]), int(chinese[1])
    for found in _DAY_MONTH.finditer(text):
        if (month := _month(found[2])) is not None:
            return _full_year(found[3]), month, int(found[1])
    for found in _MONTH_DAY.finditer(text + " "):
        year = _YEAR.search(text, found.end() - 1) or _YEAR.search(after)
        if (month := _month(found[1])) is not None and year is not None:
            return int(year[1]), month, int(found[2])
    return None


def _month(name: str) -> int | None:
    name = name.lower()
    return next((_MONTHS[name[:length]] for length in (4, 3) if name[:length] in _MONTHS), None)


def _numeric(found: re.Match[str]) -> tuple[int, int, int]:
    """Read ``d.m.y``, ``d-m-y``, and ``m/d/y`` unless only ``d/m/y`` makes sense."""
    first, second, year = int(found[1]), int(found[3]), _full_year(found[4])
    if (found[2] == "/" or second > 12) and first <= 12:
        return year, first, second
    return year, second, first


def _zone(after: str, comments: str) -> float:
    """Return minutes east of UTC; numbers count more than names, names in comments least."""
    found = _ZONE.search(after)
    if found is not None:
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        if found[3] is None and len(found[2]) > 2:
            minutes = 0
        return -minutes if found[1] == "-" else minutes
    named = _LONG_ZONE.search(after) or _LONG_ZONE.search(comments)
    if named is not None and (hours := _LONG_ZONES.get(named[1].lower())) is not None:
        return (hours + ((named[2] or "").lower() in ("summer", "daylight"))) * 60
    for text in (after, comments):
        for name in _ZONE_NAME.findall(text):
            if name in _ZONES:
                return _ZONES[name] * 60
    return 0
