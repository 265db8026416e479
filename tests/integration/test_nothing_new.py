"""A run that finds nothing new ends in moments, and overlooks nothing for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.client.pop3 import Headed, Pop3Client
from mailroom.ledger import HoldRow
from mailroom.model import MailProtocol
from mailroom.policy.fetch_mode import FetchMode
from mailroom.policy.retention import RetentionRule
from mailroom.services.fetching.first_look import look_at_maildrop
from mailroom.services.holds import place_hold, release_hold
from tests.integration.mirrors import MirrorAccount
from tests.integration.runs import DELETE, LEAVE, Account, days
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.maildir import Stored

TEN_DAYS = FetchMode(delete_after=days(10))

MAIL = [make_message(subject=f"Factura {number}") for number in range(5)]

ENVIRONMENT = {**os.environ, "MAILROOM_PASSWORD": "secret", "PYTHONPATH": os.pathsep.join(sys.path)}
ENVIRONMENT["MAILROOM_TARGET_PASSWORD"] = "secret"

RUN = """
import sys
from mailroom.cli import main
heavy = set(sys.argv.pop(1).split(','))
status = main(sys.argv[1:])
sys.exit(f'loaded: {sorted(heavy & set(sys.modules))}' if heavy & set(sys.modules) else status)
"""

LIBRARIES = {"airflow", "deltalake", "pyarrow", "numpy", "fsspec", "rich", "pendulum"}
"""What takes longer to load than a run with nothing new takes."""

FOR_MAIL = {
    "subprocess",
    "ctypes",
    "shutil",
    "mailroom.message",
    "mailroom.ledger",
    "mailroom.model.messages",
}
"""What is needed only where there is mail to read, to store or to delete."""


@pytest.fixture
def maildrop(dovecot: Dovecot, user: str, archive_root: Path) -> Account:
    """A maildrop of five messages, fetched."""
    dovecot.fill(user, [Stored(content=content) for content in MAIL])
    account = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))
    assert account.fetch().added == len(MAIL)
    return account


@pytest.fixture
def mailbox(dovecot: Dovecot, user: str, archive_root: Path) -> MirrorAccount:
    """An account of two folders, mirrored."""
    account = MirrorAccount(dovecot, user, archive_root)
    account.append(MAIL[0])
    account.append(MAIL[1], "Facturas")
    account.mirror()
    return account


def forget(root: Path) -> None:
    """Delete all bookmarks."""
    shutil.rmtree(root / "bookmarks")


def settled(maildrop: Account, mode: FetchMode) -> int | None:
    """Return how many messages there are, where the next run would open no table; else None."""
    look = look_at_maildrop(
        maildrop.connect, Archive(maildrop.root), maildrop.context("fetch"), mode, maildrop.now
    )
    look.client.close()
    return look.settled


def hold(maildrop: Account, **values: Any) -> HoldRow:
    """Place a legal hold without days of grace."""
    return place_hold(
        maildrop.archive,
        **{
            "account": maildrop.name,
            "reason": "case 7",
            "by": "clerk",
            "at": maildrop.now(),
            "grace": days(0),
        }
        | values,
    )


def run_alone(*words: str, without: set[str]) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own that fails where it has loaded what it did not need."""
    return subprocess.run(
        [sys.executable, "-c", RUN, ",".join(without), *words],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_mirror_loads_no_table_library(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """The libraries take four times as long to start as the whole run takes."""
    dovecot.append(user, MAIL[0])
    url = f"imap+starttls://{user}@127.0.0.1:{dovecot.imap_port}"
    words = ("mirror", url, "--ca-file", dovecot.ca_file, "--archive", str(archive_root), "--quiet")
    heavy = LIBRARIES | FOR_MAIL
    first, second = run_alone(*words, without=heavy), run_alone(*words, without=heavy)
    assert "loaded" in first.stderr
    assert (second.returncode, second.stderr) == (0, "")
    assert "unchanged" in second.stdout


def test_fetch_loads_no_table_library(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """The same by POP3."""
    dovecot.append(user, MAIL[0])
    url = f"pop3+starttls://{user}@127.0.0.1:{dovecot.pop3_port}"
    words = ("fetch", url, "--ca-file", dovecot.ca_file, "--archive", str(archive_root), "--quiet")
    heavy = LIBRARIES | FOR_MAIL
    first, second = run_alone(*words, without=heavy), run_alone(*words, without=heavy)
    assert "loaded" in first.stderr
    assert (second.returncode, second.stderr) == (0, "")
    assert "0 new messages of 1 listed" in second.stdout


def test_copy_by_archive_loads_no_table_library(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """What the archive says of both accounts is remembered, however many messages they have."""
    dovecot.append(user, MAIL[0])
    source, target = (
        f"imap+starttls://{name}@127.0.0.1:{dovecot.imap_port}" for name in (user, dovecot.add_user())
    )
    tls = ("--ca-file", dovecot.ca_file, "--target-ca-file", dovecot.ca_file)
    words = ("copy", source, target, *tls, "--archive", str(archive_root), "--quiet")
    first, second = run_alone(*words, without=LIBRARIES), run_alone(*words, without=LIBRARIES)
    assert "deltalake" in first.stderr
    assert second.stderr == "loaded: ['numpy']\n"
    assert "1 were there already" in second.stdout


def test_a_blank_archive_says_so_without_a_table_library(archive_root: Path) -> None:
    """A first run connects, and has its parsers started, before it loads what takes a third of a second."""
    look = (
        "import sys; from mailroom.archive import Archive; print(Archive(sys.argv[1]).noted.overview('post'))"
    )
    words = [sys.executable, "-c", f"{look}; sys.exit('pyarrow' in sys.modules)", str(archive_root)]
    shown = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "AccountOverview(folders={}, live={})"


def test_an_archive_with_mail_is_not_blank(maildrop: Account) -> None:
    """Whatever was ever placed in it, by whichever account, has the tables read."""
    assert not Archive(maildrop.root).is_blank


def test_mirror_tells_the_same_with_a_bookmark_and_without(mailbox: MirrorAccount) -> None:
    """It is a short cut, and no other way."""
    quick = mailbox.mirror()
    forget(mailbox.root)
    assert asdict(quick) == asdict(mailbox.mirror())
    assert quick.unchanged == quick.folders > 1


def test_fetch_tells_the_same_with_a_bookmark_and_without(maildrop: Account) -> None:
    """Counts, identity and sessions are those of a run that looked at each message."""
    quick = maildrop.fetch()
    forget(maildrop.root)
    assert asdict(quick) == asdict(maildrop.fetch())
    assert (quick.listed, quick.left, quick.sessions) == (5, 5, 1)


def test_folder_that_went_away_is_noticed(mailbox: MirrorAccount) -> None:
    """What the server lists no longer stands in the bookmark still."""
    with mailbox.server.mailbox(mailbox.user) as client:
        client.delete_folder("Facturas")
    report = mailbox.mirror()
    assert (report.deleted_folders, report.expunged) == (1, 1)
    mailbox.assert_in_step()


def test_each_change_of_a_mailbox_is_noticed(mailbox: MirrorAccount) -> None:
    """A flag, a new message, a deletion: each right after a run that left a bookmark."""
    with mailbox.server.mailbox(mailbox.user) as client:
        client.select_folder("INBOX")
        client.add_flags([1], [b"\\Flagged"])
    assert mailbox.mirror().flags == 1
    mailbox.append(MAIL[2])
    assert mailbox.mirror().added == 1
    with mailbox.server.mailbox(mailbox.user) as client:
        client.select_folder("INBOX")
        client.delete_messages([1])
        client.expunge()
    assert mailbox.mirror().expunged == 1
    mailbox.assert_in_step()
    assert mailbox.mirror().unchanged == mailbox.mirror().folders


def test_each_change_of_a_maildrop_is_noticed(dovecot: Dovecot, maildrop: Account) -> None:
    """A message more, a message less, and one for another."""
    user = maildrop.endpoint.user
    dovecot.append(user, make_message(subject="Otra"))
    assert maildrop.fetch().added == 1
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX")
        phone.delete_messages([2])
        phone.expunge()
    assert maildrop.fetch().not_listed == 1
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX")
        phone.delete_messages([1])
        phone.expunge()
    dovecot.append(user, make_message(subject="Una más"))
    report = maildrop.fetch()
    assert (report.added, report.not_listed, report.listed) == (1, 1, 5)


def test_a_mode_that_deletes_is_not_cut_short(maildrop: Account) -> None:
    """What was left by an earlier run goes when another mode says so."""
    assert maildrop.fetch(LEAVE).deleted == 0
    assert maildrop.fetch(DELETE).deleted == 5
    assert (maildrop.fetch(DELETE).listed, maildrop.fetch(DELETE).deleted) == (0, 0)


def test_a_message_that_falls_due_goes_in_that_very_run(dovecot: Dovecot, maildrop: Account) -> None:
    """Runs with nothing new come before and after; the first message due is what counts."""
    mode = FetchMode(delete_after=days(10))
    maildrop.wait(days(5))
    dovecot.append(maildrop.endpoint.user, make_message(subject="Otra"))
    assert (maildrop.fetch(mode).added, maildrop.fetch(mode).deleted) == (1, 0)
    maildrop.wait(days(4.9))
    assert (maildrop.fetch(mode).deleted, maildrop.fetch(mode).left) == (0, 6)
    maildrop.wait(days(0.2))
    assert (maildrop.fetch(mode).deleted, maildrop.fetch(mode).left) == (5, 1)
    maildrop.wait(days(5))
    assert (maildrop.fetch(mode).deleted, maildrop.fetch(mode).listed) == (1, 0)


def test_a_message_brought_back_makes_no_full_runs_of_those_with_nothing_new(
    dovecot: Dovecot, maildrop: Account
) -> None:
    """Its days count from its return, and until they are over nothing is due."""
    mode = FetchMode(delete_after=days(10))
    maildrop.wait(days(11))
    assert maildrop.fetch(mode).deleted == 5
    maildrop.wait(days(1))
    dovecot.append(maildrop.endpoint.user, MAIL[0])
    maildrop.fetch(mode)

    maildrop.wait(days(0.9))
    assert settled(maildrop, mode) == 1
    forget(maildrop.root)
    assert (maildrop.fetch(mode).deleted, settled(maildrop, mode)) == (0, 1)
    for _ in range(10):  # a bookmark counts for a day
        maildrop.wait(days(0.95))
        maildrop.fetch(mode)
    assert maildrop.fetch(mode).listed == 0


def test_held_mail_makes_no_full_runs_and_goes_when_its_hold_is_released(maildrop: Account) -> None:
    """Only what is held is due: that is known without a table, until somebody writes to that of the holds."""
    placed = hold(maildrop)
    maildrop.wait(days(11))
    full = maildrop.fetch(TEN_DAYS)
    assert (full.deleted, full.held, full.left, full.failures) == (0, 5, 0, ())
    assert settled(maildrop, TEN_DAYS) == 5
    assert asdict(maildrop.fetch(TEN_DAYS)) == asdict(full)
    release_hold(maildrop.archive, placed.hold_id, by="clerk", at=maildrop.now())
    assert settled(maildrop, TEN_DAYS) is None
    report = maildrop.fetch(TEN_DAYS)
    assert (report.deleted, report.held, report.listed) == (5, 0, 5)
    assert maildrop.fetch(TEN_DAYS).listed == 0


def test_a_fetch_that_deletes_at_once_stays_short_beside_held_mail(
    dovecot: Dovecot, maildrop: Account
) -> None:
    """What comes new goes as ever; then only held mail is left."""
    placed = hold(maildrop, query="subject:Factura")
    for _ in range(2):
        dovecot.append(maildrop.endpoint.user, make_message(subject="Otra"))
        report = maildrop.fetch(DELETE)
        assert (report.added, report.deleted, report.held) == (1, 1, 5)
        assert settled(maildrop, DELETE) == 5
    release_hold(maildrop.archive, placed.hold_id, by="clerk", at=maildrop.now())
    assert maildrop.fetch(DELETE).deleted == 5


def test_a_hold_that_ends_by_itself_is_not_overlooked(maildrop: Account) -> None:
    """No table says so on that day; the note knows when to look."""
    maildrop.wait(days(11))
    hold(maildrop, until=maildrop.now() + days(0.5))
    assert (maildrop.fetch(TEN_DAYS).held, settled(maildrop, TEN_DAYS)) == (5, 5)
    maildrop.wait(days(0.4))
    assert settled(maildrop, TEN_DAYS) == 5
    maildrop.wait(days(0.2))
    assert maildrop.fetch(TEN_DAYS).deleted == 5


def test_what_falls_due_beside_held_mail_goes_in_that_very_run(dovecot: Dovecot, maildrop: Account) -> None:
    """The first of the others to be due is what counts, and a shorter time than before as well."""
    hold(maildrop, query="subject:Factura")
    maildrop.wait(days(8))
    dovecot.append(maildrop.endpoint.user, make_message(subject="Otra"))
    assert maildrop.fetch(TEN_DAYS).added == 1
    maildrop.wait(days(3))
    report = maildrop.fetch(TEN_DAYS)
    assert (report.held, report.left, settled(maildrop, TEN_DAYS)) == (5, 1, 6)
    assert settled(maildrop, FetchMode(delete_after=days(3))) is None
    assert settled(maildrop, FetchMode(delete_after=days(12))) == 6
    maildrop.wait(days(0.9))
    assert maildrop.fetch(FetchMode(delete_after=days(12))).left == 6
    assert maildrop.fetch(TEN_DAYS).left == 1
    for _ in range(6):
        maildrop.wait(days(0.9))
        assert maildrop.fetch(TEN_DAYS).deleted == 0
    maildrop.wait(days(0.9))
    assert (maildrop.fetch(TEN_DAYS).deleted, maildrop.fetch(TEN_DAYS).held) == (1, 5)


def test_held_mail_is_not_asked_who_it_is(maildrop: Account) -> None:
    """It stays whatever the server would answer, and what the archive has of it need not be read."""
    asked: list[int] = []

    class Asked(Pop3Client):
        def top(self, numbers: Sequence[int], lines: int = 0) -> Iterator[Headed]:
            asked.extend(numbers)
            return super().top(numbers, lines)

    hold(maildrop, query="subject:Factura subject:3")
    maildrop.wait(days(11))
    maildrop.connect = lambda: Asked.connect(maildrop.endpoint)  # type: ignore[method-assign]
    report = maildrop.fetch(TEN_DAYS)
    assert (report.deleted, report.held, len(asked)) == (4, 1, 4)


def test_damaged_mail_is_told_of_in_each_run_and_goes_once_it_is_mended(maildrop: Account) -> None:
    """Each such run fails, and is recorded: that is worth looking into the tables."""
    maildrop.wait(days(11))
    path = next(maildrop.root.glob("raw/??/*.eml"))
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content[:-9])
    for expected in ((4, 1), (0, 1)):
        report = maildrop.fetch(TEN_DAYS)
        assert (report.deleted, len(report.failures)) == expected
        assert settled(maildrop, TEN_DAYS) is None
    path.write_bytes(content)
    report = maildrop.fetch(TEN_DAYS)
    assert (report.deleted, report.failures) == (1, ())


def test_fetch_beside_held_mail_loads_no_table_library(
    dovecot: Dovecot, user: str, archive_root: Path
) -> None:
    """The second run, by the command, of a maildrop whose mail is all under legal hold."""
    dovecot.append(user, MAIL[0])
    url = f"pop3+starttls://{user}@127.0.0.1:{dovecot.pop3_port}"
    words = ("fetch", url, "--ca-file", dovecot.ca_file, "--archive", str(archive_root), "--quiet")
    name = ("--account", "ana")
    assert run_alone(*words, *name, without=set()).returncode == 0
    archive = Archive(archive_root)
    place_hold(archive, account="ana", reason="case 7", by="clerk", at=datetime.now(UTC))
    heavy = LIBRARIES | FOR_MAIL - {"mailroom.ledger"}  # a mode that deletes looks for what was begun
    first = run_alone(*words, *name, "--delete", without=heavy)
    second = run_alone(*words, *name, "--delete", without=heavy)
    assert "loaded" in first.stderr
    assert (second.returncode, second.stderr) == (0, "")
    assert "1 message due, but kept on the server under legal hold" in second.stdout


def test_retention_in_between_is_noticed(dovecot: Dovecot, mailbox: MirrorAccount) -> None:
    """Rows that another kind of run wrote end the bookmark; the next mirror agrees with the server."""
    account = Account(mailbox.root, mailbox.endpoint, name=mailbox.name, clock=mailbox.clock)
    account.wait(days(40))
    assert account.retain(RetentionRule(older_than=days(30))).deleted == 2
    report = mailbox.mirror()
    assert (report.failures, report.warnings) == ((), ())
    mailbox.assert_in_step()
