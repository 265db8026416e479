"""LIST and STATUS responses (RFC 3501 sections 7.2.2 and 7.2.4, RFC 5819).

Belongs here: one response's text after its name, in; a folder, or a folder's counts, out.
Names stay whole: a folder called ``007`` is no number. Pure.

``mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox``
"""

from __future__ import annotations

import re

from mailroom.exceptions import MAX_QUOTED_OCTETS, RemoteProtocolError
from mailroom.model import Folder
from mailroom.protocol.modified_utf7 import decode_mailbox_name

__all__ = ["parse_list", "parse_status"]

_STRING = rb'"((?:[^"\\]|\\.)*)"'
_LIST = re.compile(rb"\(([^()]*)\) (?:NIL|" + _STRING + rb") ", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(_STRING, re.DOTALL)
_ATOM = re.compile(rb"[^ ()\"]+")
_LITERAL = re.compile(rb"~?\{\d+\+?\}\Z")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ITEM = re.compile(rb"([A-Z0-9.\-]+) (\d+)", re.IGNORECASE)


def parse_list(text: bytes, literal: bytes | None = None) -> Folder:
    """Return the folder of one LIST response.

    :param text: what follows ``* LIST ``, up to a literal where there is one.
    :param literal: the literal, where the name came as one.
    :raises RemoteProtocolError: where it is no LIST response.
    """
    match = _LIST.match(text)
    if match is None:
        raise _unreadable("LIST", text)
    attributes, delimiter = match.groups()
    name, _ = _mailbox(text, match.end(), literal, "LIST")
    separator = None if delimiter is None else _ESCAPED.sub(rb"\1", delimiter).decode("latin-1")
    return Folder(
        name=_canonical(name),
        delimiter=separator or None,
        attributes=tuple(attribute.decode("latin-1") for attribute in attributes.split()),
    )


def parse_status(text: bytes, literal: bytes | None = None, rest: bytes = b"") -> tuple[str, dict[str, int]]:
    """Return folder name and counts of one STATUS response; items without a number are left out.

    :param text: what follows ``* STATUS ``, up to a literal where there is one.
    :param rest: what follows the literal.
    :raises RemoteProtocolError: where it is no STATUS response.
    """
    name, end = _mailbox(text, 0, literal, "STATUS")
    items = rest if literal is not None else text[end:]
    return _canonical(name), {item[0].decode().upper(): int(item[1]) for item in _ITEM.findall(items)}


def _mailbox(text: bytes, start: int, literal: bytes | None, what: str) -> tuple[bytes, int]:
    if literal is not None and _LITERAL.match(text, start):
        return literal, len(text)
    quoted = _QUOTED.match(text, start)
    if quoted is not None:
        return _ESCAPED.sub(rb"\1", quoted[1]), quoted.end()
    atom = _ATOM.match(text, start)
    if atom is None:
        raise _unreadable(what, text)
    return atom[0], atom.end()


def _canonical(octets: bytes) -> str:
    """Return the name for people; INBOX in any case is one folder (RFC 3501 section 5.1)."""
    name = decode_mailbox_name(octets)
    return "INBOX" if name.upper() == "INBOX" else name


def _unreadable(what: str, text: bytes) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"The server sent a {what} response that is no IMAP.", received=text[:MAX_QUOTED_OCTETS]
    )
