"""Retention over IMAP, against Dovecot: only what is old, archived, verified and itself goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mailroom.client.imap import ImapClient
from mailroom.client.imap_selected import SelectedFolder
from mailroom.exceptions import CommandRejected, ConfigurationError
from mailroom.model import MailProtocol
from mailroom.policy.mirror import MirrorSelection
from mailroom.policy.retention import Basis, RetentionRule
from mailroom.policy.rules import ForeignMarks, policy_of
from mailroom.services.deleting.retention_report import FolderRetention, RetentionReport
from mailroom.services.mirror import mirror_account
from mailroom.services.progress import NoProgress
from tests.integration.runs import Account, Recorded, days, digest, raw_digests
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message

MONTH = RetentionRule(older_than=days(30))
TODAY = datetime.now(UTC)


def mail(number: int) -> bytes:
    return make_message(subject=f"Mensaje {number}", text=f"Texto {number}\n")


def ago(number: float) -> datetime:
    return TODAY - timedelta(days=number)


def mirror(account: Account, **selection: Any) -> None:
    report = mirror_account(
        account.connect,
        account.archive,
        account.context("mirror"),
        selection=MirrorSelection(**selection),
        now=account.now,
        progress=NoProgress(),
        stop=threading.Event(),
    )
    assert report.failures == ()


def there(dovecot: Dovecot, user: str, folder: str = "INBOX") -> list[int]:
    with dovecot.mailbox(user) as phone:
        phone.select_folder(folder, readonly=True)
        return list(phone.search("ALL"))


def of(report: RetentionReport, folder: str = "INBOX") -> FolderRetention:
    return next(found for found in report.folders if found.folder == folder)


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> Account:
    return Account(archive_root, dovecot.endpoint(user, MailProtocol.IMAP), clock=TODAY)


@pytest.fixture
def filled(dovecot: Dovecot, user: str, account: Account) -> Account:
    """Six messages in INBOX, delivered 100, 90, 60, 31, 29 and 1 days ago, mirrored today."""
    for number, age in enumerate((100, 90, 60, 31, 29, 1), start=1):
        dovecot.append(user, mail(number), internal_date=ago(age))
    mirror(account)
    return account


def test_old_archived_messages_go_and_the_rest_stays(dovecot: Dovecot, user: str, filled: Account) -> None:
    """Counted from INTERNALDATE by default; each deletion is recorded."""
    report = filled.retain(MONTH)
    inbox = of(report)
    assert (inbox.due, inbox.deleted, inbox.live, inbox.basis) == (4, 4, 6, "internal")
    assert report.failures == ()
    assert there(dovecot, user) == [5, 6]
    assert filled.changes().count("deleted_by_retention") == 4
    assert filled.archive.folder_state("account", "INBOX").live.tolist() == [5, 6]


def test_progress_is_told_by_folder(filled: Account) -> None:
    """The total is what is due."""
    filled.progress = seen = Recorded()
    filled.retain(MONTH)
    assert ("INBOX", 4, None) in seen.started
    assert (seen.messages, seen.finished) == (4, len(seen.started))


def test_second_run_finds_nothing_to_do(filled: Account) -> None:
    """A plan after it was applied is empty, and the archive is not written to."""
    filled.retain(MONTH)
    before = filled.history()
    assert filled.retain(MONTH).deleted == 0
    assert filled.history() == before


def test_mirror_after_retention_has_nothing_to_correct(filled: Account) -> None:
    """What retention recorded is what the server says."""
    filled.retain(MONTH)
    before = filled.history()
    mirror(filled)
    assert filled.history() == before


def test_dry_run_tells_what_would_go_and_changes_nothing(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """The same numbers as the real run, and neither server nor archive is touched."""
    before = filled.history()
    report = filled.retain(MONTH, dry_run=True)
    inbox = of(report)
    assert (inbox.deleted, report.summary()["would_delete"]) == (4, 4)
    assert inbox.octets == sum(len(mail(number)) for number in range(1, 5))
    assert inbox.oldest is not None
    assert inbox.newest is not None
    assert (TODAY - inbox.oldest).days == 100
    assert (TODAY - inbox.newest).days == 31
    assert there(dovecot, user) == [1, 2, 3, 4, 5, 6]
    assert filled.history() == before
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert phone.search("DELETED") == []
        assert phone.search("SEEN") == []


def test_message_that_is_not_archived_stays(dovecot: Dovecot, user: str, filled: Account) -> None:
    """Old mail that came after the last mirror is no candidate."""
    uid = dovecot.append(user, mail(7), internal_date=ago(400))
    filled.retain(MONTH)
    assert there(dovecot, user) == [5, 6, uid]


def test_flagged_message_stays_unless_asked(dovecot: Dovecot, user: str, filled: Account) -> None:
    """The flag that counts is the server's of now, not the archive's."""
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX")
        phone.add_flags([2], ["\\Flagged"])
    report = filled.retain(MONTH)
    assert of(report).kept == {"flagged": 1}
    assert there(dovecot, user) == [2, 5, 6]
    filled.retain(RetentionRule(older_than=days(30), include_flagged=True))
    assert there(dovecot, user) == [5, 6]


def test_flag_that_another_device_sets_during_the_run_counts(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """The server is made to show what others changed since the folder was opened."""

    class Flagged(ImapClient):
        def noop(self) -> None:
            with dovecot.mailbox(user) as phone:
                phone.select_folder("INBOX")
                phone.add_flags(phone.search("UID 2"), ["\\Flagged"])
            super().noop()

    filled.connect = lambda: Flagged.connect(filled.endpoint)  # type: ignore[method-assign]
    filled.retain(MONTH)
    assert there(dovecot, user) == [2, 5, 6]


@pytest.mark.parametrize("uidplus", [True, False])
def test_flag_that_another_device_sets_after_the_decision_counts(
    dovecot: Dovecot, user: str, filled: Account, uidplus: bool
) -> None:
    """Reading a batch back takes seconds; what was flagged meanwhile loses our mark and stays."""

    class FlaggedLate(ImapClient):
        def mark_deleted(self, uids: Any) -> set[int]:
            with dovecot.mailbox(user) as phone:
                phone.select_folder("INBOX")
                phone.add_flags([2], ["\\Flagged"])
            return super().mark_deleted(uids)

        def supports(self, name: str) -> bool:
            return (uidplus or name != "UIDPLUS") and super().supports(name)

    filled.connect = lambda: FlaggedLate.connect(filled.endpoint)  # type: ignore[method-assign]
    report = filled.retain(MONTH)
    assert (of(report).deleted, of(report).kept, report.failures) == (3, {"flagged": 1}, ())
    assert there(dovecot, user) == [2, 5, 6]
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert phone.search("DELETED") == []


def test_damaged_archived_copy_keeps_the_message(dovecot: Dovecot, user: str, filled: Account) -> None:
    """The archived bytes are read back before anything goes."""
    name = digest(mail(1))
    (filled.root / "raw" / name[:2] / f"{name}.eml").write_bytes(b"damaged")
    assert of(filled.retain(MONTH)).kept == {"archived copy missing or damaged": 1}
    assert there(dovecot, user) == [1, 5, 6]


def test_fraction_takes_the_oldest(dovecot: Dovecot, user: str, filled: Account) -> None:
    """A third of six is two; the others wait for the next run."""
    report = filled.retain(RetentionRule(older_than=days(30), max_fraction=0.34))
    assert of(report).kept == {"over max_fraction": 2}
    assert there(dovecot, user) == [3, 4, 5, 6]


def test_fraction_holds_over_several_batches(
    dovecot: Dovecot, user: str, filled: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a share of the folder, not of a batch."""
    monkeypatch.setattr("mailroom.services.deleting.mailbox_retention.BATCH_MESSAGES", 1)
    filled.retain(RetentionRule(older_than=days(30), max_fraction=0.5))
    assert there(dovecot, user) == [4, 5, 6]


def test_archived_basis_counts_from_the_archive(dovecot: Dovecot, user: str, filled: Account) -> None:
    """Delivered long ago but archived today: nothing is due for thirty days."""
    rule = RetentionRule(older_than=days(30), basis=Basis.ARCHIVED)
    assert filled.retain(rule).deleted == 0
    filled.wait(days(31))
    assert filled.retain(rule).deleted == 6
    assert there(dovecot, user) == []


def throw_away(dovecot: Dovecot, user: str, uid: int) -> None:
    with dovecot.mailbox(user) as phone:
        if not phone.folder_exists("Trash"):
            phone.create_folder("Trash")
        phone.select_folder("INBOX")
        phone.move([uid], "Trash")


class WithoutSavedate(ImapClient):
    """A server that does not say when a message came into its folder."""

    def supports(self, name: str) -> bool:
        return name != "SAVEDATE" and super().supports(name)


def test_rows_of_an_older_numbering_do_not_make_a_message_old(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """UID 1 of the folder that was there before is another message than UID 1 of this one."""
    filled.connect = lambda: WithoutSavedate.connect(filled.endpoint)  # type: ignore[method-assign]
    throw_away(dovecot, user, 1)
    mirror(filled)
    filled.wait(days(31))
    with dovecot.mailbox(user) as phone:
        phone.delete_folder("Trash")
    throw_away(dovecot, user, 2)
    mirror(filled)
    filled.retain(RetentionRule(older_than=days(30), folders=("Trash",)))
    assert there(dovecot, user, "Trash") == [1]


@pytest.mark.parametrize("without", ["", "SAVEDATE"], ids=["by SAVEDATE where offered", "by our first row"])
def test_old_message_thrown_away_a_minute_ago_stays_in_the_trash(
    dovecot: Dovecot, user: str, filled: Account, without: str
) -> None:
    """It keeps its INTERNALDATE when it is moved, so in the trash the days count from its arrival there."""

    class Limited(ImapClient):
        def supports(self, name: str) -> bool:
            return name != without and super().supports(name)

    filled.connect = lambda: Limited.connect(filled.endpoint)  # type: ignore[method-assign]
    throw_away(dovecot, user, 1)
    mirror(filled)
    report = filled.retain(MONTH)
    assert of(report, "Trash").basis == "saved"
    assert there(dovecot, user, "Trash") == [1]
    filled.wait(days(31))
    filled.retain(RetentionRule(older_than=days(30), folders=("\\Trash",)))
    assert there(dovecot, user, "Trash") == []


def test_stated_basis_counts_in_the_trash_too(dovecot: Dovecot, user: str, filled: Account) -> None:
    """Who asks for INTERNALDATE gets it."""
    throw_away(dovecot, user, 1)
    mirror(filled)
    filled.retain(RetentionRule(older_than=days(30), basis=Basis.INTERNAL, folders=("Trash",)))
    assert there(dovecot, user, "Trash") == []


def mark_deleted(dovecot: Dovecot, user: str, uid: int) -> None:
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX")
        phone.add_flags([uid], ["\\Deleted"])


def test_what_others_marked_deleted_is_not_expunged(dovecot: Dovecot, user: str, filled: Account) -> None:
    """UID EXPUNGE takes our messages only; somebody's undecided deletion stays undecided."""
    mark_deleted(dovecot, user, 6)
    filled.retain(MONTH)
    assert there(dovecot, user) == [5, 6]


class WithoutUidplus(ImapClient):
    """A server of 1999."""

    def supports(self, name: str) -> bool:
        return name != "UIDPLUS" and super().supports(name)


def test_server_without_uidplus_refuses_beside_foreign_deletions(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """By policy: EXPUNGE would take the other's message along, so nothing is deleted and no mark is left."""
    filled.connect = lambda: WithoutUidplus.connect(filled.endpoint)  # type: ignore[method-assign]
    mark_deleted(dovecot, user, 6)
    report = filled.retain(replace(policy_of(MONTH), foreign_marks=ForeignMarks.REFUSE))
    assert report.deleted == 0
    assert "UIDPLUS" in report.failures[0]
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert phone.search("DELETED") == [6]
        assert phone.search("ALL") == [1, 2, 3, 4, 5, 6]


def test_without_uidplus_foreign_marks_are_lifted_and_put_back(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """Ours are expunged alone; the other's message stays, and is marked as before."""
    filled.connect = lambda: WithoutUidplus.connect(filled.endpoint)  # type: ignore[method-assign]
    mark_deleted(dovecot, user, 6)
    report = filled.retain(MONTH)
    assert (report.deleted, report.failures) == (4, ())
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert (phone.search("DELETED"), phone.search("ALL")) == ([6], [5, 6])
    assert list((filled.root / "lifted").rglob("*.json")) == []


@pytest.mark.parametrize("moment", ["mark_deleted", "expunge_all"])
def test_marks_that_a_killed_run_lifted_are_put_back_by_the_next(
    dovecot: Dovecot, user: str, filled: Account, moment: str
) -> None:
    """They were written down before they were lifted."""

    killed = type("Killed", (WithoutUidplus,), {moment: kill})
    filled.connect = lambda: killed.connect(filled.endpoint)  # type: ignore[attr-defined]
    mark_deleted(dovecot, user, 6)
    with pytest.raises(KeyboardInterrupt):
        filled.retain(MONTH)
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert 6 not in phone.search("DELETED")
    filled.connect = lambda: WithoutUidplus.connect(filled.endpoint)  # type: ignore[method-assign]
    assert filled.retain(MONTH).deleted == 4
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert (phone.search("DELETED"), phone.search("ALL")) == ([6], [5, 6])


def make_trash(dovecot: Dovecot, user: str) -> None:
    with dovecot.mailbox(user) as phone:
        phone.create_folder("Trash")


class WithoutMove(ImapClient):
    """A server that can only copy."""

    def supports(self, name: str) -> bool:
        return name != "MOVE" and super().supports(name)


class LikeGmail(ImapClient):
    """A server on which EXPUNGE outside the trash may only archive; Dovecot knows nothing else of Gmail's."""

    identifiers = ()
    states_labels = False

    def supports(self, name: str) -> bool:
        return name == "X-GM-EXT-1" or super().supports(name)


@pytest.mark.parametrize("client", [ImapClient, WithoutMove, LikeGmail])
def test_into_the_trash_instead_of_away(
    dovecot: Dovecot, user: str, filled: Account, client: type[ImapClient]
) -> None:
    """By policy; from the trash itself messages go for good. The audit tells which."""
    filled.connect = lambda: client.connect(filled.endpoint)  # type: ignore[method-assign]
    make_trash(dovecot, user)
    assert filled.retain(replace(policy_of(MONTH), to_trash=True)).deleted == 4
    assert there(dovecot, user) == [5, 6]
    assert len(there(dovecot, user, "Trash")) == 4
    assert {row["action"] for row in filled.audit()} == {"moved_to_trash"}
    filled.connect = lambda: ImapClient.connect(filled.endpoint)  # type: ignore[method-assign]
    mirror(filled)
    everything = RetentionRule(older_than=days(0), folders=("Trash",))
    filled.wait(days(1))
    assert filled.retain(replace(policy_of(everything), to_trash=True)).deleted == 4
    assert there(dovecot, user, "Trash") == []
    assert filled.audit()[-1]["action"] == "deleted"
    assert notes(filled) == []


def notes(account: Account) -> list[Path]:
    return list((account.root / "trashed").rglob("*.json"))


def test_gmail_deletes_by_way_of_its_trash(dovecot: Dovecot, user: str, filled: Account) -> None:
    """Moved there and expunged there in the same run; what lay there before stays."""
    make_trash(dovecot, user)
    dovecot.append(user, mail(1), folder="Trash")
    filled.connect = lambda: LikeGmail.connect(filled.endpoint)  # type: ignore[method-assign]
    report = filled.retain(MONTH)
    assert (report.deleted, report.failures) == (4, ())
    assert (there(dovecot, user), there(dovecot, user, "Trash")) == ([5, 6], [1])
    assert {row["action"] for row in filled.audit()} == {"deleted"}
    assert notes(filled) == []


def test_what_gmail_cannot_expunge_is_told(dovecot: Dovecot, user: str, filled: Account) -> None:
    """It lies in the trash, and the audit says so."""

    class Refusing(LikeGmail):
        def expunge(self, uids: object) -> None:
            raise CommandRejected("No.", command="EXPUNGE", kind="NO", text="not now")

    make_trash(dovecot, user)
    filled.connect = lambda: Refusing.connect(filled.endpoint)  # type: ignore[method-assign]
    report = filled.retain(MONTH)
    assert report.deleted == 4
    assert "stay there: the server refuses to expunge: not now" in report.failures[0]
    assert len(there(dovecot, user, "Trash")) == 4
    assert {row["action"] for row in filled.audit()} == {"moved_to_trash"}


@pytest.mark.parametrize("moment", ["mark_deleted", "expunge"])
@pytest.mark.parametrize("mirrors", [False, True], ids=["", "mirrored between"])
def test_nothing_is_copied_into_the_trash_twice(
    dovecot: Dovecot, user: str, filled: Account, moment: str, mirrors: bool
) -> None:
    """A run that was killed between COPY and EXPUNGE had written down what it copied; two runs may be."""
    make_trash(dovecot, user)
    killed = type("Killed", (WithoutMove,), {moment: kill})
    policy = replace(policy_of(MONTH), to_trash=True)
    for _ in range(2):
        filled.connect = lambda: killed.connect(filled.endpoint)  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            filled.retain(policy)
        filled.connect = lambda: WithoutMove.connect(filled.endpoint)  # type: ignore[method-assign]
        if mirrors:
            mirror(filled)
    assert (len(there(dovecot, user)), len(there(dovecot, user, "Trash"))) == (6, 4)
    assert filled.retain(policy).deleted == 4
    assert (there(dovecot, user), len(there(dovecot, user, "Trash"))) == ([5, 6], 4)
    assert notes(filled) == []


def kill(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_somebody_took_out_of_the_trash_is_copied_again(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """The note of a killed run says what may be there; the trash is asked."""
    make_trash(dovecot, user)
    killed = type("Killed", (WithoutMove,), {"expunge": kill})
    policy = replace(policy_of(MONTH), to_trash=True)
    filled.connect = lambda: killed.connect(filled.endpoint)  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        filled.retain(policy)
    with dovecot.mailbox(user) as phone:
        phone.select_folder("Trash")
        phone.delete_messages([2, 3])
        phone.expunge()
    filled.connect = lambda: WithoutMove.connect(filled.endpoint)  # type: ignore[method-assign]
    assert filled.retain(policy).deleted == 4
    assert len(there(dovecot, user, "Trash")) == 4


def test_the_longest_sent_go_first_beyond_a_batch(
    dovecot: Dovecot, user: str, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the date in the header, whatever the order of arrival, however many are asked at a time."""
    monkeypatch.setattr("mailroom.services.deleting.mailbox_retention.BATCH_MESSAGES", 2)
    monkeypatch.setattr("mailroom.services.deleting.message_facts.LOOK_UP_MESSAGES", 3)
    for day in (28, 27, 26, 25, 4, 3, 2, 1):
        dovecot.append(user, make_message(subject=f"{day}", date=datetime(2023, 2, day, tzinfo=UTC)))
    mirror(account)
    rule = RetentionRule(older_than=days(30), basis=Basis.DATE, max_fraction=0.5)
    report = account.retain(rule)
    assert (report.deleted, there(dovecot, user)) == (4, [1, 2, 3, 4])


class OldServer(ImapClient):
    """A server that can only copy and expunge all, and refuses the last where it is told to."""

    refuses = False

    def supports(self, name: str) -> bool:
        return name not in ("MOVE", "UIDPLUS") and super().supports(name)

    def expunge_all(self) -> None:
        if self.refuses:
            raise CommandRejected("No.", command="EXPUNGE", kind="NO", text="not now")
        super().expunge_all()


def test_nothing_is_copied_into_the_trash_that_cannot_go(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """Marks of others that are respected stop the run before COPY, or each run would add to the trash."""
    filled.connect = lambda: OldServer.connect(filled.endpoint)  # type: ignore[method-assign]
    make_trash(dovecot, user)
    mark_deleted(dovecot, user, 6)
    policy = replace(policy_of(MONTH), to_trash=True, foreign_marks=ForeignMarks.REFUSE)
    report = filled.retain(policy)
    assert (report.deleted, there(dovecot, user, "Trash")) == (0, [])
    assert "UIDPLUS" in report.failures[0]


def test_marks_of_others_are_put_back_after_a_refusal(
    dovecot: Dovecot, user: str, filled: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that does not expunge is left with the marks it had."""
    filled.connect = lambda: OldServer.connect(filled.endpoint)  # type: ignore[method-assign]
    monkeypatch.setattr(OldServer, "refuses", True)
    mark_deleted(dovecot, user, 6)
    report = filled.retain(MONTH)
    assert report.deleted == 0
    assert "not now" in report.failures[0]
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert phone.search("DELETED") == [6]


def test_an_account_that_has_no_trash_is_left_alone(filled: Account) -> None:
    """Moving into nothing would be deleting."""
    report = filled.retain(replace(policy_of(MONTH), to_trash=True))
    assert report.deleted == 0
    assert "no folder as \\Trash" in report.failures[0]


@pytest.mark.parametrize(("asked", "seen"), [(False, 0), (True, 4)])
def test_unread_mail_is_marked_read_only_where_asked(
    dovecot: Dovecot, user: str, filled: Account, asked: bool, seen: int
) -> None:
    """Some servers tell the sender of a message that was deleted unread."""
    make_trash(dovecot, user)
    filled.retain(replace(policy_of(MONTH), to_trash=True, mark_seen=asked))
    with dovecot.mailbox(user) as phone:
        phone.select_folder("Trash", readonly=True)
        assert len(phone.search("ALL")) == 4
        assert len(phone.search("SEEN")) == seen


def test_server_without_uidplus_refuses_when_somebody_marks_meanwhile(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """What is marked is looked at again right before EXPUNGE; our marks are taken back, theirs stay."""

    class Raced(WithoutUidplus):
        def mark_deleted(self, uids: Any) -> set[int]:
            marked = super().mark_deleted(uids)
            mark_deleted(dovecot, user, 6)
            return marked

    filled.connect = lambda: Raced.connect(filled.endpoint)  # type: ignore[method-assign]
    assert filled.retain(MONTH).deleted == 0
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert phone.search("DELETED") == [6]
        assert len(phone.search("ALL")) == 6


def test_server_without_uidplus_deletes_where_nothing_else_is_marked(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """A plain EXPUNGE is safe when the marked messages are exactly ours."""
    filled.connect = lambda: WithoutUidplus.connect(filled.endpoint)  # type: ignore[method-assign]
    assert filled.retain(MONTH).deleted == 4
    assert there(dovecot, user) == [5, 6]


def test_folder_that_was_numbered_anew_is_left_alone(dovecot: Dovecot, user: str, filled: Account) -> None:
    """Another UIDVALIDITY makes every archived UID meaningless until the next mirror."""
    with dovecot.mailbox(user) as phone:
        phone.rename_folder("INBOX", "Old")
    for number in range(10, 16):
        dovecot.append(user, mail(number), internal_date=ago(200))
    report = filled.retain(RetentionRule(older_than=days(30), folders=("INBOX",)))
    assert report.deleted == 0
    assert "UIDVALIDITY" in report.failures[0]
    assert len(there(dovecot, user)) == 6


def test_folder_without_uid_validity_is_left_alone(dovecot: Dovecot, user: str, filled: Account) -> None:
    """Where the server does not say whether it numbered anew, its numbers prove nothing."""

    class Unnumbered(ImapClient):
        def select(self, name: str) -> SelectedFolder:
            return replace(super().select(name), uid_validity=None)

    filled.connect = lambda: Unnumbered.connect(filled.endpoint)  # type: ignore[method-assign]
    report = filled.retain(MONTH)
    assert (report.deleted, len(report.failures)) == (0, 1)
    assert len(there(dovecot, user)) == 6


def test_folder_that_the_server_opens_for_reading_only_is_left_alone(filled: Account) -> None:
    """It is a failure, because the user asked for a deletion that cannot be had."""

    class ReadOnly(ImapClient):
        def select(self, name: str) -> SelectedFolder:
            return self.examine(name)

    filled.connect = lambda: ReadOnly.connect(filled.endpoint)  # type: ignore[method-assign]
    report = filled.retain(MONTH)
    assert "reading only" in report.failures[0]


def test_folder_that_does_not_open_stops_no_other(dovecot: Dovecot, user: str, filled: Account) -> None:
    """One refused folder is a failure in the report, and the rest is worked off."""
    dovecot.append(user, mail(30), folder="Archive", internal_date=ago(300))
    mirror(filled)

    class Closed(ImapClient):
        def select(self, name: str) -> SelectedFolder:
            return super().select("no such folder" if name == "Archive" else name)

    filled.connect = lambda: Closed.connect(filled.endpoint)  # type: ignore[method-assign]
    report = filled.retain(MONTH)
    assert (report.deleted, len(report.failures)) == (4, 1)


def test_folder_that_was_never_mirrored_is_passed_over_with_a_note(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """It is told, it is no failure, and nothing goes."""
    dovecot.append(user, mail(20), folder="Archive", internal_date=ago(300))
    report = filled.retain(MONTH)
    assert "mirror it first" in (of(report, "Archive").note or "")
    assert report.failures == ()
    assert there(dovecot, user, "Archive") == [1]


def test_folders_are_chosen_by_patterns(dovecot: Dovecot, user: str, filled: Account) -> None:
    """Exclusions win."""
    dovecot.append(user, mail(20), folder="Archive/2019", internal_date=ago(300))
    dovecot.append(user, mail(21), folder="Archive/2020", internal_date=ago(300))
    mirror(filled)
    filled.retain(RetentionRule(older_than=days(30), folders=("Archive/*",), exclude=("*2020",)))
    assert there(dovecot, user, "Archive/2019") == []
    assert there(dovecot, user, "Archive/2020") == [1]
    assert len(there(dovecot, user)) == 6


@pytest.mark.parametrize(
    "values", [{"folders": ("Arhcive",)}, {"exclude": ("Tarsh",)}], ids=["chosen", "excluded"]
)
def test_pattern_that_means_no_folder_is_refused(filled: Account, values: dict[str, Any]) -> None:
    """A typing error must not delete mail; the sentence names the folders there are."""
    with pytest.raises(ConfigurationError, match="INBOX"):
        filled.retain(RetentionRule(older_than=days(30), **values))


def test_message_that_went_meanwhile_is_counted_and_left_to_the_mirror(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """Somebody else deleted it; the archive learns that from the server, not from us."""
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX")
        phone.delete_messages([1])
        phone.expunge()
    report = filled.retain(MONTH)
    assert of(report).kept == {"no longer on the server": 1}
    assert filled.changes().count("deleted_by_retention") == 3
    mirror(filled)
    assert filled.changes().count("expunged") == 1


class Lying(ImapClient):
    """A server whose answers about UID 1 have changed since the fetch."""

    change: ClassVar[dict[str, Any]]

    def fetch_fingerprints(self, uids: Any, *, with_save_date: bool = False) -> Iterator[Any]:
        for message in super().fetch_fingerprints(uids, with_save_date=with_save_date):
            yield message._replace(**self.change) if message.uid == 1 else message


@pytest.mark.parametrize(
    "change",
    [
        {"octets": 1},
        {"internal_date": ago(500).replace(microsecond=0)},
        {"header": b"Message-ID: <another@example.org>\r\n\r\n"},
    ],
    ids=["size", "internal date", "Message-ID"],
)
def test_message_that_answers_differently_stays(
    dovecot: Dovecot, user: str, filled: Account, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The UID alone is no proof; the others go."""
    monkeypatch.setattr(Lying, "change", change, raising=False)
    filled.connect = lambda: Lying.connect(filled.endpoint)  # type: ignore[method-assign]
    report = filled.retain(MONTH)
    assert of(report).kept == {"answers differently": 1}
    assert "UID 1 (" in report.failures[0]
    assert there(dovecot, user) == [1, 5, 6]


def test_re_encoded_mail_stays_until_its_exact_bytes_are_archived(
    dovecot: Dovecot, filled: Account, archive_root: Path
) -> None:
    """A new host gives other bytes: a run archives them, and a later one deletes; a dry run does neither."""
    user = dovecot.add_user()
    moved = [mail(number).replace(b"Subject: ", b"X-Moved: yes\r\nSubject: ") for number in (1, 2)]
    for content in moved:
        dovecot.append(user, content, internal_date=ago(90))
    dovecot.doveadm("mailbox", "update", "-u", user, "--uid-validity", "77", "INBOX")
    filled.endpoint = dovecot.endpoint(user, MailProtocol.IMAP)
    mirror(filled)
    assert raw_digests(archive_root).isdisjoint({digest(content) for content in moved})
    before = filled.history()
    assert of(filled.retain(MONTH, dry_run=True)).kept == {"archived with other bytes": 2}
    assert filled.history() == before
    report = filled.retain(MONTH)
    assert (report.deleted, report.failures, there(dovecot, user)) == (0, (), [1, 2])
    assert {digest(content) for content in moved} <= raw_digests(archive_root)
    report = filled.retain(MONTH)
    assert (report.deleted, report.failures, there(dovecot, user)) == (2, (), [])
    assert {row["message_sha256"] for row in filled.audit()} == {digest(content) for content in moved}


class Overstating(ImapClient):
    """A server that adds to each size, as one does that counts what it does not send."""

    def fetch_fingerprints(self, uids: Any, *, with_save_date: bool = False) -> Iterator[Any]:
        for message in super().fetch_fingerprints(uids, with_save_date=with_save_date):
            yield message._replace(octets=(message.octets or 0) + 7)

    def fetch_messages(self, uids: Any, spool: Any, **options: Any) -> Iterator[Any]:
        for message in super().fetch_messages(uids, spool, **options):
            yield message._replace(octets=(message.octets or 0) + 7)


def test_server_that_states_wrong_sizes_is_asked_for_whole_messages(
    dovecot: Dovecot, user: str, account: Account
) -> None:
    """A size that is not that of the archived bytes proves nothing either way; the bytes do."""
    dovecot.append(user, mail(1), internal_date=ago(100))
    account.connect = lambda: Overstating.connect(account.endpoint)  # type: ignore[method-assign]
    mirror(account)
    report = account.retain(MONTH)
    assert (report.deleted, report.failures, there(dovecot, user)) == (1, (), [])


class Unwilling(ImapClient):
    """A server that says NO to one command in INBOX, after it did half of what it was told."""

    refuses: ClassVar[str]
    folder = ""

    def select(self, folder: str) -> SelectedFolder:
        self.folder = folder
        return super().select(folder)

    def mark_deleted(self, uids: Any) -> set[int]:
        self._refuse("STORE", lambda: super(Unwilling, self).mark_deleted(list(uids)[:2]))
        return super().mark_deleted(uids)

    def expunge(self, uids: Any) -> None:
        self._refuse("EXPUNGE", lambda: super(Unwilling, self).expunge(list(uids)[:1]))
        super().expunge(uids)

    def fetch_fingerprints(self, uids: Any, *, with_save_date: bool = False) -> Iterator[Any]:
        self._refuse("FETCH", lambda: None)
        return super().fetch_fingerprints(uids, with_save_date=with_save_date)

    def _refuse(self, command: str, do: Any) -> None:
        if command == self.refuses and self.folder == "INBOX":
            do()
            raise CommandRejected("No.", command=f"UID {command}", kind="NO", text="not now")


@pytest.mark.parametrize(("command", "gone"), [("STORE", 0), ("EXPUNGE", 1), ("FETCH", 0)])
def test_refusal_ends_one_folder_and_leaves_no_mark(
    dovecot: Dovecot,
    user: str,
    filled: Account,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    gone: int,
) -> None:
    """What went is recorded, our marks are taken back, other folders are worked off, and the run fails."""
    dovecot.append(user, mail(9), folder="Work", internal_date=ago(100))
    mirror(filled)
    monkeypatch.setattr(Unwilling, "refuses", command, raising=False)
    filled.connect = lambda: Unwilling.connect(filled.endpoint)  # type: ignore[method-assign]
    report = filled.retain(MONTH)
    assert (of(report).deleted, of(report, "Work").deleted) == (gone, 1)
    assert len(report.failures) == 1
    assert "not now" in report.failures[0]
    assert len(filled.audit()) == gone + 1
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert phone.search("DELETED") == []
    monkeypatch.setattr(Unwilling, "refuses", "")
    assert (of(filled.retain(MONTH)).deleted, there(dovecot, user)) == (4 - gone, [5, 6])


class Clumsy(ImapClient):
    """A server that marks a neighbour as well."""

    def mark_deleted(self, uids: Any) -> set[int]:
        self.store_flags([6], add=("\\Deleted",))
        return super().mark_deleted(uids) | {6}


def test_server_that_marks_what_nobody_named_is_not_asked_to_expunge(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """Answers must be a part of the plan; else every mark is taken back and the folder left alone."""
    filled.connect = lambda: Clumsy.connect(filled.endpoint)  # type: ignore[method-assign]
    report = filled.retain(MONTH)
    assert (report.deleted, len(report.failures)) == (0, 1)
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert phone.search("ALL") == [1, 2, 3, 4, 5, 6]
        assert phone.search("DELETED") == []


def test_stop_keeps_what_is_done_and_goes_on_next_time(
    dovecot: Dovecot, user: str, filled: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch in hand is deleted and recorded."""
    monkeypatch.setattr("mailroom.services.deleting.mailbox_retention.BATCH_MESSAGES", 2)
    stop = threading.Event()

    class Interrupted(ImapClient):
        def mark_deleted(self, uids: Any) -> set[int]:
            stop.set()
            return super().mark_deleted(uids)

    filled.connect = lambda: Interrupted.connect(filled.endpoint)  # type: ignore[method-assign]
    report = filled.retain(MONTH, stop=stop)
    assert (report.interrupted, report.deleted, there(dovecot, user)) == (True, 2, [3, 4, 5, 6])
    assert filled.retain(MONTH).deleted == 2


def test_connection_lost_after_expunge_leaves_the_truth_to_be_found(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """Deleted but not recorded: a mirror says expunged, the next retention says whose deletion it was."""

    class Falling(ImapClient):
        def expunge(self, uids: Any) -> None:
            super().expunge(uids)
            raise RuntimeError("the power went")

    filled.connect = lambda: Falling.connect(filled.endpoint)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="power"):
        filled.retain(MONTH)
    del filled.connect
    mirror(filled)
    assert there(dovecot, user) == [5, 6]
    assert filled.changes() == ["added"] * 6 + ["expunged"] * 4
    assert filled.audit() == []
    filled.retain(MONTH)
    assert filled.changes() == ["added"] * 6 + ["deleted_by_retention"] * 4 + ["expunged"] * 4
    assert sorted(row["uid"] for row in filled.audit()) == [1, 2, 3, 4]


def test_summary_is_small_and_json(filled: Account) -> None:
    """Counts, and a line for each folder where anything was due."""
    summary = filled.retain(MONTH).summary()
    assert (summary["deleted"], summary["due"], summary["failed"]) == (4, 4, 0)
    assert [folder["folder"] for folder in summary["folders"]] == ["INBOX"]


def test_each_deletion_is_in_the_audit(filled: Account) -> None:
    """The audit says which message went, from where, by which rule, and who did it."""
    filled.retain(MONTH)
    rows = filled.audit()
    assert [(row["uid"], row["message_sha256"]) for row in rows] == [
        (n, digest(mail(n))) for n in range(1, 5)
    ]
    (known,) = {(row["account"], row["folder"], row["action"], row["rule"], row["who"]) for row in rows}
    assert known == (
        "account",
        "INBOX",
        "deleted",
        "more than 30 days after it reached the mailbox",
        "a test",
    )
    assert {row["uidvalidity"] for row in rows} == {
        filled.archive.folder_state("account", "INBOX").uid_validity
    }
    assert [(TODAY - row["internal_date"]).days for row in rows] == [100, 90, 60, 31]


def test_dry_run_leaves_the_audit_alone(filled: Account) -> None:
    """Nothing was deleted, so nothing is said to be."""
    filled.retain(MONTH, dry_run=True)
    assert filled.audit() == []
