"""The POP3 stream of answers, sans I/O: bytes in, events out (RFC 1939, RFC 2449).

The strategy: a client says which answers it awaits, in the order of its commands, and
feeds whatever arrived; :meth:`Pop3Parser.next_event` returns the next whole event or None
for "more bytes needed". The end of a multi-line answer and its stuffed dots are found by
one search over the buffer, never line by line, and no octet is searched twice. A long
answer comes out in pieces, so that nobody has to hold it.

What the blocks mean (LIST, UIDL, CAPA) is in :mod:`mailroom.protocol.pop3_listing`.
"""

from __future__ import annotations

import enum
import re
from collections import deque
from typing import NamedTuple

from mailroom.exceptions import MAX_QUOTED_OCTETS, LocalProtocolError, RemoteProtocolError

__all__ = [
    "CLOSE_LOOK_OCTETS",
    "MAX_STATUS_OCTETS",
    "PIECE_OCTETS",
    "Answer",
    "Challenge",
    "Content",
    "Event",
    "Pop3Parser",
    "Status",
    "serialise_command",
]

MAX_STATUS_OCTETS = 8192
"""Longest status line accepted. RFC 2449 section 4 allows 512; servers that explain themselves send more."""

PIECE_OCTETS = 1024 * 1024
"""An answer longer than this comes out in pieces instead of as one event."""

CLOSE_LOOK_OCTETS = 8192
"""How far around a dot is searched for CRLF before it, for texts have many. Octets."""

_TERMINATOR = b"\r\n.\r\n"
_CR = 13
_BLOCK_FOLLOWS = (b"+OK ", b"+OK\r\n")

_RESPONSE_CODE = re.compile(r"\[([^\]\[\x00-\x20]{1,64})\]\s*")


class Answer(enum.Enum):
    """What kind of answer a command gets."""

    LINE = "a status line"
    BLOCK = "a status line, and after +OK lines up to a lone dot"
    CHALLENGE = "a status line, or a challenge (RFC 5034 section 4)"


class Status(NamedTuple):
    """A status line that is a whole answer: ``+OK`` or ``-ERR`` with its text.

    ``code`` is the extended response code in upper case without brackets (RFC 2449 section 8,
    RFC 3206), such as ``IN-USE`` or ``SYS/TEMP``; ``text`` is what follows it.
    """

    is_ok: bool
    code: str | None = None
    text: str = ""


class Challenge(NamedTuple):
    """A line ``+ <base64>`` in an AUTH exchange; ``text`` still encoded."""

    text: bytes


class Content(NamedTuple):
    """Octets of a multi-line answer after +OK, dots unstuffed, the lone dot left out.

    All of them when short; of a long answer several, the last with ``is_last``.
    """

    octets: bytes
    is_last: bool


Event = Status | Challenge | Content


def serialise_command(name: str, *arguments: str | int) -> bytes:
    r"""Return the line that sends a command.

    >>> serialise_command("TOP", 12, 0)
    b'TOP 12 0\r\n'

    :raises LocalProtocolError: if an argument holds a line break or NUL, which would be another command.
    """
    line = " ".join([name, *map(str, arguments)]).encode("utf-8", "surrogateescape")
    if re.search(rb"[\r\n\0]", line):
        raise LocalProtocolError(f"An argument of {name} holds a line break or NUL, which POP3 cannot send.")
    return line + b"\r\n"


class Pop3Parser:
    """Turns the octets of one connection into events, in the order of the answers awaited.

    A new parser awaits the greeting, which is a status line. After an error it is of no
    further use: where the next answer starts is unknown.

    :param peer: ``host:port`` for error messages.
    """

    __slots__ = (
        "_awaited",
        "_buffer",
        "_continued",
        "_in_block",
        "_peer",
        "_piece",
        "_search",
        "_start",
        "_stuffed",
    )

    def __init__(self, peer: str = "The server", *, piece_octets: int = PIECE_OCTETS) -> None:
        self._peer = peer
        self._piece = piece_octets
        self._awaited = deque([Answer.LINE])
        self._buffer = bytearray()
        self._start = 0
        """Where what was not yet given out begins; for a block that is the CRLF before its first line."""
        self._search = 0
        """Where the search for a dot after CRLF goes on."""
        self._in_block = False
        self._continued = False
        """Whether pieces of this block were given out already."""
        self._stuffed = False
        """Whether the octets from ``_start`` to ``_search`` hold stuffed dots."""

    @property
    def awaited(self) -> int:
        """How many answers are still to come, the one arriving included."""
        return len(self._awaited)

    def expect(self, *answers: Answer) -> None:
        """Say what the commands about to be sent are answered by.

        :raises RemoteProtocolError: if the server already said something that nobody asked for.
        """
        if not self._awaited and self._start < len(self._buffer):
            raise self._error("sent an answer that nobody asked for", self._start)
        self._awaited.extend(answers)

    def feed(self, data: bytes) -> None:
        """Take octets as they arrived, cut anywhere."""
        if self._start:
            del self._buffer[: self._start]
            self._search = max(0, self._search - self._start)
            self._start = 0
        self._buffer += data

    def take_rest(self) -> bytes:
        """Return, and forget, octets that belong to no answer; for the switch to TLS."""
        rest = bytes(self._buffer[self._start :])
        self._buffer.clear()
        self._start = self._search = 0
        return rest

    def next_event(self) -> Event | None:
        """Return the next event, or None until more octets are fed (or none is awaited).

        :raises RemoteProtocolError: if what arrived is no POP3 answer.
        """
        if self._in_block:
            return self._read_block()
        if not self._awaited:
            return None
        buffer, start = self._buffer, self._start
        end = buffer.find(b"\n", start, start + MAX_STATUS_OCTETS)
        if end < 0:
            if len(buffer) - start >= MAX_STATUS_OCTETS:
                raise self._error(f"sent a status line longer than {MAX_STATUS_OCTETS} octets", start)
            return None
        if end == start or buffer[end - 1] != _CR:
            raise self._error("ended a line with a bare LF", start)
        if self._awaited[0] is Answer.BLOCK and buffer.startswith(_BLOCK_FOLLOWS, start):
            return self._begin_block(end)
        return self._read_status(end)

    def _begin_block(self, end: int) -> Content | None:
        """Give out the block after the status line, at once if it is whole and holds no stuffed dots.

        :param end: where the LF of the status line is.
        """
        buffer = self._buffer
        dot = _find_dot(buffer, end - 1)
        if dot >= 0 and buffer.startswith(_TERMINATOR, dot):
            self._awaited.popleft()
            self._start = dot + len(_TERMINATOR)
            with memoryview(buffer) as view:  # a slice of the buffer itself would be copied twice
                return Content(octets=bytes(view[end + 1 : dot + 2]), is_last=True)
        self._in_block = True
        self._start = end - 1
        self._search = dot if dot >= 0 else max(end - 1, len(buffer) - len(_TERMINATOR) + 1)
        return self._read_block()

    def _read_status(self, end: int) -> Event | None:
        line = bytes(self._buffer[self._start : end - 1])
        indicator = line[:4].rstrip(b" \t").upper()
        if indicator == b"+OK" and self._awaited[0] is Answer.BLOCK:
            return self._begin_block(end)
        if indicator in (b"+OK", b"-ERR"):
            event: Event = _parse_status(line, is_ok=indicator == b"+OK")
        elif self._awaited[0] is Answer.CHALLENGE and line[:2].rstrip() == b"+":
            event = Challenge(text=line[2:])
        else:
            raise self._error("sent a line that is no POP3 answer", self._start)
        self._start = end + 1
        self._awaited.popleft()
        return event

    def _read_block(self) -> Content | None:
        """Give out the block, or a piece of it, if enough of it is there.

        The buffer from ``_start`` begins with the CRLF before the first line (first piece),
        or anywhere that no CRLF runs across, so that a search for CRLF dot misses nothing.
        """
        buffer = self._buffer
        while True:
            search = self._search
            dot = buffer.find(_TERMINATOR, search) if self._stuffed else _find_dot(buffer, search)
            if dot < 0:
                # All but what may be the beginning of a terminator has been searched.
                self._search = max(self._start, len(buffer) - len(_TERMINATOR) + 1)
                return self._give_piece()
            if len(buffer) < dot + len(_TERMINATOR):
                if not _TERMINATOR.startswith(buffer[dot:]):
                    self._stuffed = True
                self._search = dot
                return self._give_piece()
            if buffer.startswith(_TERMINATOR, dot):
                return self._end_block(dot)
            # From here on one search for the terminator is cheaper than one for each stuffed dot.
            self._stuffed, self._search = True, dot

    def _end_block(self, dot: int) -> Content:
        # At an empty block the CRLF before the dot is that of the status line.
        octets = self._unstuff(dot + 2)
        self._start = self._search = dot + len(_TERMINATOR)
        self._in_block = self._continued = self._stuffed = False
        self._awaited.popleft()
        return Content(octets=octets, is_last=True)

    def _give_piece(self) -> Content | None:
        if len(self._buffer) - self._start <= self._piece:
            return None
        end = len(self._buffer)
        for held in range(len(_TERMINATOR) - 1, 0, -1):
            if self._buffer.endswith(_TERMINATOR[:held]):
                end -= held
                break
        if end - self._start < 2:
            return None
        octets = self._unstuff(end)
        self._start = self._search = end
        self._continued, self._stuffed = True, False
        return Content(octets=octets, is_last=False)

    def _unstuff(self, end: int) -> bytes:
        """Return the octets up to ``end``; RFC 1939 section 3: a dot that begins a line is stripped."""
        if self._stuffed:
            octets = bytes(self._buffer[self._start : end]).replace(b"\r\n.", b"\r\n")
            return octets if self._continued else octets[2:]
        with memoryview(self._buffer) as view:
            return bytes(view[self._start if self._continued else self._start + 2 : end])

    def _error(self, what: str, start: int) -> RemoteProtocolError:
        received = bytes(self._buffer[start : start + MAX_QUOTED_OCTETS])
        return RemoteProtocolError(f"{self._peer} {what}: is this a POP3 server?", received=received)


def _find_dot(buffer: bytearray, start: int) -> int:
    """Return where a CRLF is followed by a dot, or -1.

    Base64 has no dots, and one octet is found some ten times as fast as three: what is known to hold
    no dot is not looked at more closely.
    """
    while (dot := buffer.find(b".", start)) >= 0:
        start = max(start, dot - 2)
        if (found := buffer.find(b"\r\n.", start, start + CLOSE_LOOK_OCTETS)) >= 0:
            return found
        start += CLOSE_LOOK_OCTETS - 2
    return -1


def _parse_status(line: bytes, *, is_ok: bool) -> Status:
    """Split a status line: ``("+OK" / "-ERR") [SP "[" resp-code "]"] [SP text]``."""
    text = line[3 if is_ok else 4 :].decode("utf-8", "replace").strip()
    match = _RESPONSE_CODE.match(text)
    if match is None:
        return Status(is_ok=is_ok, text=text)
    return Status(is_ok=is_ok, code=match[1].upper(), text=text[match.end() :])
