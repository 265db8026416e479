"""APPEND for many messages: no round trip a message where the server allows it.

Belongs here: the conversation. With LITERAL+ (RFC 7888) messages follow each other without
waiting; with MULTIAPPEND (RFC 3502) many go in one command, which the server stores as a whole
or not at all; with neither, the next command goes out behind the octets of the last message,
so that one round trip a message is left. Does not belong here: which messages.

A command of several messages that is refused is sent again message by message, so that one
refused message stops no other. Nothing on the server is changed but what is added.
"""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime

from mailroom.client.imap import ImapClient
from mailroom.client.imap_wire import ImapWire, farewell, rejection
from mailroom.exceptions import (
    MAX_QUOTED_OCTETS,
    CommandRejected,
    IntegrityError,
    LocalProtocolError,
    RemoteProtocolError,
)
from mailroom.protocol.imap_append import message_head, parse_append_uids

__all__ = ["AppendOutcome", "Outgoing", "append_messages"]

Content = AbstractContextManager[bytes | mmap.mmap]

MESSAGES_A_COMMAND = 100
"""How many messages go in one MULTIAPPEND; a server commits once for all of them."""

OCTETS_A_COMMAND = 1024 * 1024
"""After how many octets a MULTIAPPEND ends; a kill costs at most what is under way."""

COMMANDS_IN_FLIGHT = 128
"""How many commands may wait for their completion: with one message each, 3,000 a second at 40 ms."""

OCTETS_IN_FLIGHT = 4 * 1024 * 1024
"""How many octets may wait for their completion: 100 MB/s at a round trip of 40 ms."""

LITERAL_MINUS_OCTETS = 4096
"""The longest literal that goes out without asking where only LITERAL- is offered (RFC 7888 section 5)."""

SEND_OCTETS = 128 * 1024
"""Small messages go out together, in pieces of this size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to be added.

    :param place: the caller's number for it.
    """

    place: int
    digest: str
    octets: int
    flags: tuple[str, ...] = ()
    internal_date: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendOutcome:
    """What became of one message.

    :param uid: its UID, where the server said (UIDPLUS, RFC 4315).
    :param refusal: why it was not taken; None where it was.
    """

    message: Outgoing
    uid: int | None = None
    refusal: CommandRejected | IntegrityError | None = None


def append_messages(
    client: ImapClient, folder: str, messages: Iterable[Outgoing], open_content: Callable[[str], Content]
) -> Iterator[AppendOutcome]:
    """Add messages to a folder, and yield what became of each, some time after it was asked for.

    Whoever stops in between closes the connection, for what is under way cannot be called back.

    :param open_content: gives the octets of a digest; where it raises IntegrityError, that message is
        not sent, and the error is its refusal.
    :raises ConnectionLost: if the server goes away; what was not yielded may have been added or not.
    :raises CommandRejected: if the name of the folder cannot be sent.
    """
    wire = client.wire
    wire.settle()
    run = _Run(
        wire=wire, client=client, mailbox=wire.quoted_name(folder, "APPEND"), open_content=open_content
    )
    wire.is_streaming = True
    is_over = False
    try:
        yield from run.outcomes(messages)
        is_over = True
    finally:
        wire.is_streaming = False
        if not is_over:
            wire.transport.close()


@dataclass(slots=True)
class _Command:
    """One APPEND under way."""

    messages: list[Outgoing] = field(default_factory=list)
    octets: int = 0
    is_multiple: bool = False


@dataclass(slots=True, kw_only=True)
class _Run:
    """The commands under way; one more may be open, waiting for further messages."""

    wire: ImapWire
    client: ImapClient
    mailbox: bytes
    open_content: Callable[[str], Content]
    _in_flight: dict[bytes, _Command] = field(default_factory=dict)
    _octets: int = 0
    _open: tuple[bytes, _Command] | None = None
    _again: deque[Outgoing] = field(default_factory=deque)
    _done: deque[AppendOutcome] = field(default_factory=deque)
    _unsent: bytearray = field(default_factory=bytearray)

    def outcomes(self, messages: Iterable[Outgoing]) -> Iterator[AppendOutcome]:
        """Send all and yield what the server says of each."""
        can_group = self.client.supports("MULTIAPPEND")
        for message in messages:
            self._put(message, can_group)
            yield from self._finished()
        self._close_command()
        while self._in_flight or self._again:
            if self._again:
                self._put(self._again.popleft(), False)
                self._close_command()
            else:
                self._read_one()
            yield from self._finished()
        self._flush()
        yield from self._finished()

    def _finished(self) -> Iterator[AppendOutcome]:
        while self._done:
            yield self._done.popleft()

    def _put(self, message: Outgoing, can_group: bool) -> None:
        """Send one message, in the open command or in a new one."""
        try:
            with self.open_content(message.digest) as content:
                has_nul = any(b"\0" in piece for piece in _pieces(content))
                # A zero literal would call a MULTIAPPEND off, and NUL is what servers refuse most.
                groups = can_group and 0 < message.octets <= OCTETS_A_COMMAND and not has_nul
                self._begin(message, groups)
                self._send_message(message, content, is_binary=has_nul and self.client.supports("BINARY"))
        except IntegrityError as error:
            self._done.append(AppendOutcome(message=message, refusal=error))
            return
        if not groups or self._is_full():
            self._close_command()

    def _is_full(self) -> bool:
        if self._open is None:
            return False
        command = self._open[1]
        return len(command.messages) >= MESSAGES_A_COMMAND or command.octets >= OCTETS_A_COMMAND

    def _begin(self, message: Outgoing, groups: bool) -> None:
        """Make sure that a command is open which takes the message."""
        if self._open is not None and not groups:
            self._close_command()
        if self._open is not None:
            return
        while self._in_flight and (
            len(self._in_flight) >= COMMANDS_IN_FLIGHT or self._octets + message.octets > OCTETS_IN_FLIGHT
        ):
            self._read_one()
        tag = self.wire.new_tag()
        command = _Command(is_multiple=groups)
        self._open = (tag, command)
        self._in_flight[tag] = command
        self._write(tag + b" APPEND " + self.mailbox)

    def _send_message(self, message: Outgoing, content: bytes | mmap.mmap, *, is_binary: bool) -> None:
        if self._open is None:
            raise LocalProtocolError("A message was to be sent outside of a command.")
        tag, command = self._open
        octets = len(content)
        waits = self._waits(octets)
        command.messages.append(message)
        command.octets += octets
        self._octets += octets
        self._write(
            message_head(octets, message.flags, message.internal_date, waits=waits, is_binary=is_binary)
        )
        if waits and not self._may_go_on(tag):
            self._open = None
            return
        for piece in _pieces(content):
            self._write(piece)

    def _waits(self, octets: int) -> bool:
        if self.client.supports("LITERAL+"):
            return False
        return not (self.client.supports("LITERAL-") and octets <= LITERAL_MINUS_OCTETS)

    def _may_go_on(self, tag: bytes) -> bool:
        """Wait until the server wants the octets; return whether it does."""
        while tag in self._in_flight:
            if self._read_one():
                return True
        return False

    def _close_command(self) -> None:
        if self._open is not None:
            self._write(b"\r\n")
            self._open = None

    def _write(self, data: bytes) -> None:
        self._unsent += data
        if len(self._unsent) >= SEND_OCTETS:
            self._flush()

    def _flush(self) -> None:
        if self._unsent:
            data, self._unsent = bytes(self._unsent), bytearray()
            self.wire.transport.send(data)

    def _read_one(self) -> bool:
        """Take in one line of the server; return whether it asks to go on."""
        self._flush()
        line = self._line()
        if line[:1] == b"+":
            return True
        if line[:2] == b"* ":
            if line[2:5].upper() == b"BYE":
                raise farewell(self.wire.transport.where, line[5:])
            return False
        tag, _, rest = line.partition(b" ")
        command = self._in_flight.pop(tag, None)
        if command is None:
            raise RemoteProtocolError(
                f"{self.wire.transport.where} completed a command that was not sent.",
                received=line[:MAX_QUOTED_OCTETS],
            )
        self._complete(command, rest)
        return False

    def _line(self) -> bytes:
        """Return one response without its line end, and without the literals in it."""
        line = self.wire.transport.readline().rstrip(b"\r\n")
        while line.startswith(b"* ") and self.wire.read_literal(line.split(b" ", 2)[1], line) is not None:
            line = line[: line.rfind(b"{")] + self.wire.transport.readline().rstrip(b"\r\n")
        return line

    def _complete(self, command: _Command, rest: bytes) -> None:
        self._octets -= command.octets
        status, _, text = rest.partition(b" ")
        kind = status.upper().decode("ascii", "replace")
        if kind == "OK":
            uids = parse_append_uids(text, len(command.messages))
            for number, message in enumerate(command.messages):
                self._done.append(AppendOutcome(message=message, uid=uids[number] if uids else None))
        elif command.is_multiple and len(command.messages) > 1:
            self._again.extend(command.messages)
        else:
            refusal = rejection(self.wire.transport.where, "APPEND", kind, text)
            self._done += [AppendOutcome(message=message, refusal=refusal) for message in command.messages]


def _pieces(content: bytes | mmap.mmap) -> Iterator[bytes]:
    """Yield octets piece by piece, letting go of mapped pages: no message is held whole."""
    for start in range(0, len(content), SEND_OCTETS):
        piece = content[start : start + SEND_OCTETS]
        yield piece
        if isinstance(content, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            content.madvise(mmap.MADV_DONTNEED, start, len(piece))
