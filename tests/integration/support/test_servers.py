"""The throwaway servers themselves: they start, they answer, and nothing of them is left."""

from __future__ import annotations

import imaplib
import os
import poplib
import signal
import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import imapclient
import pytest

from mailroom.model import MailProtocol, Security
from tests.support.command import kill_after, run_command
from tests.support.dovecot import Dovecot, DovecotMissing, find_dovecot
from tests.support.maildir import Stored
from tests.support.proxy import Proxy
from tests.support.s3 import S3Server

MESSAGE = b"Subject: x\r\n\r\nhello\r\n"


def test_pop3_and_imap_see_the_same_mail(dovecot: Dovecot, user: str) -> None:
    """What one protocol deletes is gone for the other."""
    assert dovecot.append(user, MESSAGE) == 1
    trusted = ssl.create_default_context(cafile=dovecot.ca_file)
    pop3 = poplib.POP3_SSL("localhost", dovecot.pop3s_port, context=trusted)
    pop3.user(user)
    pop3.pass_("secret")
    assert b"\r\n".join(pop3.retr(1)[1]) + b"\r\n" == MESSAGE
    pop3.dele(1)
    pop3.quit()
    with dovecot.mailbox(user) as client:
        assert client.folder_status("INBOX", ["MESSAGES"])[b"MESSAGES"] == 0


def test_every_port_speaks_its_protection(dovecot: Dovecot, user: str) -> None:
    """STARTTLS, STLS and implicit TLS carry a certificate that the test's own authority signed."""
    trusted = ssl.create_default_context(cafile=dovecot.ca_file)
    imap = imaplib.IMAP4("127.0.0.1", dovecot.imap_port)
    imap.starttls(trusted)
    imap.login(user, "secret")
    imap.logout()
    pop3 = poplib.POP3("localhost", dovecot.pop3_port)
    pop3.stls(trusted)
    pop3.quit()
    with imaplib.IMAP4_SSL("localhost", dovecot.imaps_port, ssl_context=trusted) as implicit:
        implicit.login(user, "secret")


def test_the_certificate_is_not_trusted_by_default(dovecot: Dovecot) -> None:
    """Tests of verification need a server that a system does not trust."""
    with pytest.raises(ssl.SSLCertVerificationError):
        imaplib.IMAP4_SSL("localhost", dovecot.imaps_port, ssl_context=ssl.create_default_context())


def test_filling_keeps_bytes_flags_dates_and_order(dovecot: Dovecot, user: str) -> None:
    """Messages written as files are read by the server as if they had been delivered."""
    date = datetime(2019, 1, 2, 3, 4, 5, tzinfo=UTC)
    messages = [Stored(content=b"Subject: %d\r\n\r\n" % n, internal_date=date) for n in range(20)]
    messages.append(Stored(content=b"Subject: seen\r\n\r\n", flags=("\\Seen",)))
    assert dovecot.fill(user, messages, "Facturas/2026") == 21
    with dovecot.mailbox(user) as client:
        client.normalise_times = False
        client.select_folder("Facturas/2026", readonly=True)
        found = client.fetch(range(1, 22), ["BODY.PEEK[]", "FLAGS", "INTERNALDATE"])
        assert [found[uid][b"BODY[]"] for uid in sorted(found)] == [m.content for m in messages]
        assert found[1][b"INTERNALDATE"] == date
        assert b"\\Seen" in found[21][b"FLAGS"]


def test_a_wrong_password_is_answered_at_once_and_delays_nobody(dovecot: Dovecot, user: str) -> None:
    """Dovecot's penalties for wrong passwords are off, so that tests need not wait for each other."""
    started = time.monotonic()
    for _ in range(3):
        with (
            pytest.raises(imapclient.exceptions.LoginError),
            imapclient.IMAPClient(dovecot.host, port=dovecot.imap_port, ssl=False) as client,
        ):
            client.login(user, "wrong")
    dovecot.mailbox(user).logout()
    assert time.monotonic() - started < 10


def test_an_endpoint_says_where_a_user_is(dovecot: Dovecot, user: str) -> None:
    """Tests hand endpoints to clients as they are."""
    endpoint = dovecot.endpoint(user, MailProtocol.POP3, Security.STARTTLS, timeout=3.0)
    assert (endpoint.host, endpoint.port, endpoint.timeout) == ("127.0.0.1", dovecot.pop3_port, 3.0)
    assert dovecot.endpoint(user, MailProtocol.IMAP).port == dovecot.imaps_port


def test_folder_names_may_hold_any_character_where_asked() -> None:
    """With escaping, names that a file system would refuse are folders like others."""
    with Dovecot(storage="sdbox", separator="^", escape_names=True) as server:
        user = server.add_user()
        for folder in ("a/b", "..", "año 🏢", 'quo"ted'):
            server.append(user, MESSAGE, folder)
        with server.mailbox(user) as client:
            names = {name for _, _, name in client.list_folders()}
    assert names >= {"a/b", "..", "año 🏢", 'quo"ted'}


def test_nothing_is_left_when_the_owner_is_killed() -> None:
    """A killed test run leaves neither processes nor files."""
    code = (
        "import time; from tests.support.dovecot import Dovecot; d = Dovecot(); d.start();"
        "print(d.home, d.imap_port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        home, port = owner.stdout.readline().split()
        os.kill(owner.pid, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while Path(home).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(home).exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)), timeout=1)


def test_stopping_leaves_nothing_and_may_be_repeated() -> None:
    """The fixture may stop a server that a test has stopped already."""
    server = Dovecot()
    server.start()
    home = server.home
    server.stop()
    server.stop()
    assert not home.exists()


def test_a_missing_dovecot_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no Dovecot is told which packages bring it."""
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(DovecotMissing, match="apt-get install dovecot-imapd dovecot-pop3d"):
        find_dovecot()


def test_a_wrong_setting_is_told_in_dovecots_words() -> None:
    """A mistake in a test's extra lines shows itself."""
    with pytest.raises(DovecotMissing, match="no_such_setting"):
        Dovecot(extra="no_such_setting = yes").start()


def test_s3_keeps_objects_in_buckets_of_their_own(s3: S3Server) -> None:
    """Two tests never see each other's objects."""
    first, second = s3.new_bucket(), s3.new_bucket()
    s3.client().put_object(Bucket=first, Key="a/b", Body=b"x")
    assert s3.keys(first) == ["a/b"]
    assert s3.keys(second) == []


def test_a_proxy_makes_round_trips_longer(dovecot: Dovecot, user: str) -> None:
    """Tests of pipelining need a server that is far away."""
    with Proxy(dovecot.host, dovecot.imap_port, round_trip=0.04) as proxy:
        started = time.monotonic()
        with imapclient.IMAPClient(proxy.host, port=proxy.port, ssl=False) as client:
            client.login(user, "secret")
            for _ in range(5):
                client.noop()
        assert time.monotonic() - started > 5 * 0.04


def test_a_proxy_cuts_connections_as_often_as_it_is_told(dovecot: Dovecot) -> None:
    """A cut comes after so many octets; later connections pass."""
    with Proxy(dovecot.host, dovecot.pop3_port, cut_after=5, cuts=1) as proxy:
        with socket.create_connection((proxy.host, proxy.port), timeout=10) as first:
            assert first.makefile("rb").read() == b"+OK D"
        with socket.create_connection((proxy.host, proxy.port), timeout=10) as second:
            assert second.makefile("rb").readline().endswith(b"\r\n")
        assert proxy.connections == 2


def test_a_command_runs_and_can_be_killed() -> None:
    """Kill tests start the command as a shell would."""
    assert run_command("--version").status == 0
    assert run_command("no-such-command").status == 2
    assert kill_after(0.0, "--help").was_killed
