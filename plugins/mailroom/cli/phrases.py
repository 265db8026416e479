"""Counts, sizes and names in the words that people read at a terminal. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Summary", "count", "messages", "notes", "octets_in_words", "shown"]

Summary = Mapping[str, Any]  # Any: the JSON values of a report


def messages(number: int, kind: str = "") -> str:
    """Return so many messages, in words."""
    return count(number, f"{kind}message")


def count(number: int, noun: str) -> str:
    """Return a number and its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shown(name: str) -> str:
    """Return a folder's name, which comes from the server, without control characters."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name
    )


def notes(summary: Summary, **texts: str) -> list[str]:
    """Return one sentence for each count that is not zero."""
    return [f"{messages(summary[name])} {text}." for name, text in texts.items() if summary[name]]


def octets_in_words(octets: int) -> str:
    """Return a size for people.

    >>> octets_in_words(38140)
    '38.1 kB'
    """
    if octets < 1000:
        return f"{octets} octets"
    size = float(octets)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:,.1f} TB"
