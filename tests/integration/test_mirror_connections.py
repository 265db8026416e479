"""Several connections to one account at once: the same archive as by one, whatever a server allows."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailroom.client.imap import ImapClient
from mailroom.exceptions import AuthenticationFailed, CommandRejected, ConnectionLost
from mailroom.model import FetchedMessage, MailProtocol, Security
from mailroom.services.mirroring import mailbox_download, mirror_run
from tests.integration.killing import small_mail
from tests.integration.mirrors import MirrorAccount
from tests.support.dovecot import Dovecot
from tests.support.maildir import Stored
from tests.support.proxy import Proxy

MESSAGES = 400


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """More connections pay for little work, and on a near server too."""
    monkeypatch.setattr(mirror_run, "WORTHWHILE_SECONDS", 0.0)
    monkeypatch.setattr(mirror_run, "MESSAGES_A_CONNECTION", 20)
    monkeypatch.setattr(mirror_run, "BREAK_SECONDS", 0.01)
    monkeypatch.setattr(mailbox_download, "PIECE_SHARED", 20)


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> MirrorAccount:
    """An account with one large folder and five small ones."""
    found = MirrorAccount(dovecot, user, archive_root)
    mail = small_mail(0, MESSAGES)
    dovecot.fill(user, [Stored(content=content) for content in mail[:300]])
    for number in range(5):
        part = mail[300 + 20 * number : 320 + 20 * number]
        dovecot.fill(user, [Stored(content=content) for content in part], f"Folder {number}")
    return found


class Connections:
    """Opens connections and counts them; refuses some."""

    def __init__(self, account: MirrorAccount, allowed: int = 99, refusal: Exception | None = None) -> None:
        self.account = account
        self.allowed = allowed
        self.refusal = refusal or ConnectionLost("Too many connections.", reason="busy")
        self.open = self.most = self.asked = 0
        self.lock = threading.Lock()

    def __call__(self) -> ImapClient:
        with self.lock:
            self.asked += 1
            if self.open >= self.allowed:
                raise self.refusal
            self.open += 1
            self.most = max(self.most, self.open)
        connections = self

        class Counted(ImapClient):
            def close(self) -> None:
                if not getattr(self, "_is_counted_off", False):
                    self._is_counted_off = True
                    with connections.lock:
                        connections.open -= 1
                super().close()

        return Counted.connect(self.account.endpoint)


def assert_added_once(account: MirrorAccount, count: int = MESSAGES) -> None:
    """Check that the archive is the server's account and that no message was added twice."""
    account.assert_in_step()
    rows = account.archive.read_table("locations").to_pylist()
    added = Counter((row["folder"], row["uid"]) for row in rows if row["change"] == "added")
    assert len(added) == count
    assert set(added.values()) == {1}


@contextmanager
def no_thread_is_left() -> Iterator[None]:
    """Check that a block leaves no thread behind."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) - before == set()


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_many_connections_bring_what_one_brings(account: MirrorAccount, order: str) -> None:
    """Folders side by side and pieces of the large one, each message once."""
    connections = Connections(account)
    with no_thread_is_left():
        report = account.mirror(connect=connections, connections=4, order=order)
    assert (report.added, report.folders, report.failures, report.warnings) == (MESSAGES, 6, (), ())
    assert connections.most == 4
    assert connections.open == 0
    assert_added_once(account)


def test_one_is_enough_where_one_is_allowed(account: MirrorAccount) -> None:
    """The limit is kept."""
    connections = Connections(account)
    assert account.mirror(connect=connections, connections=1).added == MESSAGES
    assert connections.asked == 1


def test_a_near_server_gets_one(account: MirrorAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the network does not make anybody wait, a second connection would only take a core away."""
    monkeypatch.setattr(mirror_run, "WORTHWHILE_SECONDS", 0.5)
    connections = Connections(account)
    assert account.mirror(connect=connections, connections=4).added == MESSAGES
    assert connections.asked == 1


def test_nothing_new_opens_no_more(account: MirrorAccount) -> None:
    """Further connections are for work."""
    account.mirror()
    connections = Connections(account)
    report = account.mirror(connect=connections, connections=4)
    assert (report.unchanged, connections.asked) == (6, 1)


@pytest.mark.parametrize(
    "refusal",
    [None, AuthenticationFailed("The server refuses a second session with the same password.")],
    ids=["busy", "password"],
)
def test_refused_connections_are_done_without(account: MirrorAccount, refusal: Exception | None) -> None:
    """A server that allows fewer than the user does is no failure."""
    connections = Connections(account, allowed=2, refusal=refusal)
    with no_thread_is_left():
        report = account.mirror(connect=connections, connections=6)
    assert (report.added, report.failures) == (MESSAGES, ())
    assert connections.most == 2
    assert_added_once(account)


@pytest.mark.parametrize(("cut_after", "cuts"), [(2_000, 1), (20_000, 1), (150_000, 2), (200_000, 4)])
def test_broken_connections_lose_and_double_nothing(
    account: MirrorAccount, cuts: int, cut_after: int
) -> None:
    """What one connection did not bring home another brings; after a break one connection goes on."""
    with Proxy(account.server.host, account.server.imap_port, cut_after=cut_after, cuts=cuts) as proxy:
        direct = account.server.endpoint(account.user, MailProtocol.IMAP)
        account.endpoint = replace(direct, host=proxy.host, port=proxy.port, security=Security.PLAIN)
        with no_thread_is_left():
            report = account.mirror(connections=4)
    assert report.failures == ()
    assert_added_once(account)


def test_stopped_run_keeps_what_came(account: MirrorAccount) -> None:
    """All connections end, what arrived is committed, and the next run brings the rest."""
    stop = threading.Event()

    class Stopping(Connections):
        def __call__(self) -> ImapClient:
            client = super().__call__()
            fetch = client.fetch_messages

            def stop_in_the_middle(*arguments: Any, **options: Any) -> Iterator[FetchedMessage]:
                for number, message in enumerate(fetch(*arguments, **options)):
                    if number == 7:
                        stop.set()
                    yield message

            client.fetch_messages = stop_in_the_middle  # type: ignore[method-assign]
            return client

    with no_thread_is_left():
        report = account.mirror(connect=Stopping(account), connections=4, stop=stop)
    assert report.interrupted
    assert 0 < report.added < MESSAGES
    assert len(account.changes()) == report.added
    assert account.mirror(connections=4).added == MESSAGES - report.added
    assert_added_once(account)


def test_a_bug_in_a_further_connection_comes_up(account: MirrorAccount) -> None:
    """Whatever is no server's doing ends the run, and no thread stays behind."""
    connections = Connections(account, allowed=1, refusal=ZeroDivisionError("a bug"))
    with no_thread_is_left(), pytest.raises(ZeroDivisionError):
        account.mirror(connect=connections, connections=4)


def test_a_run_that_fails_ends_its_connections(
    account: MirrorAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that refuses ends all of them."""
    (account.root / "raw").mkdir(parents=True)
    (account.root / "raw" / ".incoming").write_bytes(b"a file where a folder should be")
    with no_thread_is_left(), pytest.raises(Exception, match="cannot be used"):
        account.mirror(connections=4)
    (account.root / "raw" / ".incoming").unlink()
    assert account.mirror(connections=4).added == MESSAGES
    assert_added_once(account)


class Choosy(Connections):
    """Lets only the first connection open folders."""

    code: str | None = None

    def __call__(self) -> ImapClient:
        client = super().__call__()
        if self.asked > 1:

            def refuse(name: str) -> Any:
                raise CommandRejected("No.", command="EXAMINE", kind="NO", code=self.code, text="No.")

            client.examine = refuse  # type: ignore[method-assign]
        return client


@pytest.mark.parametrize("code", ["LIMIT", "NOPERM", None])
def test_a_folder_that_a_further_connection_may_not_open_is_mirrored_by_the_first(
    account: MirrorAccount, code: str | None
) -> None:
    """What one session is refused another may be granted."""
    connections = Choosy(account)
    connections.code = code
    with no_thread_is_left():
        report = account.mirror(connect=connections, connections=4)
    assert (report.added, report.failures) == (MESSAGES, ())
    assert_added_once(account)


class WithoutListStatus(Connections):
    """Servers that state the counts of folders one by one only."""

    def __call__(self) -> ImapClient:
        client = super().__call__()
        client.capabilities -= {"LIST-STATUS"}
        return client


def test_counts_are_asked_for_where_the_list_does_not_bring_them(account: MirrorAccount) -> None:
    """A large folder is divided all the same, and unchanged ones are not opened."""
    connections = WithoutListStatus(account)
    assert account.mirror(connect=connections, connections=4).added == MESSAGES
    assert connections.most == 4
    assert_added_once(account)
    again = WithoutListStatus(account)
    report = account.mirror(connect=again, connections=4)
    assert (report.unchanged, again.asked) == (6, 1)
