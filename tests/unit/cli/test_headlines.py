"""What a person reads at the end says what happened, and only that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailroom.archive.checking.problems import VerifyReport
from mailroom.cli.commands import (
    attachments,
    changes,
    check,
    copy,
    export,
    fetch,
    forget,
    import_mail,
    mirror,
    restore,
    retention,
    verify,
)
from mailroom.cli.phrases import octets_in_words
from mailroom.cli.terminal import Outcome
from mailroom.policy.fetch_mode import FetchMode
from mailroom.services.checking.check_report import CheckReport, FolderCheck
from mailroom.services.copy import CopyReport
from mailroom.services.deleting.retention_report import FolderRetention, RetentionReport
from mailroom.services.delivering.delivery_report import DeliveryReport
from mailroom.services.exchanging.export_report import ExportReport
from mailroom.services.exchanging.import_report import ImportReport
from mailroom.services.fetching.fetch_report import FetchReport
from mailroom.services.forgetting.forget_report import ForgetReport
from mailroom.services.forgetting.wish import ForgetWish
from mailroom.services.mirroring.mirror_report import MirrorReport
from mailroom.services.pushing.push_report import PushReport, TwoWayReport
from mailroom.services.restoring.restore_report import FolderRestore, RestoreReport


def test_plain_fetch_is_one_line() -> None:
    """Nothing odd happened, so nothing more is said."""
    report = FetchReport(account="a", identity="uidl", listed=50, added=1, octets=38_140, deleted=0)
    assert fetch.headline(report.summary()) == (
        "1 new message of 50 listed archived (38.1 kB); 0 messages deleted on the server."
    )


def test_fetch_says_after_how_long_it_deletes() -> None:
    """Whoever typed a time reads what it was taken for."""
    age = FetchMode(delete_after=timedelta(days=7)).age
    report = FetchReport(account="a", identity="uidl", age=age, deleted=2)
    told = fetch.headline(report.summary())
    assert told.endswith("2 messages deleted on the server (archived for more than 7 days).")


@pytest.mark.parametrize(
    ("number", "them"),
    [
        (1, "1 message still on a server: the next run would bring it"),
        (2, "2 messages still on a server: the next run would bring them"),
    ],
)
def test_forget_says_what_would_come_back(number: int, them: str) -> None:
    """What a server still has comes back, unless only what is old goes: then it stays."""
    facts = {
        "archive": "/a",
        "who": "w",
        "run_id": "r",
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "dry_run": True,
    }
    told = forget.headline(ForgetReport(what="forget a person", on_server=number, **facts).summary())
    assert f"{them} back." in told
    wish = ForgetWish(older_than=timedelta(days=30))
    told = forget.headline(
        ForgetReport(what=wish.in_words(), messages=2, on_server=number, **facts).summary()
    )
    assert told.startswith("2 messages first archived more than 30 days ago (0 octets) would be removed")
    assert "kept: still on a server." in told
    assert "back" not in told


def test_fetch_says_when_the_server_has_no_uidl() -> None:
    """Users learn why it takes longer."""
    report = FetchReport(account="a", identity="header", listed=1, added=1)
    assert "no UIDL: messages were told apart by their header" in fetch.headline(report.summary())


def test_fetch_tells_what_was_odd() -> None:
    """Each odd count has a line of its own."""
    report = FetchReport(account="a", identity="uidl", differing=1, not_listed=2, vanished=3)
    assert len(fetch.headline(report.summary()).splitlines()) == 4


def test_mirror_counts_folders_and_new_messages() -> None:
    """The first line holds for every run."""
    report = MirrorReport(account="a", folders=5, unchanged=4, added=3, octets=2_500_000)
    assert (
        mirror.headline(report.summary())
        == "5 folders, 4 of them unchanged: 3 new messages (2.5 MB downloaded)."
    )


def test_mirror_shows_warnings_in_full() -> None:
    """What no run can mend is told to the person."""
    report = MirrorReport(account="a", folders=1, unfetchable=1, warnings=("Message 7 does not come.",))
    assert mirror.headline(report.summary()).splitlines()[1:] == [
        "1 message listed and not delivered; tried again in each run.",
        "Message 7 does not come.",
    ]


def test_dry_run_of_retention_says_that_nothing_was_changed() -> None:
    """Nobody takes a plan for a deed."""
    folder = FolderRetention(
        folder="INBOX", basis="internal", live=9, due=4, deleted=3, octets=3000, kept={"flagged": 1}
    )
    report = RetentionReport(account="a", dry_run=True, age="more than 30 days", folders=(folder,))
    told = retention.headline(report.summary())
    assert told.startswith(
        "3 messages would be deleted on the server (3.0 kB), of 4 that were old enough (more than 30 days)."
    )
    assert "1 kept: flagged" in told
    assert told.endswith("nothing was deleted.")


def test_dry_run_lists_the_messages_that_would_go() -> None:
    """A person sees which, not only how many; what is too many to list is counted."""
    listed = ({"uid": 7, "octets": 1500, "since": "2024-03-01T10:00:00+00:00"},)
    folder = FolderRetention(folder="INBOX", basis="internal", live=9, due=3, deleted=3, messages=listed)
    told = retention.headline(RetentionReport(account="a", dry_run=True, folders=(folder,)).summary())
    assert "    UID 7, 1.5 kB, 2024-03-01\n    … and 2 more messages" in told


def test_folder_names_cannot_write_to_the_terminal() -> None:
    """A folder's name comes from the server; its escape codes are not carried out."""
    folder = FolderRetention(folder="x\x1b[2J", note="not in the archive: mirror it first")
    told = retention.headline(RetentionReport(account="a", dry_run=False, folders=(folder,)).summary())
    assert "\x1b" not in told


def test_delivery_counts_what_was_there_already() -> None:
    """The second run of a pipeline says that nothing was left to do."""
    report = DeliveryReport(account=None, destination="/bucket", dry_run=False, already=7)
    assert attachments.headline(report.summary()) == (
        "0 attachments delivered to /bucket (0 octets); 7 were there already."
    )


def test_delivery_tells_what_was_left_out() -> None:
    """Attachments whose name is taken are not lost in silence."""
    said = attachments.headline(
        {
            "dry_run": False,
            "delivered": 2,
            "already": 0,
            "skipped": 1,
            "destination": "s3://company/in",
            "octets": 3000,
        }
    )
    assert said == "2 attachments delivered to s3://company/in (3.0 kB); 1 left out, as their name is taken."


def test_archive_without_problems_is_well() -> None:
    """The one sentence an operator wants to read at night."""
    report = VerifyReport(objects=2, octets=10, rows={"messages": 2, "locations": 2}, problems=(), counts={})
    headline = Outcome.of(report, verify.headline).headline
    assert headline.startswith("All is well: 2 objects (10 octets), 2 messages")


def test_interrupted_check_does_not_say_that_all_is_well() -> None:
    """What was not looked at is not vouched for."""
    report = VerifyReport(objects=2, octets=10, rows={}, problems=(), counts={}, interrupted=True)
    assert Outcome.of(report, verify.headline).headline.startswith("Nothing wrong so far")


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (0, "0 octets"),
        (999, "999 octets"),
        (1000, "1.0 kB"),
        (5 * 10**9, "5.0 GB"),
        (7 * 10**15, "7,000.0 TB"),
    ],
)
def test_sizes_are_decimal(octets: int, words: str) -> None:
    """As hosters state quotas."""
    assert octets_in_words(octets) == words


def checked(*folders: FolderCheck, **values: bool) -> list[str]:
    report = CheckReport(account="ana", folders=folders, **values)
    return check.headline(report.summary(), report.all_folders()).splitlines()


def test_check_is_a_table_that_ends_with_the_answer() -> None:
    """Columns that say nothing are left out."""
    assert checked(FolderCheck(folder="INBOX", messages=3, archived=3, octets=38_140)) == [
        "folder  server  archived  missing  gone     size  complete",
        "INBOX        3         3        0     0  38.1 kB  yes",
        "Everything is safe: 3 of 3 messages of ana are in the archive.",
    ]


def test_check_does_not_call_safe_what_is_not() -> None:
    """What is missing is in the table, and said in a sentence elsewhere."""
    lines = checked(FolderCheck(folder="INBOX", messages=3, archived=1, arrived=1, damaged=1, note="odd"))
    assert [word for word in ("new", "damaged") if word not in lines[0]] == []
    assert lines[1].endswith("no        odd")
    assert len(lines) == 2


def test_check_says_what_it_allowed() -> None:
    """Nobody takes allowed new mail for archived."""
    folder = FolderCheck(folder="INBOX", messages=3, archived=2, arrived=1)
    assert checked(folder, allows_new=True)[-1] == (
        "Everything is safe: 2 of 3 messages of ana are in the archive, and 1 arrived since the last mirror."
    )


def test_export_says_where_and_as_what() -> None:
    """A person reads what lies where, and what was left as it is."""
    report = ExportReport(
        destination="/m",
        format="mbox",
        accounts=2,
        folders=3,
        exported=1,
        already=4,
        octets=9,
        warnings=("w",),
    )
    assert export.headline(report.summary()).splitlines() == [
        "1 message (9 octets) exported to /m: 3 folders of 2 accounts as mbox.",
        "4 messages there already, and left alone.",
        "w",
    ]


def restored(*folders: FolderRestore, dry_run: bool = False) -> list[str]:
    report = RestoreReport(account="ana", target="ana@new.example", dry_run=dry_run, folders=folders)
    return restore.headline(report.summary(), report.warnings).splitlines()


def test_restore_says_what_was_added_and_that_it_is_as_it_was() -> None:
    """One line, one a folder, and the outcome of asking again."""
    folder = FolderRestore(
        folder="Sent", target="Gesendet", created=True, chosen=5, already=2, added=3, octets=900, checked=3
    )
    assert restored(folder, FolderRestore(folder="INBOX", target="INBOX", chosen=4, already=4)) == [
        "3 messages of ana added to ana@new.example (900 octets); 6 were there already.",
        "  Sent as Gesendet: 3 of 5, 2 there already, a new folder",
        "Asked again: all have the size, date and flags they had.",
    ]


def test_restore_tells_what_was_not_taken_and_what_was_altered() -> None:
    """Nobody takes a restore for whole that is not."""
    lines = restored(
        FolderRestore(
            folder="INBOX",
            target="INBOX",
            chosen=3,
            added=2,
            checked=2,
            refused={"[TOOBIG] too large": 1},
            alterations={"flags": 2},
        )
    )
    assert "1 message not taken by the server." in lines
    assert "  INBOX: 2 of 3, 1 not taken: [TOOBIG] too large" in lines
    assert lines[-1] == "Folder 'INBOX': the server shows restored messages otherwise: flags of 2."


def test_restore_that_was_dry_says_so() -> None:
    """The counts are of what would be."""
    lines = restored(FolderRestore(folder="INBOX", target="INBOX", chosen=3, added=3), dry_run=True)
    assert lines[0].startswith("3 messages of ana would be added to ana@new.example")
    assert lines[-1] == "This was a dry run: nothing was changed."


def test_import_names_what_was_left_out() -> None:
    """A person sees at once that a file was not taken for mail."""
    report = ImportReport(
        account="old",
        source="/in",
        files=2,
        folders=1,
        added=3,
        already=1,
        octets=9,
        skipped=2,
        skipped_files=("a",),
    )
    assert import_mail.headline(report.summary()).splitlines() == [
        "3 new messages (9 octets) of 2 files imported as old, 1 folder.",
        "1 message there already.",
        "2 files without mail left out: a, ….",
    ]


def test_a_mirror_in_both_directions_says_first_what_was_done_on_the_server() -> None:
    """Each outcome that occurred has a line of its own, and a conflict its sentence."""
    push = PushReport(account="a", pushed=3, conflicts=1, waiting=2, warnings=("It was flagged since.",))
    report = TwoWayReport(push=push, mirror=MirrorReport(account="a", folders=2))
    assert mirror.headline(report.summary()).splitlines() == [
        "3 changes done on the server.",
        "1 change overtaken by the server's side, whose change stands.",
        "2 changes left to the next run.",
        "2 folders: 0 new messages (0 octets downloaded).",
        "It was flagged since.",
    ]


def test_changes_are_listed_with_what_was_asked_for() -> None:
    """Folder names come from the server and lose what could write to a terminal."""
    change = {"id": "c1", "kind": "move", "folder": "IN\x1bBOX", "uid": 7, "to": "Work", "state": "conflict"}
    told = {"account": "a", "withdrawn": None, "states": {"conflict": 1}}
    assert changes.headline(told | {"changes": [change | {"reason": "gone"}]}).splitlines() == [
        "Changes of a: 1 conflict.",
        "  c1  move IN\N{REPLACEMENT CHARACTER}BOX UID 7 to Work, conflict: gone",
    ]


def test_a_copy_by_way_of_an_archive_says_what_was_archived() -> None:
    """The rest reads as a restore does."""
    restored = RestoreReport(
        account="old", target="new", folders=(FolderRestore(folder="A", target="A", chosen=2, updated=1),)
    )
    report = CopyReport(restore=restored, mirror=MirrorReport(account="old", added=2))
    assert copy.headline(report.summary(), report.warnings).splitlines() == [
        "2 new messages archived on the way.",
        "0 messages of old added to new (0 octets); 0 were there already.",
        "  A: 0 of 2, 1 got other flags",
    ]
