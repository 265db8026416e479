"""Read a retention policy from YAML or JSON, and say in one sentence each what is wrong with it.

Here: the language of policy files. Not here: what the rules mean (``rules``, ``verdicts``), where the
text comes from, and reading YAML (``strict_yaml``).

>>> policy = parse_policy("rules: [{name: trash, folders: ['\\\\\\\\Trash'], delete_after: 7 days}]")
>>> policy.rules[0].delete_after
datetime.timedelta(days=7)
"""

from __future__ import annotations

import difflib
import enum
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any

from mailroom.exceptions import ConfigurationError
from mailroom.policy.approvals import ApprovalRule
from mailroom.policy.durations import DURATION_WORDS, FOREVER, parse_duration, parse_octets
from mailroom.policy.proof import ProofMode
from mailroom.policy.retention import Basis
from mailroom.policy.rules import ForeignMarks, RetentionPolicy, Rule
from mailroom.policy.strict_yaml import read_yaml

__all__ = ["load_policy", "parse_policy", "policy_as_json"]

MAX_POLICY_OCTETS = 256 * 1024
"""No policy is longer; whatever is, is another file. Octets."""

_ELSEWHERE = {
    "older_than": "delete_after",
    "older-than": "delete_after",
    "sender": "from",
    "senders": "from",
    "include_flagged": "keep_flagged",
    "copies": "require_copies",
}
"""Words of the command line, the operators and other files, and what says the same in a policy."""

Read = Callable[[Any], Any]  # Any: what a file may hold at one place; a reader tells it is right or raises


class _Wrong(ValueError):
    """What a value should be, as the end of a sentence."""


def parse_policy(text: str, *, source: str = "The policy") -> RetentionPolicy:
    """Return the policy that a YAML or JSON text states.

    :param source: what errors call it, such as the file's name.
    :raises ConfigurationError: where it states none; the sentences name each place.
    """
    if len(text) > MAX_POLICY_OCTETS:
        raise ConfigurationError(f"{source} is longer than {MAX_POLICY_OCTETS:,} characters; is it a policy?")
    return load_policy(read_yaml(text, source), source=source)


def load_policy(data: object, *, source: str = "The policy") -> RetentionPolicy:
    """Return the policy that a mapping states, as a YAML or JSON file holds it.

    :raises ConfigurationError: where it states none; the sentences name each place.
    """
    problems: list[str] = []
    values = _read_mapping(data, _POLICY, "", problems)
    listed = data.get("rules") if isinstance(data, Mapping) else None
    if not isinstance(listed, list) or not listed:
        problems.append("rules must be a list of at least one rule")
        listed = []
    rules = [_rule(entry, f"rules[{number}]", problems) for number, entry in enumerate(listed)]
    if not problems:
        try:
            return RetentionPolicy(**values, rules=tuple(rule for rule in rules if rule is not None))
        except ConfigurationError as error:
            problems.append(str(error).rstrip("."))
    raise ConfigurationError(" ".join(f"{source}: {problem}." for problem in problems))


def policy_as_json(policy: RetentionPolicy) -> str:
    """Return a policy as JSON that ``parse_policy`` reads as the same policy; keys are sorted."""
    rules = [_stated(rule) for rule in policy.rules]
    return json.dumps({**_stated(policy), "rules": rules}, sort_keys=True)


def _stated(value: Rule | RetentionPolicy | ApprovalRule) -> dict[str, Any]:
    """Return the fields of a value that differ from their defaults, under the names of files."""
    found = {}
    for field in fields(value):
        held = getattr(value, field.name)
        if field.name != "rules" and held != field.default:
            found[_NAMES.get(field.name, field.name)] = _plain(held)
    return found


def _plain(held: Any) -> Any:
    if held == FOREVER:
        return "forever"
    if isinstance(held, timedelta):
        days = held / timedelta(days=1)
        return int(days) if days == int(days) else days
    if isinstance(held, ApprovalRule):
        return _stated(held)
    return held.value if isinstance(held, enum.Enum) else list(held) if isinstance(held, tuple) else held


def _rule(entry: object, place: str, problems: list[str]) -> Rule | None:
    if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
        place = f"{place} ({entry['name']})"
    before = len(problems)
    values = _read_mapping(entry, _RULE, place, problems)
    if len(problems) > before:
        return None
    try:
        return Rule(**values)
    except ConfigurationError as error:
        problems.append(f"{place}: {str(error).rstrip('.')}")
        return None


def _read_mapping(
    data: object, readers: Mapping[str, tuple[str, Read]], place: str, problems: list[str]
) -> dict[str, Any]:
    """Return the values of a mapping under our names; what is wrong goes to ``problems``."""
    if not isinstance(data, Mapping):
        problems.append(f"{place or 'it'} must be a mapping, such as a line 'name: value', not {data!r:.60}")
        return {}
    found: dict[str, Any] = {}
    for key, value in data.items():
        if key == "rules" and not place:
            continue
        where = f"{place}.{key}" if place else str(key)
        if key not in readers:
            problems.append(f"{where} is not known; {_hint(str(key), readers)}")
            continue
        name, read = readers[key]
        try:
            found[name] = read(value)
        except _Wrong as wrong:
            problems.append(f"{where} must be {wrong}, not {value!r:.60}")
    return found


def _hint(key: str, known: Iterable[str]) -> str:
    """Return what may be meant by a word that is not known."""
    words = tuple(known)
    near = [_ELSEWHERE.get(key.lower(), ""), *difflib.get_close_matches(key, words, 1)]
    meant = next((word for word in near if word in words), None)
    return f"there are {', '.join(words)}" if meant is None else f"{meant} may be meant"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _text(value: Any) -> str:
    if not _is_text(value):
        raise _Wrong("a text")
    return str(value).strip()


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("true or false")
    return value


def _duration(value: Any) -> timedelta:
    found = parse_duration(value)
    if found is None:
        raise _Wrong(DURATION_WORDS)
    return found


def _keeping(value: Any) -> timedelta:
    return FOREVER if value == "forever" else _duration(value)


def _octets(value: Any) -> int:
    found = parse_octets(value)
    if found is None:
        raise _Wrong("a number of octets, or a text such as 10M")
    return found


def _texts(value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(_is_text(each) for each in listed):
        raise _Wrong("a text or a list of texts")
    return tuple(text.strip() for text in listed)


def _folded(value: Any) -> tuple[str, ...]:
    return tuple(text.casefold() for text in _texts(value))


def _one_of(words: type[enum.Enum]) -> Read:
    def read(value: Any) -> enum.Enum:
        told = [each.value for each in words]
        if value not in told:
            raise _Wrong(f"one of {', '.join(told)}")
        return words(value)

    return read


def _whole_number(least: int, meaning: str = "") -> Read:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise _Wrong(f"a whole number of {least} or more{meaning}")
        return value

    return read


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise _Wrong("a number above 0 and at most 1")
    return float(value)


_APPROVAL: Mapping[str, tuple[str, Read]] = {
    "first_run": ("first_run", _flag),
    "over_messages": ("over_messages", _whole_number(0)),
    "over_fraction": ("over_fraction", _share),
}
"""What a policy may state of asking somebody first."""


def _approval(value: Any) -> ApprovalRule:
    problems: list[str] = []
    values = _read_mapping(value, _APPROVAL, "approval", problems)
    if problems:
        raise _Wrong(f"a mapping of {', '.join(_APPROVAL)} ({'; '.join(problems)})")
    return ApprovalRule(**values)


_RULE: Mapping[str, tuple[str, Read]] = {
    "name": ("name", _text),
    "delete_after": ("delete_after", _duration),
    "keep_for": ("keep_for", _keeping),
    "basis": ("basis", _one_of(Basis)),
    "folders": ("folders", _texts),
    "exclude": ("exclude", _texts),
    "from": ("senders", _folded),
    "larger_than": ("larger_than", _octets),
    "seen": ("seen", _flag),
    "flagged": ("flagged", _flag),
    "keywords": ("keywords", _folded),
}
"""What a rule of a file may state: our name of it, and its reader."""

_POLICY: Mapping[str, tuple[str, Read]] = {
    "exclude": ("exclude", _texts),
    "keep_flagged": ("keep_flagged", _flag),
    "keep_newest": ("keep_newest", _whole_number(0)),
    "max_fraction": ("max_fraction", _share),
    "allow_incomplete": ("allow_incomplete", _flag),
    "approval": ("approval", _approval),
    "to_trash": ("to_trash", _flag),
    "mark_seen": ("mark_seen", _flag),
    "foreign_marks": ("foreign_marks", _one_of(ForeignMarks)),
    "proof": ("proof", _one_of(ProofMode)),
    "refetch": ("refetch", _flag),
    "require_copies": ("require_copies", _whole_number(1, ", of archives, the first among them")),
}
"""What a policy may state beside its rules."""

_NAMES = {ours: theirs for theirs, (ours, _) in {**_POLICY, **_RULE}.items()}
