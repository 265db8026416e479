"""Where exported mail lies: paths of accounts, folders and messages below the destination.

Here: names of folders and mail made safe to be paths, and the same in each run. Not here: names
in a Maildir (``maildir``), files. A name that had to be changed, or that only its case tells from
another one, gets a piece of the digest of its true name, so that two folders never meet.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from mailroom.policy.filenames import safe_segment

__all__ = ["DELIVERED", "eml_name", "segments_of"]

MAX_SUBJECT_CHARACTERS = 60
"""How much of a subject a file name shows."""

MAX_SUBJECT_OCTETS = 150
"""The same in octets: a file name has room for 255 in all."""

DIGEST_DIGITS = 32
"""How much of a message's digest its file name shows: half, which no two messages share by intent."""

DELIVERED = re.compile(r"(?:.* )?([0-9a-f]{32})(?:-(\d{1,9}))?\.eml", re.DOTALL)
"""A file name of ours: digest of the message, and which of the messages with that digest it is."""

_RESERVED = re.compile(r"\.(?:mbox|eml|mailroom-part)\Z", re.IGNORECASE)


def segments_of(names: Iterable[Sequence[str]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the path segments of each name, which is a list of levels; no two meet, whatever their case.

    >>> segments_of([["INBOX"], ["a/b", "c"]])[("a/b", "c")]
    ('a_b-c14cddc0', 'c')
    """
    taken: dict[tuple[str, ...], tuple[str, ...]] = {}
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for levels in sorted(tuple(levels) for levels in names):
        path: tuple[str, ...] = ()
        for depth, level in enumerate(levels, 1):
            above, path = levels[:depth], (*path, _segment(level))
            if taken.setdefault(_compared(path), above) != above:
                path = (*path[:-1], _marked(path[-1], level))
                taken[_compared(path)] = above
        found[levels] = path
    return found


def eml_name(digest: str, turn: int, date: datetime | None, subject: str) -> str:
    """Return the file name of a message: date, beginning of the subject, and a piece of its digest.

    >>> eml_name("ab" * 32, 2, datetime(2026, 3, 4), "Re: Rechnung\\n../../etc")
    '2026-03-04 Re_ Rechnung .._.._etc abababababababababababababababab-2.eml'
    """
    told = safe_segment(" ".join(subject.split())[:MAX_SUBJECT_CHARACTERS].strip())
    told = told.encode()[:MAX_SUBJECT_OCTETS].decode("utf-8", "ignore").rstrip(". ")
    words = [f"{date:%Y-%m-%d}" if date is not None and date.year >= 1000 else "", told]
    number = f"-{turn}" if turn > 1 else ""
    return " ".join([*filter(None, words), f"{digest[:DIGEST_DIGITS]}{number}.eml"])


def _segment(level: str) -> str:
    safe = safe_segment(level)
    if safe and safe == level and not _RESERVED.search(level):
        return level
    return _marked(_RESERVED.sub(lambda found: found[0].replace(".", "_"), safe), level)


def _marked(segment: str, level: str) -> str:
    digest = hashlib.sha256(level.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{segment}-{digest}" if segment else digest


def _compared(path: Sequence[str]) -> tuple[str, ...]:
    return tuple(segment.casefold() for segment in path)
