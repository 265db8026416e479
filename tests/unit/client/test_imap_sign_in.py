"""From greeting to signed in, against conversations written down and played over a real socket."""

from __future__ import annotations

import re
import ssl
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from mailroom import __version__
from mailroom.client.imap import ImapClient
from mailroom.exceptions import (
    AuthenticationFailed,
    CapabilityMissing,
    ConfigurationError,
    ConnectionLost,
    MailroomError,
    RemoteProtocolError,
)
from mailroom.model import AuthMethod, Endpoint, MailProtocol, Security
from tests.support.transcript import TRANSCRIPTS, TranscriptServer

SIGNED_IN = {"IMAP4REV1", "UIDPLUS"}


def server(name: str, **options: Any) -> TranscriptServer:
    text = (TRANSCRIPTS / "imap" / f"{name}.txt").read_text().replace("VERSION", __version__)
    return TranscriptServer(text, **options)


def endpoint(port: int, **overrides: Any) -> Endpoint:
    values: dict[str, Any] = {
        "protocol": MailProtocol.IMAP,
        "host": "127.0.0.1",
        "port": port,
        "user": "user",
        "secret": "secret",
        "security": Security.PLAIN,
        "timeout": 10.0,
    }
    return Endpoint(**(values | overrides))


def refusal(name: str, kind: type[MailroomError], **overrides: Any) -> MailroomError:
    """Connect to a transcript that ends the sign-in, and return the error."""
    with server(name) as played, pytest.raises(kind) as caught:
        ImapClient.connect(endpoint(played.port, **overrides))
    told = f"{caught.value} {caught.value.facts}"
    assert "secret" not in told
    assert "c2VjcmV0" not in told
    assert f"127.0.0.1:{played.port}" in str(caught.value)
    return caught.value


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


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("plain_at_once", {}),
        ("plain_two_steps", {}),
        ("login_quoted", {"user": "us er", "secret": 'se"cr\\et'}),
        ("login_literal", {"secret": "señor!"}),
        ("login_literal_plus", {"secret": "señor!"}),
        ("xoauth2", {"auth": AuthMethod.XOAUTH2}),
        ("preauth", {}),
    ],
)
def test_sign_in(name: str, overrides: dict[str, Any]) -> None:
    """In as few steps as the server allows (the player refuses anything sent too early)."""
    with server(name) as played, ImapClient.connect(endpoint(played.port, **overrides)) as client:
        assert client.capabilities == SIGNED_IN


@pytest.mark.parametrize("name", ["wrong_password", "plain_quoted", "login_quoted_back"])
def test_refused_password_is_authentication_failed(name: str) -> None:
    """The sentence names the server and the user, and never the password, even where the server quotes it."""
    error = refusal(name, AuthenticationFailed)
    assert "refused the sign-in of user" in str(error)
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


@pytest.mark.parametrize("name", ["too_many_connections", "limit_reached", "unavailable", "bye_greeting"])
def test_busy_server_is_worth_a_retry(name: str) -> None:
    """Too many connections are no wrong password, which would make people change it."""
    error = refusal(name, ConnectionLost)
    assert isinstance(error, ConnectionLost)
    assert error.reason == "busy"


@pytest.mark.parametrize("name", ["bye_in_sign_in", "login_echoed_untagged"])
def test_farewell_instead_of_an_answer(name: str) -> None:
    """BYE ends a sign-in as a lost connection; what it quotes of the command stays secret."""
    refusal(name, ConnectionLost)


def test_endless_challenges_are_a_protocol_error() -> None:
    """A sign-in has an end."""
    refusal("challenge_forever", RemoteProtocolError)


def test_way_of_signing_in_that_is_not_offered() -> None:
    """The sentence names what was asked for and what there is."""
    error = refusal("mechanism_missing", CapabilityMissing, auth=AuthMethod.XOAUTH2)
    assert isinstance(error, CapabilityMissing)
    assert error.capability == "XOAUTH2"
    assert "it offers: PLAIN" in str(error)


def test_password_that_only_tls_may_carry() -> None:
    """RFC 3501 section 6.2.3: LOGINDISABLED; nothing is sent, and the sentence says what to set."""
    assert "set security to ssl or starttls" in str(refusal("login_disabled", CapabilityMissing))


@pytest.mark.parametrize(
    ("name", "protocol"),
    [("pop3_greeting", "POP3"), ("smtp_greeting", "SMTP"), ("http_greeting", "HTTP")],
)
def test_greeting_of_another_protocol(name: str, protocol: str) -> None:
    """A wrong port is named as such."""
    assert f"speaks {protocol}" in str(refusal(name, RemoteProtocolError))


@pytest.mark.parametrize("name", ["unknown_greeting", "no_imap4"])
def test_greeting_that_is_no_imap(name: str) -> None:
    """Something unknown, or an IMAP older than 4: check the port."""
    assert "check the port" in str(refusal(name, RemoteProtocolError))


@pytest.mark.parametrize("name", ["starttls_not_offered", "starttls_refused", "preauth_starttls"])
def test_missing_starttls_never_goes_on_in_the_clear(name: str) -> None:
    """A server (or someone in between) that takes STARTTLS away must not get the password."""
    error = refusal(name, CapabilityMissing, security=Security.STARTTLS)
    assert isinstance(error, CapabilityMissing)
    assert error.capability == "STARTTLS"
    assert "in the clear" in str(error)


def test_answer_injected_before_tls_is_found() -> None:
    """RFC 2595 section 2.2: data behind the agreement to TLS may come from someone in between."""
    error = refusal("starttls_injected", RemoteProtocolError, security=Security.STARTTLS)
    assert "injected" in str(error)


def test_starttls_asks_capabilities_again(tls: ssl.SSLContext, ca_file: str) -> None:
    """RFC 3501 section 6.2.1: what was said before TLS is forgotten."""
    with server("starttls", tls=tls) as played:
        account = endpoint(played.port, security=Security.STARTTLS, ca_file=ca_file)
        client = ImapClient.connect(account)
        assert client.capabilities == SIGNED_IN
        client.close()


def test_client_says_who_it_is() -> None:
    """RFC 2971: name and version, where ID is offered."""
    with server("id_offered") as played:
        ImapClient.connect(endpoint(played.port)).close()


@pytest.mark.parametrize("name", ["id_refused", "id_garbled"])
def test_refused_id_is_no_error(name: str) -> None:
    """It is a courtesy, and the account works all the same."""
    with server(name) as played:
        client = ImapClient.connect(endpoint(played.port))
        assert client.folder_status("INBOX") == {"MESSAGES": 1}
        client.close()


@pytest.mark.parametrize("overrides", [{"user": "a\0b"}, {"secret": "a\0b"}, {"secret": "a\ud83d"}])
@pytest.mark.parametrize("name", ["login_only", "plain_only"])
def test_zero_octet_in_the_password_is_refused(name: str, overrides: dict[str, str]) -> None:
    """No way of signing in can carry it; the person who entered it must act."""
    with server(name) as played, pytest.raises(ConfigurationError):
        ImapClient.connect(endpoint(played.port, **overrides))


@pytest.mark.parametrize(
    "echo", [r'LOGIN "user" "pa\"s\\s"', r'LOGIN "user" "pa"s\s"', "PASS cGEic1xz", "auth AHVzZXIAcGEic1xz"]
)
@pytest.mark.parametrize("answer", ["<a> BAD unknown", "<a> NO [AUTHENTICATIONFAILED] bad", "* BYE cannot"])
def test_password_is_quoted_back_in_no_form(answer: str, echo: str) -> None:
    """A quoted string escapes marks (RFC 3501 section 9), and some servers say base64 back."""
    conversation = "\n".join(
        [
            "S: * OK [CAPABILITY IMAP4rev1] ready",
            r'C: <a> LOGIN "user" "pa\"s\\s"',
            f"S: {answer} {echo}",
        ]
    )
    with TranscriptServer(conversation) as played, pytest.raises(MailroomError) as caught:
        ImapClient.connect(endpoint(played.port, secret=r'pa"s\s'))
    told = f"{caught.value} {caught.value.facts}"
    assert "***" in told
    assert not re.search(r'pa\\*"s|cGEic1xz|AHVzZXIAc', told)
