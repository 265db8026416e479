"""A few words that mean some of the messages of an archive.

Here: the small language of ``--query``; a message's fields in, yes or no out. All conditions must
hold. A bare word must stand in the subject, the author or a recipient; capital letters do not count.

======================  ====================================================
``from:ana``            in the author's name or address; ``from:*@example.org`` as a pattern
``to:bob``              in a recipient, copies included
``subject:"two words"`` in the subject
``id:<1@example.org>``  the Message-ID
``after:2024-01-31``    sent on this day or later (UTC)
``before:2024-12-31``   sent before this day
``larger:10M``          at least so many octets; ``smaller:`` likewise
``-subject:advert``     a minus turns a condition round
======================  ====================================================
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import translate
from typing import Any

from mailroom.exceptions import ConfigurationError
from mailroom.policy.durations import parse_octets

__all__ = ["QUERY_COLUMNS", "Condition", "Query", "parse_conditions", "parse_query"]

Fields = Mapping[str, Any]  # Any: a row of the table ``messages``

Query = Callable[[Fields], bool]

QUERY_COLUMNS = ("sha256", "size", "message_id", "date", "from", "from_address", "to", "cc", "subject")
"""The columns of ``messages`` that a query may ask for."""

_TEXTS = {
    "from": ("from", "from_address"),
    "to": ("to", "cc"),
    "subject": ("subject",),
    "id": ("message_id",),
    "": ("subject", "from", "from_address", "to", "cc"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of a query.

    :param key: ``from``, ``to``, ``subject``, ``id``, ``after``, ``before``, ``larger``, ``smaller``, and
        of a search ``text`` and ``file``; empty for a bare word.
    :param value: the word or pattern, the moment, or the number of octets.
    :param is_turned: whether it must not hold.
    """

    key: str
    value: str | datetime | int
    is_turned: bool = False


def parse_query(text: str) -> Query:
    """Return what a query means.

    :raises ConfigurationError: where it cannot be meant.

    >>> parse_query('subject:invoice larger:1k')({"subject": "Invoice 7", "size": 2000})
    True
    """
    conditions = [_query(condition) for condition in parse_conditions(text)]
    return lambda fields: all(condition(fields) for condition in conditions)


def parse_conditions(text: str, *, more: tuple[str, ...] = ()) -> tuple[Condition, ...]:
    """Return the conditions of a query, all of which must hold.

    :param more: keys that this query knows besides, with words as values.
    :raises ConfigurationError: where it cannot be meant.

    >>> parse_conditions("-from:ana")[0]
    Condition(key='from', value='ana', is_turned=True)
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigurationError(f"The query {text!r} has a quote that is not closed.") from error
    if not words:
        raise ConfigurationError(
            "The query is empty: write at least one word, such as invoice or from:ana@example.org."
        )
    return tuple(_condition(word, more) for word in words)


def _condition(word: str, more: tuple[str, ...]) -> Condition:
    is_turned = word.startswith("-") and len(word) > 1
    key, colon, value = word[is_turned:].partition(":")
    key = key.lower()
    if colon and key in ("after", "before"):
        return Condition(key=key, value=_day(key, value), is_turned=is_turned)
    if colon and key in ("larger", "smaller"):
        return Condition(key=key, value=_octets(key, value), is_turned=is_turned)
    if colon and key and (key in _TEXTS or key in more):
        return Condition(key=key, value=_word(value), is_turned=is_turned)
    if colon and re.fullmatch("[a-z]+", key) and not value.startswith("//"):
        known = ", ".join(("from, to, subject, id, after, before, larger, smaller", *more))
        raise ConfigurationError(f"A query knows no {key!r}; it knows {known}, and bare words.")
    return Condition(key="", value=_word(word[is_turned:]), is_turned=is_turned)


def _query(condition: Condition) -> Query:
    match condition.value:
        case datetime() as start:
            holds = _dated(condition.key, start)
        case int() as octets:
            holds = _sized(condition.key, octets)
        case word:
            holds = _holding(_TEXTS[condition.key], word)
    return (lambda fields: not holds(fields)) if condition.is_turned else holds


def _word(value: str) -> str:
    if not value:
        raise ConfigurationError("A condition of the query is empty: write subject:word, for example.")
    return value


def _holding(columns: tuple[str, ...], value: str) -> Query:
    is_pattern = "*" in value or "?" in value
    matches = re.compile(translate(value.casefold())).match if is_pattern else None
    wanted = value.casefold()

    def holds(fields: Fields) -> bool:
        for column in columns:
            found = fields.get(column) or ()
            for text in (found,) if isinstance(found, str) else found:
                folded = text.casefold()
                if matches(folded) if matches is not None else wanted in folded:
                    return True
        return False

    return holds


def _dated(key: str, start: datetime) -> Query:
    def holds(fields: Fields) -> bool:
        sent = fields.get("date")
        return sent is not None and (sent >= start if key == "after" else sent < start)

    return holds


def _sized(key: str, octets: int) -> Query:
    def holds(fields: Fields) -> bool:
        size = int(fields.get("size") or 0)
        return size >= octets if key == "larger" else size <= octets

    return holds


def _day(key: str, value: str) -> datetime:
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise ConfigurationError(f"{value!r} is not a day: write {key}:2026-01-31.") from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _octets(key: str, value: str) -> int:
    found = parse_octets(value)
    if found is None:
        raise ConfigurationError(f"{value!r} is not a size: write {key}:10M.")
    return found
