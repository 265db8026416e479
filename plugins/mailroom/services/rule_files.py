"""Files of rules for attachments, read where they lie.

Here: opening one. Not here: what it may say (``policy.rule_words``).
"""

from __future__ import annotations

import os

from mailroom.exceptions import ConfigurationError
from mailroom.policy.rule_words import RulePolicy, read_policy

__all__ = ["read_rule_file"]

MAX_FILE_OCTETS = 1024 * 1024
"""No file of rules is larger. Octets."""


def read_rule_file(path: str) -> RulePolicy:
    """Return what a YAML or JSON file of rules says.

    :raises ConfigurationError: it cannot be read, says no rule, or says what no rule may say.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_OCTETS + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigurationError(f"The file of rules {path!r} cannot be read: {reason}.") from error
    if len(content) > MAX_FILE_OCTETS:
        raise ConfigurationError(f"{path}: no file of rules is larger than {MAX_FILE_OCTETS:,} octets.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: this is no text in UTF-8.") from error
    policy = read_policy(text, path)
    if not policy.rules:
        raise ConfigurationError(f"{path}: there is no rule; write at least one, such as - name: '*.pdf'.")
    return policy
