"""Many small commits: files, log and memory of a table stay flat inside ordinary runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from mailroom.archive.delta.rows import locations_table
from mailroom.archive.delta.tables import Append, Table
from mailroom.archive.delta.upkeep import EVERY_COMMITS, keep_up
from tests.support.archives import NOW, archive_messages, place, table_counts, tables_without_doubles

COMMITS = 300
LOOK_EVERY = 5
DAYS = 3 * 24 * 3600


@pytest.fixture
def table(archive_root: Path) -> Table:
    """A table of locations whose archive has a root folder."""
    archive = Archive(archive_root)
    archive.prepare().close()
    return archive.table("locations")


def append(table: Table, uid: int) -> None:
    rows = locations_table([place(uid)], [None], [NOW], [uid])
    table.append(lambda: Append(rows=[rows], transactions={"post/INBOX": uid}))


def age(folder: Path) -> None:
    """Make all files of a table look three days old."""
    then = time.time() - DAYS
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


def files_of(folder: Path) -> tuple[int, int]:
    """Return how many data files and log files a table has on disk."""
    return len(list(folder.glob("*.parquet"))), len(list((folder / "_delta_log").iterdir()))


def test_hundreds_of_commits_leave_few_files(table: Table, archive_root: Path) -> None:
    """Small files are joined, old log entries go once they are a day old, and no row is lost."""
    folder = archive_root / "tables" / "locations"
    seen = []
    for uid in range(COMMITS):
        append(table, uid)
        if uid % LOOK_EVERY == 0:
            keep_up(table, lambda: None)
        if uid % 75 == 74:
            seen.append((len(table.files()), *files_of(folder)))
            age(folder)
    assert max(active for active, _, _ in seen) <= EVERY_COMMITS + LOOK_EVERY
    # A data file that was joined stays for a day, a log entry too; aged ones go at the next check-point.
    first, last = seen[0], seen[-1]
    assert last[2] <= first[2] + EVERY_COMMITS + 10
    assert table.row_count() == COMMITS
    uids = [uid for piece in table.scan(["uid"]) for uid in piece.table["uid"].to_pylist()]
    assert sorted(uids) == list(range(COMMITS))
    again = Archive(archive_root).folder_state("post", "INBOX")
    assert again.live.tolist() == list(range(COMMITS))
    assert again.seq == COMMITS - 1, "transaction numbers outlive joining and clean-up"


def test_two_joining_writers_double_nothing(table: Table, archive_root: Path) -> None:
    """Of two writers that join the same files, only one does; the other leaves all as it is."""
    for uid in range(EVERY_COMMITS + 5):
        append(table, uid)
    other = Archive(archive_root).table("locations")
    assert other.row_count() == EVERY_COMMITS + 5
    keep_up(table, lambda: None)
    keep_up(other, lambda: None)
    fresh = Archive(archive_root).table("locations")
    assert fresh.row_count() == EVERY_COMMITS + 5
    assert len(fresh.files()) == 1


def test_an_append_beside_a_joining_writer_is_kept(table: Table, archive_root: Path) -> None:
    """A writer whose view is from before files were joined appends as if nothing had happened."""
    for uid in range(EVERY_COMMITS):
        append(table, uid)
    other = Archive(archive_root).table("locations")
    assert other.version == EVERY_COMMITS
    keep_up(table, lambda: None)
    append(other, EVERY_COMMITS)
    fresh = Archive(archive_root).table("locations")
    assert fresh.row_count() == EVERY_COMMITS + 1


def test_a_snapshot_reads_rows_after_files_were_joined(archive_root: Path) -> None:
    """A state taken before upkeep still finds its rows, for replaced files stay for a day."""
    archive = Archive(archive_root)
    for uid in range(1, 6):
        archive_messages(archive, [uid], run_id=f"run-{uid}")
    before = archive.folder_state("post", "INBOX")
    table = archive.table("locations")
    assert table.replace(table.files(), [piece.table for piece in table.scan(table.spec.schema.names)])
    assert archive.folder_state("post", "INBOX").live.tolist() == [1, 2, 3, 4, 5]
    assert [row.uid for row in before.rows([2, 4])] == [2, 4]


def test_many_small_runs_stay_small(archive_root: Path) -> None:
    """A schedule of one new message a run leaves at most fifty small files of any table."""
    archive = Archive(archive_root)
    runs = EVERY_COMMITS + 15
    for uid in range(1, runs + 1):
        archive_messages(archive, [uid], run_id=f"run-{uid}")
    for name in ("messages", "texts", "locations", "runs"):
        assert len(archive.reader(name).files()) <= EVERY_COMMITS
    assert table_counts(archive)["messages"] == table_counts(archive)["runs"] == runs
    assert tables_without_doubles(archive)
    assert verify_archive(archive).is_sound
