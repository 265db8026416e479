"""The words by which a rule chooses attachments: arguments of operators, options, words of files.

Here: their names alone, so that who only needs those loads nothing else. Not here: what they mean
(``rule_words``, ``attachments``).
"""

from __future__ import annotations

__all__ = ["CHOOSING_WORDS", "FLAGS"]

CHOOSING_WORDS = (
    "name",
    "name_regex",
    "content_type",
    "detected_type",
    "min_size",
    "max_size",
    "sender",
    "recipient",
    "subject",
    "folder",
    "since",
    "until",
    "inline",
    "disposition",
    "position",
    "unzip",
    "unwrap",
    "require_auth",
    "quarantine",
)
"""In the order in which forms and help ask them."""

FLAGS = ("inline", "unzip", "unwrap")
"""Those that are true or false, and say something also where nobody touched them."""
