"""SIGKILL during fetch: nothing lost, nothing twice, nothing deleted that is not archived."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from tests.integration.killing import digests_of, kill_again_and_again, settled, small_mail, unsynced_writes
from tests.support.command import run_command, trace_command
from tests.support.dovecot import Dovecot
from tests.support.mail import message_of_size
from tests.support.maildir import Stored

pytestmark = pytest.mark.kill

A_ROUND = 300


@pytest.fixture
def url(dovecot: Dovecot, user: str) -> str:
    return f"pop3://{user}@127.0.0.1:{dovecot.pop3_port}"


class Mailbox:
    """What was sent to an account, and what its server still has."""

    def __init__(self, dovecot: Dovecot, user: str) -> None:
        self.sent: set[str] = set()
        self._dovecot, self._user = dovecot, user

    def refill(self, number: int) -> None:
        messages = small_mail(number * A_ROUND, A_ROUND)
        self.sent |= digests_of(messages)
        stored = [Stored(content=content) for content in messages]
        self._dovecot.fill(self._user, stored, stamp=1_600_000_000 + number * 100_000)

    def present(self) -> set[str]:
        place = self._dovecot.home / "users" / self._user / "mail" / "INBOX"
        while True:
            # The server may still be carrying out what the killed command had asked for: look again.
            with contextlib.suppress(FileNotFoundError):
                return digests_of([path.read_bytes() for path in place.glob("[cn]*/*")])


@pytest.mark.parametrize("mode", [["--delete"], ["--delete-after", "0d"]], ids=["delete", "after 0 days"])
def test_killed_while_deleting(
    dovecot: Dovecot, user: str, url: str, archive_root: Path, mode: list[str]
) -> None:
    """At every moment each message is on the server or whole in the archive, at the end once."""
    mailbox = Mailbox(dovecot, user)

    def check() -> None:
        archived = settled(archive_root)
        assert mailbox.sent - mailbox.present() <= archived.keys()

    arguments = ["fetch", url, "--archive", str(archive_root), "--quiet", *mode]
    killed = kill_again_and_again(arguments, mailbox.refill, check, rounds=7)
    assert killed, "the command always finished before it was killed"
    assert mailbox.present() == set()
    archived = settled(archive_root)
    assert archived.keys() == mailbox.sent
    assert {changes["added"] for changes in archived.values()} == {1}


def test_killed_while_leaving(dovecot: Dovecot, user: str, url: str, archive_root: Path) -> None:
    """A copy stays on the server whatever happens, and none is archived twice."""
    mailbox = Mailbox(dovecot, user)

    def check() -> None:
        assert mailbox.present() == mailbox.sent
        settled(archive_root)

    arguments = ["fetch", url, "--archive", str(archive_root), "--quiet"]
    killed = kill_again_and_again(arguments, mailbox.refill, check, rounds=6)
    assert killed, "the command always finished before it was killed"
    archived = settled(archive_root)
    assert archived.keys() == mailbox.sent
    assert {frozenset(changes.items()) for changes in archived.values()} == {frozenset({("added", 1)})}


@pytest.fixture
def filled(dovecot: Dovecot, user: str, url: str) -> str:
    messages = [*small_mail(0, 60), message_of_size(1_500_000)]
    dovecot.fill(user, [Stored(content=content) for content in messages])
    return url


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: apt-get install strace")
def test_everything_is_synced_before_the_first_deletion(filled: str, archive_root: Path) -> None:
    """When the first DELE leaves the machine, no file of the archive waits for the disk."""
    finished, calls = trace_command("fetch", filled, "--archive", str(archive_root), "--quiet", "--delete")
    assert finished.status == 0, finished.err
    assert unsynced_writes(calls, archive_root, "DELE ") == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: apt-get install strace")
def test_what_an_earlier_run_left_is_synced_before_it_is_deleted(filled: str, archive_root: Path) -> None:
    """A run that only deletes syncs first: the earlier one may not have had to."""
    assert run_command("fetch", filled, "--archive", str(archive_root), "--quiet").status == 0
    finished, calls = trace_command("fetch", filled, "--archive", str(archive_root), "--quiet", "--delete")
    assert finished.status == 0, finished.err
    assert unsynced_writes(calls, archive_root, "DELE ") == []
    names = [call.name for call in calls]
    first = next(n for n, call in enumerate(calls) if "DELE " in call.arguments)
    assert {"syncfs", "fsync"} & set(names[:first])
