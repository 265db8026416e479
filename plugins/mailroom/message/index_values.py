"""What is known of a message and of its attachments, as values; and what both of its readers share.

Belongs here: the values, and how a file that was read becomes one. Does not belong here: reading
messages (``index`` with care, ``compiled``).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal, NamedTuple

from mailroom.message.attachments import Disposition, File, made_up_name
from mailroom.message.contents import Content
from mailroom.message.identity import printable
from mailroom.message.parts import Part

__all__ = [
    "IDENTIFIER",
    "MAX_REFERENCES",
    "PGP_MESSAGE",
    "AttachmentIndex",
    "MessageIndex",
    "attachment_of",
]

MAX_REFERENCES = 1000
"""How many identifiers of a References field are kept."""

PGP_MESSAGE = "-----BEGIN PGP MESSAGE-----"
"""What a text that is encrypted begins with (RFC 9580 section 6.2)."""

IDENTIFIER = re.compile(r"<[^<>\s]{1,998}>")
"""One identifier in a field that may hold several."""


class AttachmentIndex(NamedTuple):
    """One attachment of a message.

    :param part: its number as IMAP counts parts, ``2.1``; files in the text of part 1 are
        ``1.uu1``, ``1.uu2`` and so on where they are uuencoded, ``1.yenc1`` or ``1.hqx1`` (BinHex).
    :param filename: as a mail client would show it, which is not safe for a path.
    :param disposition: None where the message does not say.
    :param size: octets, decoded. :param sha256: hex digest of the same octets.
    :param detected_type: media type that the content looks like (see ``detection``).
    """

    part: str
    filename: str
    content_type: str
    disposition: Disposition
    size: int
    sha256: str
    detected_type: str | None = None


class MessageIndex(NamedTuple):
    """What is known of one message without its raw octets; text that is missing is empty.

    :param message_id: the Message-ID as it stands, unfolded and stripped, or None.
    :param date: UTC; None where the Date header is missing or cannot be read.
    :param date_source: where ``date`` comes from, or None.
    :param sender: From for people, ``Name <address>``; Sender where there is no From.
    :param sender_address: the addr-spec of the first of them, in lower case.
    :param to: recipients for people, the members of groups one by one.
    :param text: readable text, plain where there is some, else from HTML.
    :param reply: what of it was written anew, without what it quotes; None where it quotes nothing.
    :param defects: what was wrong, in words of ``Defect``, sorted.
    :param identity: hex; equal for what is one message on two servers (see ``identity``).
    """

    message_id: str | None
    date: datetime | None
    date_source: Literal["header", "received"] | None
    sender: str
    sender_address: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    in_reply_to: str | None
    references: tuple[str, ...]
    text: str
    reply: str | None
    attachments: tuple[AttachmentIndex, ...]
    defects: tuple[str, ...]
    identity: str


def attachment_of(part: Part, file: File, content: Content, number: int, hint: str | None) -> AttachmentIndex:
    """Return what is known of a message's n-th attachment.

    :param hint: charset of the message's text, for a name made of octets that no label explains.
    """
    return AttachmentIndex(
        part=part.path,
        filename=printable(file.name or made_up_name(part, number, hint, content.detected)),
        content_type=printable(part.media_type),
        disposition=file.disposition,
        size=content.size,
        sha256=content.sha256,
        detected_type=content.detected,
    )
