"""A FETCH response with a body that lies whole in the buffer, read at once (RFC 3501 section 7.4.2).

Belongs here: the one shape in which nearly all servers send a message (Dovecot, Cyrus, Courier,
Gmail and Exchange differ only in the order of the items), recognised by one regular expression
before the body and one after it. Does not belong here: whatever else there is. What is not
exactly of this shape is left to :mod:`mailroom.protocol.fetch_stream`, which reads the same
octets with care and says the same of them; a property test compares the two. Pure.

``message-data = nz-number SP "FETCH" SP "(" *(item SP) "BODY[]" SP literal *(SP item) ")"``
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mailroom.model import Body, FetchedMessage
from mailroom.protocol.imap_dates import parse_internal_date
from mailroom.protocol.imap_items import parse_flags

__all__ = ["WAITED_OCTETS", "is_worth_waiting", "match_at_once", "read_at_once"]

WAITED_OCTETS = 64 * 1024
"""A body up to this size that is not whole yet is waited for: TLS cuts what comes at 16 KiB, and to
join it is less work than to read it with care. Each octet is joined a few times at most."""

_REST_OCTETS = 4096
"""What may follow a body up to the end of its response, to be worth waiting for."""

_ITEM = (
    rb'(?:UID (\d{1,10})|FLAGS \(([^()"{\r\n]{0,4000})\)|INTERNALDATE "([^"\\\r\n]{0,60})"|'
    rb"RFC822\.SIZE (\d{1,19})|MODSEQ \((\d{1,19})\)|"
    rb"X-GM-MSGID (\d{1,20})|EMAILID \((?![Nn][Ii][Ll]\))([A-Za-z0-9_-]{1,255})\))"
)
_BEFORE = re.compile(rb"\* \d{1,10} FETCH \((?:" + _ITEM + rb" )*+BODY\[\] \{(\d{1,6})\}\r\n")
"""Up to the body; six digits are less than `SPOOL_OCTETS`, so the body is one to be held."""

_AFTER = re.compile(rb"(?: " + _ITEM + rb")*+\)\r\n")

_GMAIL_ID, _EMAIL_ID, _ANNOUNCED = 5, 6, 8
"""Numbers of groups: the two kinds of id among what was said, and the length of the body in ``_BEFORE``."""

_END = b")\r\n"


def _compiled_reader() -> Callable[[bytes, int], tuple[FetchedMessage, int] | None] | None:
    """Return the compiled reader of the same shape, unless it is not there or switched off."""
    try:
        from mailroom.protocol.compiled.whole_message import read_whole
    except Exception:  # noqa: BLE001 (not there, switched off, or of modules that do not fit each other)
        return None
    return read_whole


def match_at_once(data: bytes, at: int) -> tuple[FetchedMessage, int] | None:
    """Return the message that begins at ``at`` and where it ends, or None if it is not whole or not usual."""
    before = _BEFORE.match(data, at)
    if before is None:
        return None
    start = before.end()
    octets = int(before[_ANNOUNCED])
    end = start + octets
    said = before.groups()
    if data.startswith(_END, end):
        after = end + len(_END)
    else:
        rest = _AFTER.match(data, end)
        if rest is None:
            return None
        after = rest.end()
        # What is said twice counts as it was said last.
        said = tuple(
            old if new is None else new for old, new in zip(said, (*rest.groups(), None), strict=True)
        )
    if said[_GMAIL_ID] is not None and said[_EMAIL_ID] is not None:
        return None  # which of two kinds of id came last is for the careful reader
    return _message(said, Body(octets, data[start:end])), after


read_at_once = _compiled_reader() or match_at_once
"""The same by compiled code, where there is any."""


def is_worth_waiting(data: bytes, at: int) -> bool:
    """Return whether what begins at ``at`` may be a message of the usual shape with a little more."""
    before = _BEFORE.match(data, at)
    if before is None:
        return False
    octets = int(before[_ANNOUNCED])
    end = before.end() + octets
    return octets <= WAITED_OCTETS and len(data) < end + _REST_OCTETS and data.find(b"\r\n", end) < 0


def _message(said: tuple[bytes | None, ...], body: Body) -> FetchedMessage:
    """Make the message of the groups of ``_ITEM``."""
    uid, flags, date, size, modseq, gmail_id, email_id, _ = said
    identifier = gmail_id or email_id
    return FetchedMessage(
        0 if uid is None else int(uid),
        None if flags is None else parse_flags(flags),
        None if date is None else parse_internal_date(date),
        None if size is None else int(size),
        None if modseq is None else int(modseq),
        body,
        None if identifier is None else identifier.decode("ascii"),
    )
