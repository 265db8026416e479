"""The few words that name a message in a list: when it was sent, and about what.

Belongs here: a look at the header alone. Does not belong here: an index of all of it (``index``).
"""

from __future__ import annotations

from datetime import datetime

from mailroom.message.dates import parse_date
from mailroom.message.encoded_words import decode_words
from mailroom.message.headers import first, read_header, skip_envelope
from mailroom.message.identity import date_of
from mailroom.message.octets import Buffer

__all__ = ["header_summary"]


def header_summary(content: Buffer) -> tuple[datetime | None, str]:
    """Return a message's date, from its Date or last Received header, and its subject; never raises.

    >>> header_summary(b"Subject: =?utf-8?Q?a=C3=B1o?=\\r\\n\\r\\n")
    (None, 'año')
    """
    end = len(content)
    header, _ = read_header(content, skip_envelope(content, 0, end), end, set())
    date = date_of(header)
    if date is None:
        date = parse_date(first(header, "received").rpartition(";")[2])
    return date, decode_words(first(header, "subject"))
