"""Syncing: one call for everything, or file by file where the system lacks it."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.storage.durability import DiskSync, NoSync, Unsynced, find_syncfs
from mailroom.archive.storage.store import LocalStore
from mailroom.exceptions import StoreUnavailable
from tests.support.archives import archive_messages, body, context, place


def test_syncfs_covers_the_root_in_one_call(tmp_path: Path) -> None:
    """Where the system has it, each sync is one call on the root's descriptor."""
    calls: list[int] = []

    def syncfs(descriptor: int) -> int:
        calls.append(os.fstat(descriptor).st_ino)
        return 0

    sync = DiskSync(str(tmp_path), syncfs=syncfs)
    sync.sync()
    sync.sync()
    sync.close()
    sync.close()
    assert calls == [tmp_path.stat().st_ino] * 2


def test_syncfs_covers_a_part_on_a_disk_of_its_own(tmp_path: Path) -> None:
    """Raw mail linked to a larger disk is synced there as well, for one call covers one file system."""
    if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        pytest.skip("this system has no second file system at hand")
    calls: list[int] = []

    def syncfs(descriptor: int) -> int:
        calls.append(os.fstat(descriptor).st_dev)
        return 0

    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        (tmp_path / "raw").symlink_to(elsewhere)
        (tmp_path / "tables").mkdir()
        sync = DiskSync(str(tmp_path), syncfs=syncfs)
        sync.sync()
        sync.close()
        assert sorted(calls) == sorted({tmp_path.stat().st_dev, os.stat(elsewhere).st_dev})


def test_the_system_s_own_syncfs_works(tmp_path: Path) -> None:
    """On Linux the call is found and succeeds."""
    syncfs = find_syncfs()
    if syncfs is None:
        pytest.skip("this system has no syncfs")
    sync = DiskSync(str(tmp_path), syncfs=syncfs)
    sync.sync()
    sync.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        syncfs(-1)


def test_a_failed_sync_is_an_error(tmp_path: Path) -> None:
    """A disk that cannot write back must not look like one that did."""

    def syncfs(descriptor: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    sync = DiskSync(str(tmp_path), syncfs=syncfs)
    with pytest.raises(StoreUnavailable, match="read or write errors"):
        sync.sync()
    sync.close()


def test_without_syncfs_new_files_and_folders_are_synced_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files, log entries and every folder up to the root are synced, and what is gone is passed over."""
    log = tmp_path / "tables" / "messages" / "_delta_log"
    log.mkdir(parents=True)
    (log / "0.json").write_text("{}")
    data = tmp_path / "raw" / "ab" / "x.eml"
    data.parent.mkdir(parents=True)
    data.write_text("x")
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    monkeypatch.setattr(os, "fsync", fsync)
    unsynced = Unsynced()
    sync = DiskSync(str(tmp_path), syncfs=None, unsynced=unsynced)
    unsynced.add(str(data))
    unsynced.add(str(tmp_path / "gone"))
    sync.sync()
    expected = {
        data,
        data.parent,
        tmp_path / "raw",
        log / "0.json",
        log,
        log.parent,
        tmp_path / "tables",
        tmp_path,
    }
    assert {Path(name) for name in synced} == expected
    assert synced.index(str(data)) < synced.index(str(tmp_path)), "files before their folders"
    synced.clear()
    sync.sync()
    assert str(data) not in synced, "what is synced is forgotten"
    sync.close()


def test_a_sync_that_failed_is_tried_again_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose sync failed is still to be synced."""
    data = tmp_path / "x.eml"
    data.write_text("x")
    unsynced = Unsynced()
    sync = DiskSync(str(tmp_path), syncfs=None, unsynced=unsynced)
    unsynced.add(str(data))
    real, synced = os.fsync, []

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StoreUnavailable):
        sync.sync()

    def recording(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", recording)
    sync.sync()
    assert str(data) in synced
    sync.close()


def test_every_file_of_a_run_is_synced_without_syncfs(
    archive_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a system without syncfs, all that a run leaves is covered file by file."""
    synced: set[str] = set()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    archive = Archive(archive_root)
    store = archive.store
    assert isinstance(store, LocalStore)
    store.syncfs = None
    archive_messages(archive, [1, 2, 3])
    left = {str(path) for path in archive_root.rglob("*") if path.is_file()}
    assert left <= synced
    assert str(archive_root) in synced


def test_a_store_that_answers_when_it_is_safe_needs_no_sync() -> None:
    """An object store's sync does nothing, as often as it is asked."""
    sync = NoSync()
    sync.sync()
    sync.close()


def test_flush_syncs_after_the_last_commit(archive_root: Path) -> None:
    """When flush returns, nothing was written since the last sync."""
    archive = Archive(archive_root)
    store = archive.store
    assert isinstance(store, LocalStore)
    moments: list[set[str]] = []

    def syncfs(descriptor: int) -> int:
        moments.append({str(path) for path in archive_root.rglob("*") if path.is_file()})
        return 0

    store.syncfs = syncfs
    with archive.writer(context()) as writer:
        writer.add(body(1), place(1))
        writer.flush()
        assert moments[-1] == {str(path) for path in archive_root.rglob("*") if path.is_file()}
        assert not any("tables" in name for name in moments[0]), "bytes are synced before their rows"
        count = len(moments)
        writer.flush()
        assert len(moments) == count, "nothing new, nothing to sync"
        writer.finish("succeeded", {}, 0)
    assert moments[-1] == {str(path) for path in archive_root.rglob("*") if path.is_file()}
