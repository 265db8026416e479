"""The data files of a table as one who writes it knows them: always those of the version in hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.delta.rows import locations_table
from mailroom.archive.delta.tables import Append, Table
from tests.support.archives import NOW, place


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An archive whose root is there."""
    archive = Archive(tmp_path / "archive")
    archive.prepare().close()
    return archive


def append(table: Table, uid: int, folder: str = "INBOX") -> None:
    rows = locations_table([place(uid, folder=folder)], [None], [NOW], [uid])
    table.append(lambda: Append(rows=[rows], transactions={f"post/{folder}": uid}))


def test_own_commits_are_added_to_what_is_known(archive: Archive) -> None:
    """Paths, sizes, rows and bounds are those that a reader of the log finds, oldest first."""
    table = archive.table("locations")
    for uid in range(1, 6):
        append(table, uid, folder=f"Folder {uid} " + "é" * 100)
        assert table.files() == archive.table("locations").files()
    assert [file.rows for file in table.files()] == [1] * 5


def test_commits_of_others_in_between_are_seen(archive: Archive) -> None:
    """A commit that others were before is tried again behind theirs, and then their files count too."""
    table, other = archive.table("locations"), archive.table("locations")
    append(table, 1)
    assert len(table.files()) == 1
    append(other, 2, folder="Sent")
    append(table, 3)
    assert (table.files(), len(table.files())) == (archive.table("locations").files(), 3)
