"""A command that finds nothing new ends by its shortcut; whatever is new is found on that very connection."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from tests.support.command import Finished, run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.pop3_server import Maildrop, Pop3Server

LOADED = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Has Python say on stderr what it loads."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """One command line, on an account that others change."""

    server: Dovecot
    user: str
    words: tuple[str, ...]
    root: Path

    def run(self, *more: str, password: str = "secret") -> Finished:
        return run_command(*self.words, "--json", "--quiet", *more, password=password, environment=LOADED)

    def shortcuts(self) -> list[Path]:
        return sorted((self.root / "bookmarks").glob("shortcut.*"))

    def forget(self) -> None:
        for path in self.shortcuts():
            path.unlink()

    def append(self, subject: str, folder: str = "INBOX") -> None:
        self.server.append(self.user, make_message(subject=subject), folder)


def took_shortcut(ran: Finished) -> bool:
    """Return whether what runs a command was not even loaded."""
    assert "mailroom.cli.shortcut" in ran.err
    return "mailroom.cli.running" not in ran.err


@pytest.fixture(params=["pop3", "pop3s", "imap", "imaps"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path, scheme: str) -> Account:
    """An account of two messages, one of them in a folder of its own; both fetched, or the one in INBOX."""
    ports = {"pop3": dovecot.pop3_port, "pop3s": dovecot.pop3s_port}
    ports |= {"imap": dovecot.imap_port, "imaps": dovecot.imaps_port}
    command = "fetch" if scheme.startswith("pop3") else "mirror"
    url = f"{scheme}://{user}@127.0.0.1:{ports[scheme]}"
    words = (command, url, "--archive", str(archive_root), "--ca-file", dovecot.ca_file, "--account", user)
    account = Account(server=dovecot, user=user, words=words, root=archive_root)
    account.append("One")
    account.append("Two", "Facturas")
    assert account.run().summary["added"] >= 1
    return account


def test_the_second_run_takes_it_and_says_the_same(account: Account) -> None:
    """As JSON and in words; what it prints is what a run prints that looks at everything."""
    for more in ((), ("--timeout=30",)):
        account.run(*more)
        quick = account.run(*more)
        account.forget()
        careful = account.run(*more)
        assert (took_shortcut(quick), took_shortcut(careful)) == (True, False)
        assert (quick.status, quick.out) == (0, careful.out)
        assert json.loads(quick.out)["added"] == 0


def test_no_secret_is_kept(account: Account) -> None:
    """Nor what a password looks like where it is sent."""
    (path,) = account.shortcuts()
    octets = path.read_bytes()
    for secret in (b"secret", b"c2VjcmV0", b"NlY3JldA", b"zZWNyZX"):
        assert secret not in octets


def test_a_new_message_is_found(account: Account) -> None:
    """On the connection that was to find nothing new; after that run there is a shortcut again."""
    account.append("Three")
    ran = account.run()
    assert (took_shortcut(ran), ran.status, ran.summary["added"]) == (False, 0, 1)
    again = account.run()
    assert (took_shortcut(again), again.summary["added"]) == (True, 0)
    assert Archive(account.root).read_table("locations").num_rows == ran_rows(account)


def ran_rows(account: Account) -> int:
    """Return how many places of messages there are: of INBOX alone by POP3."""
    return 2 if account.words[0] == "fetch" else 3


def test_a_message_that_went_away_is_noticed(account: Account) -> None:
    """A listing that lacks something is another listing."""
    with account.server.mailbox(account.user) as phone:
        phone.select_folder("INBOX")
        phone.delete_messages([1])
        phone.expunge()
    ran = account.run()
    gone = ran.summary["not_listed"] if account.words[0] == "fetch" else ran.summary["expunged"]
    assert (took_shortcut(ran), gone) == (False, 1)


@pytest.mark.parametrize("scheme", ["imap", "imaps"])
def test_flags_and_folders_that_changed_are_noticed(account: Account) -> None:
    """A flag, a folder more, a folder less."""
    with account.server.mailbox(account.user) as phone:
        phone.select_folder("INBOX")
        phone.add_flags([1], [b"\\Flagged"])
    assert account.run().summary["flags"] == 1
    with account.server.mailbox(account.user) as phone:
        phone.create_folder("Empty")
    assert account.run().summary["folders"] == 3
    with account.server.mailbox(account.user) as phone:
        phone.delete_folder("Facturas")
    assert account.run().summary["deleted_folders"] == 1
    assert account.run().summary["unchanged"] == 2
    assert took_shortcut(account.run())


def test_what_another_run_commits_ends_it(dovecot: Dovecot, account: Account) -> None:
    """Whoever commits, to whichever table: the next run looks, and leaves a shortcut again."""
    other = dovecot.add_user()
    dovecot.append(other, make_message(subject="Other"))
    url = f"imaps://{other}@127.0.0.1:{dovecot.imaps_port}"
    run_command("mirror", url, "--ca-file", dovecot.ca_file, "--archive", str(account.root))
    assert [took_shortcut(account.run()) for _ in range(3)] == [False, True, True]


def test_an_archive_that_lost_its_tables_is_not_believed(account: Account) -> None:
    """A shortcut says nothing that the tables do not say."""
    for entry in (account.root / "tables" / "locations" / "_delta_log").glob("*.json"):
        entry.write_bytes(entry.read_bytes() + b"\n")
    assert not took_shortcut(account.run())


def test_a_wrong_password_is_said_in_one_sentence(account: Account) -> None:
    """As without a shortcut; the next run goes step by step, and the one after it as before."""
    ran = account.run(password="wrong-one")
    said = [line for line in ran.err.splitlines() if not line.startswith("import time:")]
    assert (ran.status, len(said)) == (1, 1)
    assert "refused the sign-in" in said[0]
    assert "wrong-one" not in ran.out + ran.err
    assert [took_shortcut(account.run()) for _ in range(2)] == [False, True]


@pytest.mark.parametrize(
    ("scheme", "more"),
    [("pop3", ("--delete",)), ("pop3", ("--delete-after", "9d")), ("imap", ("--two-way",))],
)
def test_what_may_change_the_server_has_none(account: Account, more: tuple[str, ...]) -> None:
    """There more than a listing says whether something is to be done."""
    for _ in range(3):
        assert not took_shortcut(account.run(*more))


def test_a_server_that_is_away_is_said_in_the_usual_words(archive_root: Path) -> None:
    """The ordinary way tries again, and says it."""
    with Pop3Server(Maildrop(messages=[("a", make_message())])) as server:
        words = ("fetch", url_of(server), "--archive", str(archive_root), "--quiet")
        assert [run_command(*words).status for _ in range(2)] == [0, 0]
    away = run_command(*words)
    assert (away.status, away.err.count("\n")) == (1, 1)
    assert "refused the connection" in away.err


def url_of(server: Pop3Server) -> str:
    endpoint = server.endpoint()
    return f"pop3://{endpoint.user}@{endpoint.host}:{endpoint.port}"


def test_a_pop3_server_is_asked_once(archive_root: Path) -> None:
    """One sign-in, one listing and no more, whether something is new or not."""
    drop = Maildrop(messages=[("a", make_message())])
    dialogue = ["CAPA", "USER user", "PASS", "CAPA", "LIST", "UIDL"]
    with Pop3Server(drop) as server:
        words = ("fetch", url_of(server), "--archive", str(archive_root), "--json", "--quiet")
        run_command(*words)
        server.commands.clear()
        assert took_shortcut(run_command(*words, environment=LOADED))
        assert asked(server) == dialogue
        drop.messages.append(("b", make_message(subject="New")))
        server.commands.clear()
        assert run_command(*words).summary["added"] == 1
        assert asked(server) == [*dialogue, "RETR 2"]
        server.commands.clear()
        assert run_command(*words, password="wrong").status == 1
        assert asked(server).count("PASS") == 1


def asked(server: Pop3Server) -> list[str]:
    """Return what the server was asked but for QUIT, which may come after the end of a run."""
    return [command for command in server.commands if command != "QUIT"]


def test_a_pop3_server_that_takes_one_command_at_a_time_is_asked_so(archive_root: Path) -> None:
    """Nothing is sent ahead that a server may throw away."""
    drop = Maildrop(messages=[("a", make_message())], capabilities=("TOP", "UIDL", "USER"))
    with Pop3Server(drop) as server:
        words = ("fetch", url_of(server), "--archive", str(archive_root), "--json", "--quiet")
        for _ in range(3):
            assert not took_shortcut(run_command(*words, environment=LOADED))
        assert server.unanswered == 1


@contextlib.contextmanager
def between(server: Dovecot, sends: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """Give a port from which all goes to a server that ``sends`` returns; None ends the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def forward(source: socket.socket, target: socket.socket, change: Callable[[bytes], Any]) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    if (changed := change(data)) is None:
                        break
                    target.sendall(changed)
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    there = socket.create_connection((server.host, server.imap_port))
                    for ways in ((client, there, sends), (there, client, bytes)):
                        threading.Thread(target=forward, args=ways, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _dropped(data: bytes) -> bytes:
    """Lose what comes with a sign-in, as some proxies do."""
    return data.partition(b"\r\n")[0] + b"\r\n" if b"AUTHENTICATE" in data else data


def _cut(data: bytes) -> bytes | None:
    """Hang up where more comes with a sign-in."""
    return None if b"AUTHENTICATE" in data and b"LIST" in data else data


@pytest.mark.parametrize("sends", [_dropped, _cut])
def test_a_server_that_takes_no_commands_with_a_sign_in_is_asked_otherwise(
    dovecot: Dovecot, user: str, archive_root: Path, sends: Callable[[bytes], bytes | None]
) -> None:
    """The run that finds that out connects anew and does its work; later ones do not try again."""
    dovecot.append(user, make_message())
    with between(dovecot, sends) as port:
        words = ("mirror", f"imap://{user}@127.0.0.1:{port}", "--archive", str(archive_root), "--json")
        run_command(*words)
        (path,) = (archive_root / "bookmarks").glob("shortcut.*")
        hopeful = path.read_bytes()
        for _ in range(2):
            ran = run_command(*words)
            assert (ran.status, ran.summary["unchanged"]) == (0, 1)
        avoiding = path.read_bytes()
        assert len(avoiding) < len(hopeful)
        dovecot.append(user, make_message(subject="New"))
        assert run_command(*words).summary["added"] == 1
        assert path.read_bytes() == avoiding
