"""Days and folders with something new are told until that was noted, and then no more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.exceptions import ConfigurationError, StoreUnavailable
from mailroom.model import Body
from mailroom.policy.attachments import AttachmentRule
from mailroom.services import partitions
from mailroom.services.attachments import deliver_attachments
from mailroom.services.partitions import NewPartitions, PartitionBy, find_partitions, partition_of_folder
from mailroom.services.progress import LogProgress
from tests.support.archives import NOW, context, place


def keep(root: Path, *mails: tuple[int, str, str | None]) -> None:
    """Archive messages: a number, a folder, and the text of the Date header, if any."""
    with Archive(root).writer(context()) as writer:
        for number, folder, date in mails:
            dated = "" if date is None else f"Date: {date}\r\n"
            content = (
                f"From: a@b.example\r\n{dated}Subject: {number}\r\nMIME-Version: 1.0\r\n"
                "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\n"
                f"{number}\r\n"
            ).encode()
            writer.add(Body(octets=len(content), content=content), place(number, folder=folder))
        writer.finish("succeeded", {}, 0)


TUESDAY, LATE = "Tue, 24 Nov 2026 07:00:00 +0000", "Tue, 24 Nov 2026 23:30:00 -0200"


@pytest.fixture
def root(archive_root: Path) -> Path:
    keep(archive_root, (1, "INBOX", TUESDAY), (2, "INBOX", LATE), (3, "Paid", LATE))
    return archive_root


def find(root: Path, by: PartitionBy = PartitionBy.DAY, **options: Any) -> NewPartitions:
    return find_partitions(Archive(root), "tell", by=by, **options)


def told(root: Path, by: PartitionBy = PartitionBy.DAY, **options: Any) -> Mapping[str, int]:
    """Return what is new, and note it."""
    found = find(root, by, **options)
    found.note(NOW, "run")
    return found.counts


def test_days_are_those_of_the_date_header_in_utc(root: Path) -> None:
    """As in the names of delivered attachments; with how many messages each has."""
    assert dict(find(root).counts) == {"2026-11-24": 1, "2026-11-25": 2}


def test_folders_are_told_by_name(root: Path) -> None:
    """The key is what ``locations.folder`` says."""
    assert dict(find(root, PartitionBy.FOLDER).counts) == {"INBOX": 2, "Paid": 1}


def test_what_was_noted_is_told_no_more_and_what_came_since_is(root: Path) -> None:
    """A day is told again only for mail that is new in it."""
    assert len(told(root)) == 2
    assert told(root) == {}
    keep(root, (4, "INBOX", TUESDAY))
    assert told(root) == {"2026-11-24": 1}


def test_what_was_not_noted_is_told_again(root: Path) -> None:
    """A kill between the telling and the note loses no day."""
    assert dict(find(root).counts) == dict(find(root).counts)


def test_mail_without_a_date_counts_by_its_arrival(archive_root: Path) -> None:
    """Every message is in some partition."""
    keep(archive_root, (1, "INBOX", None))
    (day,) = find(archive_root).counts
    assert datetime.fromisoformat(day)


def test_old_mail_can_be_left_out(root: Path) -> None:
    """Years of old mail need not make years of runs."""
    since = datetime(2026, 11, 25, tzinfo=UTC)
    assert dict(find(root, since=since).counts) == {"2026-11-25": 2}


def test_other_accounts_do_not_count(root: Path) -> None:
    """A message that another account has is of no concern."""
    assert dict(find(root, account="post").counts) == {"2026-11-24": 1, "2026-11-25": 2}
    assert dict(find(root, account="other").counts) == {}


def test_deliveries_are_told_by_the_day_of_their_mail(root: Path, tmp_path: Path) -> None:
    """So that a task loads the prefix of a day; what was delivered elsewhere does not count."""

    def deliver(to: str, number: int) -> None:
        deliver_attachments(
            Archive(root),
            tmp_path / to,
            context(f"deliver {number}"),
            rules=(AttachmentRule(name="*.pdf"),),
            now=lambda: NOW,
            progress=LogProgress(logging.getLogger()),
            stop=threading.Event(),
        )

    deliver("in", 1)
    asked: dict[str, Any] = {"destination": tmp_path / "in"}
    assert told(root, **asked) == {"2026-11-24": 1, "2026-11-25": 2}
    keep(root, (4, "Paid", TUESDAY))
    assert told(root, **asked) == {}
    deliver("elsewhere", 2)
    assert told(root, **asked) == {}
    deliver("in", 3)
    assert told(root, PartitionBy.FOLDER, **asked) == {"Paid": 1}


def test_more_partitions_than_fit_are_told_by_the_next_run(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow records all events of a task in one transaction."""
    monkeypatch.setattr(partitions, "MAX_PARTITIONS", 1)
    days = [told(root), told(root), told(root)]
    assert [sum(counts.values()) for counts in days] in ([1, 2, 0], [2, 1, 0])


def test_two_runs_at_once_do_not_both_count(root: Path) -> None:
    """The one that is late fails to note, and its partitions are told again."""
    first, second = find(root), find(root)
    first.note(NOW, "one")
    with pytest.raises(StoreUnavailable, match="one run at a time"):
        second.note(NOW, "two")


def test_a_key_is_one_for_airflow(archive_root: Path) -> None:
    """It takes 250 characters, and none that are all blank."""
    names = ["Invoices/2026", " ", "x" * 250, "x" * 251, "y" * 251]
    keys = [partition_of_folder(name) for name in names]
    assert keys[0] == names[0]
    assert keys[2] == names[2]
    assert len(set(keys)) == len(names)
    assert all(key.strip() and len(key) <= 250 for key in keys)


def test_what_cannot_be_meant_is_refused(root: Path, tmp_path: Path) -> None:
    """A missing archive is a slip in a path, and a consumer without a name would share its notes."""
    with pytest.raises(ConfigurationError, match="no archive"):
        find(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="name"):
        find_partitions(Archive(root), " ", by=PartitionBy.DAY)
