"""SIGKILL during retention: only what is archived goes, and the archive can tell the truth afterwards."""

from __future__ import annotations

import contextlib
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailroom.archive import Archive
from tests.integration.killing import digests_of, kill_again_and_again, settled, small_mail, unsynced_writes
from tests.support.command import run_command, trace_command
from tests.support.dovecot import Dovecot
from tests.support.maildir import Stored

pytestmark = pytest.mark.kill

A_ROUND = 150
NOW = datetime.now(UTC)


@pytest.fixture
def url(dovecot: Dovecot, user: str) -> str:
    return f"imap://{user}@127.0.0.1:{dovecot.imap_port}"


class Mailbox:
    """What was sent to an account, what of it is young, and what its server still has."""

    def __init__(self, dovecot: Dovecot, user: str, url: str, archive_root: Path) -> None:
        self.sent: set[str] = set()
        self.young: set[str] = set()
        self._dovecot, self._user = dovecot, user
        self._mirror = ["mirror", url, "--archive", str(archive_root), "--quiet", "--max-gone", "1"]

    def refill(self, number: int) -> None:
        """Deliver old and new mail, mirror it, and then deliver old mail that is in no archive."""
        messages = small_mail(number * A_ROUND, A_ROUND)
        old, new, unknown = messages[:-20], messages[-20:-1], messages[-1:]
        self.sent |= digests_of(messages)
        self.young |= digests_of(new)
        self._fill(number * 3, old, days=90)
        self._fill(number * 3 + 1, new, days=2)
        self.mirror()
        self._fill(number * 3 + 2, unknown, days=400)

    def mirror(self) -> None:
        finished = run_command(*self._mirror)
        assert finished.status == 0, finished.err

    def present(self) -> set[str]:
        place = self._dovecot.home / "users" / self._user / "mail" / "INBOX"
        while True:
            # The server may still be carrying out what the killed command had asked for: look again.
            with contextlib.suppress(FileNotFoundError):
                return digests_of([path.read_bytes() for path in place.glob("[cn]*/*")])

    def _fill(self, number: int, messages: list[bytes], days: int) -> None:
        date = NOW - timedelta(days=days)
        stored = [Stored(content=content, internal_date=date) for content in messages]
        self._dovecot.fill(self._user, stored, stamp=1_500_000_000 + number * 100_000)


def test_killed_while_deleting(dovecot: Dovecot, user: str, url: str, archive_root: Path) -> None:
    """At every moment what is new or not archived is on the server, and what is not there is archived."""
    mailbox = Mailbox(dovecot, user, url, archive_root)

    def check() -> None:
        there = mailbox.present()
        assert mailbox.young <= there
        assert mailbox.sent - there <= settled(archive_root).keys()

    arguments = ["retention", url, "--archive", str(archive_root), "--older-than", "30d", "--quiet"]
    killed = kill_again_and_again(arguments, mailbox.refill, check, rounds=6)
    assert killed, "the command always finished before it was killed"
    mailbox.mirror()
    there = mailbox.present()
    archived = settled(archive_root)
    assert archived.keys() == mailbox.sent
    for digest, changes in archived.items():
        # Where a mirror came between the kill and the next retention, it saw the message gone first.
        assert (changes["added"], changes["deleted_by_retention"]) == (1, 0 if digest in there else 1)
        assert changes["expunged"] <= changes["deleted_by_retention"]
    told = Archive(archive_root).read_table("audit", ["message_sha256"])["message_sha256"].to_pylist()
    assert sorted(told) == sorted(mailbox.sent - there)
    assert not list((archive_root / "intents").glob("*/*"))


@pytest.fixture
def mirrored(dovecot: Dovecot, user: str, url: str, archive_root: Path) -> str:
    Mailbox(dovecot, user, url, archive_root).refill(0)
    return url


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: apt-get install strace")
def test_everything_is_synced_before_the_first_expunge(mirrored: str, archive_root: Path) -> None:
    """When EXPUNGE leaves the machine, no file of the archive waits for the disk, whoever wrote it."""
    arguments = ["retention", mirrored, "--archive", str(archive_root), "--older-than", "30d", "--quiet"]
    finished, calls = trace_command(*arguments)
    assert finished.status == 0, finished.err
    assert unsynced_writes(calls, archive_root, "EXPUNGE ") == []
    first = next(n for n, call in enumerate(calls) if "EXPUNGE " in call.arguments)
    assert {"syncfs", "fsync"} & {call.name for call in calls[:first]}
