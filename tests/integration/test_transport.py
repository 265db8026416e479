"""The transport against a real server: both directions under load, and both families of addresses."""

from __future__ import annotations

from mailroom.client.transport import Transport
from mailroom.model import MailProtocol, Security
from tests.support.dovecot import Dovecot
from tests.support.proxy import Proxy


def test_greeting_over_implicit_tls(dovecot: Dovecot, user: str) -> None:
    """The certificate of the test authority is verified, and the greeting read."""
    link = Transport.connect(dovecot.endpoint(user, MailProtocol.POP3))
    assert link.is_tls
    assert link.readline().startswith(b"+OK")
    link.close()


def test_host_by_name_and_by_number(dovecot: Dovecot, user: str) -> None:
    """A name is resolved, and verified as a name."""
    for host in ("localhost", "127.0.0.1"):
        link = Transport.connect(dovecot.endpoint(user, MailProtocol.IMAP, host=host))
        assert link.readline().startswith(b"* OK")
        link.close()


def test_start_tls_in_the_middle_of_a_session(dovecot: Dovecot, user: str) -> None:
    """IMAP's STARTTLS and POP3's STLS use the same switch."""
    link = Transport.connect(dovecot.endpoint(user, MailProtocol.IMAP, Security.STARTTLS))
    link.readline()
    link.send(b"a STARTTLS\r\n")
    assert link.readline().startswith(b"a OK")
    link.start_tls()
    link.send(b"b NOOP\r\n")
    assert link.readline().startswith(b"b OK")
    link.close()


def test_answers_cut_into_small_packets(dovecot: Dovecot, user: str) -> None:
    """A slow line changes nothing but the time."""
    with Proxy(dovecot.host, dovecot.imap_port, round_trip=0.005) as proxy:
        link = Transport.connect(dovecot.endpoint(user, MailProtocol.IMAP, Security.PLAIN, port=proxy.port))
        link.readline()
        link.send(b"".join(b"%d NOOP\r\n" % number for number in range(500)))
        for number in range(500):
            assert link.readline().startswith(b"%d OK" % number)
        link.close()
