"""What fetch and retention tell: small, JSON, and complete."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from mailroom.policy.deletion import Candidate, Decision, DeletionPlan, Keep
from mailroom.services.deleting.retention_report import FolderRetention, RetentionReport, RetentionTally
from mailroom.services.fetching.fetch_report import FetchReport
from tests.unit.policy.rows import days_ago, mailbox_row

DAY = datetime(2026, 11, 1, tzinfo=UTC)


def test_fetch_summary_is_json_without_names_of_messages() -> None:
    """Failures are counted there and told in full beside it."""
    report = FetchReport(account="a", identity="uidl", added=3, failures=("one", "two"))
    summary = json.loads(json.dumps(report.summary()))
    assert (summary["added"], summary["failed"], summary["identity"]) == (3, 2, "uidl")


def test_retention_summary_adds_folders_up() -> None:
    """The total is what a person looks at first, the reasons second."""
    folders = (
        FolderRetention(folder="INBOX", basis="internal", due=5, deleted=3, octets=30, kept={"flagged": 2}),
        FolderRetention(folder="Trash", basis="saved", due=2, deleted=1, octets=10, kept={"flagged": 1}),
        FolderRetention(folder="Sent", basis="internal", live=9),
    )
    report = RetentionReport(account="a", dry_run=False, folders=folders)
    summary = json.loads(json.dumps(report.summary()))
    assert (summary["deleted"], summary["octets"], summary["due"]) == (4, 40, 7)
    assert summary["kept"] == {"flagged": 3}
    assert [folder["folder"] for folder in summary["folders"]] == ["INBOX", "Trash"]


def test_dry_run_is_not_called_a_deletion() -> None:
    """Nobody who reads the summary may take it for done."""
    folder = FolderRetention(folder="INBOX", due=1, deleted=1)
    summary = RetentionReport(account="a", dry_run=True, folders=(folder,)).summary()
    assert summary["would_delete"] == 1
    assert "deleted" not in summary


def test_summary_of_many_folders_stays_small() -> None:
    """An XCom takes fifty lines; the rest is counted."""
    folders = tuple(FolderRetention(folder=f"f{number}", due=1) for number in range(60))
    summary = RetentionReport(account="a", dry_run=False, folders=folders).summary()
    assert (len(summary["folders"]), summary["folders_not_shown"]) == (50, 10)


def test_folder_that_was_passed_over_says_why() -> None:
    """A note is worth a line even where nothing was due."""
    report = RetentionReport(
        account="a", dry_run=False, folders=(FolderRetention(folder="Sent", note="never mirrored"),)
    )
    assert report.summary()["folders"] == [
        {"folder": "Sent", "due": 0, "deleted": 0, "note": "never mirrored"}
    ]


def candidate(uid: int, age: float) -> Candidate:
    return Candidate(key=uid, row=mailbox_row(uid), since=days_ago(age))


def test_tally_counts_what_was_due_and_what_went() -> None:
    """What is too young was never due and is no reason worth telling."""
    tally = RetentionTally(folder="INBOX", basis="internal", live=9)
    tally.keep(
        DeletionPlan(
            decisions=(
                Decision(candidate=candidate(1, 90), keep=None),
                Decision(candidate=candidate(2, 40), keep=None),
                Decision(candidate=candidate(3, 60), keep=Keep.FLAGGED),
                Decision(candidate=candidate(4, 1), keep=Keep.TOO_YOUNG),
            )
        )
    )
    for uid, age in ((1, 90), (2, 40)):
        tally.delete(candidate(uid, age))
    result = tally.result()
    assert (result.due, result.deleted, result.octets) == (3, 2, 200)
    assert (result.oldest, result.newest) == (days_ago(90), days_ago(40))
    assert result.kept == {"flagged": 1}
