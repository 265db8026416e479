"""Who a message is, told from what survives a change of server.

Belongs here: the normal forms of Message-ID, Date, From and Subject, and the hash over
them and the decoded contents. Does not belong here: comparing messages (``policy``).

Servers fold headers anew, encode words and parts another way, add fields, and change
line ends; none of this changes an identity. The name, type and order of header fields
do not count either.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime

from mailroom.message.addresses import Address, parse_sender
from mailroom.message.dates import parse_date
from mailroom.message.encoded_words import decode_words
from mailroom.message.headers import Header, first, read_header, skip_envelope, unfold
from mailroom.model import Fingerprint

__all__ = ["date_of", "fingerprint_of", "fingerprint_of_header", "identity_of", "printable"]

_VERSION = b"mailroom identity 1"
"""Changes when a rule here does: identities of two versions are never equal."""

_UNWRITABLE = re.compile("[\ud800-\udfff]")


def fingerprint_of_header(header: bytes) -> Fingerprint:
    """Return who a message is by its header alone, in normal form; never raises.

    :param header: a header block, or the few fields of it that a server was asked for; what
        follows a blank line is not read.
    """
    start = skip_envelope(header, 0, len(header))
    fields = read_header(header, start, len(header), set())[0]
    return fingerprint_of(
        fields,
        date=date_of(fields),
        senders=parse_sender(first(fields, "from")),
        subject=decode_words(first(fields, "subject")),
    )


def fingerprint_of(
    header: Header, *, date: datetime | None, senders: Iterable[Address], subject: str
) -> Fingerprint:
    """Return the same where the fields were read already; a field that is empty counts as missing."""
    sender = ", ".join([one.address or one.name for one in senders])
    return Fingerprint(
        message_id=printable(first(header, "message-id")) or None,
        date=date.isoformat() if date is not None else printable(_spaced(first(header, "date"))) or None,
        sender=printable(_spaced(sender)) or None,
        subject=printable(_spaced(subject)) or None,
    )


def date_of(header: Header) -> datetime | None:
    """Return the first Date that can be read, in UTC, or None."""
    for value in header.get("date", ()):
        found = parse_date(unfold(value))
        if found is not None:
            return found
    return None


def identity_of(fingerprint: Fingerprint, digests: Iterable[bytes]) -> str:
    """Return the hash over a message's fingerprint and the digests of its leaves, in their order."""
    spaceless = (fingerprint.subject or "").replace(" ", "")
    fields = (fingerprint.message_id, fingerprint.date, fingerprint.sender, spaceless)
    found = hashlib.sha256(_VERSION)
    found.update("\0".join([field or "" for field in fields]).encode("utf-8", "replace"))
    for digest in digests:
        found.update(digest)
    return found.hexdigest()


def printable(text: str) -> str:
    """Return text that can be written as UTF-8: octets nobody could decode become U+FFFD."""
    return text if text.isascii() else _UNWRITABLE.sub("\ufffd", text)


def _spaced(text: str) -> str:
    return " ".join(text.split())
