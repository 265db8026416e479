"""Files of rules, for attachments and for retention, read where they lie.

Here: opening one. Not here: what it may say (``policy.rule_words``, ``policy.policy_file``).
"""

from __future__ import annotations

import os

from mailroom.exceptions import ConfigurationError
from mailroom.policy.policy_file import parse_policy
from mailroom.policy.rule_words import RulePolicy, read_policy
from mailroom.policy.rules import RetentionPolicy

__all__ = ["read_retention_file", "read_rule_file"]

MAX_FILE_OCTETS = 1024 * 1024
"""No file of rules is larger. Octets."""


def read_rule_file(path: str) -> RulePolicy:
    """Return what a YAML or JSON file of rules for attachments says.

    :raises ConfigurationError: it cannot be read, says no rule, or says what no rule may say.
    """
    policy = read_policy(_text_of(path, "The file of rules"), path)
    if not policy.rules:
        raise ConfigurationError(f"{path}: there is no rule; write at least one, such as - name: '*.pdf'.")
    return policy


def read_retention_file(path: str) -> RetentionPolicy:
    """Return the retention policy that a YAML or JSON file states.

    :raises ConfigurationError: it cannot be read, or states none; the sentences name each place.
    """
    return parse_policy(_text_of(path, "The policy"), source=path)


def _text_of(path: str, what: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_OCTETS + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigurationError(f"{what} {path!r} cannot be read: {reason}.") from error
    if len(content) > MAX_FILE_OCTETS:
        raise ConfigurationError(f"{path}: no file of rules is larger than {MAX_FILE_OCTETS:,} octets.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: this is no text in UTF-8.") from error
