"""Flags that mail programs keep in headers of an mbox file's messages.

Belongs here: reading them. Writing is in ``mbox``. The headers are those of the mbox programs of old
(``Status``, ``X-Status``, ``X-Keywords``) and of Thunderbird (``X-Mozilla-Status``, ``X-Mozilla-Keys``).
"""

from __future__ import annotations

from mailroom.message.headers import first, read_header
from mailroom.message.octets import Buffer

__all__ = ["flags_of_status"]

_LETTERS = {"A": "\\Answered", "D": "\\Deleted", "F": "\\Flagged", "R": "\\Seen", "T": "\\Draft"}
_MOZILLA = {
    0x0001: "\\Seen",
    0x0002: "\\Answered",
    0x0004: "\\Flagged",
    0x0008: "\\Deleted",
    0x1000: "$Forwarded",
}

MAX_KEYWORDS = 50
"""More words in a header are no keywords but text."""


def flags_of_status(content: Buffer, start: int, end: int) -> tuple[str, ...]:
    """Return the flags that the header of a message states, sorted; never raises.

    >>> flags_of_status(b"Status: RO\\r\\nX-Status: F\\r\\nX-Keywords: work\\r\\n\\r\\n", 0, 50)
    ('\\\\Flagged', '\\\\Seen', 'work')
    """
    header, _ = read_header(content, start, end, set())
    letters = first(header, "status") + first(header, "x-status")
    flags = {_LETTERS[letter] for letter in letters if letter in _LETTERS} if len(letters) < 20 else set()
    mozilla = first(header, "x-mozilla-status")
    if len(mozilla) == 4 and all(digit in "0123456789abcdefABCDEF" for digit in mozilla):
        bits = int(mozilla, 16)
        flags |= {flag for bit, flag in _MOZILLA.items() if bits & bit}
    for name in ("x-keywords", "x-mozilla-keys"):
        words = first(header, name).split()
        if len(words) <= MAX_KEYWORDS:
            flags |= {word for word in words if word.isascii() and word.isprintable() and word[0] != "\\"}
    return tuple(sorted(flags))
