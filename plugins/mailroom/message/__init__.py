"""One RFC 5322 message, read for what it says; never raises on bad mail.

Belongs here: headers, parts, attachments, readable text, identity; octets in, values
out. Does not belong here: sockets, storage, the clock, paths, and HTML that is shown.

The map: ``headers`` → ``encoded_words``, ``addresses``, ``dates``, ``parameters`` over
``charsets`` and ``transfer`` (with ``spaced_blocks``); ``structure`` over ``boundaries`` and ``parts`` →
``attachments``, ``contents``, ``detection``, ``text``, ``quotes``; files in files are ``message_files``,
``tnef`` (with ``rtf``), ``signed``, ``binhex``, ``applesingle``, and in texts ``embedded`` over
``uuencoded``, ``yenc``, ``binhex``; ``index`` and ``identity`` put them together into ``index_values``, for
everyday messages by way of ``compiled``; ``links`` and ``envelopes`` look closer on request; ``summary``
and ``authentication`` (over ``received``, ``comments``) look at the header alone; ``storing`` tells
what a server made of a message. ``mbox``, ``mbox_reader``, ``status`` and ``line_ends`` are about
messages in files.
A message is octets in
memory or a mapped file; parts are offsets into it, and bodies are read in windows, so that a message of
any size costs little memory.

Names are imported when first asked for: what looks at headers alone needs a third of these modules.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailroom.message.authentication import (
        AuthenticationResult,
        AuthenticationResults,
        author_addresses,
        receipt_fields,
    )
    from mailroom.message.charsets import guess_charset, text_of
    from mailroom.message.detection import DETECTION_OCTETS, detect_type
    from mailroom.message.envelopes import Envelope, unwrap
    from mailroom.message.identity import fingerprint_of_header
    from mailroom.message.index import index_message, iter_attachment
    from mailroom.message.index_values import AttachmentIndex, MessageIndex
    from mailroom.message.links import Link, message_links
    from mailroom.message.received import Hop
    from mailroom.message.storing import ORIGIN_FIELDS, bare_digest, origin_of_header
    from mailroom.message.summary import delivery_date, header_summary

__all__ = [
    "DETECTION_OCTETS",
    "ORIGIN_FIELDS",
    "AttachmentIndex",
    "AuthenticationResult",
    "AuthenticationResults",
    "Envelope",
    "Hop",
    "Link",
    "MessageIndex",
    "author_addresses",
    "bare_digest",
    "delivery_date",
    "detect_type",
    "fingerprint_of_header",
    "guess_charset",
    "header_summary",
    "index_message",
    "iter_attachment",
    "message_links",
    "origin_of_header",
    "receipt_fields",
    "text_of",
    "unwrap",
]

_HOMES = {
    "AuthenticationResult": "authentication",
    "AuthenticationResults": "authentication",
    "author_addresses": "authentication",
    "receipt_fields": "authentication",
    "guess_charset": "charsets",
    "text_of": "charsets",
    "DETECTION_OCTETS": "detection",
    "detect_type": "detection",
    "Envelope": "envelopes",
    "unwrap": "envelopes",
    "fingerprint_of_header": "identity",
    "index_message": "index",
    "iter_attachment": "index",
    "AttachmentIndex": "index_values",
    "MessageIndex": "index_values",
    "Link": "links",
    "message_links": "links",
    "Hop": "received",
    "ORIGIN_FIELDS": "storing",
    "bare_digest": "storing",
    "origin_of_header": "storing",
    "delivery_date": "summary",
    "header_summary": "summary",
}


def __getattr__(name: str) -> Any:  # Any: whatever the module of that name defines
    if name in _HOMES:
        found = globals()[name] = getattr(import_module(f"mailroom.message.{_HOMES[name]}"), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
