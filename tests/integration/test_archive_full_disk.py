"""Disks that are full or read-only, as small mounts; needs the right to mount."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from mailroom.archive.delivering.deliveries import Deliveries
from mailroom.exceptions import StoreUnavailable
from tests.support.archives import archive_messages, body, context, digest, place, tables_without_doubles


def mount(*words: str) -> bool:
    """Mount, or say that this user may not."""
    return subprocess.run(["mount", *words], stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=3m", "none", str(disk)):
        pytest.skip("mounting is not permitted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_one_sentence_and_loses_nothing(small_disk: Path) -> None:
    """What was flushed before stays; with space again, the next run completes the rest."""
    archive = Archive(small_disk / "mail")
    archive_messages(archive, range(1, 6))

    def fill() -> None:
        with archive.writer(context("run-2")) as writer:
            for number in range(6, 200):
                writer.add(body(number, size=40_000), place(number))
            writer.flush()

    with pytest.raises(StoreUnavailable, match="is full") as raised:
        fill()
    assert raised.value.reason == "full"  # type: ignore[attr-defined]  # a fact
    assert set(range(1, 6)) <= set(archive.folder_state("post", "INBOX").live.tolist())
    assert verify_archive(archive).failures == ()

    assert mount("-o", "remount,size=64m", str(small_disk))
    live = set(archive.folder_state("post", "INBOX").live.tolist())
    with archive.writer(context("run-3")) as writer:
        for number in range(6, 200):
            if number not in live:
                writer.add(body(number, size=40_000), place(number))
        writer.finish("succeeded", {}, 0)
    assert archive.folder_state("post", "INBOX").live.tolist() == list(range(1, 200))
    assert tables_without_doubles(archive)
    assert verify_archive(archive).is_sound


@pytest.mark.parametrize("filler", [0, 8192, 16384, 32768, 65536])
def test_a_disk_that_fills_up_among_commits_is_one_sentence(small_disk: Path, filler: int) -> None:
    """Wherever among bytes, tables and log the space ends, the archive can be used again."""
    archive = Archive(small_disk / "mail")
    archive_messages(archive, [1])
    free = subprocess.run(
        ["stat", "-f", "-c", "%a %S", str(small_disk)], capture_output=True, text=True, check=True
    ).stdout.split()
    (small_disk / "filler").write_bytes(bytes(int(free[0]) * int(free[1]) - filler))
    said = ""
    try:
        archive_messages(archive, [2, 3], run_id="run-2")
    except StoreUnavailable as error:
        said = str(error)
    assert not said or "is full" in said
    (small_disk / "filler").unlink()
    archive = Archive(small_disk / "mail")
    live = set(archive.folder_state("post", "INBOX").live.tolist())
    archive_messages(archive, {2, 3} - live, run_id="run-3")
    assert archive.folder_state("post", "INBOX").live.tolist() == [1, 2, 3]
    assert tables_without_doubles(archive)
    assert verify_archive(archive).is_sound


def test_a_read_only_archive_is_read_and_not_written(small_disk: Path) -> None:
    """Reading and verifying need no right to write; writing says why it cannot."""
    archive_messages(Archive(small_disk / "mail"), [1, 2])
    assert mount("-o", "remount,ro", str(small_disk))
    archive = Archive(small_disk / "mail")
    assert archive.folder_state("post", "INBOX").live.tolist() == [1, 2]
    assert archive.raw.hash(digest(1)) == digest(1)
    assert verify_archive(archive).is_sound
    with pytest.raises(StoreUnavailable, match="read-only"):
        archive_messages(archive, [3], run_id="run-2")


def test_nothing_new_in_a_read_only_archive_is_no_error(small_disk: Path) -> None:
    """A run that finds nothing to do writes nothing, and so needs no right to."""
    archive_messages(Archive(small_disk / "mail"), [1])
    assert mount("-o", "remount,ro", str(small_disk))
    with Archive(small_disk / "mail").writer(context("run-2")) as writer:
        writer.finish("succeeded", {"added": 0}, 0)


def test_a_root_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    """A file where the root should be is named, before anything else happens."""
    (tmp_path / "mail").write_text("not a folder")
    with pytest.raises(StoreUnavailable, match="no folder"):
        archive_messages(Archive(tmp_path / "mail"), [1])


def test_a_destination_on_a_full_disk_is_one_sentence(small_disk: Path, archive_root: Path) -> None:
    """A delivery that does not fit leaves no part of itself behind."""
    import hashlib

    from tests.unit.archive.test_deliveries import delivery

    data = bytes(8 * 1024 * 1024)
    row = delivery("a.bin", data)
    assert row.sha256 == hashlib.sha256(data).hexdigest()
    with Deliveries(Archive(archive_root), small_disk / "out") as deliveries:
        with pytest.raises(StoreUnavailable, match="is full"):
            deliveries.deliver(row, lambda: [data])
        assert not deliveries.is_delivered(row.message_sha256, row.part)
    assert [path.name for path in (small_disk / "out").rglob("*") if path.is_file()] == []
