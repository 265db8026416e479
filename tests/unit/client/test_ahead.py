"""All that is asked at once, on servers that take it, refuse it, or lose it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from mailroom.client import ahead
from mailroom.client.ahead import AheadFailed, SentAhead, call
from mailroom.client.first_connection import first_connection
from mailroom.client.pop3 import Pop3Client
from mailroom.exceptions import AuthenticationFailed
from mailroom.model import Endpoint, MailProtocol, Security

IMAP = b'M1 LOGIN "ana" "secret"\r\nM2 LIST "" "*"\r\n'
POP3 = b"CAPA\r\nUSER ana\r\nPASS secret\r\nCAPA\r\nLIST\r\nUIDL\r\n"
CAPA = b"+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.\r\n"
ANSWERS = CAPA + b"+OK\r\n+OK\r\n" + CAPA + b"+OK\r\n1 120\r\n.\r\n+OK\r\n1 a\r\n.\r\n"
GREETING = b"* OK ready\r\n"


@contextlib.contextmanager
def server(greeting: bytes, answers: bytes, *, is_over: bool = False) -> Iterator[int]:
    """Give the port of a server that says this to whatever comes, then is silent or hangs up."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(greeting)
                    if connection.recv(65536):
                        connection.sendall(answers)
                        if not is_over:
                            done.wait(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)


def endpoint_of(port: int) -> Endpoint:
    return Endpoint(
        protocol=MailProtocol.POP3,
        host="127.0.0.1",
        port=port,
        user="ana",
        secret="secret",
        security=Security.PLAIN,
        timeout=5.0,
    )


def asked(port: int, commands: bytes, offered: bytes = b"") -> tuple[SentAhead, bytes | None]:
    connection = call("127.0.0.1", port)
    return connection, connection.ask(commands, offered, 5.0)


def test_the_same_answers_have_the_same_digest() -> None:
    """Over two connections, as in two runs."""
    digests = []
    for _ in range(2):
        with server(b"+OK ready\r\n", ANSWERS) as port:
            connection, digest = asked(port, POP3)
            connection.close()
            digests.append(digest)
    assert digests[0] == digests[1] is not None


def test_nothing_is_sent_to_a_server_that_greets_otherwise() -> None:
    """It may offer no sign-in any more, or be another one."""
    for greeting in (
        b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\r\n",
        b"* BYE busy\r\n",
        b"220 mail\r\n",
    ):
        with server(greeting, b"") as port:
            connection, digest = asked(port, IMAP, b"IMAP4rev1")
            assert digest is None
            transport = connection.transport(endpoint_of(port))
            assert transport.readline() == greeting
            transport.close()


def test_a_server_that_signs_in_and_falls_silent_has_lost_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy may drop it; nobody waits for it as long as for a slow answer."""
    monkeypatch.setattr(ahead, "PATIENCE_SECONDS", 0.05)
    with server(GREETING, b"M1 OK in\r\n") as port:
        connection = call("127.0.0.1", port)
        with pytest.raises(AheadFailed):
            connection.ask(IMAP, b"", 60.0)
        assert connection.lost_commands


@pytest.mark.parametrize(
    "answers", [b"M1 OK in\r\nM2 BAD what\r\n", b"M1 BAD one by one\r\n", b"* BYE no\r\n"]
)
def test_a_server_that_dislikes_haste_is_left(answers: bytes) -> None:
    """Whether it says so or hangs up."""
    with server(GREETING, answers, is_over=True) as port:
        connection = call("127.0.0.1", port)
        with pytest.raises(AheadFailed):
            connection.ask(IMAP, b"", 5.0)
        assert connection.lost_commands


def test_nobody_there_is_no_haste() -> None:
    """What was never sent was not lost."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(AheadFailed):
        call("127.0.0.1", port)


def test_a_client_finds_its_answers_there() -> None:
    """One at a time, as it asks; nothing is sent twice."""
    with server(b"+OK ready\r\n", ANSWERS) as port:
        connection, _ = asked(port, POP3)
        connection.capabilities = b"PIPELINING UIDL USER"
        client = first_connection(Pop3Client.connect, endpoint_of(port), connection)
        listing = client.list_messages()
        heard = client.take_transcript()
        client.close()
    assert [tuple(message) for message in listing.messages] == [(1, 120, "a")]
    assert heard is not None
    assert (heard.sent, heard.received) == (POP3, b"+OK ready\r\n" + ANSWERS)
    assert "secret" not in repr(heard)


def test_a_refused_sign_in_is_said_and_not_tried_again() -> None:
    """By the ordinary client, with the answer that has come."""
    refused = CAPA + b"+OK\r\n-ERR [AUTH] no\r\n-ERR\r\n-ERR\r\n-ERR\r\n"
    with server(b"+OK ready\r\n", refused) as port:
        connection, digest = asked(port, POP3)
        assert (digest, connection.was_refused) == (None, True)
        with pytest.raises(AuthenticationFailed):
            first_connection(Pop3Client.connect, endpoint_of(port), connection)


def test_answer_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server must not fill this machine's memory; the ordinary way says what is wrong."""
    monkeypatch.setattr(ahead, "MAX_REMEMBERED_OCTETS", 1000)
    with server(GREETING, b"* LIST () x" * 1000) as port:
        asked = call("127.0.0.1", port)
        with pytest.raises(AheadFailed):
            asked.ask(IMAP, b"", 5.0)
    assert not asked.lost_commands
