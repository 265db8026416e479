"""Bulk commands: many messages asked for at once, answers streamed (RFC 3501 section 6.4.5).

Belongs here: a run of UID FETCH or UID STORE commands, flags and headers pipelined so that no
round trip is lost, bodies in the order asked for; bodies made of what arrives. Does not belong
here: which messages and items.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from mailroom.client.half_bodies import WORTH_KEEPING_OCTETS, HalfBody
from mailroom.client.imap_wire import BUSY_CODES, ImapWire, farewell, rejection
from mailroom.client.spool import BodySink
from mailroom.exceptions import MAX_QUOTED_OCTETS, ConnectionLost, RemoteProtocolError
from mailroom.model import FetchedMessage, SpoolFactory
from mailroom.protocol.fetch_stream import BodyPiece, Event, FetchStream, TaggedResponse, UntaggedResponse

__all__ = ["COMMANDS_IN_FLIGHT", "stream_commands"]

COMMANDS_IN_FLIGHT = 2
"""Commands sent and not yet completed: one being answered, one waiting behind it.

Where bodies are asked for it is one: Dovecot answers the second as soon as the first blocks, so
messages would come out of order, and nobody could say at which one a connection broke.
"""

_log = logging.getLogger(__name__)


def stream_commands(
    wire: ImapWire,
    commands: Iterable[str],
    spool: SpoolFactory | None = None,
    keep: Callable[[HalfBody], None] | None = None,
) -> Iterator[FetchedMessage]:
    """Send commands and yield the FETCH responses they bring, without those that name no UID.

    A command answered with NO ends without an error: what it did not bring is missing, and
    the caller sees what (RFC 2180 section 4.1.2: a message may be gone since). If the
    iteration is given up before its end, the connection is closed, for the rest of the
    answer is still on its way.

    :param spool: for bodies larger than `SPOOL_OCTETS`; None where no bodies are asked for,
        and the commands may be pipelined.
    :param keep: called with a large body, if the connection breaks while it arrives.
    :raises CommandRejected: if a command is answered with BAD.
    :raises ConnectionLost: if the server goes away, or says that it is busy.
    :raises LocalProtocolError: if an earlier answer is still being read.
    """
    wire.settle()
    run = _Run(wire, spool)
    wire.is_streaming = True
    try:
        yield from run.messages(iter(commands))
    except ConnectionLost:
        half = run.half_body()
        if half is not None and keep is not None:
            keep(half)
            run.forget_body()
        raise
    finally:
        wire.is_streaming = False
        run.end()


class _Run:
    """The commands in flight and the message in hand."""

    def __init__(self, wire: ImapWire, spool: SpoolFactory | None) -> None:
        self._wire = wire
        self._spool = spool
        self._stream = FetchStream()
        self._in_flight: dict[bytes, str] = {}
        self._sink: BodySink | None = None
        self._window = COMMANDS_IN_FLIGHT if spool is None else 1

    def messages(self, commands: Iterator[str]) -> Iterator[FetchedMessage]:
        """Yield messages until all commands are completed."""
        self._send(commands)
        while self._in_flight:
            for event in self._stream.feed(self._wire.transport.receive()):
                if isinstance(event, FetchedMessage):
                    message = event if self._sink is None else self._with_body(event)
                    # Without a UID it is no answer, but the flags that another client changed.
                    if message.uid:
                        yield message
                else:
                    self._take(event, commands)

    def half_body(self) -> HalfBody | None:
        """Return the large body that is arriving, if so much of it came that it is worth keeping."""
        begun = self._stream.begun()
        if self._sink is None or begun is None or self._sink.octets < WORTH_KEEPING_OCTETS:
            return None
        message, announced = begun
        return HalfBody(message=message, announced=announced, sink=self._sink) if message.uid else None

    def forget_body(self) -> None:
        """Leave the body that is arriving to somebody else."""
        self._sink = None

    def end(self) -> None:
        """Give back what was read too far; close where answers are still on their way."""
        if self._sink is not None:
            self._sink.discard()
        if self._in_flight or not self._stream.is_between_responses:
            self._wire.transport.close()
        else:
            self._wire.transport.pushback(self._stream.rest())

    def _send(self, commands: Iterator[str]) -> None:
        while len(self._in_flight) < self._window:
            command = next(commands, None)
            if command is None:
                return
            tag = self._wire.new_tag()
            self._in_flight[tag] = " ".join(command.split(" ", 2)[:2])
            self._wire.transport.send(tag + b" " + command.encode("ascii") + b"\r\n")

    def _take(self, event: Event, commands: Iterator[str]) -> None:
        """Act on what is no message."""
        if isinstance(event, BodyPiece):
            self._spool_piece(event.data)
        elif isinstance(event, TaggedResponse):
            self._complete(event)
            self._send(commands)
        elif isinstance(event, UntaggedResponse) and event.line[:5].upper() == b"* BYE":
            raise farewell(self._wire.transport.where, event.line[5:])

    def _with_body(self, message: FetchedMessage) -> FetchedMessage:
        """Return the message whose body came in pieces."""
        sink, self._sink = self._sink, None
        if sink is None:
            return message
        if not message.uid:
            sink.discard()
            return message
        return message._replace(body=sink.finish())

    def _spool_piece(self, data: bytes) -> None:
        if self._spool is None:
            return
        if self._sink is None:
            self._sink = BodySink(self._spool)
        self._sink.write(data)

    def _complete(self, event: TaggedResponse) -> None:
        where = self._wire.transport.where
        command = self._in_flight.pop(event.tag, None)
        if command is None:
            raise RemoteProtocolError(
                f"{where} completed a command that was not sent.", received=event.tag[:MAX_QUOTED_OCTETS]
            )
        if event.status == "OK":
            return
        refused = rejection(where, command, event.status, event.text)
        if event.status == "BAD":
            raise refused
        if refused.code in BUSY_CODES:
            raise ConnectionLost(f"{where} is busy: {refused.text}.", reason="busy")
        _log.info("%s answered %s with NO; what it did not bring is left to the caller", where, command)
