"""The transport over real sockets: its buffer, and one clear sentence for every way to fail."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from mailroom.client import transport as transport_module
from mailroom.client.tls import create_context
from mailroom.client.transport import Transport
from mailroom.exceptions import (
    CertificateRejected,
    ConfigurationError,
    ConnectionLost,
    LimitExceeded,
    MailroomError,
    RemoteProtocolError,
)
from mailroom.model import Endpoint, MailProtocol, Security

Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(serve: Serve) -> Iterator[int]:
    """Serve one connection on loopback; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def run() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                connection.settimeout(10)
                with connection, contextlib.suppress(OSError):
                    serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def until_end(connection: socket.socket) -> None:
    """Say nothing until the client leaves."""
    while connection.recv(65536):
        pass


def saying(data: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        connection.sendall(data)
        until_end(connection)

    return serve


def over_tls(context: ssl.SSLContext, data: bytes = b"") -> Serve:
    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            encrypted.sendall(data)
            until_end(encrypted)

    return serve


def endpoint(port: int, **overrides: Any) -> Endpoint:
    values: dict[str, Any] = {
        "protocol": MailProtocol.POP3,
        "host": "127.0.0.1",
        "port": port,
        "user": "user",
        "secret": "hunter2",
        "security": Security.PLAIN,
        "timeout": 10.0,
    }
    return Endpoint(**(values | overrides))


@contextlib.contextmanager
def connected(serve: Serve, **overrides: Any) -> Iterator[Transport]:
    with serving(serve) as port:
        link = Transport.connect(endpoint(port, **overrides))
        try:
            yield link
        finally:
            link.close()


def failure(serve: Serve, kind: type[MailroomError], **overrides: Any) -> Any:
    """Connect and read once, which must fail; return the error after looking at its sentence."""

    def try_it(port: int) -> None:
        with contextlib.closing(Transport.connect(endpoint(port, **overrides))) as link:
            link.receive()

    with serving(serve) as port:
        with pytest.raises(kind) as caught:
            try_it(port)
        assert f":{port}" in str(caught.value)
        assert "hunter2" not in str(caught.value)
        assert str(caught.value).count("\n") == 0
    return caught.value


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


def server_context(authority: trustme.CA, *names: str, **options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


def test_receive_gives_what_is_there() -> None:
    """One read returns what arrived, and never nothing."""
    with connected(saying(b"+OK ready\r\n")) as link:
        assert link.receive() == b"+OK ready\r\n"
        assert not link.is_tls


def test_lines_and_counted_octets_share_one_buffer() -> None:
    """What one way of reading leaves, the next one gets."""
    with connected(saying(b"* 1 FETCH {5}\r\nhe\r\nlo)\r\ntail")) as link:
        assert link.readline() == b"* 1 FETCH {5}\r\n"
        assert link.read(6) == b"he\r\nlo"
        assert link.readline() == b")\r\n"
        assert link.read(0) == b""
        assert link.read(2) == b"ta"
        assert link.receive(1) == b"i"
        assert link.receive() == b"l"


def test_pushed_back_octets_are_read_first() -> None:
    """A parser may give back what was not its own."""
    with connected(saying(b"two\r\n")) as link:
        assert link.readline() == b"two\r\n"
        link.pushback(b"one\r\nmore")
        assert link.readline() == b"one\r\n"
        assert link.receive() == b"more"


def test_line_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never ends its line must not fill the memory."""
    monkeypatch.setattr(transport_module, "MAX_LINE_OCTETS", 1000)
    with connected(saying(b"x" * 5000)) as link, pytest.raises(LimitExceeded) as caught:
        link.readline()
    assert caught.value.limit == 1000


def test_large_transfer_arrives_whole() -> None:
    """Many reads of any size give the octets in their order."""
    content = bytes(range(256)) * 20_000
    with connected(saying(content)) as link:
        got = bytearray(link.read(3))
        while len(got) < len(content):
            got += link.receive()
    assert got == content


def test_send_reaches_the_server() -> None:
    """What is sent is what the server reads."""

    def echo(connection: socket.socket) -> None:
        connection.sendall(connection.recv(100))

    with connected(echo) as link:
        link.send(b"NOOP\r\n")
        assert link.readline() == b"NOOP\r\n"


def test_send_after_the_end() -> None:
    """A server that left is noticed when its answer would come at the latest."""

    def send_and_read(link: Transport) -> None:
        for _ in range(3):
            link.send(b"NOOP\r\n")
        link.receive()

    with connected(lambda connection: None) as link, pytest.raises(ConnectionLost) as caught:
        send_and_read(link)
    assert caught.value.reason == "closed"


@pytest.mark.parametrize("host", ["nobody.invalid", "a..b", "x" * 64 + ".example"])
def test_unknown_host(host: str) -> None:
    """A name without an address, or that is no name, is said as such."""
    with pytest.raises(ConnectionLost, match="is unknown") as caught:
        Transport.connect(endpoint(995, host=host))
    assert caught.value.reason == "dns"
    assert f"{host}:995" in str(caught.value)


def test_refused_port() -> None:
    """A port where nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with pytest.raises(ConnectionLost, match=f"127.0.0.1:{port} refused") as caught:
            Transport.connect(endpoint(port))
    assert caught.value.reason == "refused"


def test_address_that_cannot_be_reached() -> None:
    """What the kernel says is passed on."""
    with pytest.raises(ConnectionLost, match="cannot be reached: ") as caught:
        Transport.connect(endpoint(995, host="255.255.255.255"))
    assert caught.value.reason == "refused"


def test_connection_that_nobody_accepts() -> None:
    """A host that drops packets is a timeout, with what to check."""
    with socket.socket() as listener, contextlib.ExitStack() as held:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            # Fills the queue, so that the kernel answers no further packet.
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        with pytest.raises(ConnectionLost, match="did not answer within") as caught:
            Transport.connect(endpoint(port, timeout=0.05))
    assert caught.value.reason == "timeout"


@pytest.mark.parametrize(
    "overrides",
    [
        *({"port": 0}, {"port": 65536}, {"host": ""}),
        *({"timeout": seconds} for seconds in (0, -1, 1e30, float("nan"), float("inf"))),
    ],
)
def test_endpoint_that_makes_no_sense(overrides: dict[str, Any]) -> None:
    """Nonsense is the person's to correct, not worth a retry."""
    with pytest.raises(ConfigurationError):
        Transport.connect(endpoint(**({"port": 995} | overrides)))


def test_silence_before_the_greeting_may_be_a_tls_port() -> None:
    """A TLS port waits for the client to speak first, so a plain client hears nothing."""
    error = failure(until_end, ConnectionLost, timeout=0.05)
    assert error.reason == "timeout"
    assert "no greeting within 0.05 s" in str(error)
    assert "set security to ssl" in str(error)


def test_silence_after_the_greeting_is_a_timeout() -> None:
    """A server that falls silent later is on the right port."""
    with connected(saying(b"+OK\r\n"), timeout=0.05) as link:
        link.receive()
        with pytest.raises(ConnectionLost, match="fell silent") as caught:
            link.receive()
    assert caught.value.reason == "timeout"
    assert "security" not in str(caught.value)


def test_end_of_the_connection() -> None:
    """A connection that ends is said as such, wherever it ends."""
    assert failure(lambda connection: None, ConnectionLost).reason == "closed"
    with (
        connected(lambda connection: connection.sendall(b"+O")) as link,
        pytest.raises(ConnectionLost) as caught,
    ):
        link.readline()
    assert caught.value.reason == "closed"


def test_plain_client_on_a_tls_port(authority: trustme.CA) -> None:
    """Octets of a TLS record instead of a greeting are recognised."""
    error = failure(saying(b"\x15\x03\x01\x00\x02\x02\x46"), ConnectionLost)
    assert error.reason == "tls"
    assert "speaks TLS: set security to ssl" in str(error)


def test_tls_client_on_a_plain_port() -> None:
    """A greeting instead of a handshake is recognised."""
    error = failure(saying(b"+OK POP3 ready\r\n"), ConnectionLost, security=Security.SSL)
    assert error.reason == "tls"
    assert "spoke no TLS: is this the port for starttls or plain?" in str(error)


def test_end_in_the_handshake() -> None:
    """A server that hangs up on a ClientHello is likely no TLS port."""
    error = failure(lambda connection: None, ConnectionLost, security=Security.SSL)
    assert error.reason == "tls"
    assert "during the TLS handshake" in str(error)


def test_end_after_the_client_hello() -> None:
    """Likewise where the server reads it first."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)

    error = failure(serve, ConnectionLost, security=Security.SSL)
    assert error.reason == "tls"
    assert "during the TLS handshake: is this a TLS port?" in str(error)


def test_server_with_old_tls_only(authority: trustme.CA, ca_file: str) -> None:
    """TLS 1.1 is refused, and the sentence says that the server is too old."""
    context = server_context(authority, "127.0.0.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    error = failure(over_tls(context), ConnectionLost, security=Security.SSL, ca_file=ca_file)
    assert error.reason == "tls"
    assert "speaks no TLS 1.2 or newer" in str(error)


def test_handshake_that_fails_otherwise(authority: trustme.CA) -> None:
    """Any other alert is passed on in its own words."""
    error = failure(saying(b"\x15\x03\x03\x00\x02\x02\x28"), ConnectionLost, security=Security.SSL)
    assert "failed the TLS handshake: " in str(error)
    assert "handshake failure" in str(error)


def test_silence_in_the_handshake() -> None:
    """A server that does not answer a ClientHello is likely no TLS port."""
    error = failure(until_end, ConnectionLost, security=Security.SSL, timeout=0.05)
    assert error.reason == "timeout"
    assert "TLS handshake" in str(error)


def test_verified_tls(authority: trustme.CA, ca_file: str) -> None:
    """With the right authority everything is read through TLS."""
    context = server_context(authority, "127.0.0.1")
    content = b"+OK ready\r\n" * 100_000
    with connected(over_tls(context, content), security=Security.SSL, ca_file=ca_file) as link:
        assert link.is_tls
        assert link.read(len(content)) == content


def test_host_name_is_sent_in_the_handshake(authority: trustme.CA, ca_file: str) -> None:
    """Hosters choose the certificate by SNI."""
    context = server_context(authority, "localhost")
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with connected(over_tls(context), security=Security.SSL, ca_file=ca_file, host="localhost"):
        assert asked == ["localhost"]


def test_certificate_of_another_host(authority: trustme.CA, ca_file: str) -> None:
    """A valid certificate for someone else is refused, with the way out."""
    context = server_context(authority, "other.example")
    error = failure(over_tls(context), CertificateRejected, security=Security.SSL, ca_file=ca_file)
    assert "is not for this host name" in str(error)
    assert "verify" in str(error)


def test_certificate_of_an_unknown_authority(authority: trustme.CA) -> None:
    """The sentence names ca_file."""
    context = server_context(authority, "127.0.0.1")
    error = failure(over_tls(context), CertificateRejected, security=Security.SSL)
    assert "not trusted here: set ca_file" in str(error)


def test_certificate_that_expired(authority: trustme.CA, ca_file: str) -> None:
    """The sentence says so, for it is the server owner's to renew."""
    context = server_context(authority, "127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1))
    error = failure(over_tls(context), CertificateRejected, security=Security.SSL, ca_file=ca_file)
    assert "has expired" in str(error)


def test_unverified_tls_takes_any_certificate(authority: trustme.CA) -> None:
    """Only where the endpoint says so."""
    context = server_context(authority, "other.example")
    with connected(over_tls(context, b"+OK"), security=Security.SSL, verify=False) as link:
        assert link.receive() == b"+OK"


def test_nothing_older_than_tls_1_2_is_spoken(ca_file: str) -> None:
    """RFC 8996 retired TLS 1.0 and 1.1."""
    assert create_context(endpoint(995, ca_file=ca_file)).minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), (b"no pem", "holds no certificate")]
)
def test_useless_ca_file(content: bytes | None, words: str, tmp_path: Path) -> None:
    """A wrong path or file is the person's to correct, and no reason to go on unverified."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with serving(until_end) as port, pytest.raises(ConfigurationError, match=words) as caught:
        Transport.connect(endpoint(port, security=Security.SSL, ca_file=str(path)))
    assert str(path) in str(caught.value)


def test_start_tls_on_a_plain_connection(authority: trustme.CA, ca_file: str) -> None:
    """After the server's agreement the same connection goes on encrypted."""
    context = server_context(authority, "127.0.0.1")

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"+OK begin\r\n")
        over_tls(context, b"+OK encrypted\r\n")(connection)

    with connected(serve, security=Security.STARTTLS, ca_file=ca_file) as link:
        assert link.readline() == b"+OK begin\r\n"
        link.start_tls()
        assert link.is_tls
        assert link.readline() == b"+OK encrypted\r\n"


def test_start_tls_refuses_what_was_sent_before_it() -> None:
    """RFC 2595 section 2.2: octets behind the agreement were not protected."""
    with connected(saying(b"+OK begin\r\n+OK injected\r\n"), security=Security.STARTTLS) as link:
        assert link.read(11) == b"+OK begin\r\n"
        link.pushback(link.receive())
        with pytest.raises(RemoteProtocolError, match="injected"):
            link.start_tls()
        assert not link.is_tls


def test_close_wakes_a_reader() -> None:
    """A task that is killed closes the connection from another thread."""
    with connected(until_end) as link:
        waiting = threading.Event()
        outcome: list[BaseException] = []

        def read() -> None:
            waiting.set()
            try:
                link.receive()
            except ConnectionLost as error:
                outcome.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        waiting.wait(10)
        link.close()
        link.close()
        reader.join(10)
        assert len(outcome) == 1
        with pytest.raises(ConnectionLost):
            link.send(b"NOOP\r\n")
