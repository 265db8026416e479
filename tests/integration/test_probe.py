"""The connection test's sentence on a real Dovecot, for both protocols."""

from __future__ import annotations

from typing import Any

import pytest

from mailroom.client.probe import probe
from mailroom.model import SERVER_PROTOCOLS, MailProtocol, Security
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message

BOTH = pytest.mark.parametrize("protocol", SERVER_PROTOCOLS)


@BOTH
@pytest.mark.parametrize("security", list(Security))
def test_account_that_works(dovecot: Dovecot, user: str, protocol: MailProtocol, security: Security) -> None:
    """Says where, as whom, how protected, and how many messages there are."""
    dovecot.append(user, make_message())
    account = dovecot.endpoint(user, protocol, security)
    result = probe(account)
    assert result.ok, result.message
    assert f"127.0.0.1:{account.port} as {user}" in result.message
    assert ("without encryption" in result.message) == (security is Security.PLAIN)
    assert "1 message" in result.message


@BOTH
def test_probe_changes_nothing(dovecot: Dovecot, user: str, protocol: MailProtocol) -> None:
    """Nothing is marked as read or deleted by looking."""
    dovecot.append(user, make_message())
    assert probe(dovecot.endpoint(user, protocol)).ok
    with dovecot.mailbox(user) as other:
        other.select_folder("INBOX", readonly=True)
        flags = next(iter(other.get_flags(other.search()).values()))
    assert b"\\Seen" not in flags


@BOTH
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"secret": "hunter2"}, "refused the sign-in"),
        ({"host": "nobody.invalid"}, "is unknown"),
        ({"port": 1}, "refused the connection"),
        ({"ca_file": None}, "set ca_file"),
        ({"ca_file": "/nowhere/ca.pem"}, "/nowhere/ca.pem cannot be read"),
    ],
)
def test_account_that_does_not_work(
    dovecot: Dovecot, user: str, protocol: MailProtocol, overrides: dict[str, Any], words: str
) -> None:
    """Each fault has its sentence, none raises, none shows the password."""
    result = probe(dovecot.endpoint(user, protocol, **overrides))
    assert not result.ok
    assert words in result.message
    assert "hunter2" not in result.message


@BOTH
def test_tls_to_the_plain_port(dovecot: Dovecot, user: str, protocol: MailProtocol) -> None:
    """The commonest mistake of all."""
    plain_port = dovecot.endpoint(user, protocol, Security.PLAIN).port
    result = probe(dovecot.endpoint(user, protocol, port=plain_port))
    assert not result.ok
    assert "spoke no TLS" in result.message


@BOTH
def test_plain_to_the_tls_port(dovecot: Dovecot, user: str, protocol: MailProtocol) -> None:
    """Silence, which the sentence explains."""
    tls_port = dovecot.endpoint(user, protocol).port
    result = probe(dovecot.endpoint(user, protocol, Security.PLAIN, port=tls_port, timeout=0.5))
    assert not result.ok
    assert "set security to ssl" in result.message


def test_ports_of_the_other_protocol(dovecot: Dovecot, user: str) -> None:
    """POP3 to an IMAP port is said as such."""
    result = probe(dovecot.endpoint(user, MailProtocol.POP3, port=dovecot.imaps_port))
    assert not result.ok
    assert "speaks IMAP, not POP3" in result.message
