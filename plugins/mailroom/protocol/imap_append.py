"""APPEND as octets (RFC 3501 section 6.3.11), alone or several at once (MULTIAPPEND, RFC 3502).

``append = "APPEND" SP mailbox 1*append-message``;
``append-message = [SP flag-list] [SP date-time] SP literal``. Here: what stands before each
message, and what a completion says of UIDs (APPENDUID, RFC 4315). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from mailroom.exceptions import RemoteProtocolError
from mailroom.protocol.imap_dates import format_date_time
from mailroom.protocol.sequence_set import decode_sequence_set

__all__ = ["message_head", "parse_append_uids", "parse_flags", "parse_personal_namespace"]

_APPEND_UID = re.compile(rb"\[APPENDUID \d+ ([0-9:,]+)\]", re.IGNORECASE)
_NAMESPACE = re.compile(rb'\s*\(\("((?:[^"\\]|\\.)*)" (?:NIL|"((?:[^"\\]|\\.)*)")', re.IGNORECASE)
_ESCAPED = re.compile(rb"\\(.)")


def message_head(
    octets: int, flags: Sequence[str], internal_date: datetime | None, *, waits: bool, is_binary: bool = False
) -> bytes:
    """Return what stands before the octets of one message, its line end included.

    :param waits: whether the server must say "go on" first; else LITERAL+ or LITERAL- (RFC 7888) is needed.
    :param is_binary: whether it is a literal8, which may hold NUL (BINARY, RFC 3516).

    >>> message_head(12, ["\\\\Seen"], None, waits=False)
    b' (\\\\Seen) {12+}\\r\\n'
    """
    listed = f" ({' '.join(flags)})" if flags else ""
    date = f' "{format_date_time(internal_date)}"' if internal_date is not None else ""
    mark = "~" if is_binary else ""
    return f"{listed}{date} {mark}{{{octets}{'' if waits else '+'}}}\r\n".encode("ascii")


def parse_append_uids(text: bytes, messages: int) -> list[int] | None:
    """Return the UIDs that a completion says the messages got, in their order, or None.

    :param messages: how many there must be.

    >>> parse_append_uids(b"[APPENDUID 38505 3955:3956] done", 2)
    [3955, 3956]
    """
    match = _APPEND_UID.search(text)
    if match is None:
        return None
    try:
        found: list[int] = decode_sequence_set(match[1]).tolist()
    except RemoteProtocolError:
        return None
    return found if len(found) == messages else None


def parse_flags(text: bytes) -> frozenset[str]:
    """Return the flags of a list such as PERMANENTFLAGS gives, in small letters.

    >>> sorted(parse_flags(b"(\\\\Seen $Work \\\\*)"))
    ['$work', '\\\\*', '\\\\seen']
    """
    return frozenset(text.decode("utf-8", "replace").strip(" ()").lower().split())


def parse_personal_namespace(text: bytes) -> tuple[bytes, str | None] | None:
    """Return prefix and delimiter of one's own folders from a NAMESPACE response (RFC 2342), or None.

    >>> parse_personal_namespace(b'(("INBOX." ".")) NIL NIL')
    (b'INBOX.', '.')
    """
    match = _NAMESPACE.match(text)
    if match is None:
        return None
    delimiter = None if match[2] is None else _ESCAPED.sub(rb"\1", match[2]).decode("latin-1")
    return _ESCAPED.sub(rb"\1", match[1]), delimiter or None
