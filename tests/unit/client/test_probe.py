"""The connection test's sentence, for POP3 servers with less than Dovecot offers."""

from __future__ import annotations

import pytest

from mailroom.client.probe import probe
from mailroom.model import AuthMethod, Security
from tests.support.pop3_server import Maildrop, Pop3Server
from tests.support.transcript import TranscriptServer

MESSAGE = ("id1", b"Subject: one\r\n\r\nbody\r\n")


def test_probe_of_a_whole_server() -> None:
    """Names host, user, number of messages, and that nothing is missing; deletes and retrieves nothing."""
    drop = Maildrop(messages=[MESSAGE])
    with Pop3Server(drop) as server:
        account = server.endpoint()
        result = probe(account)
    assert result.ok
    assert result.message == (
        f"Signed in to 127.0.0.1:{account.port} as user, without encryption. "
        "The maildrop holds 1 message, 22 octets. UIDL and TOP are offered."
    )
    assert server.commands[-1] == "QUIT"
    assert not any(command.startswith(("RETR", "DELE")) for command in server.commands)
    assert drop.messages == [MESSAGE]


@pytest.mark.parametrize("capabilities", [None, ("USER",)])
def test_probe_tries_what_is_not_announced(capabilities: tuple[str, ...] | None) -> None:
    """A server may know UIDL and TOP without saying so; trying is surer."""
    with Pop3Server(Maildrop(messages=[MESSAGE], capabilities=capabilities)) as server:
        result = probe(server.endpoint())
    assert result.ok
    assert "UIDL and TOP are offered" in result.message


def test_probe_says_what_is_missing() -> None:
    """A server without UIDL or TOP works, and the sentence says what that costs."""
    drop = Maildrop(messages=[MESSAGE, MESSAGE], capabilities=None, has_uidl=False, has_top=False)
    with Pop3Server(drop) as server:
        result = probe(server.endpoint())
    assert result.ok
    assert "2 messages" in result.message
    assert "UIDL is not offered, so messages are recognised by their content" in result.message
    assert "TOP is not offered" in result.message


def test_probe_of_an_empty_maildrop() -> None:
    """Nothing to try it on: what CAPA says is all that is known."""
    with Pop3Server(Maildrop()) as server:
        result = probe(server.endpoint())
    assert result.ok
    assert "holds 0 messages" in result.message


def test_probe_with_a_wrong_password() -> None:
    """Not ok, and the sentence says what to check, without the password."""
    with Pop3Server(Maildrop()) as server:
        result = probe(server.endpoint(secret="hunter2"))
    assert not result.ok
    assert "refused the sign-in of user" in result.message
    assert "hunter2" not in result.message


def test_probe_with_a_token_where_only_passwords_are_taken() -> None:
    """The missing capability is named."""
    with Pop3Server(Maildrop()) as server:
        result = probe(server.endpoint(auth=AuthMethod.XOAUTH2))
    assert not result.ok
    assert "does not offer sign-in by XOAUTH2" in result.message


def test_probe_without_starttls() -> None:
    """A server that does not offer it is not signed in to."""
    with Pop3Server(Maildrop()) as server:
        result = probe(server.endpoint(security=Security.STARTTLS))
    assert not result.ok
    assert "does not offer STLS" in result.message
    assert not any(command.startswith("USER") for command in server.commands)


def test_probe_of_an_account_that_is_authenticated_but_not_connected() -> None:
    """Some servers accept the sign-in and refuse everything after it; only opening the mailbox finds that."""
    transcript = """
S: +OK ready
C: CAPA
S: -ERR
C: USER user
S: +OK
C: PASS secret
S: +OK
C: CAPA
S: -ERR
C: STAT
S: -ERR User is authenticated but not connected.
"""
    with TranscriptServer(transcript) as server, Pop3Server(Maildrop()) as other:
        result = probe(other.endpoint(port=server.port))
    assert not result.ok
    assert "User is authenticated but not connected" in result.message
    assert "check that the account allows POP3" in result.message


def test_probe_of_nobody() -> None:
    """A server that does not run is said as such."""
    with Pop3Server(Maildrop()) as server:
        account = server.endpoint()
    result = probe(account)
    assert not result.ok
    assert f"127.0.0.1:{account.port} refused the connection" in result.message
