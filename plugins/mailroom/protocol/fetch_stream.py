"""The stream of responses to UID FETCH: octets in, events out (RFC 3501 section 7, RFC 9051 section 7).

Belongs here: cutting what a server sends into responses and literals, and large bodies into
pieces, with nothing held between the network and the storage but the message in hand. Does
not belong here: the commands, sockets, and what other responses say, which pass through as lines.

Feed octets as they come: however they are cut, the events are the same, except that the
pieces of a large body are as long as they came. A line of UID and flags is recognised by one
regular expression, as a million of them may come, and so is a message that lies whole in the
octets at hand (:mod:`mailroom.protocol.fetch_at_once`); everything else is cut at its line ends
and literals first and read by :mod:`mailroom.protocol.imap_items`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailroom.exceptions import LimitExceeded, RemoteProtocolError
from mailroom.model import FetchedMessage
from mailroom.protocol.fetch_at_once import is_worth_waiting, read_at_once
from mailroom.protocol.imap_items import parse_fetch_items, parse_flags
from mailroom.protocol.imap_syntax import Part, unreadable

__all__ = [
    "MAX_LITERAL_OCTETS",
    "MAX_RESPONSE_OCTETS",
    "SPOOL_OCTETS",
    "BodyPiece",
    "Event",
    "FetchStream",
    "TaggedResponse",
    "UntaggedResponse",
]

SPOOL_OCTETS = 1024 * 1024
"""Bodies above this size come in pieces, as they arrive; other literals above it are passed over."""

MAX_RESPONSE_OCTETS = 16 * 1024 * 1024
"""Largest response, a large body not counted: flags and a header are a few hundred octets."""

MAX_LITERAL_OCTETS = 64 * 1024**3
"""Largest body that is believed; no server takes in mail of a hundredth of it."""


@dataclass(frozen=True, slots=True)
class BodyPiece:
    """The next octets of a large body; the ``FetchedMessage`` it belongs to follows the last piece."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UntaggedResponse:
    """A response that is no FETCH: the line without CRLF, literals in place; ``+`` included."""

    line: bytes


@dataclass(frozen=True, slots=True)
class TaggedResponse:
    """The completion of a command: its tag, ``OK``, ``NO`` or ``BAD``, and the server's words."""

    tag: bytes
    status: str
    text: bytes


Event = FetchedMessage | BodyPiece | UntaggedResponse | TaggedResponse

_FLAGS_LINE = re.compile(
    rb"\* \d{1,10} FETCH \(UID (\d{1,10})(?: MODSEQ \((\d{1,19})\))? FLAGS \(([^()\"{\r\n]*)\)"
    rb"(?: MODSEQ \((\d{1,19})\))?\)\r\n"
)
_FETCH = re.compile(rb"(?i:\* \d{1,20} FETCH \()")
_DATA = re.compile(rb"(?i:\* (?!(?:OK|NO|BAD|BYE|PREAUTH)(?: |\Z)))")
_TAGGED = re.compile(rb"(?i:([A-Z0-9.]{1,64}) (OK|NO|BAD)(?: (.*))?\Z)", re.DOTALL)
_ANNOUNCED = re.compile(rb"(?i:( BODY\[\] |\(BODY\[\] )?~?\{(\d{1,20})\+?\}\Z)")
_ANNOUNCEMENT_OCTETS = 40


class FetchStream:
    """The parser of one connection's responses."""

    __slots__ = ("_at", "_data", "_held", "_literal", "_missing", "_parts", "_searched")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._searched = 0
        self._parts: list[Part] = []
        self._held = 0
        self._missing = 0
        self._literal: list[bytes] | _Passing | None = None

    @property
    def is_between_responses(self) -> bool:
        """Whether the octets up to :meth:`rest` are whole responses."""
        return not self._parts

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take the next octets and yield the events they complete.

        Exhaust the iterator before feeding again. After an error the stream is of no more use.

        :raises RemoteProtocolError: where the octets are no IMAP.
        :raises LimitExceeded: where a response is larger than believable.
        """
        self._searched = max(0, self._searched - self._at)
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0
        while True:
            if self._literal is not None:
                piece = self._take_literal()
                if piece is not None:
                    yield piece
                if self._literal is not None:
                    return
            elif not self._parts:
                yield from self._flags_lines()
                yield from self._whole_messages()
                if is_worth_waiting(self._data, self._at):
                    return
            line = self._take_line()
            if line is None:
                return
            if not self._announces_literal(line):
                yield self._response(line)

    def begun(self) -> tuple[FetchedMessage, int] | None:
        """Return whose large body is arriving, as far as was said before it, and its octets, if one is."""
        fetch = _FETCH.match(self._parts[0] or b"") if self._parts else None
        if fetch is None or not isinstance(self._literal, _Passing) or not self._literal.is_body:
            return None
        try:
            return parse_fetch_items([*self._parts, None, b")"], fetch.end()), self._literal.octets
        except RemoteProtocolError:
            return None

    def rest(self) -> bytes:
        """Return the octets after the last whole line or literal, to be read by somebody else."""
        data, self._data, self._at, self._searched = self._data[self._at :], b"", 0, 0
        return data

    def _flags_lines(self) -> Iterator[FetchedMessage]:
        """Yield what a run of lines with UID and flags says, without cutting them out first."""
        data, match = self._data, _FLAGS_LINE.match
        found = match(data, self._at)
        while found is not None:
            self._at = end = found.end()
            uid, before, flags, after = found.groups()
            modseq = before or after
            yield FetchedMessage(
                uid=int(uid), flags=parse_flags(flags), modseq=None if modseq is None else int(modseq)
            )
            found = match(data, end)

    def _whole_messages(self) -> Iterator[FetchedMessage]:
        """Yield a run of messages of the usual shape, each whole in the octets at hand."""
        data = self._data
        found = read_at_once(data, self._at)
        while found is not None:
            message, self._at = found
            yield message
            found = read_at_once(data, self._at)

    def _take_line(self) -> bytes | None:
        end = self._data.find(b"\r\n", max(self._at, self._searched))
        if end < 0:
            # The next search starts where the CR of a CRLF may stand.
            self._searched = max(self._at, len(self._data) - 1)
            self._check_size(len(self._data) - self._at)
            return None
        line = self._data[self._at : end]
        self._at = end + 2
        return line

    def _announces_literal(self, line: bytes) -> bool:
        """Return whether a literal follows the line, and make ready to take it.

        Words to people end a line as they like: ``* OK see {5}`` announces nothing.
        """
        if not line.endswith(b"}") or not (self._parts or _DATA.match(line)):
            return False
        announced = _ANNOUNCED.search(line, max(0, len(line) - _ANNOUNCEMENT_OCTETS))
        if announced is None:
            return False
        octets = int(announced[2])
        if octets > MAX_LITERAL_OCTETS:
            raise LimitExceeded(
                f"The server announced {octets} octets at once; at most {MAX_LITERAL_OCTETS} are taken.",
                limit=MAX_LITERAL_OCTETS,
                found=octets,
            )
        self._parts.append(line)
        self._missing = octets
        if octets <= SPOOL_OCTETS:
            self._literal = []
            self._check_size(len(line) + octets)
            self._held += octets
        else:
            self._literal = _Passing(is_body=announced[1] is not None, octets=octets)
            self._check_size(len(line))
        self._held += len(line)
        return True

    def _take_literal(self) -> BodyPiece | None:
        """Move octets into the literal in hand, and end it when it is whole."""
        taken = min(self._missing, len(self._data) - self._at)
        is_all = not self._at and taken == len(self._data)
        piece = self._data if is_all else self._data[self._at : self._at + taken]
        self._at += taken
        self._missing -= taken
        literal = self._literal
        if isinstance(literal, list):
            if piece:
                literal.append(piece)
            if not self._missing:
                self._parts.append(literal[0] if len(literal) == 1 else b"".join(literal))
                self._literal = None
            return None
        if not self._missing:
            self._parts.append(None)
            self._literal = None
        return BodyPiece(piece) if piece and literal is not None and literal.is_body else None

    def _response(self, line: bytes) -> Event:
        self._check_size(len(line))
        parts, self._parts, self._held = [*self._parts, line], [], 0
        first = parts[0] or b""
        fetch = _FETCH.match(first)
        if fetch is not None:
            return parse_fetch_items(parts, fetch.end())
        if first.startswith((b"* ", b"+")):
            return UntaggedResponse(line if len(parts) == 1 else b"".join(part or b"" for part in parts))
        tagged = _TAGGED.match(first)
        if tagged is None:
            raise unreadable(first)
        return TaggedResponse(tagged[1], tagged[2].decode().upper(), tagged[3] or b"")

    def _check_size(self, octets: int) -> None:
        if self._held + octets > MAX_RESPONSE_OCTETS:
            raise LimitExceeded(
                f"The server sent a response longer than {MAX_RESPONSE_OCTETS} octets.",
                limit=MAX_RESPONSE_OCTETS,
                found=self._held + octets,
            )


@dataclass(frozen=True, slots=True)
class _Passing:
    """A literal too large to hold: a body goes out in pieces, anything else is passed over."""

    is_body: bool
    octets: int
