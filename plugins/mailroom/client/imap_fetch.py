"""Bulk commands: many messages asked for at once, answers streamed (RFC 3501 section 6.4.5).

Belongs here: a run of UID FETCH or UID STORE commands, the next one sent before the last
one's answer is read to its end, so that no round trip is lost; bodies made of what
arrives. Does not belong here: which messages and items.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator

from mailroom.client.imap_wire import ImapWire, rejection
from mailroom.client.spool import BodySink
from mailroom.exceptions import ConnectionLost, RemoteProtocolError
from mailroom.model import Body, FetchedMessage, SpoolFactory
from mailroom.protocol.fetch_stream import (
    Event,
    FetchResponse,
    FetchStream,
    LiteralPiece,
    TaggedResponse,
    UntaggedResponse,
)

__all__ = ["COMMANDS_IN_FLIGHT", "stream_commands"]

COMMANDS_IN_FLIGHT = 2
"""Commands sent and not yet completed: one being answered, one waiting behind it."""

_log = logging.getLogger(__name__)


def stream_commands(
    wire: ImapWire, commands: Iterable[str], spool: SpoolFactory | None = None
) -> Iterator[FetchedMessage]:
    """Send commands, pipelined, and yield the FETCH responses they bring.

    A command answered with NO ends without an error: what it did not bring is missing, and
    the caller sees what (RFC 2180 section 4.1.2: a message may be gone since). If the
    iteration is given up before its end, the connection is closed, for the rest of the
    answer is still on its way.

    :param spool: for bodies larger than `SPOOL_OCTETS`; None where no bodies are asked for.
    :raises CommandRejected: if a command is answered with BAD.
    :raises ConnectionLost: if the server goes away.
    """
    run = _Run(wire, spool)
    try:
        yield from run.messages(iter(commands))
    finally:
        run.end()


class _Run:
    """The commands in flight and the message in hand."""

    def __init__(self, wire: ImapWire, spool: SpoolFactory | None) -> None:
        self._wire = wire
        self._spool = spool
        self._stream = FetchStream()
        self._tags: deque[tuple[bytes, str]] = deque()
        self._sink: BodySink | None = None

    def messages(self, commands: Iterator[str]) -> Iterator[FetchedMessage]:
        """Yield messages until all commands are completed."""
        self._send(commands)
        while self._tags:
            for event in self._stream.feed(self._wire.transport.receive()):
                message = self._message(event, commands)
                if message is not None:
                    yield message

    def end(self) -> None:
        """Give back what was read too far; close where answers are still on their way."""
        if self._sink is not None:
            self._sink.discard()
        if self._tags:
            self._wire.transport.close()
        else:
            self._wire.transport.pushback(self._stream.rest())

    def _send(self, commands: Iterator[str]) -> None:
        while len(self._tags) < COMMANDS_IN_FLIGHT:
            command = next(commands, None)
            if command is None:
                return
            tag: bytes = self._wire._new_tag()
            self._wire.tagged_commands.pop(tag, None)
            self._wire.transport.send(tag + b" " + command.encode("ascii") + b"\r\n")
            self._tags.append((tag, " ".join(command.split(" ", 2)[:2])))

    def _message(self, event: Event, commands: Iterator[str]) -> FetchedMessage | None:
        if isinstance(event, FetchResponse):
            return self._fetched(event)
        if isinstance(event, LiteralPiece):
            self._spool_piece(event.data)
        elif isinstance(event, TaggedResponse):
            self._complete(event)
            self._send(commands)
        elif isinstance(event, UntaggedResponse) and event.line[:6].upper() == b"* BYE ":
            raise ConnectionLost(f"{self._wire.transport.where} ended the connection.", reason="closed")
        return None

    def _fetched(self, response: FetchResponse) -> FetchedMessage:
        sink, self._sink = self._sink, None
        body: Body | None = None
        if response.has_pieces and sink is not None:
            body = sink.finish()
        elif sink is not None:
            sink.discard()
        if response.body is not None:
            body = Body(octets=len(response.body), content=response.body)
        return FetchedMessage(
            uid=response.uid,
            flags=response.flags,
            internal_date=response.internal_date,
            octets=response.octets,
            modseq=response.modseq,
            body=body,
            object_id=response.object_id,
            save_date=response.save_date,
            header=response.header,
        )

    def _spool_piece(self, data: bytes) -> None:
        if self._spool is None:
            return
        if self._sink is None:
            self._sink = BodySink(self._spool)
        self._sink.write(data)

    def _complete(self, event: TaggedResponse) -> None:
        where = self._wire.transport.where
        tag, command = self._tags.popleft()
        if event.tag != tag:
            self._tags.appendleft((tag, command))
            raise RemoteProtocolError(
                f"{where} completed a command that was not sent.", received=event.tag[:200]
            )
        if event.status == "BAD":
            raise rejection(where, command, event.status, event.text)
        if event.status == "NO":
            _log.info("%s answered %s with NO; what it did not bring is asked for again", where, command)
