"""The two mail hooks on a real server: sign in, sign out, and the test button's sentence."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from mailroom.exceptions import AuthenticationFailed
from mailroom.hooks.imap import ImapHook
from mailroom.hooks.pop3 import Pop3Hook
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message


class Office:
    """A connection to one account, as Airflow finds it in its environment."""

    def __init__(self, dovecot: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._dovecot, self._user, self._monkeypatch = dovecot, user, monkeypatch

    def connect(self, conn_type: str, *, security: str = "ssl", **changes: Any) -> None:
        """Make the connection ``office``."""
        ports = {
            ("pop3", True): self._dovecot.pop3s_port,
            ("pop3", False): self._dovecot.pop3_port,
            ("imap", True): self._dovecot.imaps_port,
            ("imap", False): self._dovecot.imap_port,
        }
        values = {
            "conn_type": conn_type,
            "host": "localhost",
            "port": ports[conn_type, security == "ssl"],
            "login": self._user,
            "password": "secret",
            "extra": {"security": security, "ca_file": str(self._dovecot.ca_file), "timeout": "20"},
        }
        self._monkeypatch.setenv("AIRFLOW_CONN_OFFICE", json.dumps(values | changes))


@pytest.fixture
def office(dovecot: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch) -> Office:
    """An account with one message in it."""
    dovecot.append(user, make_message())
    return Office(dovecot, user, monkeypatch)


@pytest.mark.parametrize("security", ["ssl", "starttls", "plain"])
def test_pop3_hook_signs_in_and_lists(office: Office, security: str) -> None:
    """As a context manager it gives the client."""
    office.connect("pop3", security=security)
    with Pop3Hook("office") as client:
        assert len(client.list_messages().messages) == 1


@pytest.mark.parametrize("security", ["ssl", "starttls", "plain"])
def test_imap_hook_signs_in_and_lists(office: Office, security: str) -> None:
    """As a context manager it gives the client."""
    office.connect("imap", security=security)
    with ImapHook("office") as client:
        assert "INBOX" in [folder.name for folder in client.list_folders()]


@pytest.mark.parametrize("security", ["ssl", "starttls", "plain"])
def test_imapclient_is_signed_in(office: Office, security: str, caplog: pytest.LogCaptureFixture) -> None:
    """For commands that our client has no word for, with nothing secret in its log."""
    office.connect("imap", security=security)
    with caplog.at_level("DEBUG"), ImapHook("office").get_imapclient() as client:
        client.create_folder("Entwürfe & Ältere")
        assert "Entwürfe & Ältere" in [name for _, _, name in client.list_folders()]
        client.select_folder("INBOX")
        uids = client.search(["UNSEEN"])
        assert len(uids) == 1
        assert client.fetch(uids, ["RFC822.SIZE"])[uids[0]][b"RFC822.SIZE"] > 0
    told = [record.getMessage() for record in caplog.records if record.name.startswith("imapclient")]
    assert told
    assert not any("secret" in line for line in told)


@pytest.mark.parametrize("security", ["ssl", "plain"])
def test_imapclient_waits_for_new_mail(office: Office, dovecot: Dovecot, user: str, security: str) -> None:
    """IDLE looks whether anything came, and goes on after nothing did."""
    office.connect("imap", security=security)
    with ImapHook("office").get_imapclient() as client:
        client.select_folder("INBOX")
        client.idle()
        assert client.idle_check(timeout=0.1) == []
        dovecot.append(user, make_message())
        told: list[tuple[int, bytes]] = []
        while (2, b"EXISTS") not in told:
            told += client.idle_check(timeout=20)
        client.idle_done()
        assert len(client.search()) == 2


def test_imapclient_names_what_is_wrong_without_the_password(office: Office) -> None:
    """Signing in is ours, with our sentences."""
    office.connect("imap", password="not-the-password")
    with pytest.raises(AuthenticationFailed) as caught:
        ImapHook("office").get_imapclient()
    assert "not-the-password" not in str(caught.value)


def test_imapclient_raises_its_own_errors(office: Office) -> None:
    """A refused command, and a connection that is gone."""
    office.connect("imap")
    client = ImapHook("office").get_imapclient()
    with pytest.raises(client.Error):
        client.select_folder("nowhere")
    client.socket().shutdown(socket.SHUT_RDWR)
    with pytest.raises((client.AbortError, OSError)):
        client.noop()


def test_leaving_a_pop3_hook_deletes_nothing(office: Office) -> None:
    """What was marked goes only if the client was told to quit (RFC 1939 section 6)."""
    office.connect("pop3")
    with Pop3Hook("office") as client:
        client.delete([message.number for message in client.list_messages().messages])
    with Pop3Hook("office") as client:
        assert len(client.list_messages().messages) == 1


@pytest.mark.parametrize("hook", [Pop3Hook, ImapHook])
def test_each_get_conn_is_a_connection_of_its_own(office: Office, hook: type[Pop3Hook | ImapHook]) -> None:
    """A service that lost its connection asks for another."""
    office.connect(hook.conn_type)
    made = hook("office")
    first = made.get_conn()
    first.close()
    second = made.get_conn()
    assert second is not first
    second.close()


@pytest.mark.parametrize("hook", [Pop3Hook, ImapHook])
def test_error_inside_passes_and_closes(office: Office, hook: type[Pop3Hook | ImapHook]) -> None:
    """Whatever went wrong in the block is what is seen, and the account is free again."""
    office.connect(hook.conn_type)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), hook("office"):
            _ = 1 / 0


@pytest.mark.parametrize("hook", [Pop3Hook, ImapHook])
def test_wrong_password_is_said_without_it(office: Office, hook: type[Pop3Hook | ImapHook]) -> None:
    """By a run and by the test button."""
    office.connect(hook.conn_type, password="not-the-password")
    with pytest.raises(AuthenticationFailed) as caught:
        hook("office").get_conn()
    ok, message = hook("office").test_connection()
    assert not ok
    assert "password" in message
    assert "not-the-password" not in message + str(caught.value)


@pytest.mark.parametrize("hook", [Pop3Hook, ImapHook])
def test_button_is_green_where_mail_can_be_read(office: Office, hook: type[Pop3Hook | ImapHook]) -> None:
    """It opens the inbox, for some servers let in whom they then refuse."""
    office.connect(hook.conn_type)
    ok, message = hook("office").test_connection()
    assert ok, message
    assert message
