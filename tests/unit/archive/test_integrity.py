"""Checking an archive: what is wrong is found and named, what is harmless is told apart."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from mailroom.archive.checking.problems import ProblemKind
from mailroom.archive.delta.tables import Append
from tests.support.archives import archive_messages, body, context, digest, place

LAST = 5


@pytest.fixture
def archive(archive_root: Path) -> Archive:
    """An archive of five messages with attachments."""
    archive = Archive(archive_root)
    with archive.writer(context()) as writer:
        for number in range(1, LAST + 1):
            writer.add(body(number, attachments=1), place(number))
        writer.finish("succeeded", {}, 0)
    return archive


def object_of(archive: Archive, number: int) -> Path:
    return Path(archive.raw.local_path(digest(number, attachments=1)) or "")


def repeat_rows(archive: Archive, name: str) -> None:
    """Append the rows of a table once more, as a bug would."""
    table = archive.table(name)
    rows = archive.read_table(name)
    table.append(lambda: Append(rows=[rows], transactions={"bug": table.transaction_version("bug") + 1}))


def drop_rows(archive: Archive, name: str) -> None:
    """Leave a table without rows."""
    table = archive.table(name)
    assert table.replace(table.files(), [table.spec.schema.empty_table()], drops=True)


def kinds(archive: Archive) -> dict[ProblemKind, int]:
    return verify_archive(archive).counts


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_flipped_bit_in_a_message_is_found(archive: Archive) -> None:
    """The name is the checksum."""
    flip_a_bit(object_of(archive, 2))
    report = verify_archive(archive)
    assert report.counts == {ProblemKind.DAMAGED: 1}
    assert not report.is_sound
    assert digest(2, attachments=1) in report.failures[0]
    assert report.problems[0].where == f"raw/{digest(2, attachments=1)[:2]}/{digest(2, attachments=1)}.eml"


def test_a_missing_message_is_found(archive: Archive) -> None:
    """A row without its object is a message that is lost."""
    object_of(archive, 3).unlink()
    assert kinds(archive) == {ProblemKind.MISSING: 1}


def test_a_cut_message_is_damaged_and_of_the_wrong_size(archive: Archive) -> None:
    """Both are true, and both are said."""
    object_of(archive, 3).write_bytes(b"half")
    assert kinds(archive) == {ProblemKind.DAMAGED: 1, ProblemKind.SIZE: 1}


def test_all_messages_missing_are_all_found(archive: Archive) -> None:
    """An empty folder of raw objects is no special case."""
    for number in range(1, LAST + 1):
        object_of(archive, number).unlink()
    assert kinds(archive) == {ProblemKind.MISSING: LAST}


def test_a_flipped_bit_in_a_table_is_found(archive: Archive) -> None:
    """Pages carry checksums, so that tables are checked as well; the rest is still looked at."""
    table = archive.reader("texts")
    path = Path(archive.url) / "tables" / "texts" / table.files()[0].path
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 0xFF
    path.write_bytes(content)
    found = kinds(Archive(archive.url))
    assert found[ProblemKind.UNREADABLE] == 1
    assert ProblemKind.DAMAGED not in found


def test_a_missing_data_file_is_found(archive: Archive) -> None:
    """A table whose file is gone is told by name, be it the last one or not."""
    first = archive.reader("runs").files()[0].path
    for number in range(6, 11):
        archive_messages(archive, [number], run_id=f"run-{number}")
    last = archive.reader("runs").files()[-1].path
    folder = Path(archive.url) / "tables" / "runs"
    (folder / first).rename(folder / "elsewhere")
    report = verify_archive(Archive(archive.url))
    assert report.counts == {ProblemKind.UNREADABLE: 1}
    assert "tables/runs" in report.failures[0]
    (folder / "elsewhere").rename(folder / first)
    (folder / last).unlink()
    report = verify_archive(Archive(archive.url))
    assert report.counts == {ProblemKind.TORN: 1}
    assert "tables/runs" in report.failures[0]


@pytest.mark.parametrize("name", ["messages", "texts", "attachments"])
def test_doubled_rows_are_found(archive: Archive, name: str) -> None:
    """Each message, text and attachment has one row."""
    repeat_rows(archive, name)
    assert kinds(archive) == {ProblemKind.DOUBLED: 1}


@pytest.mark.parametrize(("name", "count"), [("texts", 1), ("attachments", 1)])
def test_missing_texts_and_attachments_are_harmless(archive: Archive, name: str, count: int) -> None:
    """A kill between two commits leaves them out, and the next run that archives adds them."""
    drop_rows(archive, name)
    report = verify_archive(archive)
    assert report.counts == {ProblemKind.INCOMPLETE: count}
    assert report.is_sound
    assert str(LAST) in report.notes[0]
    archive_messages(archive, [9], run_id="run-2")
    assert verify_archive(archive).counts == {}


def test_rows_about_messages_that_are_not_held_are_found(archive: Archive) -> None:
    """A place, text or attachment of nothing is told, each message once."""
    drop_rows(archive, "messages")
    found = kinds(archive)
    assert found[ProblemKind.DANGLING] == 3 * LAST
    assert found[ProblemKind.NOT_INDEXED] == LAST


def test_leftovers_of_kills_are_harmless(archive: Archive) -> None:
    """A half-written file and an object without a row are told, and do not count as wrong."""
    incoming = Path(archive.new_spool())
    incoming.write_bytes(b"half a message")
    stray = digest(77)
    path = Path(archive.raw.local_path(stray) or "")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body(77).content or b"")
    (path.parent / "notes.txt").write_text("not ours")
    report = verify_archive(archive)
    assert report.counts == {ProblemKind.NOT_INDEXED: 1, ProblemKind.LEFTOVER: 1}
    assert report.is_sound
    assert report.failures == ()
    assert any(stray in note for note in report.notes)


def test_nothing_is_changed_by_checking(archive: Archive) -> None:
    """A check of a sound archive leaves every file as it was."""
    before = {path: path.stat().st_mtime_ns for path in Path(archive.url).rglob("*")}
    verify_archive(Archive(archive.url))
    assert {path: path.stat().st_mtime_ns for path in Path(archive.url).rglob("*")} == before


def test_a_check_can_be_watched_and_stopped(archive: Archive) -> None:
    """Progress counts every object; told to stop, it says that it did not look at all."""
    seen: list[tuple[int, int]] = []

    class Watch:
        def start(self, what: str, messages: int | None, octets: int | None) -> None:
            seen.append((0, 0))

        def advance(self, messages: int, octets: int) -> None:
            seen.append((messages, octets))

        def finish(self) -> None:
            seen.append((-1, -1))

    verify_archive(archive, progress=Watch())
    assert seen[0] == (0, 0)
    assert seen[-1] == (-1, -1)
    assert sum(messages for messages, _ in seen[1:-1]) == LAST
    stop = threading.Event()
    stop.set()
    report = verify_archive(archive, stop=stop)
    assert report.interrupted
    assert not report.is_sound
    assert report.objects == 0


def test_a_summary_is_json_and_small(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are whole, the list is bounded."""
    monkeypatch.setattr("mailroom.archive.checking.integrity.MAX_LISTED", 2)
    for number in range(1, LAST + 1):
        object_of(archive, number).unlink()
    report = verify_archive(archive)
    assert len(report.problems) == 2
    assert report.summary()["wrong"] == LAST
    assert report.summary()["problems"] == {"missing": LAST}
    assert pickle.loads(pickle.dumps(report)) == report


DAMAGES: list[Callable[[Path], None]] = [flip_a_bit, lambda path: os.truncate(path, 10), Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES, ids=["flipped", "cut", "missing"])
def test_a_message_that_comes_in_again_heals_its_file(
    archive: Archive, damage: Callable[[Path], None]
) -> None:
    """A file that is gone or cut is written again when its message arrives; a flipped bit needs a backup."""
    damage(object_of(archive, 2))
    with archive.writer(context("run-2")) as writer:
        writer.add(body(2, attachments=1), place(99))
        writer.finish("succeeded", {}, 0)
    assert verify_archive(archive).is_sound is (damage is not flip_a_bit)
