"""Maintenance: the same rows in fewer files, and nothing deleted that anybody may need."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from mailroom.archive import Archive
from mailroom.cli import main
from mailroom.exceptions import ConfigurationError
from mailroom.services.optimize import OptimizeReport, optimize_archive
from mailroom.services.progress import NoProgress
from tests.support.archives import archive_messages, table_counts, tables_without_doubles
from tests.support.old_archives import make_old


def optimize(root: Path, *, dry_run: bool = False, stop: threading.Event | None = None) -> OptimizeReport:
    return optimize_archive(
        Archive(root), dry_run=dry_run, progress=NoProgress(), stop=stop or threading.Event()
    )


@pytest.fixture
def root(archive_root: Path) -> Path:
    """An archive of 12 runs of one message each."""
    for number in range(1, 13):
        archive_messages(Archive(archive_root), [number], run_id=f"run-{number}")
    return archive_root


def test_small_files_become_one(root: Path) -> None:
    """Every row is there still, once."""
    before = table_counts(Archive(root))
    summary = optimize(root).summary()
    assert summary["tables"]["messages"] == {
        "rows": 12,
        "files_before": 12,
        "files_after": 1,
        "octets_before": summary["tables"]["messages"]["octets_before"],
        "octets_after": summary["tables"]["messages"]["octets_after"],
    }
    assert table_counts(Archive(root)) == before
    assert tables_without_doubles(Archive(root))


def test_a_second_time_nothing_is_left_to_join(root: Path) -> None:
    """It may run as often as somebody likes."""
    optimize(root)
    summary = optimize(root).summary()
    assert summary["files_before"] == summary["files_after"]


def test_a_dry_run_changes_nothing(root: Path) -> None:
    """It says how the tables are."""
    before = sorted(root.rglob("*"))
    summary = optimize(root, dry_run=True).summary()
    assert summary["tables"]["messages"]["files_after"] == 12
    assert sorted(root.rglob("*")) == before


def test_files_that_a_reader_may_still_use_stay_for_a_day(root: Path) -> None:
    """An older version that somebody opened a moment ago is still read whole."""
    open_elsewhere = DeltaTable(str(root / "tables" / "messages"))
    optimize(root)
    assert open_elsewhere.to_pyarrow_table().num_rows == 12


def test_what_kills_left_goes_after_a_day(root: Path) -> None:
    """A data file without a commit may be one that a running task is about to commit, unless it is old."""
    folder = root / "tables" / "messages"
    some = next(folder.glob("*.parquet"))
    for name, age in (("part-now.parquet", 0), ("part-old.parquet", 30 * 3600)):
        shutil.copy(some, folder / name)
        os.utime(folder / name, (time.time() - age,) * 2)
    optimize(root)
    assert (folder / "part-now.parquet").exists()
    assert not (folder / "part-old.parquet").exists()


def test_a_clock_that_is_not_the_stores_changes_nothing(root: Path) -> None:
    """To a clock that is two days ahead, what a running task is about to commit looks two days old."""
    archive = Archive(root)
    archive.clock = lambda: datetime.now(UTC) + timedelta(days=2)
    before = sorted(root.rglob("*.parquet"))
    with pytest.raises(ConfigurationError, match=r"the store at .* says"):
        optimize_archive(archive, progress=NoProgress(), stop=threading.Event())
    assert sorted(root.rglob("*.parquet")) == before


def test_runs_may_write_meanwhile(root: Path) -> None:
    """What they commit is not lost, and what is joined is not doubled."""

    def write() -> None:
        for number in range(20, 30):
            archive_messages(Archive(root), [number], run_id=f"run-{number}")

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write)
        while not written.done():
            optimize(root)
    written.result()
    assert table_counts(Archive(root))["messages"] == 22
    assert tables_without_doubles(Archive(root))


def test_an_older_archive_is_brought_up_to_date(root: Path) -> None:
    """It gains columns and complete statistics, also where no run ever writes again."""
    make_old(root, {"messages": ("cc",), "locations": ("object_id",)})
    optimize(root)
    table = DeltaTable(str(root / "tables" / "messages"))
    assert "cc" in [field.name for field in table.schema().fields]
    dataset = table.to_pyarrow_dataset()
    assert dataset.scanner(filter=pc.field("subject") == "message 3").count_rows() == 1


def test_a_stop_is_heeded(root: Path) -> None:
    """The report says that it was interrupted."""
    stop = threading.Event()
    stop.set()
    assert optimize(root, stop=stop).interrupted


def test_the_command_shows_a_table(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files before and now, and JSON with the same."""
    assert main(["optimize", "--archive", str(root), "--dry-run", "--quiet"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["table", "rows", "files", "size"]
    assert rows[0].split()[:3] == ["messages", "12", "12"]
    assert main(["optimize", "--archive", str(root), "--quiet"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["messages", "12", "12", "1"]
    assert main(["optimize", "--archive", str(root), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"]["messages"]["files_after"] == 1
