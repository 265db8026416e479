"""The POP3 client on a real Dovecot: what it lists, fetches and deletes, and how it fails."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from mailroom.client.pop3 import Pop3Client, Retrieved
from mailroom.client.spool import SPOOL_OCTETS
from mailroom.exceptions import (
    AuthenticationFailed,
    CapabilityMissing,
    CertificateRejected,
    CommandRejected,
    ConnectionLost,
    RemoteProtocolError,
)
from mailroom.model import AuthMethod, Endpoint, MailProtocol, Security, SpoolFactory
from tests.support.dovecot import Dovecot
from tests.support.mail import AWKWARD, make_message, message_of_size
from tests.support.maildir import Stored
from tests.support.proxy import Proxy


@pytest.fixture
def spool(tmp_path: Path) -> SpoolFactory:
    names = iter(range(1000))
    return lambda: str(tmp_path / f"spool{next(names)}")


@pytest.fixture
def account(dovecot: Dovecot, user: str) -> Endpoint:
    return dovecot.endpoint(user, MailProtocol.POP3)


def numbers(client: Pop3Client) -> list[int]:
    return [message.number for message in client.list_messages().messages]


@pytest.mark.parametrize("security", list(Security))
def test_every_protection_signs_in(
    dovecot: Dovecot, user: str, security: Security, spool: SpoolFactory
) -> None:
    """Implicit TLS, STLS and plain: the same messages come out."""
    contents = [make_message(subject=f"number {i}") for i in range(5)]
    for content in contents:
        dovecot.append(user, content)
    with Pop3Client.connect(dovecot.endpoint(user, MailProtocol.POP3, security)) as client:
        assert "PIPELINING" in client.capabilities
        listed = client.list_messages().messages
        assert [message.octets for message in listed] == [len(content) for content in contents]
        assert len({message.uidl for message in listed}) == 5
        fetched = list(client.retrieve([message.number for message in listed], spool))
        client.quit()
    assert [retrieved.body.content for retrieved in fetched if retrieved.body] == contents


def test_awkward_messages_arrive_as_they_are(
    dovecot: Dovecot, user: str, account: Endpoint, spool: SpoolFactory
) -> None:
    """NUL, 8-bit, no line end, nothing at all: the octets stored, line ends made CRLF by the server."""
    dovecot.fill(user, [Stored(content=content) for content in AWKWARD.values()])
    with Pop3Client.connect(account) as client:
        fetched = list(client.retrieve(numbers(client), spool))
    for (name, content), retrieved in zip(AWKWARD.items(), fetched, strict=True):
        expected = re.sub(rb"(?<!\r)\n", b"\r\n", content)
        assert retrieved.body is not None, name
        assert retrieved.body.content in (expected, expected + b"\r\n"), name


def test_stuffed_dots_come_out_as_they_were(
    dovecot: Dovecot, user: str, account: Endpoint, spool: SpoolFactory
) -> None:
    """RFC 1939 section 3, by a real server: lines that begin with dots."""
    content = b"Subject: dots\r\n\r\n.\r\n..\r\n...a\r\nb.\r\n.\r\n"
    dovecot.append(user, content)
    with Pop3Client.connect(account) as client:
        [retrieved] = client.retrieve([1], spool)
    assert retrieved.body is not None
    assert retrieved.body.content == content


def test_large_message_is_spooled(
    dovecot: Dovecot, user: str, account: Endpoint, spool: SpoolFactory
) -> None:
    """Twenty megabytes between two small messages: one file, right digest, order kept."""
    contents = [make_message(subject="before"), message_of_size(20 << 20), make_message(subject="after")]
    dovecot.fill(user, [Stored(content=content) for content in contents])
    with Pop3Client.connect(account) as client:
        before, large, after = client.retrieve(numbers(client), spool)
    assert before.body is not None
    assert before.body.content == contents[0]
    assert after.body is not None
    assert after.body.content == contents[2]
    assert large.body is not None
    assert large.body.path is not None
    assert large.body.octets == len(contents[1]) > SPOOL_OCTETS
    assert large.body.sha256 == hashlib.sha256(contents[1]).hexdigest()
    assert Path(large.body.path).read_bytes() == contents[1]


def test_more_messages_than_a_window(
    dovecot: Dovecot, user: str, account: Endpoint, spool: SpoolFactory
) -> None:
    """Thousands of pipelined commands neither block nor get out of step; TOP and DELE likewise."""
    contents = [message_of_size(200 + i % 300, seed=str(i)) for i in range(1500)]
    dovecot.fill(user, [Stored(content=content) for content in contents])
    with Pop3Client.connect(account) as client:
        listed = numbers(client)
        fetched = [retrieved.body.content for retrieved in client.retrieve(listed, spool) if retrieved.body]
        assert fetched == contents
        headers = [headed.header for headed in client.top(listed)]
        assert headers == [content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" for content in contents]
        assert set(client.delete(listed[:-1]).values()) == {None}
        client.quit()
    with Pop3Client.connect(account) as client:
        assert client.stat() == (1, len(contents[-1]))


def test_slow_line_is_pipelined(dovecot: Dovecot, user: str, spool: SpoolFactory) -> None:
    """Over a round trip of 20 ms the answers still come whole and in order."""
    contents = [make_message(subject=f"number {i}") for i in range(200)]
    dovecot.fill(user, [Stored(content=content) for content in contents])
    with Proxy(dovecot.host, dovecot.pop3_port, round_trip=0.02) as proxy:
        account = dovecot.endpoint(user, MailProtocol.POP3, Security.PLAIN, port=proxy.port)
        with Pop3Client.connect(account) as client:
            listed = numbers(client)
            assert [r.body.content for r in client.retrieve(listed, spool) if r.body] == contents


def test_dele_waits_for_quit(dovecot: Dovecot, user: str, account: Endpoint) -> None:
    """RFC 1939 section 6: a session that ends otherwise deletes nothing; RSET unmarks."""
    for i in range(3):
        dovecot.append(user, make_message(subject=f"number {i}"))
    with Pop3Client.connect(account) as client:
        assert client.delete([1, 2, 3, 4]) == {1: None, 2: None, 3: None, 4: "There's no message 4"}
    with Pop3Client.connect(account) as client:
        assert client.stat()[0] == 3
        client.delete([1])
        client.reset()
        client.quit()
    with Pop3Client.connect(account) as client:
        client.delete([2])
        client.quit()
    with Pop3Client.connect(account) as client:
        assert len(client.list_messages().messages) == 2


def test_message_that_vanishes_stops_nothing(
    dovecot: Dovecot, user: str, account: Endpoint, spool: SpoolFactory
) -> None:
    """Expunged by another device after the listing: an error for that number, the rest arrives."""
    for i in range(3):
        dovecot.append(user, make_message(subject=f"number {i}"))
    with Pop3Client.connect(account) as client:
        listed = numbers(client)
        with dovecot.mailbox(user) as other:
            other.select_folder("INBOX")
            other.delete_messages([2])
            other.expunge()
        errors = [retrieved.error for retrieved in client.retrieve(listed, spool)]
    assert errors[0] is None
    assert errors[1] is not None
    assert errors[2] is None


def test_abandoned_fetch_leaves_a_usable_session(
    dovecot: Dovecot, user: str, account: Endpoint, spool: SpoolFactory
) -> None:
    """A stop in the middle of a fetch, then deletion of what arrived, then QUIT."""
    dovecot.fill(user, [Stored(content=message_of_size(30_000, seed=str(i))) for i in range(300)])
    with Pop3Client.connect(account) as client:
        fetch = client.retrieve(numbers(client), spool)
        assert next(fetch).number == 1
        assert client.delete([1]) == {1: None}
        client.quit()
    with Pop3Client.connect(account) as client:
        assert client.stat()[0] == 299


def test_connection_cut_in_the_middle(dovecot: Dovecot, user: str, spool: SpoolFactory) -> None:
    """What arrived whole is given out; then ConnectionLost."""
    dovecot.fill(user, [Stored(content=message_of_size(30_000, seed=str(i))) for i in range(50)])
    with Proxy(dovecot.host, dovecot.pop3s_port, cut_after=500_000) as proxy:
        account = dovecot.endpoint(user, MailProtocol.POP3, port=proxy.port)
        with Pop3Client.connect(account) as client:
            fetch = client.retrieve(numbers(client), spool)
            arrived: list[Retrieved] = []
            with pytest.raises(ConnectionLost):
                arrived.extend(fetch)
    assert 1 < len(arrived) < 50
    assert {retrieved.body.octets for retrieved in arrived if retrieved.body} == {30_000}


def test_wrong_password(account: Endpoint, dovecot: Dovecot, user: str) -> None:
    """Over every protection; the sentence has the user and never the password."""
    for security in Security:
        wrong = dovecot.endpoint(user, MailProtocol.POP3, security, secret="hunter2")
        with pytest.raises(AuthenticationFailed, match=user) as caught:
            Pop3Client.connect(wrong)
        assert "hunter2" not in str(caught.value)


def test_sign_in_by_token_that_is_not_offered(dovecot: Dovecot, user: str) -> None:
    """Dovecot offers PLAIN only here; the sentence names what was asked for."""
    account = dovecot.endpoint(user, MailProtocol.POP3, auth=AuthMethod.XOAUTH2)
    with pytest.raises(CapabilityMissing, match="XOAUTH2"):
        Pop3Client.connect(account)


def test_wrong_authority(dovecot: Dovecot, user: str) -> None:
    """A certificate of an unknown authority is refused, over TLS and STLS, before the password is sent."""
    for security in (Security.SSL, Security.STARTTLS):
        account = dovecot.endpoint(user, MailProtocol.POP3, security, ca_file=None)
        with pytest.raises(CertificateRejected, match="set ca_file"):
            Pop3Client.connect(account)


def test_wrong_host_name(dovecot: Dovecot, user: str) -> None:
    """The same server under an address that its certificate does not carry is refused."""
    account = dovecot.endpoint(user, MailProtocol.POP3, host="127.1")
    with pytest.raises(CertificateRejected, match="is not for this host name"):
        Pop3Client.connect(account)


def test_unverified_tls(dovecot: Dovecot, user: str) -> None:
    """Only where the endpoint says so."""
    account = dovecot.endpoint(user, MailProtocol.POP3, ca_file=None, verify=False)
    with Pop3Client.connect(account) as client:
        assert client.stat() == (0, 0)


def test_ports_mixed_up(dovecot: Dovecot, user: str) -> None:
    """TLS to the plain port, plain to the TLS port, POP3 to an IMAP port: each has its sentence."""
    to_plain = dovecot.endpoint(user, MailProtocol.POP3, port=dovecot.pop3_port)
    with pytest.raises(ConnectionLost, match="spoke no TLS: is this the port for starttls or plain"):
        Pop3Client.connect(to_plain)
    to_tls = dovecot.endpoint(user, MailProtocol.POP3, Security.PLAIN, port=dovecot.pop3s_port, timeout=0.5)
    with pytest.raises(ConnectionLost, match="if this is a TLS port, set security to ssl"):
        Pop3Client.connect(to_tls)
    to_imap = dovecot.endpoint(user, MailProtocol.POP3, port=dovecot.imaps_port)
    with pytest.raises(RemoteProtocolError, match="speaks IMAP, not POP3"):
        Pop3Client.connect(to_imap)


def test_server_without_tls() -> None:
    """STLS that is not offered is an error, never a sign-in in the clear."""
    with Dovecot(tls=False) as server:
        name = server.add_user()
        with pytest.raises(CapabilityMissing, match="does not offer STLS"):
            Pop3Client.connect(server.endpoint(name, MailProtocol.POP3, Security.STARTTLS))
        assert "method=PLAIN" not in server.log


def test_unknown_command_to_a_real_server(account: Endpoint) -> None:
    """A rejected command is an error with the server's words, and the session goes on."""
    with Pop3Client.connect(account) as client:
        [headed] = client.top([7])
        assert headed.error is not None
        client.quit()
        with pytest.raises((ConnectionLost, CommandRejected)):
            client.stat()
