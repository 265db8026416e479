"""The rest of a body whose transfer broke, by ``BODY.PEEK[]<offset.count>`` (RFC 3501 section 6.4.5).

Belongs here: making sure that the server has the very message of which a half was kept, and
asking for the rest of it in ranges. Does not belong here: keeping the half
(``half_bodies``).

Some servers make the octets of a message anew each time, with other boundaries between the
parts, so size, date, the beginning of the message (which names the boundaries) and the last
octets that came must all be what they were. The whole must be as long as was announced when
the transfer began; what RFC822.SIZE says does not count, for it is often wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from mailroom.client.half_bodies import HalfBody
from mailroom.client.imap_fetch import stream_commands
from mailroom.client.imap_wire import ImapWire
from mailroom.exceptions import ConnectionLost
from mailroom.model import FetchedMessage, SpoolFactory
from mailroom.protocol.fetch_stream import SPOOL_OCTETS

__all__ = ["COMPARED_OCTETS", "RANGE_OCTETS", "continue_body"]

RANGE_OCTETS = SPOOL_OCTETS
"""Octets asked for at once: what the stream holds in memory, and enough that a round trip each is little."""

COMPARED_OCTETS = 64 * 1024
"""Octets at the beginning and at the end of a half body that must be what they were."""

_log = logging.getLogger(__name__)


def continue_body(
    wire: ImapWire, half: HalfBody, items: str, spool: SpoolFactory, keep: Callable[[HalfBody], None]
) -> FetchedMessage | None:
    """Return the message with its whole body, or None where it must be fetched anew.

    A server that ignores the range and sends everything is taken at its word.

    :param items: what FETCH asks for, ``BODY.PEEK[]`` among it.
    :param keep: called with the half body, grown or not, where the connection broke once more.
    :raises ConnectionLost: if the server goes away.
    """
    rest = _Rest(half, items)
    try:
        for message in stream_commands(wire, rest.commands(), spool):
            rest.take(message)
    except ConnectionLost:
        keep(half)
        raise
    except BaseException:
        half.sink.discard()
        raise
    if rest.is_complete and rest.message is not None:
        return rest.message._replace(body=half.sink.finish(), origin=None)
    half.sink.discard()
    if rest.whole is None:
        _log.info(
            "UID %d of %s is fetched anew: it does not go on as it began", rest.uid, wire.transport.where
        )
    return rest.whole


class _Rest:
    """What is still to come of one body, one range at a time."""

    def __init__(self, half: HalfBody, items: str) -> None:
        self._half = half
        self._items = items
        self._offset = 0
        self._answer: bytes | None = None
        self.uid = half.message.uid
        self.message: FetchedMessage | None = None
        """What the server said of the message last."""
        self.whole: FetchedMessage | None = None
        """The message, where it was sent whole instead."""
        self.is_complete = False

    def commands(self) -> Iterator[str]:
        """Yield the next command when the last one was answered, until nothing is left to ask."""
        sink = self._half.sink
        for offset in (0, sink.octets - COMPARED_OCTETS):
            yield self._ask(offset, COMPARED_OCTETS)
            if self._answer != sink.read_back(offset, COMPARED_OCTETS):
                return
        while sink.octets < self._half.announced:
            yield self._ask(sink.octets, RANGE_OCTETS)
            if not self._answer:
                return
            sink.write(self._answer)
        self.is_complete = sink.octets == self._half.announced

    def take(self, message: FetchedMessage) -> None:
        """Take the answer to the last command; anything else is what others did meanwhile."""
        if message.uid != self.uid or message.body is None:
            return
        if message.origin is None:
            self.whole = message
        elif message.origin == self._offset and _is_same(message, self._half.message):
            self.message, self._answer = message, message.body.content

    def _ask(self, offset: int, count: int) -> str:
        self._offset, self._answer = offset, None
        section = f"BODY.PEEK[]<{offset}.{count}>"
        return f"UID FETCH {self.uid} {self._items.replace('BODY.PEEK[]', section)}"


def _is_same(one: FetchedMessage, other: FetchedMessage) -> bool:
    """Return whether size and date are the same as far as both are stated."""
    pairs = ((one.octets, other.octets), (one.internal_date, other.internal_date))
    return all(a == b or a is None or b is None for a, b in pairs)
