"""The POP3 client: a maildrop's listing, its messages, their deletion (RFC 1939, RFC 2449).

Message numbers count within one session only; whoever remembers a message goes by its
unique id. Nothing is decided here about what to fetch or delete. The octets of a message
are exactly what the server sent, with stuffed dots removed: CRLF as they were, the last
one included.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

from mailroom.client.pop3_session import Pop3Session
from mailroom.client.pop3_sign_in import open_session
from mailroom.client.transport import Transcript, Transport
from mailroom.exceptions import ConnectionLost, LocalProtocolError
from mailroom.protocol.pop3 import Answer, Content, Event, Status
from mailroom.protocol.pop3_listing import parse_drop_listing, parse_scan_listing, parse_unique_ids

if TYPE_CHECKING:
    from mailroom.client.spool import BodySink
    from mailroom.model import Body, Endpoint, SpoolFactory

__all__ = [
    "MAX_HEADER_OCTETS",
    "MAX_LISTING_OCTETS",
    "Headed",
    "MaildropListing",
    "MaildropMessage",
    "Pop3Client",
    "Retrieved",
]

MAX_LISTING_OCTETS = 256 * 1024 * 1024
"""Longest answer to LIST or UIDL accepted: over three million messages with ids of 70 octets."""

MAX_HEADER_OCTETS = 4 * 1024 * 1024
"""Longest answer to TOP kept; beyond it that message gets an error instead."""

_HEADER_ESTIMATE = 4096

_log = logging.getLogger(__name__)


class MaildropMessage(NamedTuple):
    """One message of a maildrop as LIST and UIDL show it.

    :param number: its number in this session only.
    :param octets: size as the server states it, which may be wrong; 0 where it is not stated.
    :param uidl: unique id, or None where the server gives none. Two messages may have the same.
    """

    number: int
    octets: int
    uidl: str | None


@dataclass(frozen=True, kw_only=True)
class MaildropListing:
    """All messages of a maildrop; some servers show a window only.

    Taken apart when first asked for: a run with nothing new knows the answers by their digest.

    :param scan: the answer to LIST as it came.
    :param unique: the answer to UIDL as it came; nothing where the server has none.
    :param peer: who said so, for errors.
    """

    scan: bytes
    unique: bytes
    peer: str

    @cached_property
    def digest(self) -> str:
        """A digest of both answers as they came, message numbers and order included."""
        return hashlib.sha256(b"%d\r\n%b%b" % (len(self.scan), self.scan, self.unique)).hexdigest()

    @cached_property
    def sizes(self) -> Mapping[int, int]:
        """Size of each message number, as the server states it.

        :raises RemoteProtocolError: if the answer is no listing.
        """
        return parse_scan_listing(self.scan, self.peer)

    def __len__(self) -> int:
        """Return how many messages there are."""
        return len(self.messages)

    @cached_property
    def messages(self) -> tuple[MaildropMessage, ...]:
        """The messages by ascending number; made when first asked for, for most runs need none.

        :raises RemoteProtocolError: if an answer is no listing.
        """
        sizes, uidls = self.sizes, parse_unique_ids(self.unique, self.peer)
        return tuple(
            MaildropMessage(number=number, octets=sizes.get(number, 0), uidl=uidls.get(number))
            for number in sorted(sizes.keys() | uidls.keys())
        )

    def nameless(self) -> list[int]:
        """Return the numbers of messages without a unique id, ascending."""
        return [message.number for message in self.messages if message.uidl is None]

    def pairs(self) -> Iterator[tuple[str | None, int]]:
        """Yield unique id and size of each message."""
        for message in self.messages:
            yield message.uidl, message.octets


class Retrieved(NamedTuple):
    """The answer to RETR: the message, or the server's words why there is none."""

    number: int
    body: Body | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Headed:
    """The answer to TOP: the header (and the lines asked for), or why there is none."""

    number: int
    header: bytes | None = field(repr=False)
    error: str | None = None


class Pop3Client:
    """A signed-in POP3 session; make it with :meth:`connect`.

    As a context manager it closes *without* QUIT, so that leaving it by an error deletes
    nothing: the server deletes only what was marked before a QUIT it answered with +OK.
    """

    def __init__(self, session: Pop3Session) -> None:
        self._session = session
        self._listing: MaildropListing | None = None

    @classmethod
    def connect(cls, endpoint: Endpoint, transport: Transport | None = None) -> Self:
        """Connect, switch to TLS as the endpoint says, and sign in.

        :param transport: a connection to begin with, its greeting not read yet.
        :raises ConnectionLost: if the server cannot be reached, or is busy (reason ``busy``).
        :raises CertificateRejected: if its certificate is not valid for the host.
        :raises CapabilityMissing: if it offers no TLS or no such way of signing in.
        :raises AuthenticationFailed: if it refuses user, password or token.
        :raises RemoteProtocolError: if it is no POP3 server.
        """
        transport = transport or Transport.connect(endpoint)
        session = Pop3Session(endpoint, transport)
        try:
            open_session(session)
        except BaseException:
            transport.close()
            raise
        _log.debug("signed in to %s, capabilities: %s", session.where, " ".join(session.capabilities))
        return cls(session)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def host(self) -> str:
        """The host this client is connected to."""
        return self._session.endpoint.host

    @property
    def capabilities(self) -> Mapping[str, tuple[str, ...]]:
        """Names in upper case with their arguments; empty where the server knows no CAPA."""
        return self._session.capabilities

    def take_transcript(self) -> Transcript | None:
        """Return what was said so far, where that was recorded (``Transport.record``)."""
        return self._session.transport.take_transcript(self.capabilities)

    def stat(self) -> tuple[int, int]:
        """Return how many messages there are and their octets, as the server states them.

        :raises CommandRejected: if the server answers -ERR.
        """
        return parse_drop_listing(self._session.demand("STAT").text, self._session.where)

    def list_messages(self) -> MaildropListing:
        """Return all messages with size and unique id; the id is None where UIDL is not supported.

        :raises CommandRejected: if the server answers LIST with -ERR and is not empty.
        :raises ConnectionLost: if the maildrop is locked by another session.
        """
        peer = self._session.where
        scan, unique = self._session.ask_blocks(MAX_LISTING_OCTETS, "LIST", "UIDL")
        self._listing = MaildropListing(
            scan=self._without_list(scan) if isinstance(scan, Status) else scan,
            unique=self._without_uidl(unique) if isinstance(unique, Status) else unique,
            peer=peer,
        )
        return self._listing

    def retrieve(self, numbers: Sequence[int], spool: SpoolFactory) -> Iterator[Retrieved]:
        """Return the messages of these numbers in their order, by RETR, pipelined where the server can.

        The first are asked for at once, whenever they are read.

        A message that the server refuses, because it vanished for example, yields an error and
        the rest goes on. May be left before its end. RETR marks a message as read on servers
        that share their mail with IMAP.

        :raises ConnectionLost: if the server goes away; what was not yielded did not arrive.
        :raises StoreUnavailable: if a large message cannot be spooled.
        """
        sizes = self._listing.sizes if self._listing is not None else {}
        return self._retrieved(self._session.exchange("RETR %d", numbers, sizes, Answer.BLOCK), spool)

    def _retrieved(self, events: Iterator[tuple[int, Event]], spool: SpoolFactory) -> Iterator[Retrieved]:
        """Yield the messages that events of RETR make."""
        from mailroom.client.spool import SPOOL_OCTETS, BodySink  # where there is anything to retrieve
        from mailroom.model import Body

        sink: BodySink | None = None
        try:
            for number, event in events:
                if not isinstance(event, Content):
                    yield Retrieved(number=number, body=None, error=self._refused(event))
                elif sink is None and event.is_last and len(event.octets) <= SPOOL_OCTETS:
                    body = Body(octets=len(event.octets), content=event.octets)
                    yield Retrieved(number=number, body=body)
                else:
                    sink = sink or BodySink(spool)
                    sink.write(event.octets)
                    if event.is_last:
                        body, sink = sink.finish(), None
                        yield Retrieved(number=number, body=body)
        finally:
            if sink is not None:
                sink.discard()

    def top(self, numbers: Sequence[int], lines: int = 0) -> Iterator[Headed]:
        """Yield the headers of these numbers in their order, by TOP, with that many lines of the text.

        Does not mark anything as read. A refused or overlong one yields an error.

        :raises ConnectionLost: if the server goes away.
        """
        sizes = dict.fromkeys(numbers, _HEADER_ESTIMATE + 80 * lines)
        header = bytearray()
        for number, event in self._session.exchange(f"TOP %d {lines:d}", numbers, sizes, Answer.BLOCK):
            if not isinstance(event, Content):
                yield Headed(number=number, header=None, error=self._refused(event))
                continue
            if len(header) <= MAX_HEADER_OCTETS:
                header += event.octets
            if not event.is_last:
                continue
            if len(header) > MAX_HEADER_OCTETS:
                yield Headed(
                    number=number, header=None, error=f"header longer than {MAX_HEADER_OCTETS} octets"
                )
            else:
                yield Headed(number=number, header=bytes(header))
            header.clear()

    def delete(self, numbers: Sequence[int]) -> dict[int, str | None]:
        """Mark these messages for deletion; return for each None, or the server's words why not.

        They are deleted only when :meth:`quit` succeeds.

        :raises ConnectionLost: if the server goes away: then nothing was deleted.
        """
        outcome: dict[int, str | None] = {}
        sizes = dict.fromkeys(numbers, 0)
        for number, event in self._session.exchange("DELE %d", numbers, sizes, Answer.LINE):
            is_ok = isinstance(event, Status) and event.is_ok
            outcome[number] = None if is_ok else self._refused(event)
        return outcome

    def reset(self) -> None:
        """Unmark all messages marked for deletion.

        :raises CommandRejected: if the server answers -ERR.
        """
        self._session.demand("RSET")

    def quit(self) -> None:
        """End the session; this is when the server deletes what was marked.

        :raises CommandRejected: if the server answers -ERR: some marked messages may still be there.
        :raises ConnectionLost: if no answer comes: whether anything was deleted is not known.
        """
        try:
            self._session.demand("QUIT")
        except ConnectionLost as error:
            raise ConnectionLost(
                f"{self._session.where} did not confirm QUIT, so deletions may not have been done: {error}",
                reason=error.reason,
            ) from error
        finally:
            self.close()

    def leave(self) -> None:
        """Say QUIT and hang up without waiting for the answer: for a session that marked nothing."""
        with contextlib.suppress(ConnectionLost):
            self._session.announce("QUIT")
        self.close()

    def close(self) -> None:
        """Close the connection without QUIT: nothing is deleted. Safe to call twice, from any thread."""
        self._session.close()

    def _refused(self, event: object) -> str:
        if not isinstance(event, Status):
            raise LocalProtocolError("The parser gave a challenge where none was awaited.")
        return self._session.words(event)

    def _without_list(self, status: Status) -> bytes:
        """Some servers answer LIST of an empty maildrop with -ERR."""
        count, _ = self.stat()
        if count:
            raise self._session.rejected("LIST", status)
        return b""

    def _without_uidl(self, status: Status) -> bytes:
        if status.code in ("IN-USE", "SYS/TEMP"):
            raise ConnectionLost(
                f"{self._session.where} cannot list unique ids now: {self._session.words(status)}.",
                reason="busy",
            )
        _log.info("%s has no unique ids (UIDL): %s", self._session.where, self._session.words(status))
        return b""
