"""A second copy of an archive: whole, incremental, never doubled, and asked before a deletion."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.replicating.replica import REPLICA_FILE
from mailroom.exceptions import ConfigurationError, StoreUnavailable
from mailroom.model import Body, Change, MailProtocol
from mailroom.policy.deletion import Keep
from mailroom.policy.mirror import MirrorSelection
from mailroom.policy.policy_file import parse_policy
from mailroom.policy.retention import RetentionRule
from mailroom.services.mirror import mirror_account
from mailroom.services.progress import NoProgress
from mailroom.services.replicate import ReplicationReport, replicate_archive
from tests.integration.killing import kill_again_and_again
from tests.integration.runs import Account, days, raw_digests
from tests.support.archives import (
    archive_messages,
    body,
    context,
    digest,
    folder_row,
    maildrop_row,
    place,
    tables_without_doubles,
)
from tests.support.command import run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message, message_of_size
from tests.support.s3 import S3Server

MOST_MEGABYTES = 250
"""What a replication may use at its peak, whatever the archive holds."""

Places = tuple[Any, Any]


def replicate(source: Any, copy: Any, *, stop: bool = False) -> ReplicationReport:
    event = threading.Event()
    if stop:
        event.set()
    return replicate_archive(_opened(source), _opened(copy), progress=NoProgress(), stop=event)


def _opened(root: Any) -> Archive:
    return root if isinstance(root, Archive) else Archive(root)


def rows(root: Any, name: str) -> Counter[str]:
    """Return each row of a table as text, with how often it is there."""
    return Counter(repr(sorted(row.items(), key=str)) for row in _opened(root).read_table(name).to_pylist())


def assert_same(source: Any, copy: Any) -> None:
    """Assert that a copy has every object and row, each once, and is sound by itself."""
    for name in TABLES:
        assert rows(source, name) == rows(copy, name), name
    assert sorted(_opened(source).raw.objects()) == sorted(_opened(copy).raw.objects())
    report = verify_archive(_opened(copy))
    assert (report.failures, report.notes) == ((), ())


def fill(root: Any, first: int, count: int) -> None:
    """Archive messages with attachments in two folders of one account and in the maildrop of another."""
    archive, run = _opened(root), f"run-{first}"
    with archive.writer(context(run)) as writer:
        for number in range(first, first + count):
            found = body(number, attachments=number % 3)
            writer.add(found, place(number, folder=f"F{number % 2}", run_id=run))
            writer.add(found, maildrop_row(f"u{number}", account="second", run_id=run))
        writer.close_folder(folder_row("F0", messages=count, uid_next=first + count, run_id=run))
        writer.finish("succeeded", {"added": count}, 0)


@pytest.fixture(params=["disk to disk", "disk to bucket", "bucket to disk", "bucket to bucket"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    """A place for an archive and one for its copy."""
    words = request.param.split(" to ")

    def made(kind: str, name: str) -> Callable[[], Archive]:
        if kind == "disk":
            return lambda: Archive(tmp_path / name)
        server: S3Server = request.getfixturevalue("s3")
        url = server.url(server.new_bucket(), name)
        return lambda: Archive(url, storage_options=server.storage_options)

    return made(words[0], "archive"), made(words[1], "copy")


def test_copy_has_everything_once_and_follows(places: Places) -> None:
    """The first run copies all, the next ones only what is new, and one with nothing new writes nothing."""
    source, copy = places
    fill(source(), 1, 30)
    first = replicate(source(), copy())
    assert (first.messages, first.objects, first.failures) == (30, 30, ())
    assert_same(source(), copy())
    again = replicate(source(), copy())
    assert (again.messages, again.objects, again.rows) == (0, 0, {})
    fill(source(), 31, 5)
    more = replicate(source(), copy())
    assert (more.messages, more.objects, more.rows["locations"]) == (5, 5, 10)
    assert_same(source(), copy())


def test_run_with_nothing_new_touches_no_file(tmp_path: Path) -> None:
    """So that it can be scheduled as often as anybody likes."""
    fill(tmp_path / "a", 1, 5)
    replicate(tmp_path / "a", tmp_path / "b")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "b").rglob("*")}
    replicate(tmp_path / "a", tmp_path / "b")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "b").rglob("*")} == before


def test_rows_are_not_doubled_after_files_were_joined(tmp_path: Path) -> None:
    """Upkeep on either side puts old rows into new files."""
    for number in range(1, 61):
        archive_messages(Archive(tmp_path / "a"), [number], run_id=f"run-{number}")
        if number % 13 == 0:
            replicate(tmp_path / "a", tmp_path / "b")
    replicate(tmp_path / "a", tmp_path / "b")
    assert_same(tmp_path / "a", tmp_path / "b")


def test_large_message_is_copied_through_a_file(tmp_path: Path) -> None:
    """Above a mebibyte nothing is held in memory; the bytes are the same."""
    content = message_of_size(3_000_000, seed="large")
    with Archive(tmp_path / "a").writer(context()) as writer:
        writer.add(Body(octets=len(content), content=content), place(1))
        writer.finish("succeeded", {}, 0)
    assert replicate(tmp_path / "a", tmp_path / "b").octets == len(content)
    assert_same(tmp_path / "a", tmp_path / "b")
    assert list((tmp_path / "b" / "raw" / ".incoming").iterdir()) == []


def test_damaged_and_missing_objects_are_named_and_wait(tmp_path: Path) -> None:
    """What is wrong at the source never reaches the copy; when it is mended, the next run brings it."""
    archive_messages(Archive(tmp_path / "a"), range(1, 6))
    broken, missing = (tmp_path / "a" / "raw" / digest(n)[:2] / f"{digest(n)}.eml" for n in (2, 4))
    contents = broken.read_bytes(), missing.read_bytes()
    broken.write_bytes(contents[0][:-1] + b"!")
    missing.unlink()
    report = replicate(tmp_path / "a", tmp_path / "b")
    assert (report.messages, report.failed) == (3, 2)
    assert {("damaged" in f, "missing" in f) for f in report.failures} == {(True, False), (False, True)}
    assert raw_digests(tmp_path / "b") == {digest(n) for n in (1, 3, 5)}
    assert verify_archive(Archive(tmp_path / "b")).failures == ()
    broken.write_bytes(contents[0])
    missing.write_bytes(contents[1])
    assert replicate(tmp_path / "a", tmp_path / "b").messages == 2
    assert_same(tmp_path / "a", tmp_path / "b")


def test_two_replications_at_once_double_nothing(tmp_path: Path) -> None:
    """The loser of a commit drops what the winner has added."""
    fill(tmp_path / "a", 1, 200)
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(replicate, tmp_path / "a", tmp_path / "b") for _ in range(3)]
    assert sum(run.result().messages for run in runs) == 200
    replicate(tmp_path / "a", tmp_path / "b")
    assert_same(tmp_path / "a", tmp_path / "b")


def test_stopped_run_goes_on(tmp_path: Path) -> None:
    """A run that is told to stop leaves a copy that the next one completes."""
    fill(tmp_path / "a", 1, 10)
    assert replicate(tmp_path / "a", tmp_path / "b", stop=True).interrupted
    replicate(tmp_path / "a", tmp_path / "b")
    assert_same(tmp_path / "a", tmp_path / "b")


def test_copy_refuses_to_be_written_to_until_it_is_released(tmp_path: Path) -> None:
    """Mail that only the copy had would clash with what comes from its source."""
    archive_messages(Archive(tmp_path / "a"), [1])
    replicate(tmp_path / "a", tmp_path / "b")
    with pytest.raises(ConfigurationError, match=r"is a copy of the archive at .*/a"):
        archive_messages(Archive(tmp_path / "b"), [2])
    (tmp_path / "b" / REPLICA_FILE).unlink()
    archive_messages(Archive(tmp_path / "b"), [2])
    assert Archive(tmp_path / "b").folder_state("post", "INBOX").seq == 1
    with pytest.raises(ConfigurationError, match="archive of its own"):
        replicate(tmp_path / "a", tmp_path / "b")


def test_places_that_cannot_be_the_copy_are_refused(tmp_path: Path) -> None:
    """No archive, the archive itself, and the copy of another one."""
    for name in ("a", "other"):
        archive_messages(Archive(tmp_path / name), [1])
    replicate(tmp_path / "a", tmp_path / "b")
    for source, copy, words in (
        ("nothing", "c", "no archive"),
        ("a", "a", "lie within each other"),
        ("a", "a/raw/x", "lie within each other"),
        ("other", "b", "not of"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            replicate(tmp_path / source, tmp_path / copy)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        replicate(tmp_path / "a", tmp_path / "file" / "c")


@pytest.mark.kill
def test_killed_while_copying(tmp_path: Path) -> None:
    """At every moment the copy holds whole objects only, and no object is ever written twice."""
    source, copy = tmp_path / "a", tmp_path / "b"
    written: dict[Path, int] = {}

    def refill(number: int) -> None:
        fill(source, number * 400 + 1, 400)

    def check() -> None:
        if copy.exists():
            raw_digests(copy)
        for path in copy.glob("raw/??/*.eml"):
            assert written.setdefault(path, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
        if (copy / "tables" / "messages").exists():
            assert verify_archive(Archive(copy)).failures == ()
            assert tables_without_doubles(Archive(copy))

    arguments = ["replicate", str(source), str(copy), "--quiet"]
    assert kill_again_and_again(arguments, refill, check, rounds=6)
    assert_same(source, copy)


def test_command_says_what_it_copied(tmp_path: Path) -> None:
    """A line for people, an object for programs, status 1 where something could not be copied."""
    fill(tmp_path / "a", 1, 3)
    done = run_command("replicate", str(tmp_path / "a"), str(tmp_path / "b"))
    assert done.status == 0
    assert done.out.startswith(f"3 messages copied to {tmp_path / 'b'} (")
    again = run_command("replicate", str(tmp_path / "a"), str(tmp_path / "b"), "--json")
    assert again.summary["rows"] == {}
    fill(tmp_path / "a", 4, 1)
    for path in (tmp_path / "a" / "raw").glob(f"??/{digest(4, attachments=1)}.eml"):
        path.write_bytes(b"cut")
    failed = run_command("replicate", str(tmp_path / "a"), str(tmp_path / "b"))
    assert failed.status == 1
    assert "is damaged, so it was not copied" in failed.err


RUN = """
import os, sys, threading
from mailroom.archive import Archive
from mailroom.services.progress import NoProgress
from mailroom.services.replicate import replicate_archive
from tests.support.command import peak_kib_of

source, copy = sys.argv[1:]
replicate_archive(Archive(source), Archive(copy), progress=NoProgress(), stop=threading.Event())
print(peak_kib_of(os.getpid()) // 1024)
"""


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Neither many messages nor large ones are held."""
    archive = Archive(tmp_path / "a")
    with archive.writer(context()) as writer:
        for number in range(1, 6001):
            writer.add(body(number, size=4000), place(number))
        for number in (1, 2):
            content = message_of_size(60_000_000, seed=f"giant {number}")
            writer.add(Body(octets=len(content), content=content), place(10_000 + number))
        writer.finish("succeeded", {}, 0)
    words = [sys.executable, "-c", RUN, str(tmp_path / "a"), str(tmp_path / "b")]
    found = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) < MOST_MEGABYTES
    assert len(list((tmp_path / "b").glob("raw/??/*"))) == 6002


@pytest.fixture(params=[MailProtocol.IMAP, MailProtocol.POP3], ids=["IMAP", "POP3"])
def account(request: pytest.FixtureRequest, dovecot: Dovecot, user: str, archive_root: Path) -> Account:
    """Four messages, archived today and copied, but for the last two; one of the copies is damaged."""
    found = Account(archive_root, dovecot.endpoint(user, request.param), clock=datetime.now(UTC))
    for number in (1, 2):
        dovecot.append(user, make_message(subject=f"copied {number}"))
    _read(found)
    copy = archive_root.parent / "copy"
    replicate(archive_root, copy)
    first = sorted(copy.glob("raw/??/*.eml"))[0]
    first.write_bytes(first.read_bytes() + b"x")
    for number in (3, 4):
        dovecot.append(user, make_message(subject=f"not copied {number}"))
    _read(found)
    return found


def _read(account: Account) -> None:
    if account.endpoint.protocol is MailProtocol.POP3:
        assert account.fetch().failures == ()
        return
    report = mirror_account(
        account.connect,
        account.archive,
        account.context("mirror"),
        selection=MirrorSelection(),
        now=account.now,
        progress=NoProgress(),
        stop=threading.Event(),
    )
    assert report.failures == ()


def test_only_what_the_copy_holds_whole_is_deleted(account: Account) -> None:
    """One of four is in both archives and intact there; the others stay, with the reason."""
    account.archive = Archive(account.root)
    account.wait(days(1))
    copy = Archive(account.root.parent / "copy")
    rule = RetentionRule(older_than=days(0))
    dry = account.retain(rule, dry_run=True, copies=[copy])
    assert dry.deleted == 1
    report = account.retain(rule, copies=[copy])
    assert report.deleted == 1
    assert report.folders[0].kept == {Keep.NOT_COPIED.value: 3}
    gone = [sha256 for change, sha256 in account.history() if change == Change.DELETED_BY_RETENTION.value]
    assert copy.raw.hash(str(gone[0])) == gone[0]


def test_place_that_is_no_copy_stops_retention_at_once(tmp_path: Path, account: Account) -> None:
    """A slip in the root of the copy must not read as: nothing is copied yet."""
    rule = RetentionRule(older_than=days(0))
    with pytest.raises(ConfigurationError, match="no copy of the archive"):
        account.retain(rule, copies=[Archive(tmp_path / "nothing")])
    with pytest.raises(ConfigurationError, match="the archive itself"):
        account.retain(rule, copies=[Archive(account.root)])
    (tmp_path / "other name").symlink_to(account.root)
    with pytest.raises(ConfigurationError, match="lie within each other"):
        account.retain(rule, copies=[Archive(tmp_path / "other name")])
    archive_messages(Archive(tmp_path / "another"), [1])
    with pytest.raises(ConfigurationError, match="is no copy of"):
        account.retain(rule, copies=[Archive(tmp_path / "another")])


def test_a_plan_made_with_a_copy_is_carried_out_with_it(account: Account) -> None:
    """What was shown as being in two archives is not deleted by the word of one."""
    account.archive = Archive(account.root)
    account.wait(days(1))
    copy = Archive(account.root.parent / "copy")
    shown = account.retain(RetentionRule(older_than=days(0)), dry_run=True, copies=[copy])
    assert shown.plan_id is not None
    with pytest.raises(ConfigurationError, match="in 2 archives, and this run knows of 1"):
        account.carry_out(shown.plan_id)
    assert account.carry_out(shown.plan_id, copies=[copy]).deleted == 1


def test_a_policy_may_require_copies(account: Account) -> None:
    """Whoever forgets to name the second archive deletes nothing; one that is named twice is one."""
    account.archive = Archive(account.root)
    account.wait(days(1))
    copy = Archive(account.root.parent / "copy")
    policy = "{{require_copies: {}, rules: [{{delete_after: 0}}]}}"
    for required, copies in ((2, []), (3, [copy, copy])):
        with pytest.raises(ConfigurationError, match=f"in {required} archives"):
            account.retain(parse_policy(policy.format(required)), copies=copies)
    assert account.retain(parse_policy(policy.format(2)), copies=[copy]).deleted == 1
