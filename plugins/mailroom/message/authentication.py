"""What receiving servers wrote of who a message is really from.

Belongs here: Authentication-Results fields (RFC 8601 section 2) as servers write them, among the
Received fields that tell by which hop they came. Does not belong here: which of them is believed
(``policy``), and checking a signature oneself (``client``).

    authres-payload = authserv-id [version] (";" "none" / 1*(";" resinfo))
    resinfo = method "=" result [reason] *(ptype "." property "=" value)
    value = token / quoted-string / [[local-part] "@"] domain-name

A sender chooses what stands in some of it, such as the local part of an address in quotes. So it
is read by the grammar alone: what does not follow it is no result, and a field with a quoted
string or a comment that never ends has none at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mailroom.message.addresses import parse_sender
from mailroom.message.comments import QUOTED_TEXT, without_comments
from mailroom.message.headers import skip_envelope
from mailroom.message.octets import Buffer
from mailroom.message.received import Hop, read_hop

__all__ = [
    "NAMELESS_SERVER",
    "AuthenticationResult",
    "AuthenticationResults",
    "author_addresses",
    "receipt_fields",
]

NAMELESS_SERVER = "-"
"""Stands for the name of a server that writes none, as Exchange Online does."""

MAX_LOOKED_AT_OCTETS = 128 * 1024
"""How much of a header is looked at; these fields stand at its top. Octets."""

MAX_FIELDS = 200
"""How many of these fields are read, from the top."""

MAX_RESULTS = 100
"""How many results of one field are read."""

_FIELD = re.compile(r"([!-9;-~]{1,100}+)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?|[^\n]*+\n?")
_QUOTED = re.compile(QUOTED_TEXT, re.S)
_QUOTED_PAIR = re.compile(r"\\(.)", re.S)
_PIECE = re.compile(rf'(?:[^;"]|{QUOTED_TEXT})++', re.S)
_SERVER = re.compile(rf'\s*+({QUOTED_TEXT}|[^\s;"=]++)(?:\s++\d++)?\s*+', re.S)
_METHOD = re.compile(r"\s*+([A-Za-z][\w-]*+)\s*+(?:/\s*+\d++\s*+)?=\s*+([A-Za-z][\w-]*+)(?=\s|\Z)")
_WORD = re.compile(
    r"\s++([A-Za-z][\w-]*+)(?:\s*+\.\s*+([A-Za-z][\w.-]*+))?+\s*+=\s*+"
    rf'((?:{QUOTED_TEXT}|[^\s;"])*+)',
    re.S,
)
_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.){0,20}[\w-]{1,63}")

_DOMAIN_PROPERTIES = {
    "dkim": ("header.d", "header.i"),
    "spf": ("smtp.mailfrom", "smtp.mfrom", "smtp.mail"),
    "dmarc": ("header.from",),
}
"""Where each method says what domain it is about; of SPF the envelope sender, for HELO names nobody."""


class AuthenticationResult(NamedTuple):
    """One result: method and value in lower case, properties such as ``header.d``."""

    method: str
    value: str
    properties: dict[str, str]

    @property
    def domain(self) -> str:
        """The domain that the result is about, in lower case; empty where it says none, or not clearly."""
        names = _DOMAIN_PROPERTIES.get(self.method, ())
        return next((_domain(self.properties[name]) for name in names if name in self.properties), "")


class AuthenticationResults(NamedTuple):
    """One field: the server that wrote it, and its results.

    :param server: in lower case, ``NAMELESS_SERVER`` where it writes no name, empty where none can be read.
    :param is_whole: whether all of it could be read.
    """

    server: str
    results: tuple[AuthenticationResult, ...]
    is_whole: bool = True


def receipt_fields(content: Buffer) -> list[AuthenticationResults | Hop]:
    """Return the Authentication-Results and Received fields of a message in their order; never raises."""
    found: list[AuthenticationResults | Hop] = []
    for name, value in _fields(content):
        if name == "authentication-results":
            found.append(_read(value))
        elif name == "received":
            found.append(read_hop(value))
        if len(found) >= MAX_FIELDS:
            break
    return found


def author_addresses(content: Buffer) -> tuple[str, ...]:
    """Return the addresses of all From fields in lower case, each once; never raises."""
    values = (value for name, value in _fields(content) if name == "from")
    found = (one.address for value in values for one in parse_sender(" ".join(value.split())))
    return tuple(dict.fromkeys(address for address in found if address))


def _fields(content: Buffer) -> Iterator[tuple[str, str]]:
    start = skip_envelope(content, 0, len(content))
    head = content[start : start + MAX_LOOKED_AT_OCTETS].replace(b"\r\n", b"\n")
    text = head.partition(b"\n\n")[0].decode("utf-8", "replace")
    for field in _FIELD.finditer(text):
        if field[1]:
            yield field[1].lower(), field[2]


def _read(value: str) -> AuthenticationResults:
    text, is_closed = without_comments(value)
    pieces: list[str] = _PIECE.findall(text)[: MAX_RESULTS + 2]
    server = NAMELESS_SERVER
    if not pieces or _METHOD.match(pieces[0]) is None:
        named = _SERVER.fullmatch(pieces.pop(0)) if pieces else None
        if named is None:
            return AuthenticationResults("", (), is_whole=False)
        server = _unquoted(named[1]).lower()
    if not is_closed:
        return AuthenticationResults(server, (), is_whole=False)
    said = [piece for piece in pieces if piece.strip() and piece.strip().lower() != "none"]
    results = [result for piece in said[:MAX_RESULTS] if (result := _result(piece)) is not None]
    return AuthenticationResults(server, tuple(results), is_whole=len(results) == len(said))


def _result(piece: str) -> AuthenticationResult | None:
    """Return what a piece between semicolons says, or None where any of it is no part of a result."""
    method = _METHOD.match(piece)
    if method is None:
        return None
    properties: dict[str, str] = {}
    at = method.end()
    while (word := _WORD.match(piece, at)) is not None:
        at = word.end()
        if word[2] is not None:
            name, value = f"{word[1]}.{word[2]}".lower(), _unquoted(word[3])
            known = properties.setdefault(name, value)
            if known.lower() != value.lower():
                properties[name] = ""  # said twice, so nobody knows which holds
    if piece[at:].strip():
        return None
    return AuthenticationResult(method[1].lower(), method[2].lower(), properties)


def _domain(value: str) -> str:
    """Return the domain of an address, or of itself; empty where that is not clear."""
    bare = _QUOTED.sub("\0", value.strip().removeprefix("<").removesuffix(">"))
    domain = bare.rpartition("@")[2].removesuffix(".").lower()
    return domain if bare.count("@") < 2 and _DOMAIN.fullmatch(domain) else ""


def _unquoted(value: str) -> str:
    """Return a value without the quotes around all of it; a quoted local part stays as it is."""
    return _QUOTED_PAIR.sub(r"\1", value[1:-1]) if _QUOTED.fullmatch(value) else value
