"""LIST, STATUS and NAMESPACE responses (RFC 3501 sections 7.2.2 and 7.2.4, RFC 5819, 2342, 8474).

Belongs here: one response's text after its name, in; a folder, a folder's counts, or whose
folders are whose, out. Names stay whole: a folder called ``007`` is no number. Pure.

``mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox``
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from mailroom.exceptions import MAX_QUOTED_OCTETS, RemoteProtocolError
from mailroom.model import Folder
from mailroom.protocol.imap_syntax import Reader, Value
from mailroom.protocol.modified_utf7 import decode_mailbox_name

__all__ = ["Namespaces", "parse_list", "parse_mailbox_id", "parse_status"]

NameOf = Callable[[bytes], str]
"""Reads a folder's name: modified UTF-7, or what else the connection speaks."""

_STRING = rb'"((?:[^"\\]|\\.)*)"'
_LIST = re.compile(rb"\(([^()]*)\) (?:NIL|" + _STRING + rb") ", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(_STRING, re.DOTALL)
_ATOM = re.compile(rb"[^ ()\"]+")
_LITERAL = re.compile(rb"~?\{\d+\+?\}\Z")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ITEM = re.compile(rb"(?<![A-Z0-9.\-])([A-Z0-9.\-]++) (\d++)", re.IGNORECASE)
_MAILBOX_ID = re.compile(rb"MAILBOXID \(([A-Z0-9_\-]{1,255})\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespaces:
    """How the names of one's own folders begin, and those of shared and other people's (RFC 2342)."""

    personal: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()

    @classmethod
    def parse(cls, parts: Sequence[bytes], *, name_of: NameOf = decode_mailbox_name) -> Self:
        """Take the prefixes from a NAMESPACE response (RFC 2342 section 5).

        ``"*" SP "NAMESPACE" SP Namespace SP Namespace SP Namespace``: one's own, other users', shared.

        :param parts: what follows the name of the response: text, literal, text, …, text.
        :param name_of: reads the octets of a prefix.
        :raises RemoteProtocolError: where it is no NAMESPACE response.
        """
        reader = Reader(parts)
        try:
            personal, *foreign = (_prefixes(reader.value(), name_of) for _ in range(3))
        except RemoteProtocolError as error:
            raise _unreadable("NAMESPACE", parts[0]) from error
        return cls(personal=personal, foreign=tuple(prefix for prefixes in foreign for prefix in prefixes))

    @property
    def foreign_prefixes(self) -> tuple[str, ...]:
        """The prefixes under which others' folders can be listed."""
        return tuple(prefix for prefix in self.foreign if prefix)

    def is_personal(self, folder: Folder) -> bool:
        """Return whether a folder is the account's own: the longest prefix it fits decides.

        Some servers give others' folders no prefix and one's own ``INBOX.``.
        """
        if folder.name == "INBOX":
            return True
        return self._fit(folder, self.foreign) <= self._fit(folder, self.personal)

    def _fit(self, folder: Folder, prefixes: tuple[str, ...]) -> int:
        delimiter = folder.delimiter or "\0"
        return max(
            (
                len(prefix)
                for prefix in prefixes
                if folder.name.startswith(prefix) or folder.name + delimiter == prefix
            ),
            default=-1,
        )


def parse_list(text: bytes, literal: bytes | None = None, *, name_of: NameOf = decode_mailbox_name) -> Folder:
    """Return the folder of one LIST response.

    :param text: what follows ``* LIST ``, up to a literal where there is one.
    :param literal: the literal, where the name came as one.
    :param name_of: reads the octets of a name.
    :raises RemoteProtocolError: where it is no LIST response.
    """
    match = _LIST.match(text)
    if match is None:
        raise _unreadable("LIST", text)
    attributes, delimiter = match.groups()
    name, _ = _mailbox(text, match.end(), literal, "LIST")
    separator = None if delimiter is None else _ESCAPED.sub(rb"\1", delimiter).decode("latin-1")
    return Folder(
        name=_canonical(name, name_of),
        delimiter=separator or None,
        attributes=tuple(attribute.decode("latin-1") for attribute in attributes.split()),
    )


def parse_status(
    text: bytes, literal: bytes | None = None, rest: bytes = b"", *, name_of: NameOf = decode_mailbox_name
) -> tuple[str, dict[str, int]]:
    """Return folder name and counts of one STATUS response; items without a number are left out.

    :param text: what follows ``* STATUS ``, up to a literal where there is one.
    :param rest: what follows the literal.
    :param name_of: reads the octets of a name.
    :raises RemoteProtocolError: where it is no STATUS response.
    """
    name, items = _status_items(text, literal, rest, name_of)
    return name, {item[0].decode().upper(): int(item[1]) for item in _ITEM.findall(items)}


def parse_mailbox_id(
    text: bytes, literal: bytes | None = None, rest: bytes = b"", *, name_of: NameOf = decode_mailbox_name
) -> tuple[str, str | None]:
    """Return folder name and MAILBOXID of one STATUS response (RFC 8474 section 4.3); None where it has none.

    :param text: as for `parse_status`, and so the others.
    :raises RemoteProtocolError: where it is no STATUS response.
    """
    name, items = _status_items(text, literal, rest, name_of)
    found = _MAILBOX_ID.search(items)
    return name, found and found[1].decode("ascii")


def _status_items(text: bytes, literal: bytes | None, rest: bytes, name_of: NameOf) -> tuple[str, bytes]:
    name, end = _mailbox(text, 0, literal, "STATUS")
    return _canonical(name, name_of), rest if literal is not None else text[end:]


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


def _prefixes(namespace: Value, name_of: NameOf) -> tuple[str, ...]:
    pairs = namespace if isinstance(namespace, list) else ()
    firsts = (pair[0] for pair in pairs if isinstance(pair, list) and pair)
    return tuple(name_of(first) for first in firsts if isinstance(first, bytes))


def _canonical(octets: bytes, name_of: NameOf) -> str:
    """Return the name for people; INBOX in any case is one folder (RFC 3501 section 5.1)."""
    name = name_of(octets)
    return "INBOX" if name.upper() == "INBOX" else name


def _unreadable(what: str, text: bytes) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"The server sent a {what} response that is no IMAP.", received=text[:MAX_QUOTED_OCTETS]
    )
