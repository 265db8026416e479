"""Messages that carry another one whole, with the envelope it travelled in.

Belongs here: journal reports of Exchange and Microsoft 365, and Italian
certified mail (PEC: postacert.eml with daticert.xml, DM 2 November 2005). Does not belong
here: mail that people forward, which says nothing of envelopes.
"""

from __future__ import annotations

import html
import re
from datetime import datetime
from typing import NamedTuple

from mailroom.message.addresses import parse_addresses, parse_sender
from mailroom.message.attachments import describe
from mailroom.message.contents import read_content
from mailroom.message.encoded_words import decode_words
from mailroom.message.headers import first
from mailroom.message.identity import date_of, printable
from mailroom.message.octets import Buffer, in_memory
from mailroom.message.parts import Part
from mailroom.message.structure import parse_structure

__all__ = ["MAX_RECIPIENTS", "Envelope", "unwrap"]

MAX_RECIPIENTS = 10_000
"""How many recipients of one envelope are kept."""

_JOURNAL_FIELDS = ("x-ms-journal-report", "x-ms-exchange-journal-report")
_JOURNAL_LINE = re.compile(r"^[ \t]{0,4}([A-Za-z][A-Za-z-]{1,30})[ \t]{0,4}:[ \t]*(.*)$", re.M)
_RECIPIENT_WORDS = ("recipient", "to", "cc", "bcc")
_ADDRESS = re.compile(r"[^\s<>\"(),;:\[\]@]{1,64}@[^\s<>\"(),;:\[\]@]{1,255}")
_CERTIFICATE = re.compile(r"<postacert\b[^>]{0,500}\btipo\s{0,4}=\s{0,4}[\"']([\w-]{1,60})[\"']", re.I)
_ELEMENT = {
    name: re.compile(rf"<{name}\b[^>]{{0,500}}>([^<]{{0,1000}})</{name}>", re.I)
    for name in ("mittente", "destinatari", "consegna")
}


class Envelope(NamedTuple):
    """What carried a message, and which message it is; texts that are missing are empty.

    :param kind: ``journal``; ``pec`` for certified mail; ``pec-receipt`` for what its providers report.
    :param part: the part that is the carried message, as IMAP numbers it, or empty where none is.
    :param sender: the envelope's sender. :param recipients: the envelope's recipients, lower case.
    """

    kind: str
    part: str
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    date: datetime | None
    author: str
    author_address: str
    subject: str


def unwrap(content: Buffer) -> Envelope | None:
    """Return the envelope of a message that carries another, or None where it carries none; never raises."""
    root = parse_structure(in_memory(content), set())
    leaves = root.leaves()
    if any(name in root.header for name in _JOURNAL_FIELDS):
        return _journal(leaves)
    if "x-trasporto" in root.header or "x-ricevuta" in root.header:
        return _certified(leaves)
    return None


def _journal(leaves: list[Part]) -> Envelope | None:
    """Read the report in the first text: a field a line, a recipient each."""
    report = next((leaf for leaf in leaves if leaf.media_type == "text/plain"), None)
    carried = next((leaf for leaf in leaves if leaf.is_message), None)
    if report is None or carried is None:
        return None
    sender = ""
    recipients: list[str] = []
    for name, value in _JOURNAL_LINE.findall(_text_of(report)):
        word = name.lower()
        found = _ADDRESS.search(value)
        if found is None:
            continue
        if word == "sender":
            sender = sender or found[0].lower()
        elif word in _RECIPIENT_WORDS:
            recipients.append(found[0].lower())
    return _envelope("journal", carried, sender, recipients)


def _certified(leaves: list[Part]) -> Envelope | None:
    """Read the certificate of a provider; only it says what kind of message this is."""
    named = {describe(leaf).name.lower(): leaf for leaf in reversed(leaves)}
    certificate = named.get("daticert.xml")
    if certificate is None:
        return None
    text = _text_of(certificate)
    kind = _CERTIFICATE.search(text)
    carried = named.get("postacert.eml")
    sender = next(iter(_elements(text, "mittente")), "")
    recipients = _elements(text, "destinatari") or _elements(text, "consegna")
    is_mail = kind is not None and kind[1].lower() == "posta-certificata"
    return _envelope("pec" if is_mail else "pec-receipt", carried, sender, recipients)


def _elements(text: str, name: str) -> list[str]:
    found = (html.unescape(value).strip().lower() for value in _ELEMENT[name].findall(text))
    return [value for value in found if value]


def _envelope(kind: str, carried: Part | None, sender: str, recipients: list[str]) -> Envelope:
    header = carried.children[0].header if carried is not None and carried.is_message else {}
    authors = parse_sender(first(header, "from")) or parse_addresses(first(header, "sender"))
    return Envelope(
        kind=kind,
        part=carried.path if carried is not None else "",
        sender=printable(sender),
        recipients=tuple(printable(one) for one in dict.fromkeys(recipients[:MAX_RECIPIENTS])),
        message_id=printable(first(header, "message-id")),
        date=date_of(header),
        author=printable(", ".join(str(one) for one in authors)),
        author_address=printable(next((one.address for one in authors if one.address), "")),
        subject=printable(decode_words(first(header, "subject"))),
    )


def _text_of(part: Part) -> str:
    textual = part if part.media_type.startswith("text/") else part._replace(media_type="text/plain")
    return read_content(textual, set(), with_checksum=False, with_text=True, hint=None).text
