"""Attachments delivered to a folder: what only a disk can show."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.delivering.deliveries import Deliveries
from mailroom.archive.delivering.delivery_row import DeliveryOutcome, DeliveryRow
from mailroom.exceptions import ConfigurationError, StoreUnavailable
from tests.support.archives import NOW, digest


def delivery(path: str, data: bytes, message: int = 1, part: str = "2") -> DeliveryRow:
    """Return the row of a delivery."""
    return DeliveryRow(
        path=path,
        message_sha256=digest(message),
        part=part,
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        content_type="application/pdf",
        filename="Rechnung März.pdf",
        account="post",
        sender="ana@example.org",
        subject="invoice",
        date=NOW,
        at=NOW,
        run_id="run-1",
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../up", "a/../../up", "a//b", "a/./b", "nul\0byte", "a/"]
)
def test_a_path_that_leaves_the_destination_is_refused(archive_root: Path, out: Path, path: str) -> None:
    """However a name got there, nothing is written outside the destination."""
    with (
        Deliveries(Archive(archive_root), out) as deliveries,
        pytest.raises(ConfigurationError, match="no path below"),
    ):
        deliveries.deliver(delivery(path, b"data"), lambda: [b"data"])


def test_no_part_of_a_file_is_seen_under_its_name(archive_root: Path, out: Path) -> None:
    """While content is written, its final name does not exist; after a failure nothing is left."""

    def content() -> object:
        yield b"half"
        assert not (out / "a.pdf").exists()
        raise RuntimeError("the message cannot be read on")

    with Deliveries(Archive(archive_root), out) as deliveries:
        with pytest.raises(RuntimeError):
            deliveries.deliver(delivery("a.pdf", b"half and half"), content)  # type: ignore[arg-type]
        assert [path for path in out.rglob("*") if path.is_file()] == []
        assert not deliveries.is_delivered(digest(1), "2")


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EACCES])
def test_a_disk_without_nameless_files_serves(
    archive_root: Path, out: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Where a file needs a name from the start it gets another first, and none of those is left."""
    real = os.open

    def refuse(path: str, flags: int, *more: int, **named: int) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(number, os.strerror(number))
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", refuse)
    with Deliveries(Archive(archive_root), out) as deliveries:
        for number in (1, 2):
            row = delivery(f"{number}.pdf", b"data", message=number)
            assert deliveries.deliver(row, lambda: [b"data"]) is DeliveryOutcome.CREATED
    assert sorted(path.name for path in out.rglob("*") if path.is_file()) == ["1.pdf", "2.pdf"]


def test_rows_that_could_not_be_committed_are_committed_later(
    archive_root: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive that refuses in the middle of a run fails deliveries, one by one, and loses no row."""
    monkeypatch.setattr("mailroom.archive.delivering.deliveries.COMMIT_ROWS", 2)
    (archive_root / "raw").mkdir(parents=True)
    refusals = 0
    with Deliveries(Archive(archive_root), out) as deliveries:
        deliveries.deliver(delivery("0.pdf", b"data", message=0), lambda: [b"data"])
        (archive_root / "tables").write_bytes(b"in the way")
        for number in range(1, 8):
            try:
                deliveries.deliver(delivery(f"{number}.pdf", b"data", message=number), lambda: [b"data"])
            except StoreUnavailable:
                refusals += 1
        assert refusals >= 5
        (archive_root / "tables").unlink()
    rows = Archive(archive_root).read_table("deliveries").to_pylist()
    assert sorted(row["path"] for row in rows) == [f"{number}.pdf" for number in range(8)]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES])
def test_a_disk_without_hard_links_serves(
    archive_root: Path, out: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Some network disks cannot link; files are then created exclusively, and taken names stay."""

    def link(source: str, target: str, **_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    with Deliveries(Archive(archive_root), out) as deliveries:
        assert deliveries.deliver(delivery("a.pdf", b"data"), lambda: [b"data"]) is DeliveryOutcome.CREATED
        (out / "b.pdf").write_bytes(b"other")
        found = deliveries.deliver(delivery("b.pdf", b"data", message=2), lambda: [b"data"])
    assert found is DeliveryOutcome.TAKEN
    assert (out / "a.pdf").read_bytes() == b"data"
    assert (out / "b.pdf").read_bytes() == b"other"


def test_a_name_that_is_a_folder_or_a_dangling_link_is_taken(archive_root: Path, out: Path) -> None:
    """Whatever has the name keeps it; a link is never followed."""
    (out / "folder").mkdir(parents=True)
    (out / "link").symlink_to(out / "elsewhere")
    with Deliveries(Archive(archive_root), out) as deliveries:
        for name in ("folder", "link"):
            found = deliveries.deliver(delivery(name, b"data"), lambda: [b"data"])
            assert found is DeliveryOutcome.TAKEN
    assert not (out / "elsewhere").exists()


def test_deliveries_are_durable_before_their_rows(
    archive_root: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a system without syncfs each delivered file is synced before its row is committed."""
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr("mailroom.archive.delivering.delivery_store.find_syncfs", lambda: None)
    with Deliveries(Archive(archive_root), out) as deliveries:
        deliveries.deliver(delivery("a/b.pdf", b"data"), lambda: [b"data"])
        assert not (archive_root / "tables").exists()
    assert {str(out / "a" / "b.pdf"), str(out / "a"), str(out)} <= set(synced)
