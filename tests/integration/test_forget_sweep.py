"""The second step of a removal, on a disk and in a bucket: nothing is left, and nobody's files are taken."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mailroom.archive import Archive
from mailroom.archive.delta import tables
from mailroom.archive.delta.data_files import write_file
from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.removing import sweep as sweeping
from mailroom.archive.removing.tombstones import Tombstones
from mailroom.exceptions import StoreUnavailable
from tests.support.archives import digest
from tests.support.forgetting import archived, digests, fill, forget, objects, sound, sweep
from tests.support.s3 import S3Server

Opened = Callable[[], Archive]


@pytest.fixture(params=["disk", "bucket"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """An archive of two accounts, which share some messages."""

    def on_disk() -> Archive:
        return Archive(tmp_path / "archive")

    def in_bucket() -> Archive:
        return Archive(url, storage_options=server.storage_options)

    if request.param == "bucket":
        server: S3Server = request.getfixturevalue("s3")
        url = server.url(server.new_bucket(), "mail")
    found = on_disk if request.param == "disk" else in_bucket
    fill(found(), range(1, 5))
    fill(found(), range(3, 7), account="second", run="run-2")
    return found


def data_files(archive: Archive, name: str) -> Iterator[Any]:
    """Yield each data file that lies in a table's folder, whether the table still names it or not."""
    paths = [p for p in archive.store.list_files(f"tables/{name}") if p.endswith(".parquet")]
    for content in archive.store.read_files(paths):
        yield pq.read_table(io.BytesIO(content or b""))


def accounts_in_files(archive: Archive) -> set[str]:
    return {name for rows in data_files(archive, "locations") for name in rows["account"].to_pylist()}


def test_old_files_of_tables_go(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a live nor an old one has a row of what was removed."""
    monkeypatch.setattr(tables, "TOMBSTONE_HOURS", 0)
    forget(opened(), account="post")
    assert accounts_in_files(opened()) == {"post", "second"}
    assert sweep(opened()).removed == 2
    assert accounts_in_files(opened()) == {"second"}
    for name in ("messages", "texts"):
        left = {d for rows in data_files(opened(), name) for d in rows["sha256"].to_pylist()}
        assert not left & digests(range(1, 3)), name
    assert sound(opened())


def test_old_files_that_somebody_may_be_reading_stay_for_a_day(opened: Opened) -> None:
    """Whoever opened a table before the removal reads it to the end."""
    table = opened().table("locations")
    before = table.files()
    forget(opened(), account="post")
    sweep(opened())
    accounts = {
        name for piece in table.scan(["account"], files=before) for name in piece.table["account"].to_pylist()
    }
    assert accounts == {"post", "second"}


def test_file_that_a_writer_is_about_to_commit_stays(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in no commit yet, as one that a kill left; it is young."""
    forget(opened(), account="post")
    commit = tables.Table._commit
    swept: list[int] = []

    def later(self: tables.Table, *arguments: Any, **options: Any) -> None:
        if not swept:
            swept.append(-1)
            swept[0] = sweep(opened()).removed
        commit(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(tables.Table, "_commit", later)
        fill(opened(), range(50, 53), account="third", run="run-3")
    assert swept == [2]
    assert digests(range(50, 53)) <= archived(opened())
    assert sound(opened())


def test_file_that_a_kill_left_goes(tmp_path: Path) -> None:
    """It is named by no commit, and may hold rows of what was removed long after."""
    fill(Archive(tmp_path), range(1, 5))
    archive = Archive(tmp_path)
    rows = archive.read_table("locations")
    left, _ = write_file(archive.store, TABLES["locations"], [rows], data_change=True)
    path = tmp_path / "tables" / "locations" / left.path
    forget(Archive(tmp_path), account="post")
    sweep(Archive(tmp_path))
    assert path.exists()
    forget(Archive(tmp_path), account="post")
    os.utime(path, (time.time() - 2 * 86400,) * 2)
    sweep(Archive(tmp_path))
    assert not path.exists()


def test_message_that_comes_back_in_the_days_of_grace_stays(opened: Opened) -> None:
    """Whoever meets it stores it again before its row, and the sweep leaves it alone."""
    forget(opened(), account="post")
    opened().raw.remove(digest(1, attachments=1))
    fill(opened(), range(1, 2), account="third", run="run-3")
    assert digest(1, attachments=1) in objects(opened())
    assert sweep(opened()).removed == 1
    assert objects(opened()) == archived(opened()) == digests(range(3, 7)) | digests(range(1, 2))
    assert Tombstones(opened()).read() == {}
    assert sound(opened())


def test_fetch_and_sweep_of_one_message_at_once(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep has claimed the object when the fetch stores it: the fetch fails, and stores it next time."""
    forget(opened(), account="post")
    archive = opened()
    remove = type(archive.raw).remove
    failures: list[str] = []

    def meanwhile(self: Any, name: str) -> None:
        if name == digest(2):
            try:
                fill(opened(), range(2, 3), account="third", run="run-3")
            except StoreUnavailable as error:
                failures.append(str(error))
        remove(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(type(archive.raw), "remove", meanwhile)
        assert sweep(archive).removed == 2
    assert "run again" in failures[0]
    assert digest(2) not in archived(opened()) | objects(opened())
    fill(opened(), range(2, 3), account="third", run="run-4")
    assert digest(2) in archived(opened()) & objects(opened())
    assert sound(opened())


def test_message_that_comes_back_between_look_and_claim_stays(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep found no row of it; the fetch lifts the tombstone before the sweep can claim the object."""
    forget(opened(), account="post")
    look = sweeping._came_back

    def and_then(archive: Archive, due: Any) -> set[str]:
        found = look(archive, due)
        fill(opened(), range(2, 3), account="third", run="run-3")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(sweeping, "_came_back", and_then)
        assert sweep(opened()).removed == 1
    assert digest(2) in archived(opened()) & objects(opened())
    assert sound(opened())
