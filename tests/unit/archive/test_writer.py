"""The writer: bounds of a batch, errors of the threads behind, two writers on one folder."""

from __future__ import annotations

import errno
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from mailroom.archive import Archive, writer
from mailroom.archive.checking.integrity import verify_archive
from mailroom.archive.storage.raw import STALE_SECONDS, LocalRawStore
from mailroom.archive.writing import engine, worker_start
from mailroom.archive.writing.known import Known
from mailroom.archive.writing.locations import LocationLog, Placed
from mailroom.exceptions import ArchiveError, StoreUnavailable
from mailroom.ledger import audit_of
from mailroom.model import Change
from tests.support.archives import (
    NOW,
    archive_messages,
    body,
    context,
    digest,
    folder_row,
    maildrop_row,
    place,
    table_counts,
)


@pytest.fixture
def archive(archive_root: Path) -> Archive:
    return Archive(archive_root)


def commits(archive: Archive) -> int:
    """Return how many commits the places of INBOX have had."""
    return archive.folder_state("post", "INBOX").seq + 1


BOUNDS = [("BATCH_MESSAGES", 4), ("BATCH_OCTETS", 1200), ("BATCH_ROWS", 4), ("BATCH_SECONDS", 0.0)]


@pytest.mark.parametrize(("bound", "value"), BOUNDS)
def test_batches_are_committed_when_they_are_full(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, bound: str, value: float
) -> None:
    """By count, octets, rows or age: a kill then costs little, and all arrive."""
    monkeypatch.setattr(writer, bound, value)
    archive_messages(archive, range(1, 21))
    assert commits(archive) >= 4
    assert archive.folder_state("post", "INBOX").live.tolist() == list(range(1, 21))


def test_a_batch_of_text_is_bounded_by_its_text(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is known of the mail yet, all of it may be text."""
    monkeypatch.setattr(writer, "BATCH_TEXT_OCTETS", 2000)
    monkeypatch.setattr(writer, "LOOK_AFTER_OCTETS", 1)
    archive_messages(archive, range(1, 21))
    assert commits(archive) >= 4


def test_few_messages_are_one_commit(archive: Archive) -> None:
    """A small run commits once."""
    archive_messages(archive, range(1, 21))
    assert commits(archive) == 1


def test_rows_of_several_folders_share_a_commit(archive: Archive) -> None:
    """Each folder counts its own commits, whatever else is in them."""
    with archive.writer(context()) as opened:
        for folder in ("INBOX", "Sent", "a/b"):
            opened.add(body(1), place(1, folder=folder))
        opened.finish("succeeded", {}, 0)
    assert archive.reader("locations").version == 1
    assert [archive.folder_state("post", f).seq for f in ("INBOX", "Sent", "a/b", "none")] == [0, 0, 0, -1]


def test_a_folder_s_state_is_committed_after_its_messages(archive: Archive) -> None:
    """When a folder says it is complete, all of it is there."""
    with archive.writer(context()) as opened:
        opened.add(body(1), place(1))
        opened.close_folder(folder_row(messages=1))
        opened.flush()
        table = archive.reader("folders")
        assert table.row_count() == 1
        opened.finish("succeeded", {}, 0)


class BrokenDisk(LocalRawStore):
    """A disk that fails with the second message."""

    def __init__(self, root: str, error: Exception) -> None:
        super().__init__(root, lambda _: None)
        self.error = error
        self.calls = 0

    def reserve(self, digest: str) -> tuple[str, str]:
        self.calls += 1
        if self.calls > 1:
            raise self.error
        return super().reserve(digest)


def break_disk(archive: Archive, error: Exception) -> None:
    archive.__dict__["raw"] = BrokenDisk(archive.url, error)


FAILURES: list[tuple[Exception, type[ArchiveError], str]] = [
    (OSError(errno.ENOSPC, "No space left on device"), StoreUnavailable, "is full"),
    (OSError(errno.EIO, "Input/output error"), StoreUnavailable, "read or write errors"),
    (ZeroDivisionError("a bug"), ArchiveError, "bug in Mailroom"),
]


@pytest.mark.parametrize(("error", "kind", "says"), FAILURES, ids=["full", "broken", "bug"])
def test_errors_of_threads_come_up_at_the_next_call(
    archive: Archive, error: Exception, kind: type[ArchiveError], says: str
) -> None:
    """Whatever happens behind, the caller is told in one sentence, and again if it goes on."""
    break_disk(archive, error)

    def run() -> None:
        with archive.writer(context()) as opened:
            for number in range(1, 5):
                opened.add(body(number), place(number))
            opened.flush()

    with pytest.raises(kind, match=says) as raised:
        run()
    assert raised.value.__cause__ is error
    del archive.__dict__["raw"]
    assert not archive.folder_state("post", "INBOX").live.size
    archive_messages(archive, range(1, 5), run_id="run-2")
    assert table_counts(archive)["messages"] == 4
    assert verify_archive(archive).failures == ()


def test_a_caller_that_waits_is_woken_by_a_failure(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-pressure never becomes a hang: while the disk is stuck and then fails, add returns."""
    monkeypatch.setattr(engine, "IN_FLIGHT_OCTETS", 500)
    break_disk(archive, OSError(errno.EIO, "Input/output error"))

    def run() -> None:
        with archive.writer(context()) as opened:
            for number in range(1, 200):
                opened.add(body(number, size=400), place(number))
            opened.flush()

    with pytest.raises(StoreUnavailable):
        run()


@pytest.mark.parametrize(
    ("messages", "started"),
    [
        (worker_start.MANY_MESSAGES, 0),
        (worker_start.MANY_MESSAGES + 1, 1),
        (worker_start.MANY_FOR_ALL + 1, min(worker_start.MAX_WORKERS, worker_start.cores())),
    ],
)
def test_parsers_are_started_early_for_many_messages_and_end_unused(
    archive: Archive, messages: int, started: int
) -> None:
    """What was announced and did not come leaves no process behind."""
    with archive.writer(context()) as running:
        running.announce(messages)
        workers = list(running._workers)
        running.finish("succeeded", {}, 0)
    assert len(workers) == started
    assert all(worker.returncode is not None for worker in workers)


def test_parsers_that_were_started_early_parse_the_first_message(archive: Archive) -> None:
    """The announced processes are the ones that work; no other is started."""
    with archive.writer(context()) as running:
        running.announce(worker_start.MANY_FOR_ALL + 1)
        workers = list(running._workers)
        running.add(body(1), place(1))
        running.flush()
        assert running._engine is not None
        processes = running._engine.intake._indexer._processes
        assert [process._child for process in processes] == workers
    assert table_counts(archive)["messages"] == 1


def test_no_thread_outlives_a_writer(archive: Archive) -> None:
    """After the block, however it ended, the threads are gone."""

    def ours() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("mailroom")]

    archive_messages(archive, [1])
    assert ours() == []

    def run() -> None:
        with archive.writer(context("run-2")) as opened:
            opened.add(body(2), place(2))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        run()
    assert ours() == []


def test_stale_leftovers_are_removed_and_young_ones_kept(archive: Archive) -> None:
    """A spool file of a living run must not vanish under it."""
    archive_messages(archive, [1])
    old, young = Path(archive.new_spool()), Path(archive.new_spool())
    for path in (old, young):
        path.write_bytes(b"half")
    then = os.stat(old).st_mtime - STALE_SECONDS - 60
    os.utime(old, (then, then))
    archive_messages(archive, [2], run_id="run-2")
    assert (old.exists(), young.exists()) == (False, True)


def test_known_digests_come_from_the_table_and_from_this_run(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after they are sorted in, with the time each was archived."""
    monkeypatch.setattr("mailroom.archive.writing.known.MERGE_ROWS", 3)
    archive_messages(archive, [1, 2])
    known = Known(archive.table("messages"))
    assert known.archived_at(digest(1)) is None
    known.update()
    assert known.archived_at(digest(1)) == place(1).at
    for number in range(10, 15):
        known.add([digest(number)], [NOW + timedelta(seconds=number)])
    assert [known.archived_at(digest(n)) for n in (10, 12, 14)] == [
        NOW + timedelta(seconds=n) for n in (10, 12, 14)
    ]
    assert known.archived_at(digest(2)) == place(2).at
    assert known.archived_at(digest(9)) is None
    assert len(known) == 7


def test_known_digests_read_twice_count_once(archive: Archive) -> None:
    """After another writer joined files, rows are read again from a new place."""
    archive_messages(archive, [1, 2])
    table = archive.table("messages")
    known = Known(table)
    known.update()
    other = archive.table("messages")
    assert other.replace(other.files(), [p.table for p in other.scan(other.spec.schema.names)])
    table.refresh()
    known.update()
    assert len(known) == 2
    assert known.archived_at(digest(2)) == place(2).at


def log_of(archive: Archive) -> LocationLog:
    """Open the log as a writer does that has just read the state."""
    archive.folder_state("post", "INBOX")
    log = LocationLog(archive.table("locations"), dict(archive.planned_on))
    log.begin("post", "INBOX")
    return log


def placed(row: object, number: int | None = 1) -> Placed:
    return Placed(row=row, digest=None if number is None else digest(number), archived_at=NOW)  # type: ignore[arg-type]


DELETED = maildrop_row("u1", change=Change.DELETED_BY_FETCH)


def test_who_deleted_is_committed_before_that_it_is_gone(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the two commits leaves a deletion that is accounted for, never one that is not."""
    gone = place(1, change=Change.DELETED_BY_RETENTION)

    def refuse(*_: object) -> None:
        raise StoreUnavailable("the disk is gone")

    archive_messages(archive, [1])
    monkeypatch.setattr(LocationLog, "append", refuse)
    opened = archive.writer(context("run-2"))
    opened.audit(
        [audit_of(gone, context("run-2"), at=NOW, rule="more than 1 day after it reached the mailbox")]
    )
    opened.record([gone])
    with pytest.raises(StoreUnavailable):
        opened.flush()
    audit = archive.read_table("audit").to_pylist()
    assert [(row["uid"], row["action"], row["who"], row["seq"]) for row in audit] == [
        (1, "deleted", "test", 0)
    ]
    assert archive.read_table("locations", ["change"])["change"].to_pylist() == ["added"]


SAID = [
    (place(1), place(1), 1),
    (place(1), place(1, flags=("\\Flagged",)), 1),
    (place(1, change=Change.FLAGS), place(1), 1),
    (place(1, change=Change.EXPUNGED), place(1, change=Change.EXPUNGED), 1),
    (place(1, change=Change.FLAGS, flags=("\\Flagged",)), place(1, change=Change.FLAGS), 2),
    (place(1, change=Change.EXPUNGED), place(1), 2),
    (place(1), place(2), 2),
    (place(1), place(1, uid_validity=8), 2),
    (place(1, change=Change.UNFETCHABLE), place(1), 2),
    (maildrop_row("u1"), maildrop_row("u1"), 1),
    (maildrop_row("u1"), maildrop_row("u2"), 2),
    (
        maildrop_row("u1", change=Change.DELETED_BY_FETCH),
        maildrop_row("u1", change=Change.DELETED_BY_FETCH),
        1,
    ),
]


@pytest.mark.parametrize(("theirs", "ours", "rows"), SAID)
def test_the_loser_leaves_out_what_is_said_already(archive: Archive, theirs, ours, rows: int) -> None:  # type: ignore[no-untyped-def]
    """Two writers that planned on the same state: the same change is written once, another one twice."""
    archive.prepare().close()
    first, second = log_of(archive), log_of(archive)
    first.append([placed(theirs)])
    second.append([placed(ours)])
    assert archive.read_table("locations").num_rows == rows


def test_what_was_added_and_is_gone_again_was_added_all_the_same(archive: Archive) -> None:
    """A run that is slower than one beside it, which also deletes, does not bring a message back."""
    archive.prepare().close()
    first, second = log_of(archive), log_of(archive)
    first.append([placed(maildrop_row("u1"))])
    first.append([placed(DELETED)])
    second.append([placed(maildrop_row("u1"))])
    rows = archive.read_table("locations", ["change"])["change"].to_pylist()
    assert rows == ["added", "deleted_by_fetch"]


def test_a_different_message_under_a_taken_uidl_is_kept(archive: Archive) -> None:
    """A server may give one UIDL twice, also to two runs at once."""
    archive.prepare().close()
    first, second = log_of(archive), log_of(archive)
    first.append([placed(maildrop_row("u1"), 1)])
    second.append([placed(maildrop_row("u1"), 2)])
    assert archive.read_table("locations").num_rows == 2


def test_batches_planned_before_another_writer_came_are_all_compared(archive: Archive) -> None:
    """What another wrote before our own commit still counts for what we planned before it."""
    archive.prepare().close()
    first, second = log_of(archive), log_of(archive)
    first.append([placed(place(1), 1), placed(place(2), 2)])
    second.append([placed(place(3), 3)])
    second.append([placed(place(2), 2)])
    uids = archive.read_table("locations", ["uid"])["uid"].to_pylist()
    assert sorted(uids) == [1, 2, 3]


def test_later_changes_of_the_same_run_are_kept(archive: Archive) -> None:
    """Flags that change to and fro are all written, another writer beside or not."""
    archive.prepare().close()
    first, second = log_of(archive), log_of(archive)
    first.append([placed(place(1))])
    for flags in (("\\Seen",), ("\\Flagged",), ("\\Seen",)):
        second.append([placed(place(1)._replace(change=Change.FLAGS, flags=flags))])
    assert archive.read_table("locations").num_rows == 4


def test_text_no_encoder_takes_is_stored_all_the_same(archive: Archive) -> None:
    """A lone surrogate from a server's bytes becomes a question mark, and stops nothing."""
    with archive.writer(context()) as opened:
        opened.add(body(1), place(1, flags=("ok", "b\ud800d")))
        opened.finish("succeeded", {}, 0)
    row = archive.read_table("locations").to_pylist()[0]
    assert row["flags"] == ["b?d", "ok"]
