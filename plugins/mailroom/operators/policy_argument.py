"""A retention policy as an operator takes it: a text, a mapping, or the path of a file.

Apart from the other arguments, because a file is read here; that happens when the task runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mailroom.operators.arguments import is_given

if TYPE_CHECKING:
    from mailroom.policy.rules import RetentionPolicy

__all__ = ["as_policy"]

FILE_NAMES = (".yaml", ".yml", ".json")
"""How the name of a file ends; a policy itself never does."""


def as_policy(name: str, value: object) -> RetentionPolicy | None:
    """Return the policy that is given, or None where nothing is.

    :raises ConfigurationError: it is none, or the file cannot be read.
    """
    from mailroom.policy.policy_file import load_policy, parse_policy
    from mailroom.services.rule_files import read_retention_file

    if not is_given(value):
        return None
    if isinstance(value, Mapping):
        return load_policy(value, source=name)
    text = str(value).strip()
    if text.lower().endswith(FILE_NAMES) and "\n" not in text:
        return read_retention_file(text)
    return parse_policy(text, source=name)
