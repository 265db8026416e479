"""What is left of a message that a server stored in its own way.

Here: digests over what no server changes. Not here: the identity that survives a change of server
(``identity``), comparing messages (``services``).

Servers write bare line feeds as CRLF, drop doubled CRs, put another octet for NUL, fold header fields anew
and encode them otherwise. Some write the text of a message anew too; then its header says who it is.
"""

from __future__ import annotations

import hashlib

from mailroom.message.encoded_words import decode_words
from mailroom.message.headers import read_header, skip_envelope, unfold
from mailroom.message.identity import fingerprint_of_header
from mailroom.message.octets import Buffer

__all__ = ["ORIGIN_FIELDS", "bare_digest", "origin_of_header"]

ORIGIN_FIELDS = ("MESSAGE-ID", "DATE", "FROM", "SUBJECT", "TO", "CC", "LIST-ID", "RECEIVED")
"""The header fields that tell who a message is and the way it came."""

_WAY = ("to", "cc", "list-id", "received")

_CHANGED = b"\r\n\0\x80"
"""Octets that servers add, drop or put for others: Dovecot stores NUL as 0x80."""

_UNWRITTEN = str.maketrans("", "", ' \t\r\n"')
"""What servers fold and quote as they like."""

PIECE_OCTETS = 1024 * 1024


def origin_of_header(header: bytes) -> str:
    """Return a digest of who a message is and the way it came, by its header alone; never raises.

    Two letters differ in it even where a broken sender gave them one Message-ID, and so do a letter and
    its copy that came over a mailing list. Folding, encoding, quotes and other fields do not count.

    :param header: a header block, or those of its fields that are in `ORIGIN_FIELDS`.
    """
    start = skip_envelope(header, 0, len(header))
    fields = read_header(header, start, len(header), set())[0]
    who = fingerprint_of_header(header)
    parts = [who.message_id, who.date, who.sender, (who.subject or "").translate(_UNWRITTEN)]
    for name in _WAY:
        values = fields.get(name, ())
        parts.append("\1".join(decode_words(unfold(value)).translate(_UNWRITTEN) for value in values))
    text = "\0".join(part or "" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def bare_digest(content: Buffer) -> str:
    """Return a digest of the octets that no server changes: all but CR, LF, NUL and 0x80.

    >>> bare_digest(b"a\\r\\nb\\0") == bare_digest(b"a\\nb")
    True
    """
    found = hashlib.sha256()
    for start in range(0, len(content), PIECE_OCTETS):
        found.update(content[start : start + PIECE_OCTETS].translate(None, _CHANGED))
    return found.hexdigest()
