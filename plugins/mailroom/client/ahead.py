"""A conversation sent in one go, before anything else is loaded: sign-in and listing together.

Belongs here: the connection of a run that hopes for nothing new, and handing it over to the ordinary
clients where that hope fails. Does not belong here: what is sent and what counts of the answers
(``protocol.conversation``), the ordinary dialogue (``pop3_sign_in``, ``imap_sign_in``).

Over a plain connection the operating system's sockets do, without the module around them, which takes
as long to load as the interpreter. Nothing is sent before the greeting is
there and says what it said the last time.
"""

from __future__ import annotations

import time
from _socket import IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, getaddrinfo, socket

from mailroom.protocol.conversation import MAX_REMEMBERED_OCTETS, Answers, offered_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mailroom.client.tls import TlsEndpoint
    from mailroom.client.transport import Transport
    from mailroom.model import Endpoint

__all__ = ["CALL_SECONDS", "AheadFailed", "SentAhead", "call", "call_by_tls"]

CALL_SECONDS = 10.0
"""How long to wait for a connection, and for its greeting: longer waits are left to the ordinary way."""

PATIENCE_SECONDS = 5.0
"""How long a server that has signed us in may say nothing before the commands sent along count as lost.

Proxies that hand a connection on after the sign-in may drop what came with it (nginx before 1.21.0).
"""

RECEIVE_OCTETS = 256 * 1024
GREETINGS = (b"+OK", b"* OK")


class AheadFailed(Exception):
    """The connection is of no use; the ordinary way says why, or does better."""


class SentAhead:
    """One connection, from its greeting to the answers to all that was sent at once.

    :ivar capabilities: what the server offered after the sign-in when these commands were found to do.
    :ivar was_refused: whether the sign-in was.
    :ivar lost_commands: whether the server, or something before it, does not take commands with a sign-in.
    """

    def __init__(self, connected: socket) -> None:
        self._socket = connected
        self._answers: Answers | None = None
        self._received = bytearray()
        self._round_trip: float | None = None
        self.was_refused = self.lost_commands = False
        self.capabilities = b""

    def ask(self, commands: bytes, offered: bytes, seconds: float) -> bytes | None:
        """Send commands, and return the digest of what the listings said; None where it is not as it was.

        Then ``transport`` goes on with what came, unless this raises.

        :param offered: what the greeting said when these commands were found to do.
        :param seconds: how long to wait for any answer.
        :raises AheadFailed: if there is no going on with this connection.
        """
        try:
            greeting = self._greeting()
            if not greeting.startswith(GREETINGS) or offered_by(greeting) != offered:
                return None
            self._socket.settimeout(seconds)
            self._socket.sendall(commands)
            self._answers = answers = Answers(commands)
            self._read(answers, len(greeting))
        except TimeoutError as error:
            if self._answers is None:
                return None
            raise self._lost() from error
        except OSError as error:
            raise self._lost() from error
        self.was_refused = answers.is_refused
        if answers.is_odd and not answers.is_refused:
            raise self._lost()
        return answers.digest() if answers.is_complete else None

    def transport(self, endpoint: Endpoint) -> Transport:
        """Return the connection for a client, which will find answered what it asks in the same words."""
        from mailroom.client.transport import adopted

        transport = adopted(endpoint, self._socket)
        said = bytes(self._received)
        greeting, steps = (said, []) if self._answers is None else self._answers.steps(said)
        transport.was_asked(greeting, steps, self._round_trip)
        return transport

    def leave(self, farewell: bytes) -> None:
        """Say farewell and hang up, not waiting for the answer.

        :raises OSError: if the server has gone already.
        """
        try:
            self._socket.sendall(farewell)
        finally:
            self.close()

    def close(self) -> None:
        """Hang up; safe to call twice."""
        self._socket.close()

    def _greeting(self) -> bytes:
        while b"\n" not in self._received:
            self._receive()
        return bytes(self._received)

    def _read(self, answers: Answers, start: int) -> None:
        """Read answers until all are there or one is odd."""
        asked = time.monotonic()
        while not (answers.is_complete or answers.is_odd):
            self._receive()
            self._round_trip = self._round_trip or time.monotonic() - asked
            answers.read(self._received, start)
            if answers.is_signed_in and not self._has_promised:
                self._socket.settimeout(PATIENCE_SECONDS)

    @property
    def _has_promised(self) -> bool:
        """Whether the server promised to take commands together, as POP3 servers have that are asked so."""
        return self._received.startswith(b"+OK")

    def _lost(self) -> AheadFailed:
        """Hang up, and return the error for a connection that broke; noting it where commands were sent."""
        self.lost_commands = self._answers is not None
        self.close()
        return AheadFailed()

    def _receive(self) -> None:
        octets = self._socket.recv(RECEIVE_OCTETS)
        if not octets:
            raise ConnectionResetError
        self._received += octets
        if len(self._received) > MAX_REMEMBERED_OCTETS:
            self.close()
            raise AheadFailed


def call(host: str, port: int) -> SentAhead:
    """Connect without TLS.

    :raises AheadFailed: where nobody is reached.
    """
    return SentAhead(_connected(host, port))


def call_by_tls(endpoint: TlsEndpoint) -> SentAhead:
    """Connect with TLS from the first octet on.

    :raises AheadFailed: where nobody is reached, or not the one that was meant.
    """
    from socket import socket as whole_socket

    from mailroom.client.tls import wrap_socket
    from mailroom.exceptions import MailroomError

    plain = whole_socket(fileno=_connected(endpoint.host, endpoint.port).detach())
    plain.settimeout(CALL_SECONDS)
    try:
        return SentAhead(wrap_socket(plain, endpoint))
    except MailroomError as error:
        plain.close()
        raise AheadFailed from error


def _connected(host: str, port: int) -> socket:
    try:
        # As octets, for a name that is text would be turned into IDNA by modules that take long to load.
        found = getaddrinfo(host.encode("ascii"), port, 0, SOCK_STREAM)
    except OSError as error:
        raise AheadFailed from error
    for family, kind, protocol, _, address in found:
        connected = socket(family, kind, protocol)
        try:
            connected.settimeout(CALL_SECONDS)
            connected.connect(address)
            connected.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        except OSError:
            connected.close()
            continue
        return connected
    raise AheadFailed
