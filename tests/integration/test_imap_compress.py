"""COMPRESS=DEFLATE on a real Dovecot: fewer octets on the wire, the same messages in the archive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailroom.client.imap import ImapClient
from mailroom.client.imap_sign_in import SLOW_SECONDS
from mailroom.client.pop3 import Pop3Client
from mailroom.client.spool import SPOOL_OCTETS
from mailroom.model import Compression, Endpoint, MailProtocol, Security
from tests.integration.mirrors import MirrorAccount
from tests.support.dovecot import Dovecot, DovecotMissing
from tests.support.mail import AWKWARD, make_message, message_of_size
from tests.support.maildir import Stored
from tests.support.proxy import Proxy

TEXT = make_message(text="Sehr geehrte Damen und Herren, hier ist noch ein Satz.\n" * 8000)
SAFE = [content for name, content in sorted(AWKWARD.items()) if b"\0" not in content]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    """A server that offers to compress."""
    dovecot = Dovecot(compress=True)
    try:
        dovecot.start()
    except DovecotMissing as missing:
        if os.environ.get("MAILROOM_REQUIRE_SERVERS"):
            raise
        pytest.skip(str(missing))
    yield dovecot
    dovecot.stop()


@pytest.fixture
def account(server: Dovecot, archive_root: Path) -> MirrorAccount:
    """An account with small, awkward and large messages."""
    user = server.add_user()
    large = message_of_size(SPOOL_OCTETS + 100_000)
    server.fill(user, [Stored(content=content) for content in [TEXT, *SAFE, large, b"", TEXT + b"x\r\n"]])
    return MirrorAccount(server, user, archive_root)


def through(proxy: Proxy, account: MirrorAccount, security: Security, compress: Compression) -> Endpoint:
    return replace(account.endpoint, port=proxy.port, security=security, compress=compress)


def port_of(server: Dovecot, security: Security) -> int:
    return server.imaps_port if security is Security.SSL else server.imap_port


@pytest.mark.parametrize("security", list(Security))
def test_a_compressed_mirror_is_the_same_with_fewer_octets(
    server: Dovecot, account: MirrorAccount, security: Security
) -> None:
    """Over a plain line, TLS and STARTTLS alike, the archive shows what the server has, octet by octet."""
    received: dict[Compression, int] = {}
    root = account.root
    for compress in (Compression.NEVER, Compression.ALWAYS):
        account.root = root / compress.value
        with Proxy(server.host, port_of(server, security)) as proxy:
            account.endpoint = through(proxy, account, security, compress)
            report = account.mirror()
            received[compress] = proxy.received
        assert not report.failures
        account.assert_in_step()
    assert received[Compression.NEVER] > 2 * len(TEXT) + SPOOL_OCTETS
    assert received[Compression.ALWAYS] < received[Compression.NEVER] - 1.5 * len(TEXT)


@pytest.mark.parametrize("is_slow", [False, True])
def test_by_itself_only_a_slow_line_is_compressed(
    server: Dovecot, account: MirrorAccount, is_slow: bool
) -> None:
    """The quickest answer says how long the line takes."""
    round_trip = SLOW_SECONDS * 1.1 if is_slow else 0.0
    with Proxy(server.host, server.imap_port, round_trip=round_trip) as proxy:
        endpoint = through(proxy, account, Security.PLAIN, Compression.AUTO)
        with ImapClient.connect(endpoint) as client:
            client.examine("INBOX")
            (message,) = client.fetch_messages([1], lambda: "never")
        assert message.body is not None
        assert message.body.content == TEXT
        assert (proxy.received < len(TEXT) / 2) == is_slow


def test_a_cut_in_the_middle_is_outlived(server: Dovecot, account: MirrorAccount) -> None:
    """What was inflated before the cut is kept, and the next session begins a stream of its own."""
    with Proxy(server.host, server.imap_port, cut_after=8_000, cuts=1) as proxy:
        account.endpoint = through(proxy, account, Security.PLAIN, Compression.ALWAYS)
        report = account.mirror()
        assert proxy.connections == 2
    assert not report.failures
    account.assert_in_step()


def test_the_protocol_is_imaps_own(server: Dovecot, account: MirrorAccount) -> None:
    """POP3 on the same server goes on without, whatever is set."""
    endpoint = server.endpoint(account.user, MailProtocol.POP3, compress=Compression.ALWAYS)
    with Pop3Client.connect(endpoint) as client:
        assert client.stat()[0] == len(SAFE) + 4
        client.quit()
