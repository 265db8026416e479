"""The POP3 client against conversations written down, played over a real socket."""

from __future__ import annotations

import re
import ssl
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from mailroom.client.pop3 import MaildropMessage, Pop3Client, Retrieved
from mailroom.exceptions import (
    AuthenticationFailed,
    CapabilityMissing,
    CommandRejected,
    ConfigurationError,
    ConnectionLost,
    LocalProtocolError,
    MailroomError,
    RemoteProtocolError,
)
from mailroom.model import AuthMethod, Endpoint, MailProtocol, Security
from tests.support.transcript import TRANSCRIPTS, TranscriptServer


def no_spool() -> str:
    raise AssertionError("nothing here is large")


def server(name: str, **options: Any) -> TranscriptServer:
    return TranscriptServer(TRANSCRIPTS / "pop3" / f"{name}.txt", **options)


def endpoint(port: int, **overrides: Any) -> Endpoint:
    values: dict[str, Any] = {
        "protocol": MailProtocol.POP3,
        "host": "127.0.0.1",
        "port": port,
        "user": "user",
        "secret": "secret",
        "security": Security.PLAIN,
        "timeout": 10.0,
    }
    return Endpoint(**(values | overrides))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA) -> Iterator[str]:
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        authority.cert_pem.write_to_path(file.name)
        yield file.name


def refusal(name: str, kind: type[MailroomError], **overrides: Any) -> MailroomError:
    """Connect to a transcript that ends the sign-in, and return the error."""
    with server(name) as played, pytest.raises(kind) as caught:
        Pop3Client.connect(endpoint(played.port, **overrides))
    assert "secret" not in str(caught.value)
    assert f"127.0.0.1:{played.port}" in str(caught.value)
    return caught.value


def test_session_of_rfc_1939() -> None:
    """A server that knows nothing but RFC 1939 is served one command at a time."""
    with server("rfc1939_session") as played, Pop3Client.connect(endpoint(played.port)) as client:
        assert client.capabilities == {}
        assert client.stat() == (2, 320)
        listing = client.list_messages()
        assert listing.messages == (
            MaildropMessage(number=1, octets=120, uidl="whqtswO00WBw418f9t5JxYwZ"),
            MaildropMessage(number=2, octets=200, uidl="QhdPYR:00WBw1Ph7x7"),
        )
        bodies = [retrieved.body for retrieved in client.retrieve([1, 2], no_spool)]
        assert [body.content for body in bodies if body] == [
            b"Subject: one\r\n\r\n.dot\r\n",
            b"Subject: two\r\n\r\n",
        ]
        assert client.delete([1, 2]) == {1: None, 2: None}
        client.quit()


def test_window_of_commands_is_sent_before_the_first_answer() -> None:
    """RFC 2449 section 6.6: pipelined; a vanished message is its own error; a UIDL may come twice."""
    with server("pipelined") as played, Pop3Client.connect(endpoint(played.port)) as client:
        assert [message.uidl for message in client.list_messages().messages] == ["a", "b", "b"]
        first, second, third = client.retrieve([1, 2, 3], no_spool)
        assert first.body is not None
        assert first.body.content == b"one\r\n"
        assert second == Retrieved(number=2, body=None, error="message was expunged by another session")
        assert third.body is not None
        assert third.body.octets == 7
        head, missing = client.top([1, 3])
        assert (head.number, head.header, head.error) == (1, b"one\r\n", None)
        assert (missing.number, missing.header, missing.error) == (3, None, "no such message")
        assert client.delete([1, 2]) == {1: None, 2: "no such message"}
        client.quit()


def test_abandoned_fetch_is_read_away() -> None:
    """A stop in the middle of a fetch must not put later answers out of step."""
    with server("left_early") as played, Pop3Client.connect(endpoint(played.port)) as client:
        fetch = client.retrieve([1, 2, 3], no_spool)
        assert next(fetch).number == 1
        client.reset()
        with pytest.raises(LocalProtocolError):
            next(fetch)
        client.quit()


def test_connection_that_ends_in_a_message() -> None:
    """What arrived whole is given out, half a message never is."""
    with server("hung_up_in_message") as played, Pop3Client.connect(endpoint(played.port)) as client:
        fetch = client.retrieve([1, 2], no_spool)
        assert next(fetch).number == 1
        with pytest.raises(ConnectionLost) as caught:
            next(fetch)
    assert caught.value.reason == "closed"


def test_uidl_unsupported_gives_no_ids() -> None:
    """RFC 1939 section 7: UIDL is optional."""
    with server("uidl_unsupported") as played, Pop3Client.connect(endpoint(played.port)) as client:
        assert client.list_messages().messages == (MaildropMessage(number=1, octets=100, uidl=None),)


def test_uidl_that_fails_for_now_is_no_missing_uidl() -> None:
    """A passing failure must not make every message look new."""
    with server("uidl_busy") as played, Pop3Client.connect(endpoint(played.port)) as client:
        with pytest.raises(ConnectionLost) as caught:
            client.list_messages()
        assert caught.value.reason == "busy"


def test_listings_that_differ_are_joined() -> None:
    """A number in one listing only is still a message."""
    with server("listings_differ") as played, Pop3Client.connect(endpoint(played.port)) as client:
        assert client.list_messages().messages == (
            MaildropMessage(number=1, octets=100, uidl="a"),
            MaildropMessage(number=2, octets=100, uidl=None),
            MaildropMessage(number=3, octets=0, uidl="c"),
        )


def test_empty_maildrop_may_refuse_list() -> None:
    """-ERR to LIST means empty only where STAT says so too."""
    with server("list_refused_when_empty") as played, Pop3Client.connect(endpoint(played.port)) as client:
        assert client.list_messages().messages == ()
    with server("list_refused") as played, Pop3Client.connect(endpoint(played.port)) as client:
        with pytest.raises(CommandRejected) as caught:
            client.list_messages()
        assert caught.value.command == "LIST"


def test_quit_that_is_refused() -> None:
    """RFC 1939 section 6: -ERR to QUIT means that some messages were not deleted."""
    with server("quit_refused") as played, Pop3Client.connect(endpoint(played.port)) as client:
        assert client.delete([1]) == {1: None}
        with pytest.raises(CommandRejected, match="some deleted messages not removed"):
            client.quit()


def test_quit_that_is_not_answered() -> None:
    """No answer to QUIT means that nobody knows; the error says so."""
    with server("quit_unanswered") as played, Pop3Client.connect(endpoint(played.port)) as client:
        client.delete([1])
        with pytest.raises(ConnectionLost, match="did not confirm QUIT"):
            client.quit()


def test_automatic_log_out_is_a_lost_connection() -> None:
    """Its -ERR must not be taken for the answer to LIST or UIDL."""
    with (
        server("idle_too_long") as played,
        Pop3Client.connect(endpoint(played.port)) as client,
        pytest.raises(ConnectionLost),
    ):
        client.list_messages()


def test_closed_client_says_so() -> None:
    """A client that was closed raises ConnectionLost, whatever is asked; closing twice is fine."""
    with server("auth_plain") as played:
        client = Pop3Client.connect(endpoint(played.port))
        client.close()
        client.close()
        with pytest.raises(ConnectionLost, match="is closed"):
            client.stat()


@pytest.mark.parametrize(
    ("name", "auth"),
    [
        ("auth_plain", AuthMethod.PASSWORD),
        ("pipelined_sasl", AuthMethod.PASSWORD),
        ("xoauth2_two_steps", AuthMethod.XOAUTH2),
        ("xoauth2_without_capa", AuthMethod.XOAUTH2),
    ],
)
def test_sign_in_takes_no_step_too_early(name: str, auth: AuthMethod) -> None:
    """The response is sent only after the server's plus (the player refuses it any earlier)."""
    with server(name) as played, Pop3Client.connect(endpoint(played.port, auth=auth)) as client:
        assert client.host == "127.0.0.1"


def test_password_that_is_not_ascii_goes_by_sasl() -> None:
    """Also where USER and PASS would save a round trip."""
    with (
        server("pipelined_not_ascii") as played,
        Pop3Client.connect(endpoint(played.port, secret="señor")) as client,
    ):
        assert "UIDL" in client.capabilities


@pytest.mark.parametrize(
    "name", ["wrong_password", "unknown_user", "unknown_user_pipelined", "auth_plain_quoted"]
)
def test_refused_password_is_authentication_failed(name: str) -> None:
    """The sentence names the server and the user, and never the password, even where the server quotes it."""
    error = refusal(name, AuthenticationFailed)
    assert "refused the sign-in of user" in str(error)
    assert "c2VjcmV0" not in str(error)
    assert "password" in str(error)


@pytest.mark.parametrize(
    ("name", "auth", "status"),
    [
        ("xoauth2_expired", AuthMethod.XOAUTH2, "401"),
        ("oauthbearer_expired", AuthMethod.OAUTHBEARER, "invalid_token"),
    ],
)
def test_refused_token_says_why(name: str, auth: AuthMethod, status: str) -> None:
    """RFC 7628 section 3.2.2: the reason comes as a challenge; the sentence passes it on."""
    error = refusal(name, AuthenticationFailed, auth=auth)
    assert f"({status})" in str(error)
    assert "access token" in str(error)


@pytest.mark.parametrize("name", ["in_use", "maildrop_locked", "busy_greeting"])
def test_busy_maildrop_is_worth_a_retry(name: str) -> None:
    """A lock by another session is no wrong password."""
    error = refusal(name, ConnectionLost)
    assert isinstance(error, ConnectionLost)
    assert error.reason == "busy"


def test_failure_that_waits_for_an_administrator() -> None:
    """RFC 3206 section 4: neither the password's fault nor worth a retry."""
    error = refusal("system_failure", CommandRejected)
    assert isinstance(error, CommandRejected)
    assert error.code == "SYS/PERM"


def test_endless_challenges_are_a_protocol_error() -> None:
    """A sign-in has an end."""
    refusal("challenge_forever", RemoteProtocolError)


def test_way_of_signing_in_that_is_not_offered() -> None:
    """The sentence names what was asked for and what there is."""
    error = refusal("mechanism_missing", CapabilityMissing, auth=AuthMethod.XOAUTH2)
    assert isinstance(error, CapabilityMissing)
    assert error.capability == "XOAUTH2"
    assert "it offers: PLAIN" in str(error)


@pytest.mark.parametrize(("name", "protocol"), [("imap_greeting", "IMAP"), ("smtp_greeting", "SMTP")])
def test_greeting_of_another_protocol(name: str, protocol: str) -> None:
    """A wrong port is named as such."""
    assert f"speaks {protocol}" in str(refusal(name, RemoteProtocolError))


@pytest.mark.parametrize("name", ["stls_not_offered", "stls_refused", "stls_without_capa"])
def test_refused_stls_never_goes_on_in_the_clear(name: str) -> None:
    """A server (or someone in between) that takes STLS away must not get the password."""
    error = refusal(name, CapabilityMissing, security=Security.STARTTLS)
    assert isinstance(error, CapabilityMissing)
    assert error.capability == "STLS"
    assert "in the clear" in str(error)


def test_answer_injected_before_tls_is_found() -> None:
    """RFC 2595 section 2.2: data behind the agreement to TLS may come from someone in between."""
    assert "injected" in str(refusal("stls_injected", RemoteProtocolError, security=Security.STARTTLS))


def test_stls_asks_capabilities_again(tls: ssl.SSLContext, ca_file: str) -> None:
    """RFC 2595 section 4: what was said before TLS is forgotten."""
    with server("stls", tls=tls) as played:
        account = endpoint(played.port, security=Security.STARTTLS, ca_file=ca_file)
        with Pop3Client.connect(account) as client:
            assert client.capabilities == {"UIDL": ()}


@pytest.mark.parametrize(
    "overrides", [{"user": "a\r\nDELE 1"}, {"secret": "a\nb"}, {"secret": "a\0b"}, {"secret": "a\ud83d"}]
)
def test_line_break_in_the_password_is_refused(overrides: dict[str, str]) -> None:
    """It would be a second command; the person who entered it must act."""
    with TranscriptServer("S: +OK ready\nC: CAPA\nS: -ERR") as played, pytest.raises(ConfigurationError):
        Pop3Client.connect(endpoint(played.port, **overrides))


@pytest.mark.parametrize(
    "overrides",
    [
        {"user": "us er"},
        {"user": "user "},
        {"secret": " secret"},
        {"secret": "secret "},
        {"secret": "sec ret"},
        {"secret": "x" * 249},
    ],
)
def test_what_a_server_may_trim_or_split_goes_by_sasl(overrides: dict[str, str]) -> None:
    """Also where USER and PASS would save a round trip: failed runs end in an account that is locked."""
    values = {"user": "user", "secret": "secret"} | overrides
    response = b64encode("\0{user}\0{secret}".format(**values).encode()).decode()
    conversation = "\n".join(
        [
            "S: +OK ready",
            "C: CAPA",
            r"S~ +OK\r\nUSER\r\nSASL PLAIN\r\nPIPELINING\r\n.\r\n",
            "C: AUTH PLAIN",
            r"S~ + \r\n",
            f"C: {response}",
            "S: +OK",
            "C: CAPA",
            r"S~ +OK\r\nUIDL\r\n.\r\n",
        ]
    )
    with TranscriptServer(conversation) as played:
        client = Pop3Client.connect(endpoint(played.port, **overrides))
        assert "UIDL" in client.capabilities
        client.close()


@pytest.mark.parametrize("echo", [r'PASS "pa\"s\\s"', r'PASS pa"s\s', "cGEic1xz", "AHVzZXIAcGEic1xz"])
def test_password_is_quoted_back_in_no_form(echo: str) -> None:
    """Neither as it went out, nor with marks escaped, nor in base64."""
    conversation = "\n".join(
        [
            "S: +OK ready",
            "C: CAPA",
            "S: -ERR what",
            "C: USER user",
            "S: +OK",
            r'C: PASS pa"s\s',
            f"S: -ERR cannot {echo}",
        ]
    )
    with TranscriptServer(conversation) as played, pytest.raises(AuthenticationFailed) as caught:
        Pop3Client.connect(endpoint(played.port, secret=r'pa"s\s'))
    assert "***" in str(caught.value)
    assert not re.search(r'pa\\*"s|cGEic1xz|AHVzZXIAc', str(caught.value))
