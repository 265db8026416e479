"""The few words that name a message in a list: when it was sent, and about what.

Belongs here: a look at the header alone. Does not belong here: an index of all of it (``index``).
"""

from __future__ import annotations

from datetime import datetime

from mailroom.message.dates import parse_date
from mailroom.message.encoded_words import decode_words
from mailroom.message.headers import Header, first, read_header, skip_envelope
from mailroom.message.identity import date_of
from mailroom.message.octets import Buffer

__all__ = ["delivery_date", "header_summary"]


def header_summary(content: Buffer) -> tuple[datetime | None, str]:
    """Return a message's date, from its Date or last Received header, and its subject; never raises.

    >>> header_summary(b"Subject: =?utf-8?Q?a=C3=B1o?=\\r\\n\\r\\n")
    (None, 'año')
    """
    header = _header(content)
    date = date_of(header)
    if date is None:
        date = parse_date(first(header, "received").rpartition(";")[2])
    return date, decode_words(first(header, "subject"))


def delivery_date(content: Buffer) -> datetime | None:
    """Return when a message was delivered, by its first Received header, else its date; never raises.

    >>> delivery_date(b"Received: by x; Wed, 4 Mar 2026 10:30:00 +0000\\r\\n\\r\\n").isoformat()
    '2026-03-04T10:30:00+00:00'
    """
    header = _header(content)
    return parse_date(first(header, "received").rpartition(";")[2]) or date_of(header)


def _header(content: Buffer) -> Header:
    end = len(content)
    return read_header(content, skip_envelope(content, 0, end), end, set())[0]
