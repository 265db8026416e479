"""Files that are messages, though their mail only calls them octets.

Belongs here: telling by a name and the first octets. Does not belong here: building the
message (``structure``), and parts that say themselves that they are messages.

Only what is a message beyond doubt counts: a name that ends in ``.eml`` above a header, or
no name that says otherwise above the header of a mail that was sent.
"""

from __future__ import annotations

import re

from mailroom.message.encoded_words import decode_words
from mailroom.message.headers import read_header, skip_envelope
from mailroom.message.octets import Buffer
from mailroom.message.transfer import Encoding, decode

__all__ = ["is_message_file"]

_FIRST_OCTETS = 128
"""How much is looked at first: no other file begins with a field. Octets, encoded."""

_HEAD_OCTETS = 8 * 1024
"""How much of a header is looked at. Octets, encoded."""

_BEGINS_FIELD = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,8}(?:[!-9;-~]{1,64}[ \t]{0,4}:|>?From )")
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,5})\s*\Z")
_SHOWN = frozenset(("from", "date", "subject"))
_SENT = frozenset(("date", "message-id", "received"))
_WEB_PAGE = "snapshot-content-location"
"""What browsers write into pages that they save as messages."""


def is_message_file(
    buffer: Buffer, start: int, end: int, encoding: Encoding, *, media_type: str, name: str
) -> bool:
    """Whether a file is a message; never raises.

    :param media_type: what its mail calls it, of ``application``. :param name: as it stands, encoded or not.
    """
    first = decode(buffer[start : min(end, start + _FIRST_OCTETS)], encoding)
    if _BEGINS_FIELD.match(first) is None:
        return False
    extension = _EXTENSION.search(decode_words(name))
    is_named = extension is not None and extension[1].lower() == "eml"
    if not is_named and (extension is not None or media_type != "application/octet-stream"):
        return False
    head = decode(buffer[start : min(end, start + _HEAD_OCTETS)], encoding)
    at = skip_envelope(head, 0, len(head))
    fields = read_header(head, at, len(head), set())[0].keys()
    if is_named:
        return len(fields & _SHOWN) > 1
    return not at and "from" in fields and not fields.isdisjoint(_SENT) and _WEB_PAGE not in fields
