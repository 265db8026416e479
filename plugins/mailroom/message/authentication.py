"""What receiving servers wrote of who a message is really from.

Belongs here: Authentication-Results fields (RFC 8601 section 2) as servers write them, in
their order, and which of them one server can have written. Does not belong here: whether
that is believed (``policy``), and checking a signature oneself (``client``).

    authres-payload = authserv-id [version] (";" "none" / 1*(";" resinfo))
    resinfo = method "=" result [reason] *(ptype "." property "=" value)

Anybody can write such a field into a message. A receiving server adds its own at the top and
removes those that carry its name, so only the topmost block of them counts here: what stands
below the next Received field was there when the message came in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mailroom.message.headers import skip_envelope
from mailroom.message.octets import Buffer

__all__ = ["NAMELESS_SERVER", "AuthenticationResult", "AuthenticationResults", "top_authentication_results"]

NAMELESS_SERVER = "-"
"""Stands for the name of a server that writes none, as Exchange Online does."""

MAX_LOOKED_AT_OCTETS = 128 * 1024
"""How much of a header is looked at; these fields stand at its top. Octets."""

MAX_RESULTS = 100
"""How many results of one field are read."""

_FIELD = re.compile(r"([!-9;-~]{1,100}+)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?|[^\n]*+\n?")
_COMMENT = re.compile(r"\\.|[()\"]", re.S)
_RESULT = re.compile(r"\s*+([A-Za-z][\w-]*+)\s*+(?:/\s*+\d++\s*+)?=\s*+([A-Za-z]++)")
_PROPERTY = re.compile(r"\b([A-Za-z]++)\s*+\.\s*+([A-Za-z][\w-]*+)\s*+=\s*+(?:\"([^\"]*+)\"|([^\s;\"]++))")
_PIECE = re.compile(r"(?:[^;\"]|\"[^\"]*+\"|\")++")


class AuthenticationResult(NamedTuple):
    """One result: method and value in lower case, properties such as ``header.d``."""

    method: str
    value: str
    properties: dict[str, str]

    @property
    def domain(self) -> str:
        """The domain that the result is about, in lower case, or an empty text."""
        names = {
            "dkim": ("header.d", "header.i"),
            "spf": ("smtp.mailfrom", "smtp.mfrom", "smtp.helo"),
            "dmarc": ("header.from",),
        }.get(self.method, ())
        found = next((self.properties[name] for name in names if self.properties.get(name)), "")
        return found.rpartition("@")[2].strip("<>.").lower()


class AuthenticationResults(NamedTuple):
    """One field: the server that wrote it, in lower case or ``NAMELESS_SERVER``, and its results."""

    server: str
    results: tuple[AuthenticationResult, ...]


def top_authentication_results(content: Buffer) -> list[AuthenticationResults]:
    """Return the fields of the topmost block in their order; never raises."""
    found: list[AuthenticationResults] = []
    for name, value in _fields(content):
        if name == "authentication-results":
            found.append(_read(value))
        elif name == "received" and found:
            break
    return found


def _fields(content: Buffer) -> Iterator[tuple[str, str]]:
    start = skip_envelope(content, 0, len(content))
    head = content[start : start + MAX_LOOKED_AT_OCTETS].replace(b"\r\n", b"\n")
    text = head.partition(b"\n\n")[0].decode("utf-8", "replace")
    for field in _FIELD.finditer(text):
        if field[1]:
            yield field[1].lower(), field[2]


def _read(value: str) -> AuthenticationResults:
    pieces = _PIECE.findall(_without_comments(value))[: MAX_RESULTS + 1]
    server = NAMELESS_SERVER
    if pieces and _RESULT.match(pieces[0]) is None:
        words = pieces.pop(0).split()
        server = words[0].strip('"').lower() if words else NAMELESS_SERVER
    results = [
        AuthenticationResult(
            found[1].lower(),
            found[2].lower(),
            {
                f"{kind}.{name}".lower(): quoted or token
                for kind, name, quoted, token in _PROPERTY.findall(piece)
            },
        )
        for piece in pieces
        if (found := _RESULT.match(piece)) is not None
    ]
    return AuthenticationResults(server, tuple(results))


def _without_comments(value: str) -> str:
    """Return a value without its comments, which may nest and hold what looks like results."""
    kept: list[str] = []
    at = depth = 0
    is_quoted = False
    for mark in _COMMENT.finditer(value):
        if depth == 0:
            kept.append(value[at : mark.start()])
        at = mark.end()
        if mark[0] == '"' and depth == 0:
            is_quoted = not is_quoted
        if mark[0] == "(" and not is_quoted:
            depth += 1
        elif mark[0] == ")" and depth:
            depth -= 1
            kept.append(" ")
        elif depth == 0:
            kept.append(mark[0])
    return "".join([*kept, value[at:] if depth == 0 else ""])
