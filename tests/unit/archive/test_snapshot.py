"""An account as it is or was: which rows count, and once each."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.archive.reading.snapshot import Snapshot, accounts_of
from mailroom.model import Change, LocationRow
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


@pytest.fixture
def archive(archive_root: Path) -> Archive:
    """Messages 1 to 4 in INBOX, seen an hour ago; 1 expunged, 2 flagged, 3 deleted by retention now."""
    archive = Archive(archive_root)
    archive_messages(archive, range(1, 5), at=NOW - timedelta(hours=1))
    with archive.writer(context("run-2")) as writer:
        writer.record(
            [
                later(1, change=Change.EXPUNGED),
                later(2, change=Change.FLAGS, flags=("\\Flagged",)),
                later(3, change=Change.DELETED_BY_RETENTION),
            ]
        )
        writer.close_folder(folder_row())
        writer.finish("succeeded", {}, 0)
    return archive


def later(uid: int, **values: Any) -> LocationRow:
    return place(uid, **{"at": NOW, "run_id": "run-2", "sha256": digest(uid)} | values)


def uids(archive: Archive, folder: str = "INBOX", **options: Any) -> list[int | None]:
    return [row.uid for row in Snapshot(archive, ACCOUNT, **options).rows(folder)]


def test_newest_state_is_what_was_last_on_the_server(archive: Archive) -> None:
    """With the flags it had then."""
    rows = list(Snapshot(archive, ACCOUNT).rows("INBOX"))
    assert [(row.uid, row.flags) for row in rows] == [(2, ("\\Flagged",)), (4, ("\\Seen",))]


def test_what_retention_deleted_counts_when_asked(archive: Archive) -> None:
    """What a person deleted does not."""
    assert uids(archive, with_deleted=True) == [2, 3, 4]


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        (NOW - timedelta(minutes=1), [1, 2, 3, 4]),
        (NOW - timedelta(hours=2), []),
        (NOW + timedelta(days=1), [2, 4]),
    ],
)
def test_past_state_leaves_out_what_came_later(archive: Archive, moment: datetime, found: list[int]) -> None:
    """Rows and flags as they were."""
    assert uids(archive, as_of=moment) == found
    flags = {row.flags for row in Snapshot(archive, ACCOUNT, as_of=moment).rows("INBOX") if row.uid == 4}
    assert flags <= {("\\Seen",)}


def test_message_is_found_where_it_is_or_was_last(archive: Archive) -> None:
    """A message that is gone everywhere is named by its last place, one that is not by where it is."""
    rows = Snapshot(archive, ACCOUNT).rows_of([digest(1), digest(4), "ab" * 32])
    found = {row.uid: row.change for row in rows["INBOX"]}
    assert found == {1: Change.EXPUNGED, 4: Change.ADDED}


def test_folder_that_is_gone_is_left_out(archive: Archive) -> None:
    """A mirror recorded that the server has it no longer; before, it was there."""
    with archive.writer(context("run-3")) as writer:
        writer.close_folder(folder_row("Old", at=NOW))
        writer.close_folder(folder_row("Old", at=NOW + timedelta(hours=1), deleted=True))
        writer.finish("succeeded", {}, 0)
    assert set(Snapshot(archive, ACCOUNT).folders) == {"INBOX"}
    assert set(Snapshot(archive, ACCOUNT, as_of=NOW).folders) == {"INBOX", "Old"}


def test_mirror_that_was_interrupted_has_its_folder(archive_root: Path) -> None:
    """Messages without a row of their folder are not lost sight of."""
    archive = Archive(archive_root)
    archive_messages(archive, [1], folder="Work")
    assert set(Snapshot(archive, ACCOUNT).folders) == {"Work"}


def test_message_hidden_by_a_window_counts_once(archive: Archive) -> None:
    """Not listed is not gone; but what is listed under another number is the same message."""
    archive_messages(archive, [7, 8], at=NOW)
    with archive.writer(context("run-4")) as writer:
        writer.record([later(7, change=Change.NOT_LISTED), later(8, change=Change.NOT_LISTED)])
        writer.add(body(8), place(18, at=NOW))
        writer.finish("succeeded", {}, 0)
    assert uids(archive) == [2, 4, 18, 7]


def test_maildrop_has_what_was_deleted_by_its_own_fetch(archive_root: Path) -> None:
    """Downloaded to be kept here and nowhere else; one message under two names is one."""
    archive = Archive(archive_root)
    with archive.writer(context()) as writer:
        for number, uidl in ((1, "a"), (2, "b"), (2, "c")):
            writer.add(body(number), maildrop_row(uidl))
        writer.flush()
        writer.record([maildrop_row("a", sha256=digest(1), change=Change.DELETED_BY_FETCH)])
        writer.finish("succeeded", {}, 0)
    rows = list(Snapshot(archive, ACCOUNT).rows("INBOX"))
    assert sorted(str(row.sha256) for row in rows) == sorted([digest(1), digest(2)])
    assert set(Snapshot(archive, ACCOUNT).folders) == {"INBOX"}


def test_accounts_are_those_with_mail(archive: Archive) -> None:
    """Sorted, each once."""
    archive_messages(archive, [30], account="another")
    assert accounts_of(archive) == ["another", ACCOUNT]


def test_empty_place_has_no_account(archive_root: Path) -> None:
    """Asking creates nothing."""
    assert accounts_of(Archive(archive_root)) == []
    assert Snapshot(Archive(archive_root), ACCOUNT).folders == {}
    assert not archive_root.exists()
