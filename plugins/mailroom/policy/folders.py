"""Which folders a list of patterns means.

Here: the pattern language that every ``folders`` and ``exclude`` argument shares. Not
here: listing folders (``client``), what to do with them (the other policies).

The language is small on purpose. ``*`` stands for any run of characters, hierarchy
delimiters included; ``?`` for exactly one character; everything else for itself, so
that ``[Gmail]/All Mail`` is a name and not a character class. ``\\Trash`` and the other
special-use attributes (RFC 6154) stand for whichever folder the server marks so. Case
counts, as it does to servers, except for INBOX (RFC 3501 section 5.1); composed and
decomposed accents are the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from mailroom.exceptions import ConfigurationError

__all__ = ["match_folders", "matches_pattern", "no_such_folder", "unmatched_patterns"]

MAX_NAMES_SHOWN = 30
"""How many folder names an error lists before it says how many more there are."""


def match_folders(
    patterns: Sequence[str],
    exclude: Sequence[str],
    names: Iterable[str],
    *,
    special_use: Mapping[str, str | None] | None = None,
    strict_exclude: bool = False,
    must_choose: bool = False,
) -> list[str]:
    """Return the folder names that some pattern means and no exclusion does, in the order given.

    :param names: the folders that exist.
    :param special_use: the special-use attribute of each name, for patterns such as ``\\Trash``.
    :param strict_exclude: whether an exclusion that means no folder is an error as well: right
        where a typing error would delete mail, wrong where it would only copy more.
    :param must_choose: whether it is an error where exclusions leave none of the folders.
    :raises ConfigurationError: where a pattern means no folder; the sentence names those there are.
    """
    found = list(names)
    if isinstance(patterns, str) or isinstance(exclude, str):
        raise ConfigurationError(
            "folders and exclude take a list of patterns, not one string: use ['INBOX']."
        )
    if not patterns:
        raise ConfigurationError(
            "No folder is chosen: name at least one pattern, such as ['*'] for all folders."
        )
    asked = [*patterns, *exclude] if strict_exclude else list(patterns)
    missing = [p for p in unmatched_patterns(asked, found, special_use=special_use) if p != "*"]
    if missing:
        raise ConfigurationError(no_such_folder(missing, found), patterns=missing, names=found)
    uses = special_use or {}
    chosen = [
        name
        for name in found
        if any(matches_pattern(p, name, uses.get(name)) for p in patterns)
        and not any(matches_pattern(p, name, uses.get(name)) for p in exclude)
    ]
    if must_choose and found and not chosen:
        raise ConfigurationError(
            f"No folder is left: exclude ({', '.join(map(repr, exclude))}) leaves out all that folders means."
        )
    return chosen


def matches_pattern(pattern: str, name: str, special_use: str | None = None) -> bool:
    """Return whether one pattern means the folder ``name``.

    >>> matches_pattern("Facturas/*", "Facturas/2026/enero")
    True
    >>> matches_pattern("inbox", "INBOX"), matches_pattern("trash", "Trash")
    (True, False)
    """
    if pattern.startswith("\\"):
        return special_use is not None and special_use.casefold() == pattern.casefold()
    return re.fullmatch(_as_regex(_comparable(pattern)), _comparable(name), re.DOTALL) is not None


def unmatched_patterns(
    patterns: Iterable[str], names: Sequence[str], *, special_use: Mapping[str, str | None] | None = None
) -> list[str]:
    """Return the patterns that mean none of ``names``."""
    uses = special_use or {}
    return [p for p in patterns if not any(matches_pattern(p, name, uses.get(name)) for name in names)]


def _comparable(name: str) -> str:
    """Return ``name`` with composed accents and its first level as ``INBOX`` where it is that in any case."""
    composed = unicodedata.normalize("NFC", name)
    head = composed[:5]
    is_inbox = head.upper() == "INBOX" and not composed[5:6].isalnum()
    return "INBOX" + composed[5:] if is_inbox else composed


def _as_regex(pattern: str) -> str:
    """Return the regular expression of one pattern; runs of ``*`` count as one."""
    parts = re.split(r"(\*+|\?)", pattern)
    return "".join(
        ".*" if part.startswith("*") else "." if part == "?" else re.escape(part) for part in parts
    )


def no_such_folder(missing: Sequence[str], names: Sequence[str]) -> str:
    """Return the sentence for patterns that mean no folder, with a near miss in case pointed out."""
    asked = ", ".join(repr(p) for p in missing)
    shown = ", ".join(repr(n) for n in names[:MAX_NAMES_SHOWN]) or "none"
    more = f" and {len(names) - MAX_NAMES_SHOWN} more" if len(names) > MAX_NAMES_SHOWN else ""
    by_case = [n for n in names for p in missing if n.casefold() == p.casefold()]
    hint = f" Upper and lower case count: did you mean {by_case[0]!r}?" if by_case else ""
    return f"No folder matches {asked}.{hint} The account has these folders: {shown}{more}."
