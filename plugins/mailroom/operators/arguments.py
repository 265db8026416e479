"""Operator arguments as templates and forms yield them, made into what the engine takes.

A templated argument arrives as a text (``"30"``, ``"False"``, ``"['INBOX']"``) unless the DAG
renders native objects; a form sends numbers and lists. Both mean the same here, and what
cannot be meant is refused by name. Pure: no Airflow, no clock.
"""

from __future__ import annotations

import ast
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from mailroom.exceptions import ConfigurationError
from mailroom.policy.durations import DURATION_WORDS, parse_duration, parse_octets

__all__ = [
    "as_choice",
    "as_count",
    "as_date",
    "as_duration",
    "as_flag",
    "as_fraction",
    "as_moment",
    "as_names",
    "as_octets",
    "as_pairs",
    "as_patterns",
    "as_results",
    "as_text",
    "is_given",
    "required_duration",
    "required_text",
]

_NOTHING: Final = ("", "none", "null")
"""How "not given" looks once a template has rendered it."""


def is_given(value: object) -> bool:
    """Return whether an argument says anything."""
    return value is not None and not (isinstance(value, str) and value.strip().lower() in _NOTHING)


def as_text(name: str, value: object) -> str | None:
    """Return a text, or None where nothing is given; a path or number becomes the text for it.

    :raises ConfigurationError: it is none of these.
    """
    if not is_given(value):
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float, os.PathLike)):
        raise _wrong(name, "a text", value)
    return str(value).strip()


def required_text(name: str, value: object) -> str:
    """Return a text.

    :raises ConfigurationError: nothing is given, or no text.
    """
    text = as_text(name, value)
    if text is None:
        raise ConfigurationError(f"{name} is missing; give a text.")
    return text


def as_flag(name: str, value: object, *, default: bool = False) -> bool:
    """Return a boolean; ``"false"`` is false.

    :raises ConfigurationError: it is neither true nor false.
    """
    if isinstance(value, bool):
        return value
    if not is_given(value):
        return default
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise _wrong(name, "true or false", value)


def as_duration(name: str, value: object) -> timedelta | None:
    """Return a duration: a timedelta, a number of days, or a text such as ``30``, ``30d``, ``12h``, ``1y``.

    :raises ConfigurationError: it is none of these, negative, or more than a hundred years.
    """
    if not is_given(value):
        return None
    found = parse_duration(value)
    if found is None:
        raise _wrong(name, DURATION_WORDS, value)
    return found


def required_duration(name: str, value: object) -> timedelta:
    """Return a duration.

    :raises ConfigurationError: nothing is given, or no duration.
    """
    duration = as_duration(name, value)
    if duration is None:
        raise ConfigurationError(f"{name} is missing; give a number of days, such as 30.")
    return duration


def as_octets(name: str, value: object) -> int | None:
    """Return a size in octets: a number, or a text such as ``10M``.

    :raises ConfigurationError: it is neither, or negative.
    """
    if not is_given(value):
        return None
    found = parse_octets(value)
    if found is None:
        raise _wrong(name, "a number of octets, or a text such as 10M", value)
    return found


def as_fraction(name: str, value: object, *, default: float) -> float:
    """Return a number from 0 to 1.

    :raises ConfigurationError: it is none.
    """
    if not is_given(value):
        return default
    try:
        number = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise _wrong(name, "a number from 0 to 1", value)
    return number


def as_count(name: str, value: object, *, default: int, most: int) -> int:
    """Return a whole number from 1 to ``most``.

    :raises ConfigurationError: it is none.
    """
    if not is_given(value):
        return default
    text = str(value).strip()
    is_number = not isinstance(value, bool) and text.isascii() and text.isdecimal()
    if not is_number or not 1 <= int(text) <= most:
        raise _wrong(name, f"a whole number from 1 to {most}", value)
    return int(text)


def as_date(name: str, value: object) -> date | None:
    """Return a date: a date, a datetime, or a text such as ``2026-01-31``, also with a time after it.

    :raises ConfigurationError: it is none of these.
    """
    if not is_given(value):
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(str(value).strip()).date()
    except ValueError:
        raise _wrong(name, "a date such as 2026-01-31", value) from None


def as_moment(name: str, value: object) -> datetime | None:
    """Return a moment: a datetime, a text such as ``2026-01-31T08:00``, or a day, which means its end.

    :raises ConfigurationError: it is none of these.
    """
    if not is_given(value):
        return None
    text = str(value).strip()
    try:
        if isinstance(value, datetime) or len(text) > len("2026-01-31"):
            found = value if isinstance(value, datetime) else datetime.fromisoformat(text)
            return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        return datetime.combine(date.fromisoformat(text), time.max, UTC)
    except ValueError:
        raise _wrong(name, "a time such as 2026-01-31T08:00, or a day", value) from None


def as_choice(name: str, value: object, allowed: Iterable[str]) -> str | None:
    """Return one of the allowed words, or None where nothing is given.

    :raises ConfigurationError: it is another word.
    """
    text = as_text(name, value)
    if text is None or text.lower() in (words := tuple(allowed)):
        return text.lower() if text else None
    raise _wrong(name, f"one of {', '.join(words)}", value)


def as_patterns(name: str, value: object, *, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return a list of texts: a list, a list as text (JSON or Python), or one pattern a line.

    A folder name may hold a comma, so commas do not separate.

    :raises ConfigurationError: it is none of these.
    """
    if isinstance(value, str) and value.strip().startswith(("[", "(")):
        value = _literal(value.strip())
    if not is_given(value):
        return default
    lines = value.splitlines() if isinstance(value, str) else value
    if isinstance(lines, (int, float)) and not isinstance(lines, bool):
        lines = [str(lines)]
    if not isinstance(lines, (list, tuple, set, frozenset)):
        raise _wrong(name, "a list of texts", value)
    texts = (str(line).strip() for line in lines if line is not None)
    return tuple(text for text in texts if text) or default


def as_pairs(
    name: str, value: object, *, form: str = "two folders; write OLD=NEW"
) -> tuple[tuple[str, str], ...]:
    """Return pairs of texts: a mapping, a mapping as text, or one ``OLD=NEW`` a line.

    :param form: what a line names, and how, for the error.

    :raises ConfigurationError: it is none of these, or a line names no two things.
    """
    if isinstance(value, str) and value.strip().startswith("{"):
        value = _literal(value.strip())
    if isinstance(value, Mapping):
        return tuple((str(old), str(new)) for old, new in value.items())
    pairs = []
    for line in as_patterns(name, value):
        old, _, new = line.partition("=")
        if not old.strip() or not new.strip():
            raise ConfigurationError(f"{name}: {line!r} does not name {form}.")
        pairs.append((old, new))
    return tuple(pairs)


def as_names(name: str, value: object) -> tuple[str, ...] | None:
    """Return a list of exact names, blanks at their ends included, or None where none is given.

    :raises ConfigurationError: it is no list of texts.
    """
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        return tuple(value)
    return as_patterns(name, value) or None


def as_results(name: str, value: object) -> tuple[Mapping[str, object], ...]:
    """Return what operators returned: the output of one, of mapped ones, or the text of either.

    A task that did not end well returned nothing, and is left out.

    :raises ConfigurationError: it is none of these.
    """
    found = _literal(value.strip()) if isinstance(value, str) else value
    if not is_given(found):
        return ()
    # The output of mapped tasks is a sequence that asks Airflow for one item after the other.
    each = found if isinstance(found, Sequence) and not isinstance(found, str) else (found,)
    results: list[Mapping[str, object]] = []
    for result in each:
        if isinstance(result, Mapping):
            results.append(result)
        elif result is not None:
            raise _wrong(name, "what operators returned, such as mirror.output", value)
    return tuple(results)


def _literal(text: str) -> object:
    """Return the list or mapping a text writes out, or the text itself where it is none, as ``[A-F]*``."""
    try:
        found: object = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return found if isinstance(found, (list, tuple, dict)) else text


def _wrong(name: str, allowed: str, value: object) -> ConfigurationError:
    return ConfigurationError(f"{name} must be {allowed}, not {str(value)[:60]!r}.", argument=name)
