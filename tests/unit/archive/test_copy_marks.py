"""Marks of a copy: kept beside an archive or alone, and never trusted where they are not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.reading.bookmarks import Bookmarks
from mailroom.archive.reading.copy_marks import CopyMarks
from mailroom.in_step import FolderMark, InStep

STEP = InStep(source="ab", target=FolderMark(uid_validity=1, uid_next=5, messages=4), messages=4)


def left(root: Path) -> Path:
    """Leave marks, and return the file they are in."""
    marks = CopyMarks.at(root, "old", "new")
    marks.put("INBOX", "INBOX", STEP)
    marks.save()
    (found,) = (root / "bookmarks").iterdir()
    return found


def test_marks_are_there_for_the_next_run(tmp_path: Path) -> None:
    """Of this pair of accounts, and of no other."""
    left(tmp_path)
    assert CopyMarks.at(tmp_path, "old", "new").get("INBOX", "INBOX") == STEP
    assert CopyMarks.at(tmp_path, "old", "new").get("INBOX", "Other") is None
    assert CopyMarks.at(tmp_path, "old", "third").get("INBOX", "INBOX") is None
    assert CopyMarks.at(tmp_path, "new", "old").get("INBOX", "INBOX") is None


def test_what_is_no_longer_in_step_is_forgotten(tmp_path: Path) -> None:
    """And nothing is written where nothing is new."""
    file = left(tmp_path)
    marks = CopyMarks.at(tmp_path, "old", "new")
    file.unlink()
    marks.put("INBOX", "INBOX", STEP)
    marks.save()
    assert not file.exists()
    marks.put("INBOX", "INBOX", None)
    marks.save()
    assert CopyMarks.at(tmp_path, "old", "new").get("INBOX", "INBOX") is None


@pytest.mark.parametrize("content", [b"", b"nonsense", b"{}", b"00\n{}\n"])
def test_a_file_that_is_not_whole_says_nothing(tmp_path: Path, content: bytes) -> None:
    """Then all is compared again."""
    file = left(tmp_path)
    whole = file.read_bytes()
    for octets in (content, whole[:-9], whole.replace(b"INBOX", b"INB0X")):
        file.write_bytes(octets)
        assert CopyMarks.at(tmp_path, "old", "new").get("INBOX", "INBOX") is None


def test_marks_in_an_archive_go_with_the_account(tmp_path: Path) -> None:
    """They name its folders."""
    file = left(tmp_path)
    Bookmarks(Archive(tmp_path).store).drop("new")
    assert file.exists()
    Bookmarks(Archive(tmp_path).store).drop("old")
    assert not file.exists()


def test_what_an_archive_said_counts_in_the_edition_it_was_read_from(tmp_path: Path) -> None:
    """And in no other; a file of an earlier version says nothing of it."""
    left(tmp_path)
    marks = CopyMarks.at(tmp_path, "old", "new")
    assert marks.archived("an edition") is None
    facts = {"Büro": ("/", "\\Sent", True, "a digest"), "INBOX": (None, None, None, None)}
    marks.note_archived("an edition", facts)
    marks.save()
    again = CopyMarks.at(tmp_path, "old", "new")
    assert again.archived("an edition") == facts
    assert again.archived("another") is None
    assert again.archived(None) is None
    assert again.get("INBOX", "INBOX") == STEP
