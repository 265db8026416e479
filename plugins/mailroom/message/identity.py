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
from typing import NamedTuple

from mailroom.message.addresses import Address, parse_sender
from mailroom.message.dates import parse_date
from mailroom.message.encoded_words import decode_words
from mailroom.message.headers import Header, first, read_header, skip_envelope, unfold
from mailroom.model import Fingerprint

__all__ = ["VERSION", "Traits", "date_of", "fingerprint_of_header", "identity_of", "printable", "traits_of"]

VERSION = b"mailroom identity 1"
"""Changes when a rule here does: identities of two versions are never equal."""

_UNWRITABLE = re.compile("[\ud800-\udfff]")


class Traits(NamedTuple):
    """The four fields that tell who a message is, in normal form; see ``Fingerprint``."""

    message_id: str | None
    date: str | None
    sender: str | None
    subject: str | None


def fingerprint_of_header(header: bytes) -> Fingerprint:
    """Return who a message is by its header alone, in normal form; never raises.

    :param header: a header block, or the few fields of it that a server was asked for; what
        follows a blank line is not read.
    """
    start = skip_envelope(header, 0, len(header))
    fields = read_header(header, start, len(header), set())[0]
    traits = traits_of(
        fields,
        date=date_of(fields),
        senders=parse_sender(first(fields, "from")),
        subject=decode_words(first(fields, "subject")),
    )
    return Fingerprint(**traits._asdict())


def traits_of(header: Header, *, date: datetime | None, senders: Iterable[Address], subject: str) -> Traits:
    """Return the same where the fields were read already; a field that is empty counts as missing."""
    message_id = first(header, "message-id")
    sender = ", ".join([one.address or one.name for one in senders])
    if date is not None and not date.second and any(map(_may_be_at_24, header.get("date", ()))):
        date = date_of(header, with_24=False)  # as version 1 has always read it
    return Traits(
        printable(message_id) or None,
        date.isoformat() if date is not None else printable(_spaced(first(header, "date"))) or None,
        printable(_spaced(sender)) or None,
        printable(_spaced(subject)) or None,
    )


def _may_be_at_24(value: str) -> bool:
    return "24" in value or not value.isascii()  # digits of other scripts are read as well


def date_of(header: Header, *, with_24: bool = True) -> datetime | None:
    """Return the first Date that can be read, in UTC, or None.

    :param with_24: whether 24:00 can be read, which counts as unreadable in an identity.
    """
    for value in header.get("date", ()):
        found = parse_date(unfold(value), with_24=with_24)
        if found is not None:
            return found
    return None


def identity_of(traits: Traits | Fingerprint, digests: Iterable[bytes]) -> str:
    """Return the hash over a message's traits and the digests of its leaves, in their order."""
    spaceless = (traits.subject or "").replace(" ", "")
    text = f"{traits.message_id or ''}\0{traits.date or ''}\0{traits.sender or ''}\0{spaceless}"
    return hashlib.sha256(b"".join([VERSION, text.encode("utf-8", "replace"), *digests])).hexdigest()


def printable(text: str) -> str:
    """Return text that can be written as UTF-8: octets nobody could decode become U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return _UNWRITABLE.sub("\ufffd", text)
    return text


def _spaced(text: str) -> str:
    return " ".join(text.split())
