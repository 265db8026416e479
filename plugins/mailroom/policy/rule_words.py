"""Rules for attachments as people write them: words of a form, or a file in YAML or JSON.

Here: reading and checking them, with errors that say which rule and which word is wrong.
Not here: what a rule chooses (``attachments``), opening the file (whoever was given its name).
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from mailroom.exceptions import ConfigurationError
from mailroom.policy.attachments import DISPOSITIONS, AttachmentRule
from mailroom.policy.destinations import DestinationTemplate
from mailroom.policy.durations import parse_octets
from mailroom.policy.strict_yaml import read_yaml

__all__ = ["MAX_RULES", "RULE_WORDS", "RulePolicy", "read_policy", "read_rule"]

MAX_RULES = 500
"""More rules than anybody can oversee."""

_NOTHING = ("", "none", "null")
"""How "not given" looks once a template or a form has rendered it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePolicy:
    """What a file of rules says.

    :param destination: where what is chosen goes whose rule names no destination, or None.
    :param template: name at the destination where the rule says none, or None.
    """

    rules: tuple[AttachmentRule, ...]
    destination: str | None = None
    template: str | None = None


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("must be a text")
    return str(value).strip()


def _octets(value: object) -> int:
    found = parse_octets(value)
    if found is None:
        raise ValueError("must be a number of octets, or a text such as 10M")
    return found


def _day(value: object) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(str(value).strip()).date()
    except ValueError:
        raise ValueError("must be a date such as 2026-01-31") from None


def _flag(value: object) -> bool:
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _disposition(value: object) -> str:
    text = _text(value).lower()
    if text not in DISPOSITIONS:
        raise ValueError(f"must be one of {', '.join(DISPOSITIONS)}")
    return text


def _template(value: object) -> str:
    return DestinationTemplate(_text(value)).text


def _quarantine(value: object) -> str:
    text = _text(value).strip("/")
    DestinationTemplate(f"{text}/{{filename}}")
    return text


_READERS: dict[str, Callable[[object], object]] = {
    "rule": _text,
    "name": _text,
    "name_regex": _text,
    "content_type": _text,
    "detected_type": _text,
    "min_size": _octets,
    "max_size": _octets,
    "sender": _text,
    "recipient": _text,
    "subject": _text,
    "folder": _text,
    "since": _day,
    "until": _day,
    "inline": _flag,
    "disposition": _disposition,
    "position": _text,
    "unzip": _flag,
    "unwrap": _flag,
    "require_auth": _text,
    "quarantine": _quarantine,
    "destination": _text,
    "template": _template,
}

RULE_WORDS = tuple(_READERS)
"""What a rule may say."""


def read_rule(words: Mapping[str, Any]) -> AttachmentRule:  # Any: as people write it
    """Return a rule; words that say nothing (None, an empty text) are as if they were not there.

    :raises ConfigurationError: a word is unknown or its value is not understood.
    """
    read: dict[str, Any] = {}
    for word, value in words.items():
        if word not in _READERS:
            raise ConfigurationError(_unknown(str(word), RULE_WORDS), argument=str(word))
        if value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING):
            continue
        try:
            read[word] = _READERS[word](value)
        except ValueError as error:
            raise ConfigurationError(f"{word} {error}, not {str(value)[:60]!r}.", argument=word) from error
    return AttachmentRule(**read)


def read_policy(value: object, source: str) -> RulePolicy:
    """Return what a list of rules says, or a mapping with ``rules`` and defaults for all of them.

    :param value: the list or mapping, or a text that writes it as YAML or JSON.
    :param source: what errors call it, such as the name of the file.
    :raises ConfigurationError: it is none of these, or a rule of it is wrong; the sentence says which.
    """
    found = _parsed(value, source) if isinstance(value, str) else value
    words: Mapping[str, Any] = found if isinstance(found, Mapping) else {"rules": found}
    for word in words:
        if word not in ("rules", "destination", "template"):
            raise ConfigurationError(
                f"{source}: {_unknown(str(word), ('rules', 'destination', 'template'))}", argument="rules"
            )
    rules = words.get("rules")
    if rules is None or (isinstance(rules, str) and rules.strip().lower() in _NOTHING):
        rules = []
    if isinstance(rules, (str, bytes)) or not isinstance(rules, Sequence) or len(rules) > MAX_RULES:
        raise ConfigurationError(
            f"{source}: rules must be a list of at most {MAX_RULES} rules, each a mapping such as "
            '{"name": "*.pdf"}.',
            argument="rules",
        )
    return RulePolicy(
        rules=_numbered(rules, source),
        destination=_default(words, "destination", source),
        template=_default(words, "template", source),
    )


def _numbered(rules: Sequence[object], source: str) -> tuple[AttachmentRule, ...]:
    read: list[AttachmentRule] = []
    labels: set[str] = set()
    for number, words in enumerate(rules, 1):
        label = words.get("rule") if isinstance(words, Mapping) else None
        shown = f"rule {number}" + (f" ({str(label)[:40]!r})" if label else "")
        if not isinstance(words, Mapping):
            raise ConfigurationError(
                f'{source}: {shown} must be a mapping such as {{"name": "*.pdf"}}, not {str(words)[:60]!r}.',
                argument="rules",
            )
        try:
            rule = read_rule(words)
        except ConfigurationError as error:
            raise ConfigurationError(f"{source}: {shown}: {error}", argument="rules") from error
        if rule.rule is not None and rule.rule in labels:
            raise ConfigurationError(
                f"{source}: {shown} has the name of an earlier rule; counts are kept by name, "
                "so give each a name of its own.",
                argument="rules",
            )
        labels.add(rule.rule or "")
        read.append(rule)
    _check_numbers(read, source)
    return tuple(read)


def _check_numbers(rules: Sequence[AttachmentRule], source: str) -> None:
    """Refuse a rule that has no name where its number is the name of another."""
    numbers = {rule.rule: number for number, rule in enumerate(rules, 1) if rule.rule is not None}
    for number, rule in enumerate(rules, 1):
        if rule.rule is None and str(number) in numbers:
            raise ConfigurationError(
                f"{source}: rule {numbers[str(number)]} is called {str(number)!r}, and so is rule {number}, "
                "which has no name and counts by its number; give each a name of its own.",
                argument="rules",
            )


def _default(words: Mapping[str, Any], word: str, source: str) -> str | None:
    try:
        rule = read_rule({word: words.get(word)})
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}", argument="rules") from error
    found: str | None = getattr(rule, word)
    return found


def _unknown(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{word[:60]!r} is no word of a rule.{hint} It may say {', '.join(known)}."


def _parsed(text: str, source: str) -> object:
    """Return what a text writes in YAML, of which JSON is a part, or as Python shows a list."""
    try:
        found: object = ast.literal_eval(text.strip())  # a list that a template rendered
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    else:
        if isinstance(found, (list, tuple, dict)):
            return found
    return read_yaml(text, source)
