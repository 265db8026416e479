"""What a folder looked like at a moment, for people and programs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.reading.history import folders_as_of
from mailroom.model import Change
from tests.support.archives import (
    ACCOUNT,
    NOW,
    archive_messages,
    body,
    context,
    digest,
    folder_row,
    maildrop_row,
    place,
)

HOUR = timedelta(hours=1)


@pytest.fixture
def archive(archive_root: Path) -> Archive:
    """Messages 1 to 3 an hour ago; now 1 is gone, 2 is flagged and the folder has another name for 3."""
    archive = Archive(archive_root)
    archive_messages(archive, range(1, 4), at=NOW - HOUR)
    with archive.writer(context("run-2")) as writer:
        writer.record(
            [
                place(1, at=NOW, sha256=digest(1), change=Change.EXPUNGED),
                place(2, at=NOW, sha256=digest(2), change=Change.FLAGS, flags=("\\Flagged",)),
                place(3, at=NOW, sha256=digest(3), change=Change.EXPUNGED),
                place(3, at=NOW, sha256=digest(3), change=Change.MOVED, folder="Old", moved_from="INBOX"),
            ]
        )
        writer.close_folder(folder_row(folder="Old", at=NOW, subscribed=True))
        writer.finish("succeeded", {}, 0)
    return archive


def test_messages_of_a_folder_then_and_now(archive: Archive) -> None:
    """The newest row that was written by then says what was there, under its name of then."""
    now = archive.folder_as_of(ACCOUNT, "INBOX")
    assert now.select(["uid", "flags", "subject"]).to_pylist() == [
        {"uid": 2, "flags": ["\\Flagged"], "subject": "message 2"}
    ]
    then = archive.folder_as_of(ACCOUNT, "INBOX", NOW - HOUR / 2)
    assert then["uid"].to_pylist() == [1, 2, 3]
    assert then["flags"].to_pylist() == [["\\Seen"]] * 3
    assert archive.folder_as_of(ACCOUNT, "Old")["uid"].to_pylist() == [3]
    assert archive.folder_as_of(ACCOUNT, "INBOX", NOW - 2 * HOUR).num_rows == 0
    assert archive.folder_as_of(ACCOUNT, "never").schema == now.schema


def test_folders_then_and_now(archive: Archive) -> None:
    """A folder counts if the server listed it or messages were there."""
    now = folders_as_of(archive, ACCOUNT).to_pylist()
    assert [(row["folder"], row["live"], row["subscribed"]) for row in now] == [
        ("INBOX", 1, None),
        ("Old", 1, True),
    ]
    then = folders_as_of(archive, ACCOUNT, NOW - HOUR / 2).to_pylist()
    assert [(row["folder"], row["live"]) for row in then] == [("INBOX", 3)]


def test_a_maildrop_is_its_inbox(archive_root: Path) -> None:
    """POP3 has UIDLs where IMAP has UIDs."""
    archive = Archive(archive_root)
    with archive.writer(context()) as writer:
        writer.add(body(1), maildrop_row("a"))
        writer.finish("succeeded", {}, 0)
    [row] = archive.folder_as_of(ACCOUNT, "INBOX").to_pylist()
    assert (row["uidl"], row["uid"], row["subject"]) == ("a", None, "message 1")
    assert folders_as_of(archive, ACCOUNT)["live"].to_pylist() == [1]
