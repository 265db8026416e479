"""The items of one FETCH response (RFC 3501 section 7.4.2, RFC 7162, 8474, 8514).

Belongs here: one response, cut at its literals, in; what is known of a message, out. Items
come in any order and any case; those unknown are passed over. Does not belong here: where a
response begins and ends. Pure.

``msg-att = "(" (msg-att-dynamic / msg-att-static) *(SP (msg-att-dynamic / msg-att-static)) ")"``
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

from mailroom.model import Body, FetchedMessage
from mailroom.protocol.imap_dates import parse_internal_date
from mailroom.protocol.imap_syntax import Part, Reader, Value, unreadable
from mailroom.protocol.modified_utf7 import RAW, decode_mailbox_name

__all__ = ["parse_fetch_items", "parse_flags"]

_USUAL = re.compile(
    rb"(?i: ?(?:UID (\d{1,20})|FLAGS \(([^()\"{]*)\)|MODSEQ \((\d{1,20})\)|RFC822\.SIZE (\d{1,20})|"
    rb'INTERNALDATE "([^"\\]*)"|(BODY\[\]) ~?\{\d+\}\Z))(?=[ )]|\Z)'
)
"""One item as nearly all servers write it; the group that matched says which."""

_BODY_GROUP = 6

_OBJECT_IDS = (b"EMAILID", b"X-GM-MSGID")


def parse_fetch_items(parts: Sequence[Part], start: int) -> FetchedMessage:
    """Return what a FETCH response says of a message; ``uid`` is 0 where it does not say whose it is.

    :param parts: the response's texts and literals in turn; ``start`` is just past its first parenthesis.
    :raises RemoteProtocolError: if it is not written as IMAP.
    """
    reader = Reader(parts, start)
    found: dict[str, Any] = {}  # Any: keyword arguments, each converted by _CONVERSIONS or _keep
    while True:
        reader.skip_spaces()
        if reader.takes(b")"):
            break
        usual = _USUAL.match(reader.text, reader.at)
        if usual is None:
            name = reader.name()
            _keep(found, name, reader.value())
            continue
        reader.at = usual.end()
        group = usual.lastindex or 0
        if group == _BODY_GROUP:
            found["body"] = _body(reader.literal())
        else:
            field, convert = _CONVERSIONS[group]
            found[field] = convert(usual[group])
    if not reader.is_last_text or reader.text[reader.at :].strip():
        raise unreadable(reader.text[reader.at :])
    return FetchedMessage(**{"uid": 0, **found})


@functools.lru_cache(maxsize=10_000)
def parse_flags(text: bytes) -> tuple[str, ...]:
    """Return flags sorted, each once, without ``\\Recent``, which says nothing of the message.

    The same few sets come by again and again, so they are kept. Keywords that are no ASCII
    break RFC 3501, but UTF-8 is what servers mean by them.
    """
    words = text.decode("utf-8", "backslashreplace").split()
    return tuple(sorted({word for word in words if word.lower() != "\\recent"}))


_CONVERSIONS: dict[int, tuple[str, Callable[[bytes], object]]] = {
    1: ("uid", int),
    2: ("flags", parse_flags),
    3: ("modseq", int),
    4: ("octets", int),
    5: ("internal_date", parse_internal_date),
}


def _keep(found: dict[str, Any], name: bytes, value: Value) -> None:  # Any: see above
    """Take over what is known, in its rarer spellings."""
    if name == b"BODY[]":
        found["body"] = _body(value)
    elif name.startswith(b"BODY[]<"):
        found["body"], found["origin"] = _body(value), _number(name[7:-1])
    elif name.startswith(b"BODY[HEADER"):
        found["header"] = _octets(value)
    elif name == b"FLAGS":
        found["flags"] = parse_flags(b" ".join(flag for flag in _items(value) if isinstance(flag, bytes)))
    elif name == b"UID":
        found["uid"] = _number(value)
    elif name == b"RFC822.SIZE":
        found["octets"] = _number(value)
    else:
        _keep_extended(found, name, value)


def _keep_extended(found: dict[str, Any], name: bytes, value: Value) -> None:  # Any: see above
    """Take over what extensions brought, and dates, which some servers send as NIL."""
    if name == b"MODSEQ":
        found["modseq"] = _number(_only(value))
    elif name in _OBJECT_IDS:
        identifier = _octets(_only(value))
        found["object_id"] = None if identifier is None else identifier.decode("ascii", "backslashreplace")
    elif name == b"INTERNALDATE":
        found["internal_date"] = parse_internal_date(_octets(value) or b"")
    elif name == b"SAVEDATE":
        found["save_date"] = parse_internal_date(_octets(value) or b"")
    elif name == b"X-GM-LABELS":  # in UTF-8 where folder names are
        labels = {
            decode_mailbox_name(label).removeprefix(RAW)
            for label in _items(value)
            if isinstance(label, bytes)
        }
        found["labels"] = tuple(sorted(labels))


def _items(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


def _only(value: Value) -> Value:
    """Return what stands alone in a list, as MODSEQ's and EMAILID's values do."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _octets(value: Value) -> bytes | None:
    if isinstance(value, list):
        raise unreadable(b"(")
    return value


def _body(value: Value) -> Body | None:
    content = _octets(value)
    return None if content is None else Body(octets=len(content), content=content)


def _number(value: Value) -> int:
    octets = _octets(value) or b""
    if not octets.isdigit() or len(octets) > 20:
        raise unreadable(octets)
    return int(octets)
