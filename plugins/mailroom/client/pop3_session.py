"""Commands out, answers in: one POP3 connection, in lockstep or pipelined (RFC 2449 section 6.6).

Keeps the stream in step: what was asked for and not read yet is read away before anything
else is asked. Signing in is in :mod:`mailroom.client.pop3_sign_in`, what the commands mean
in :mod:`mailroom.client.pop3`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from mailroom.client.pop3_window import Window
from mailroom.client.sasl import without_secrets
from mailroom.client.transport import Transport
from mailroom.exceptions import (
    CommandRejected,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
)
from mailroom.protocol.pop3 import Answer, Challenge, Content, Event, Pop3Parser, Status, serialise_command

if TYPE_CHECKING:
    from mailroom.model import Endpoint

__all__ = ["MAX_WORDS", "Pop3Session"]

MAX_WORDS = 200
"""How many characters of a server's text an error quotes."""


class Pop3Session:
    """One connection to a POP3 server, past its greeting or about to read it."""

    def __init__(self, endpoint: Endpoint, transport: Transport) -> None:
        self.endpoint = endpoint
        self.transport = transport
        self.capabilities: Mapping[str, tuple[str, ...]] = {}
        self._parser = Pop3Parser(transport.where)
        self._turn = 0

    @property
    def where(self) -> str:
        """``host:port``, for error messages."""
        return self.transport.where

    def read_event(self) -> Event:
        """Return the next event of the answers awaited, reading as far as needed.

        :raises ConnectionLost: if the server goes away or falls silent; the connection is closed.
        :raises RemoteProtocolError: if what comes is no POP3; the connection is closed.
        """
        parser, transport = self._parser, self.transport
        try:
            while (event := parser.next_event()) is None:
                parser.feed(transport.receive())
        except BaseException:
            # Whatever interrupted this, where the next answer starts is unknown now.
            transport.close()
            raise
        return event

    def read_status(self) -> Status:
        """Return the status line that answers the next of the commands sent."""
        event = self.read_event()
        if not isinstance(event, Status):
            raise RemoteProtocolError(f"{self.where} sent something else than a status line.", received=b"")
        return event

    def read_block(self, name: str, limit: int) -> bytes | Status:
        """Return the block, or the -ERR, that answers the next of the commands sent.

        :raises LimitExceeded: if it is longer than ``limit`` octets.
        """
        pieces: list[bytes] = []
        found = 0
        while isinstance(event := self.read_event(), Content):
            pieces.append(event.octets)
            found += len(event.octets)
            if found > limit:
                self.close()
                text = f"{self.where} answered {name} with more than {limit} octets."
                raise LimitExceeded(text, limit=limit, found=found)
            if event.is_last:
                return b"".join(pieces)
        if not isinstance(event, Status):
            raise LocalProtocolError("The parser gave a challenge for a block.")
        return event

    def ask(self, name: str, *arguments: str | int) -> Status:
        """Send a command that a status line answers, and return that, whether +OK or -ERR."""
        self._send(serialise_command(name, *arguments), Answer.LINE)
        return self.read_status()

    def send_together(self, *commands: tuple[bytes, Answer]) -> None:
        """Send commands in one go, each with the answer that it gets; the server must pipeline."""
        self._send(b"".join(line for line, _ in commands), *(answer for _, answer in commands))

    def announce(self, name: str) -> None:
        """Send a command whose answer nobody will read; then the connection is of no more use."""
        self._send(serialise_command(name), Answer.LINE)

    def demand(self, name: str, *arguments: str | int) -> Status:
        """Send a command that a status line answers, and return it.

        :raises CommandRejected: if it is -ERR.
        """
        status = self.ask(name, *arguments)
        if not status.is_ok:
            raise self.rejected(name, status)
        return status

    def ask_auth(self, line: bytes) -> Status | Challenge:
        """Send one line of an AUTH exchange, line end included, and return what comes back."""
        self._send(line, Answer.CHALLENGE)
        event = self.read_event()
        if isinstance(event, Content):
            raise LocalProtocolError("The parser gave content for a line.")
        return event

    def ask_blocks(self, limit: int, *names: str) -> Iterator[bytes | Status]:
        """Send commands that blocks answer, together where the server pipelines; yield block or -ERR of each.

        :raises LimitExceeded: if a block is longer than ``limit`` octets.
        """
        if self.pipelines:
            self._send(b"".join(map(serialise_command, names)), *[Answer.BLOCK] * len(names))
        for name in names:
            if not self.pipelines:
                self._send(serialise_command(name), Answer.BLOCK)
            yield self.read_block(name, limit)

    @property
    def pipelines(self) -> bool:
        """Whether the server takes a command before it answered the last."""
        return "PIPELINING" in self.capabilities

    def exchange(
        self, command: str, numbers: Iterable[int], sizes: Mapping[int, int], answer: Answer
    ) -> Iterator[tuple[int, Event]]:
        """Send ``command``, ``%d`` in it replaced by each number, and return every event with its number.

        The first of them are sent at once, whenever the answers are read. Pipelined in a window where the
        server can; else one at a time. May be left before its end: the next command reads away what is
        still in flight.

        :param sizes: octets expected of each number; a wrong size costs speed only.
        :raises LocalProtocolError: if it is resumed after another command was sent.
        """
        line = f"{command}\r\n".encode()
        source = iter(numbers)
        window = Window(sizes, pipelined=self.pipelines)

        def send() -> None:
            if batch := window.take(source):
                self._write(b"".join([line % number for number in batch]), [answer] * len(batch))

        self._settle()
        send()
        return self._answers(command, window, send, self._turn)

    def _answers(
        self, command: str, window: Window, send: Callable[[], None], turn: int
    ) -> Iterator[tuple[int, Event]]:
        """Yield what answers the commands in a window, and send more where there is room."""
        while (number := window.first) is not None:
            if self._turn != turn:
                raise LocalProtocolError(f"{command} was resumed after another command was sent.")
            event = self.read_event()
            has_room = (not isinstance(event, Content) or event.is_last) and window.land()
            yield number, event
            if has_room and self._turn == turn:
                send()

    def start_tls(self) -> None:
        """Switch to TLS after the server agreed to it, proving that nothing was sent in between.

        :raises MailroomError: as :meth:`Transport.start_tls` says.
        """
        self.transport.pushback(self._parser.take_rest())
        self.transport.start_tls()

    def rejected(self, name: str, status: Status) -> CommandRejected:
        """Return the error that says that the server answered -ERR to a command."""
        words = self.words(status)
        return CommandRejected(
            f"{self.where} answered {name} with -ERR: {words}.",
            command=name,
            kind="-ERR",
            code=status.code,
            text=words,
        )

    def words(self, status: Status) -> str:
        """Return the server's words fit for a message: short, printable, without the secret."""
        octets = status.text.encode()
        text = without_secrets(octets, self.endpoint).decode("utf-8", "replace")
        text = "".join(c if c.isprintable() else "?" for c in text[:MAX_WORDS]).rstrip(". ")
        code = f"[{status.code}] " if status.code else ""
        return f"{code}{text}" or "no reason given"

    def close(self) -> None:
        """Close the connection without a farewell."""
        self.transport.close()

    def _send(self, data: bytes, *answers: Answer) -> None:
        self._settle()
        self._write(data, list(answers))

    def _write(self, data: bytes, answers: list[Answer]) -> None:
        try:
            self._parser.expect(*answers)
            self.transport.send(data)
        except BaseException:
            self.transport.close()
            raise

    def _settle(self) -> None:
        """Read away what an abandoned exchange left in flight, so that answers stay in step."""
        self._turn += 1
        while self._parser.awaited:
            self.read_event()
