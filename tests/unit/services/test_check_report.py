"""What a check says: one sentence for each kind of trouble, and a summary that fits an XCom."""

from __future__ import annotations

import json

from mailroom.services.checking.check_report import MAX_FOLDERS_SHOWN, CheckReport, FolderCheck


def test_all_archived_is_no_failure() -> None:
    """What is gone from the server is safe in the archive."""
    report = CheckReport(account="a", folders=(FolderCheck(folder="INBOX", messages=3, archived=3, gone=9),))
    assert (report.failures, report.is_complete) == ((), True)


def test_folders_with_most_missing_are_named_first() -> None:
    """A person starts where most is missing; a long list is cut."""
    folders = tuple(FolderCheck(folder=f"F{n}", messages=n) for n in range(8))
    (sentence,) = CheckReport(account="a", folders=folders).failures
    assert "28 of the 28 messages of a" in sentence
    assert "'F7': 7, 'F6': 6, 'F5': 5, 'F4': 4, 'F3': 3, and 2 more folders" in sentence


def test_new_mail_may_be_allowed_and_old_mail_may_not() -> None:
    """Only what came after the last mirror is excused."""
    folder = FolderCheck(folder="INBOX", messages=5, archived=3, arrived=1)
    (strict,) = CheckReport(account="a", folders=(folder,)).failures
    (lenient,) = CheckReport(account="a", folders=(folder,), allows_new=True).failures
    assert strict.startswith("2 of the 5")
    assert lenient.startswith("1 of the 5 messages of a on the server is not")


def test_folder_that_hides_messages_is_not_safe() -> None:
    """Nobody can say whether what is not shown was archived; one sentence is enough where more is amiss."""
    window = FolderCheck(folder="INBOX", messages=3, archived=3, is_part=True)
    (sentence,) = CheckReport(account="a", folders=(window,)).failures
    assert "only a part of 'INBOX': 3," in sentence
    assert (window.is_complete, window.summary()["complete"]) == (False, False)
    empty = CheckReport(account="a", folders=(FolderCheck(folder="INBOX", is_part=True),))
    assert "only a part of 'INBOX': 0," in empty.failures[0]
    lacking = FolderCheck(folder="INBOX", messages=3, archived=2, arrived=1, is_part=True)
    assert len(CheckReport(account="a", folders=(lacking,)).failures) == 1
    assert "only a part" in CheckReport(account="a", folders=(lacking,), allows_new=True).failures[0]


def test_interrupted_check_is_never_complete() -> None:
    """Folders that were not reached may hold anything."""
    assert not CheckReport(account="a", interrupted=True).is_complete


def test_summary_lists_what_needs_attention_first_and_stays_small() -> None:
    """An account of a thousand folders still fits into an XCom."""
    folders = [FolderCheck(folder=f"folder {n}", messages=1, archived=1) for n in range(1000)]
    folders.append(FolderCheck(folder="last", messages=1))
    report = CheckReport(account="a", folders=tuple(folders))
    summary = report.summary()
    assert summary["folders"][0]["folder"] == "last"
    assert (len(summary["folders"]), summary["folders_not_shown"]) == (MAX_FOLDERS_SHOWN, 951)
    assert len(json.dumps(summary)) < 16_000
    assert len(report.all_folders()) == 1001


def test_size_is_unknown_where_one_folder_was_not_asked() -> None:
    """A sum of some would be taken for the sum of all."""
    folders = (FolderCheck(folder="a", octets=5), FolderCheck(folder="b", octets=None))
    assert CheckReport(account="a", folders=folders).summary()["octets"] is None
