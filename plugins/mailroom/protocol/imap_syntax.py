"""Values as IMAP writes them: atoms, strings, literals, lists (RFC 3501 section 4, RFC 9051 section 4).

Belongs here: reading values from one response that was cut at its literals, and the error
for octets that are no IMAP. Does not belong here: what the values mean. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailroom.exceptions import MAX_QUOTED_OCTETS, RemoteProtocolError

__all__ = ["MAX_NESTING", "Part", "Reader", "Value", "unescape", "unreadable"]

MAX_NESTING = 100
"""How deep lists may be nested; a BODYSTRUCTURE of mail in mail in mail stays far below."""

Part = bytes | None
"""Text or literal of a response; None stands for a literal too large to be held."""

Value = bytes | None | list["Value"]
"""Octets, NIL (or what was not held), or a list."""

_NAME = re.compile(rb'[^ ()\[\]{}"]+(?:\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\](?:<\d+>)?)?', re.DOTALL)
_ATOM = re.compile(rb'[^ ()"{]+')
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_LITERAL = re.compile(rb"~?\{\d+\+?\}\Z")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)

_SHAPE = bytes(
    120 if chr(octet).isalpha() and octet < 128 else 48 if 48 <= octet <= 57 else 63 if octet > 127 else octet
    for octet in range(256)
)
"""Every letter as x, every digit as 0, every octet above ASCII as a question mark."""


def unreadable(received: bytes, what: str = "FETCH") -> RemoteProtocolError:
    """Return the error for a response that is no IMAP.

    Where a server miscounts a literal, what it sends next is mail; so only the shape of
    what was received is kept, none of its words.
    """
    return RemoteProtocolError(
        f"The server sent a {what} response that is no IMAP.",
        received=received[:MAX_QUOTED_OCTETS].translate(_SHAPE),
    )


def unescape(quoted: bytes) -> bytes:
    r"""Return the content of a quoted string, whose ``\`` makes the next octet plain."""
    return _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted


def quoted(octets: bytes) -> bytes:
    """Return octets without control characters as a quoted string (RFC 3501 section 9).

    >>> quoted(b'a"b')
    b'"a\\\\"b"'
    """
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


class Reader:
    """Reads one response from its parts: text, literal, text, literal, …, text.

    Each text but the last ends with the announcement of the literal that follows it.
    """

    __slots__ = ("_index", "_parts", "at", "text")

    def __init__(self, parts: Sequence[Part], at: int = 0) -> None:
        self._parts = parts
        self._index = 0
        self.at = at
        self.text: bytes = parts[0] or b""
        """The text that is being read, from ``at`` on."""

    @property
    def is_last_text(self) -> bool:
        """Whether no literal follows."""
        return self._index == len(self._parts) - 1

    def skip_spaces(self) -> None:
        """Go to the next octet that is no space; some servers send two."""
        while self.text.startswith(b" ", self.at):
            self.at += 1

    def takes(self, octet: bytes) -> bool:
        """Go past the octet if it comes next, and return whether it did."""
        is_next = self.text.startswith(octet, self.at)
        self.at += is_next
        return is_next

    def name(self) -> bytes:
        """Return the name of an item with its section, as in ``BODY[HEADER]<0>``, in capitals.

        :raises RemoteProtocolError: if there is none.
        """
        return self._token(_NAME)[0].upper()

    def literal(self) -> Part:
        """Return the literal announced at the end of this text, and go on in the next text.

        :raises RemoteProtocolError: if no literal follows.
        """
        if self.is_last_text:
            raise unreadable(self.text[self.at :])
        literal = self._parts[self._index + 1]
        self._index += 2
        self.text = self._parts[self._index] or b""
        self.at = 0
        return literal

    def value(self, depth: int = 0) -> Value:
        """Return the value at hand.

        :raises RemoteProtocolError: if there is none, or lists are nested deeper than ``MAX_NESTING``.
        """
        self.skip_spaces()
        if self.takes(b"("):
            return self._list(depth + 1)
        if self.text.startswith(b'"', self.at):
            return unescape(self._token(_QUOTED)[1])
        if _LITERAL.match(self.text, self.at):
            return self.literal()
        atom = self._token(_ATOM)[0]
        return None if atom.upper() == b"NIL" else atom

    def _list(self, depth: int) -> list[Value]:
        if depth > MAX_NESTING:
            raise unreadable(self.text[self.at :])
        found: list[Value] = []
        self.skip_spaces()
        while not self.takes(b")"):
            found.append(self.value(depth))
            self.skip_spaces()
        return found

    def _token(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise unreadable(self.text[self.at :])
        self.at = match.end()
        return match
