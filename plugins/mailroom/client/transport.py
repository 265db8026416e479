"""One TCP or TLS connection to a mail server, with a single receive buffer of ours.

Both clients read and write through it, so that switching to TLS or to compression can prove
that nothing was left in a buffer (RFC 2595 section 2.2: command injection before STARTTLS),
and so that large answers arrive in large pieces. TLS and compression are loaded where they are
spoken, for ``ssl`` takes as long to start as the rest of a connection. Every error of the network becomes one
sentence that names host and port. Knows no mail protocol; TLS itself is in
:mod:`mailroom.client.tls`.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, Self

from mailroom.exceptions import (
    MAX_QUOTED_OCTETS,
    ConfigurationError,
    ConnectionLost,
    LimitExceeded,
    MailroomError,
    RemoteProtocolError,
)
from mailroom.model import Endpoint, Security
from mailroom.protocol.conversation import MAX_REMEMBERED_OCTETS

if TYPE_CHECKING:
    import _socket

    from mailroom.client.deflate import Deflater, Inflater

__all__ = ["MAX_LINE_OCTETS", "RECEIVE_OCTETS", "Transcript", "Transport", "Waiting", "adopted"]

RECEIVE_OCTETS = 256 * 1024
"""How much is asked of the kernel at once: large enough that Python's share of the work vanishes."""

MAX_LINE_OCTETS = 64 * 1024 * 1024
"""Longest line ``readline`` returns. A SEARCH answer over a million UIDs is one line of 8 MB."""

MAX_TIMEOUT = 86_400.0
"""Longest wait for an answer, in seconds; systems refuse numbers far above, and NaN."""

_TLS_RECORD_STARTS = (b"\x15\x03", b"\x16\x03")
"""First octets of a TLS alert and of a TLS handshake: what a TLS port may say to a plain client."""

Waiting = Callable[[], contextlib.AbstractContextManager[object]]
"""Returns a block to wait for the network in."""


class Transcript(NamedTuple):
    """The beginning of a conversation, as plain text.

    :param sent: all that was sent, the password included.
    :param received: all that came, from the greeting on.
    :param capabilities: what the server offers since the sign-in.
    """

    sent: bytes
    received: bytes
    capabilities: bytes

    def __repr__(self) -> str:
        """Return how much it is: what was sent holds the password."""
        return f"<Transcript of {len(self.sent)} and {len(self.received)} octets>"


class Transport:
    """A connection to one endpoint; make it with :meth:`connect`.

    Not for use from two threads at once, except :meth:`close`, which wakes a waiting reader.
    """

    __slots__ = (
        "_ahead",
        "_asked_at",
        "_buffer",
        "_deflater",
        "_endpoint",
        "_heard",
        "_inflater",
        "_listens",
        "_scratch",
        "_socket",
        "_transcript",
        "_waiting",
        "is_tls",
        "round_trip",
    )

    def __init__(self, endpoint: Endpoint, connected: socket.socket, *, is_tls: bool) -> None:
        self._endpoint = endpoint
        self._socket: socket.socket | None = connected
        self._buffer = bytearray()
        self._scratch = bytearray(RECEIVE_OCTETS)
        self._heard = False
        self._listens = True
        self._ahead: list[tuple[bytes, bytes]] = []
        self._transcript: tuple[bytearray, bytearray] | None = None
        self._waiting: Waiting = contextlib.nullcontext
        self._inflater: Inflater | None = None
        self._deflater: Deflater | None = None
        self._asked_at: float | None = None
        self.is_tls = is_tls
        """Whether everything from here on is encrypted."""
        self.round_trip: float | None = None
        """Seconds from sending something to the next octet that came, the shortest seen.

        The server's own work is in it, so the shortest is nearest to what the line takes.
        """

    @classmethod
    def connect(cls, endpoint: Endpoint) -> Self:
        """Connect by IPv6 or IPv4, and do the TLS handshake where the endpoint's security is SSL.

        :raises ConnectionLost: with reason ``dns``, ``refused``, ``timeout`` or ``tls``.
        :raises CertificateRejected: if the certificate is not valid for the host.
        :raises ConfigurationError: if host, port, timeout or ``ca_file`` make no sense.
        """
        plain = _open_socket(endpoint)
        if endpoint.security is not Security.SSL:
            return cls(endpoint, plain, is_tls=False)
        from mailroom.client.tls import wrap_socket

        try:
            return cls(endpoint, wrap_socket(plain, endpoint), is_tls=True)
        except MailroomError:
            plain.close()
            raise

    @property
    def where(self) -> str:
        """``host:port``, for error messages."""
        return f"{self._endpoint.host}:{self._endpoint.port}"

    @property
    def sock(self) -> socket.socket:
        """The socket itself, for ``select`` and the like; do not read from it.

        :raises ConnectionLost: if the connection was closed.
        """
        if self._socket is None:
            raise ConnectionLost(f"The connection to {self.where} is closed.", reason="closed")
        return self._socket

    def start_tls(self) -> None:
        """Do the TLS handshake on the plain connection, after the server agreed to it.

        :raises RemoteProtocolError: if the server sent more than its agreement: it might be injected.
        :raises CertificateRejected: if the certificate is not valid for the host.
        :raises ConnectionLost: with reason ``tls``, ``timeout`` or ``closed``.
        """
        if self._buffer:
            raise RemoteProtocolError(
                f"{self.where} sent data between agreeing to TLS and starting it, "
                "which may be injected by someone in between: the connection was closed.",
                received=bytes(self._buffer[:MAX_QUOTED_OCTETS]),
            )
        from mailroom.client.tls import wrap_socket

        self._socket = wrap_socket(self.sock, self._endpoint)
        self.is_tls = True

    def while_waiting(self, block: Waiting) -> None:
        """Enter such a block wherever the network is waited for: somebody else can work meanwhile."""
        self._waiting = block

    def start_compression(self) -> None:
        """Deflate and inflate everything from here on, after the server agreed to it (RFC 4978).

        What came right behind the server's agreement is deflated already.
        """
        from mailroom.client.deflate import Deflater, Inflater

        self.take_transcript()  # it is not of this connection alone any more
        self._inflater, self._deflater = Inflater(self.where), Deflater()
        if self._buffer:
            self._inflater.feed(bytes(self._buffer))
            self._buffer.clear()

    def send(self, data: bytes) -> None:
        """Send all of ``data``.

        :raises ConnectionLost: if the server went away or takes nothing for ``timeout`` seconds.
        """
        if self._transcript is not None:
            self._transcript[0].extend(data)
        if self._ahead:
            return self._pass_over(data)
        if self._deflater is not None:
            data = self._deflater.deflate(data)
        self._asked_at = time.monotonic()
        try:
            with self._waiting():
                self.sock.sendall(data)
        except OSError as error:
            raise self._lost(error) from error

    def record(self) -> None:
        """Keep what goes both ways from here on, until the transcript is taken."""
        self._transcript = (bytearray(), bytearray())
        self._listens = True

    def take_transcript(self, capabilities: Iterable[str] = ()) -> Transcript | None:
        """Return what went both ways since ``record``, and keep no more; None where that is too much."""
        found, self._transcript = self._transcript, None
        if found is None:
            return None
        offered = " ".join(sorted(capabilities)).encode()
        return Transcript(sent=bytes(found[0]), received=bytes(found[1]), capabilities=offered)

    def was_asked(
        self, greeting: bytes, steps: Iterable[tuple[bytes, bytes]], round_trip: float | None
    ) -> None:
        """Take for sent what was: who says these commands again is answered from what has come already.

        :param steps: each command, in the order in which they were sent, and what answered it.
        :param round_trip: seconds from sending the commands to the first octet that came.
        """
        self.pushback(greeting)
        self.record()
        self._hear(greeting)
        self._ahead, self.round_trip = list(steps), round_trip

    def receive(self, limit: int = RECEIVE_OCTETS) -> bytes:
        """Return what is buffered, else what one read from the network gives; never nothing.

        :raises ConnectionLost: at the end of the stream, or after ``timeout`` seconds of silence.
        """
        if not self._buffer:
            return self._receive_once(limit)
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        return data

    def read(self, n: int) -> bytes:
        """Return exactly ``n`` octets.

        :raises ConnectionLost: if the stream ends or falls silent before.
        """
        while len(self._buffer) < n:
            self._buffer += self._receive_once(RECEIVE_OCTETS)
        data = bytes(self._buffer[:n])
        del self._buffer[:n]
        return data

    def readline(self) -> bytes:
        """Return one line with its line end.

        :raises LimitExceeded: if it is longer than ``MAX_LINE_OCTETS``.
        :raises ConnectionLost: if the stream ends or falls silent before.
        """
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > MAX_LINE_OCTETS:
                raise LimitExceeded(
                    f"{self.where} sent a line longer than {MAX_LINE_OCTETS} octets.",
                    limit=MAX_LINE_OCTETS,
                    found=searched,
                )
            self._buffer += self._receive_once(RECEIVE_OCTETS)
        return self.read(end + 1)

    def pushback(self, data: bytes) -> None:
        """Put octets back in front of what is still to be read."""
        self._buffer[:0] = data

    def close(self) -> None:
        """Close the connection at once, without a farewell; safe to call twice and from another thread."""
        connected, self._socket = self._socket, None
        if connected is None:
            return
        with contextlib.suppress(OSError):
            # Past SSLSocket's own shutdown, which would let a concurrent reader see ciphertext.
            socket.socket.shutdown(connected, socket.SHUT_RDWR)
        connected.close()

    def _receive_once(self, limit: int) -> bytes:
        """Return octets from the network, inflated where that was agreed to."""
        inflater = self._inflater
        if inflater is None:
            return self._receive_raw(limit)
        while not (data := inflater.take(limit)):
            inflater.feed(self._receive_raw(RECEIVE_OCTETS))
        return data

    def _receive_raw(self, limit: int) -> bytes:
        view = memoryview(self._scratch)[:limit]
        try:
            with self._waiting():
                count = self.sock.recv_into(view)
        except OSError as error:
            raise self._lost(error) from error
        if not count:
            raise self._lost(None)
        data = bytes(view[:count])
        if self._listens:
            self._hear(data)
        if self._asked_at is not None:
            took, self._asked_at = time.monotonic() - self._asked_at, None
            self.round_trip = took if self.round_trip is None else min(took, self.round_trip)
        return data

    def _hear(self, data: bytes) -> None:
        is_first, self._heard = not self._heard, True
        if self._transcript is not None and len(self._transcript[1]) + len(data) <= MAX_REMEMBERED_OCTETS:
            self._transcript[1].extend(data)
        else:
            self._transcript, self._listens = None, False
        if is_first and not self.is_tls and data.startswith(_TLS_RECORD_STARTS):
            raise ConnectionLost(f"{self.where} speaks TLS: set security to ssl.", reason="tls")

    def _pass_over(self, data: bytes) -> None:
        """Send nothing, for this was sent ahead, and have its answers read next.

        :raises ConnectionLost: with reason ``otherwise`` where it was not this.
        """
        while data:
            command, answer = self._ahead.pop(0) if self._ahead else (b"", b"")
            if not command or not data.startswith(command):
                raise ConnectionLost(
                    f"{self.where} is to be asked in another way than before: connect anew.",
                    reason="otherwise",
                )
            data = data[len(command) :]
            self._buffer += answer
            if self._listens:
                self._hear(answer)

    def _lost(self, error: OSError | None) -> ConnectionLost:
        """Translate the end of a connection; before the first octet it may be the wrong port."""
        hint = "" if self._heard or self.is_tls else ": if this is a TLS port, set security to ssl"
        if isinstance(error, TimeoutError):
            what = "sent no greeting" if not self._heard else "fell silent"
            text = f"{self.where} {what} within {self._endpoint.timeout:g} s{hint}."
            return ConnectionLost(text, reason="timeout")
        if self.is_tls and error is not None:
            from ssl import SSLError

            if isinstance(error, SSLError):
                text = f"The TLS connection to {self.where} broke: {error.reason or 'unknown reason'}."
                return ConnectionLost(text, reason="tls")
        detail = f" ({error.strerror})" if error is not None and error.strerror else ""
        return ConnectionLost(f"{self.where} closed the connection{detail}{hint}.", reason="closed")


def adopted(endpoint: Endpoint, opened: _socket.socket) -> Transport:
    """Return a connection that was opened elsewhere, with TLS or without."""
    is_tls = isinstance(opened, socket.socket)  # what is no more than the system's own is plain
    connected = opened if isinstance(opened, socket.socket) else socket.socket(fileno=opened.detach())
    connected.settimeout(endpoint.timeout)
    _tune(connected)
    return Transport(endpoint, connected, is_tls=is_tls)


def _open_socket(endpoint: Endpoint) -> socket.socket:
    host, port, where = endpoint.host, endpoint.port, f"{endpoint.host}:{endpoint.port}"
    if not host or not 0 < port < 65536 or not 0 < endpoint.timeout <= MAX_TIMEOUT:
        raise ConfigurationError(
            f"{where} with a timeout of {endpoint.timeout:g} s cannot be connected to: "
            "give a host, a port from 1 to 65535 and a timeout above 0 and of at most a day."
        )
    try:
        connected = socket.create_connection((host, port), timeout=endpoint.timeout)
    except (socket.gaierror, UnicodeError) as error:
        raise ConnectionLost(
            f"Host {host} of {where} is unknown: check its spelling and this machine's DNS.", reason="dns"
        ) from error
    except ConnectionRefusedError as error:
        raise ConnectionLost(
            f"{where} refused the connection: check the port, and that the server runs.", reason="refused"
        ) from error
    except TimeoutError as error:
        raise ConnectionLost(
            f"{where} did not answer within {endpoint.timeout:g} s: check host, port and firewalls.",
            reason="timeout",
        ) from error
    except OSError as error:
        raise ConnectionLost(
            f"{where} cannot be reached: {error.strerror or error}.", reason="refused"
        ) from error
    _tune(connected)
    return connected


def _tune(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
