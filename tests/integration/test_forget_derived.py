"""Who was forgotten is in no table that follows from messages, here and in a copy, whatever was killed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mailroom.archive import Archive
from mailroom.archive.delta.derived import is_current
from mailroom.model import Body
from mailroom.services.optimize import optimize_archive
from mailroom.services.progress import NoProgress
from mailroom.services.replicate import replicate_archive
from tests.support.archives import context, place
from tests.support.forgetting import Killed, forget, sound, sweep
from tests.support.mail import make_message
from tests.support.s3 import S3Server

EVA = "eva@example.org"


def fill(archive: Archive) -> None:
    """Archive a message of Eva, one to her, and one of others, with threads and contacts as tables."""
    mails = [
        make_message(sender=f"Eva Luz <{EVA}>", to="bob@example.com"),
        make_message(sender="Bob <bob@example.com>", to=f"{EVA}, zoe@example.net"),
        make_message(sender="Carla <carla@example.net>", to="bob@example.com"),
    ]
    with archive.writer(context()) as writer:
        for uid, content in enumerate(mails, 1):
            writer.add(Body(octets=len(content), content=content), place(uid))
        writer.finish("succeeded", {}, 0)


def optimize(archive: Archive) -> None:
    report = optimize_archive(archive, progress=NoProgress(), stop=threading.Event())
    assert report.failures == ()


def people(archive: Archive) -> set[tuple[str, int, int]]:
    rows = archive.read_table("contacts").to_pylist()
    return {(row["address"], row["sent"], row["received"]) for row in rows}


LEFT = {("carla@example.net", 1, 0), ("bob@example.com", 0, 1)}


def assert_forgotten(archive: Archive) -> None:
    assert people(archive) == LEFT
    assert archive.read_table("threads").num_rows == archive.read_table("messages").num_rows == 1
    assert [is_current(archive, name) for name in ("threads", "contacts")] == [True, True]
    assert sound(archive)


@pytest.fixture(params=["disk", "bucket"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Archive]:
    """An archive on a disk, or in a bucket."""
    if request.param == "disk":
        return lambda: Archive(tmp_path / "archive")
    s3: S3Server = request.getfixturevalue("s3")
    url = s3.url(s3.new_bucket(), "mail")
    return lambda: Archive(url, storage_options=s3.storage_options)


def test_a_person_is_forgotten_in_threads_and_contacts_too(opened: Callable[[], Archive]) -> None:
    """At once, and with what only mail of that person said of others."""
    fill(opened())
    optimize(opened())
    assert len(people(opened())) == 4
    report = forget(opened(), person=EVA)
    assert report.rows["threads"] == 2
    assert_forgotten(opened())


def test_no_old_file_names_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the sweep, which deletes the files of before."""
    from mailroom.archive.delta import tables

    monkeypatch.setattr(tables, "TOMBSTONE_HOURS", 0)
    fill(Archive(tmp_path))
    optimize(Archive(tmp_path))
    forget(Archive(tmp_path), person=EVA)
    sweep(Archive(tmp_path))
    named = {
        address
        for path in tmp_path.glob("tables/contacts/*.parquet")
        for address in pq.read_table(path, columns=["address"])["address"].to_pylist()
    }
    assert named == {address for address, _, _ in LEFT}


def test_tables_that_were_never_made_are_not_made(tmp_path: Path) -> None:
    """Who keeps no contacts has none to forget."""
    fill(Archive(tmp_path))
    forget(Archive(tmp_path), person=EVA)
    assert not (tmp_path / "tables" / "contacts").exists()


@pytest.mark.parametrize("step", [8, 11, 12, 13, 14, 15, 16])
def test_a_removal_that_is_cut_off_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Killed before any of its commits, those of threads and contacts among them."""
    from mailroom.archive.delta.tables import Table

    fill(Archive(tmp_path))
    optimize(Archive(tmp_path))
    commits: list[str] = []
    commit = Table._commit

    def fragile(self: Table, *arguments: Any, **options: Any) -> None:
        commits.append(self.name)
        if len(commits) == step:
            raise Killed
        commit(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "_commit", fragile)
        try:
            forget(Archive(tmp_path), person=EVA)
        except Killed:
            pass
        else:
            assert {"threads", "contacts"} < set(commits)
    forget(Archive(tmp_path), person=EVA)
    assert_forgotten(Archive(tmp_path))


def test_a_copy_has_tables_of_its_own_and_forgets_too(tmp_path: Path) -> None:
    """They are made there by ``mailroom optimize``, and follow what was removed from the source."""
    source, copy = tmp_path / "archive", tmp_path / "copy"

    def replicate() -> None:
        replicate_archive(Archive(source), Archive(copy), progress=NoProgress(), stop=threading.Event())

    fill(Archive(source))
    optimize(Archive(source))
    replicate()
    assert not (copy / "tables" / "contacts").exists()
    optimize(Archive(copy))
    assert people(Archive(copy)) == people(Archive(source))
    forget(Archive(source), person=EVA)
    replicate()
    assert_forgotten(Archive(copy))
