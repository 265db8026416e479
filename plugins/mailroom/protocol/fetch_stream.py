"""The stream of FETCH responses: octets in, events out (RFC 3501 section 7.4.2, RFC 9051 section 7.5.2).

Belongs here: cutting what a server sends after UID FETCH into messages, and large
literals into pieces, with no parse tree between the network and the storage. Does not
belong here: the commands, sockets, and every other response, which passes through as
a line.

Feed octets as they come, in any pieces; the events are the same. What most servers send
is recognised by one regular expression a line, everything else by a careful reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mailroom.exceptions import MAX_QUOTED_OCTETS, LimitExceeded, RemoteProtocolError

__all__ = [
    "Event",
    "FetchResponse",
    "FetchStream",
    "LiteralPiece",
    "TaggedResponse",
    "UntaggedResponse",
    "parse_internal_date",
]

SPOOL_OCTETS = 1024 * 1024
"""Literals above this size come in pieces, as they arrive."""

MAX_LINE_OCTETS = 64 * 1024 * 1024
"""Longest response, literals not counted; a SEARCH answer over a million UIDs takes 8 MB."""

MAX_NESTING = 100
"""How deep lists in a response may be nested."""

MAX_LITERAL_OCTETS = 4 * 1024**3
"""Largest literal that is believed; RFC 9051 limits numbers to 63 bits, disks do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResponse:
    """One ``* n FETCH (…)``; None for what it does not hold.

    :param number: the message's sequence number, of no use but to tell an EXPUNGE.
    :param uid: 0 where the server left it out: nobody can say whose the rest is.
    :param body: the octets of ``BODY[]``, None where not asked for, NIL, or in pieces.
    :param has_pieces: whether the body came before as ``LiteralPiece`` events.
    :param header: the octets of ``BODY[HEADER…]``.
    """

    number: int
    uid: int = 0
    flags: tuple[str, ...] | None = None
    internal_date: datetime | None = None
    octets: int | None = None
    modseq: int | None = None
    body: bytes | None = field(default=None, repr=False)
    has_pieces: bool = False
    header: bytes | None = field(default=None, repr=False)
    object_id: str | None = None
    save_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class LiteralPiece:
    """The next octets of a large literal; the response it belongs to follows its last piece."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UntaggedResponse:
    """Any other response that begins with ``*`` or ``+``: the line without CRLF, literals in place."""

    line: bytes


@dataclass(frozen=True, slots=True)
class TaggedResponse:
    """The completion of a command: tag, ``OK``, ``NO`` or ``BAD``, and the server's words."""

    tag: bytes
    status: str
    text: bytes


Event = FetchResponse | LiteralPiece | UntaggedResponse | TaggedResponse

_LITERAL = re.compile(rb"~?\{(\d{1,20})\+?\}\Z")
_USUAL = re.compile(
    rb"\* (\d+) FETCH \((?:UID (\d+) ?)?(?:FLAGS \(([^()\r\n\"]*)\) ?)?"
    rb"(?:INTERNALDATE \"([^\"\r\n]{26})\" ?)?(?:RFC822\.SIZE (\d+) ?)?"
    rb"(?:MODSEQ \((\d+)\) ?)?(?:BODY\[\] \{\d+\}|\))\Z"
)
_FETCH = re.compile(rb"\* (\d+) FETCH \(", re.IGNORECASE)
_TAGGED = re.compile(rb"([A-Za-z0-9.]+) (OK|NO|BAD)(?: (.*))?\Z", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(rb" *([A-Za-z0-9.\-]+(?:\[[^\]\r\n]*\](?:<\d+>)?)?) ?")
_ATOM = re.compile(rb"[^ ()\"\r\n]+")
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_DATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\Z")
_NUMBERS = {"UID": "uid", "RFC822.SIZE": "octets", "MODSEQ": "modseq"}
_DATES = {"INTERNALDATE": "internal_date", "SAVEDATE": "save_date"}
_OBJECT_IDS = ("EMAILID", "X-GM-MSGID")
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}


class FetchStream:
    """The parser of one connection's responses."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._searched = 0
        self._parts: list[bytes | None] = []
        self._part_octets = 0
        self._literal: list[bytes] | None = None
        self._missing = 0
        self._in_pieces = False
        self._known_flags: dict[bytes, tuple[str, ...]] = {}

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take the next octets and yield the events they complete.

        Exhaust the iterator before feeding again.

        :raises RemoteProtocolError: where the octets are no IMAP.
        :raises LimitExceeded: where a response is larger than believable.
        """
        if self._at < len(self._data):
            self._data = self._data[self._at :] + data
        else:
            self._data = data
        self._searched = max(0, self._searched - self._at)
        self._at = 0
        while True:
            if self._literal is not None:
                yield from self._take_literal()
                if self._literal is not None:
                    return
            line = self._take_line()
            if line is None:
                return
            event = self._end_of_line(line)
            if event is not None:
                yield event

    def rest(self) -> bytes:
        """Return the octets after the last event, to be read by somebody else."""
        data, self._data, self._at, self._searched = self._data[self._at :], b"", 0, 0
        return data

    def _take_literal(self) -> Iterator[Event]:
        """Move octets into the literal in hand; end it when it is whole."""
        assert self._literal is not None
        available = min(self._missing, len(self._data) - self._at)
        if available:
            whole = not self._at and available == len(self._data)
            piece = self._data if whole else self._data[self._at : self._at + available]
            self._at += available
            self._missing -= available
            if self._in_pieces:
                yield LiteralPiece(piece)
            else:
                self._literal.append(piece)
        if not self._missing:
            held, self._literal = self._literal, None
            if self._in_pieces:
                self._parts.append(None)
            else:
                self._parts.append(held[0] if len(held) == 1 else b"".join(held))
            self._searched = self._at

    def _take_line(self) -> bytes | None:
        end = self._data.find(b"\r\n", max(self._at, self._searched - 1))
        if end < 0:
            self._searched = len(self._data)
            self._check_length(len(self._data) - self._at)
            return None
        line = self._data[self._at : end]
        self._at = self._searched = end + 2
        return line

    def _end_of_line(self, line: bytes) -> Event | None:
        """Go on with a literal, or finish the response."""
        literal = _LITERAL.search(line, max(0, len(line) - 24)) if line.endswith(b"}") else None
        if literal is not None:
            size = int(literal[1])
            if size > MAX_LITERAL_OCTETS:
                raise LimitExceeded(
                    f"The server announced {size} octets at once; at most {MAX_LITERAL_OCTETS} are taken.",
                    limit=MAX_LITERAL_OCTETS,
                    found=size,
                )
            self._part_octets += len(line)
            self._check_length(self._part_octets)
            self._parts.append(line)
            self._literal, self._missing = [], size
            self._in_pieces = size > SPOOL_OCTETS
            return None
        parts, self._parts, self._part_octets = self._parts, [], 0
        parts.append(line)
        return self._response(parts)

    def _check_length(self, octets: int) -> None:
        if octets > MAX_LINE_OCTETS:
            raise LimitExceeded(
                f"The server sent a response longer than {MAX_LINE_OCTETS} octets.",
                limit=MAX_LINE_OCTETS,
                found=octets,
            )

    def _response(self, parts: list[bytes | None]) -> Event:
        head = parts[0]
        assert head is not None
        usual = _USUAL.match(head)
        if usual is not None and (len(parts) == 1 or (len(parts) == 3 and parts[2] == b")")):
            return self._usual(usual, parts)
        fetch = _FETCH.match(head)
        if fetch is not None:
            return self._careful(int(fetch[1]), fetch.end(), parts)
        if head[:1] in (b"*", b"+"):
            return UntaggedResponse(b"".join(part or b"" for part in parts))
        tagged = _TAGGED.match(head)
        if tagged is None:
            raise _unreadable(head)
        return TaggedResponse(tagged[1], tagged[2].decode().upper(), tagged[3] or b"")

    def _usual(self, match: re.Match[bytes], parts: list[bytes | None]) -> FetchResponse:
        number, uid, flags, date, octets, modseq = match.groups()
        has_body = len(parts) == 3
        return FetchResponse(
            number=int(number),
            uid=int(uid) if uid else 0,
            flags=None if flags is None else self._flags(flags),
            internal_date=None if date is None else parse_internal_date(date),
            octets=None if octets is None else int(octets),
            modseq=None if modseq is None else int(modseq),
            body=parts[1] if has_body else None,
            has_pieces=has_body and parts[1] is None,
        )

    def _careful(self, number: int, start: int, parts: list[bytes | None]) -> FetchResponse:
        """Read items in any order: names, then atoms, strings, literals or lists."""
        reader = _Reader(parts, start)
        found: dict[str, object] = {}
        while (name := reader.name()) is not None:
            self._keep(found, name, reader.value())
        return FetchResponse(number=number, **found)  # type: ignore[arg-type]  # _keep checks each

    def _keep(self, found: dict[str, object], name: str, value: _Value) -> None:
        """Take over what is known; other items pass unseen, as servers may add any."""
        if name == "FLAGS" and isinstance(value, list):
            found["flags"] = self._flags(b" ".join(flag for flag in value if isinstance(flag, bytes)))
        elif name in _DATES and isinstance(value, bytes):
            found[_DATES[name]] = parse_internal_date(value)
        elif name in _NUMBERS:
            found[_NUMBERS[name]] = _number(value)
        elif name in _OBJECT_IDS:
            identifier = value[0] if isinstance(value, list) and value else value
            found["object_id"] = (
                identifier.decode("ascii", "replace") if isinstance(identifier, bytes) else None
            )
        elif name == "BODY[]":
            found["has_pieces"] = isinstance(value, _Pieces)
            found["body"] = value if isinstance(value, bytes) else None
        elif name.startswith("BODY[HEADER") and isinstance(value, bytes):
            found["header"] = value

    def _flags(self, text: bytes) -> tuple[str, ...]:
        """Return flags sorted; the same few sets come by again and again, so they are kept."""
        known = self._known_flags.get(text)
        if known is None:
            if len(self._known_flags) > 10_000:
                self._known_flags.clear()
            words = text.decode("utf-8", "backslashreplace").split()
            known = tuple(sorted({word for word in words if word.lower() != "\\recent"}))
            self._known_flags[text] = known
        return known


class _Pieces:
    """Stands for a literal that went out in pieces."""


_Value = bytes | None | _Pieces | list["_Value"]


class _Reader:
    """Reads the items of one FETCH response from its parts: text, literal, text, literal, …, text."""

    def __init__(self, parts: list[bytes | None], start: int) -> None:
        self._parts = parts
        self._index = 0
        self._at = start

    @property
    def _text(self) -> bytes:
        text = self._parts[self._index]
        assert text is not None
        return text

    def name(self) -> str | None:
        """Return the next item's name in capitals, or None at the end of the list."""
        text = self._text
        while text[self._at : self._at + 1] == b" ":
            self._at += 1
        if text[self._at : self._at + 1] == b")":
            if self._index != len(self._parts) - 1 or text[self._at + 1 :].strip():
                raise _unreadable(text[self._at :])
            return None
        match = _NAME.match(text, self._at)
        if match is None:
            raise _unreadable(text[self._at :])
        self._at = match.end()
        return match[1].decode("ascii").upper()

    def value(self, depth: int = 0) -> _Value:
        """Return the value at hand: octets, None for NIL, or a list."""
        text = self._text
        while text[self._at : self._at + 1] == b" ":
            self._at += 1
        first = text[self._at : self._at + 1]
        if first == b"(":
            return self._list(depth)
        if first == b'"':
            return self._quoted()
        if first in (b"{", b"~") and self._index + 2 < len(self._parts) and _LITERAL.match(text, self._at):
            return self._literal()
        atom = _ATOM.match(text, self._at)
        if atom is None:
            raise _unreadable(text[self._at :])
        self._at = atom.end()
        return None if atom[0].upper() == b"NIL" else atom[0]

    def _literal(self) -> _Value:
        literal = self._parts[self._index + 1]
        self._index += 2
        self._at = 0
        return _Pieces() if literal is None else literal

    def _quoted(self) -> bytes:
        match = _QUOTED.match(self._text, self._at)
        if match is None:
            raise _unreadable(self._text[self._at :])
        self._at = match.end()
        return _ESCAPED.sub(rb"\1", match[1]) if b"\\" in match[1] else match[1]

    def _list(self, depth: int) -> list[_Value]:
        if depth > MAX_NESTING:
            raise LimitExceeded(
                f"The server nested a list deeper than {MAX_NESTING}.", limit=MAX_NESTING, found=depth
            )
        self._at += 1
        found: list[_Value] = []
        while True:
            text = self._text
            while text[self._at : self._at + 1] == b" ":
                self._at += 1
            if text[self._at : self._at + 1] == b")":
                self._at += 1
                return found
            found.append(self.value(depth + 1))


def parse_internal_date(text: bytes) -> datetime | None:
    """Return an IMAP ``date-time`` in UTC, or None where it is none.

    ``date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE``
    (RFC 3501 section 9).

    >>> parse_internal_date(b"17-Jul-1996 02:44:25 -0700")
    datetime.datetime(1996, 7, 17, 9, 44, 25, tzinfo=datetime.timezone.utc)
    """
    match = _DATE.match(text)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    try:
        local = datetime(
            int(year),
            _MONTHS[month.lower()],
            int(day),
            int(hour),
            int(minute),
            min(int(second), 59),
            tzinfo=UTC,
        )
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        return local + offset if sign == b"-" else local - offset
    except (KeyError, ValueError, OverflowError):
        return None


def _number(value: _Value) -> int:
    """Return a number; MODSEQ's stands in a list of its own."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, bytes) or not value.isdigit() or len(value) > 20:
        raise _unreadable(value if isinstance(value, bytes) else b"")
    return int(value)


def _unreadable(received: bytes) -> RemoteProtocolError:
    return RemoteProtocolError(
        "The server sent a FETCH response that is no IMAP.", received=received[:MAX_QUOTED_OCTETS]
    )
