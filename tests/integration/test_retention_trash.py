"""Retention by way of the trash, against Dovecot: only what the run moved is expunged there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailroom.client.imap import ImapClient
from mailroom.client.imap_selected import SelectedFolder
from mailroom.exceptions import CommandRejected
from mailroom.model import MailProtocol
from mailroom.policy.retention import RetentionRule
from mailroom.policy.rules import policy_of
from mailroom.services.deleting import mailbox_removal
from mailroom.services.holds import place_hold
from tests.integration.runs import Account, days
from tests.integration.test_retention_mailbox import (
    MONTH,
    TODAY,
    LikeGmail,
    WithoutMove,
    ago,
    kill,
    mail,
    make_trash,
    mirror,
    notes,
    there,
)
from tests.support.dovecot import Dovecot

YEARS = RetentionRule(older_than=days(3650))
TO_TRASH = replace(policy_of(MONTH), to_trash=True)


class Mailbox:
    """An account with a trash and four old and two young messages in INBOX, mirrored."""

    def __init__(self, dovecot: Dovecot, user: str, root: Path) -> None:
        self.dovecot, self.user = dovecot, user
        self.account = Account(root, dovecot.endpoint(user, MailProtocol.IMAP), clock=TODAY)
        make_trash(dovecot, user)
        for number, age in enumerate((100, 90, 60, 31, 29, 1), start=1):
            dovecot.append(user, mail(number), internal_date=ago(age))
        mirror(self.account)

    def use(self, client: type[ImapClient], **faults: Any) -> None:
        """Connect by this client from now on, some of whose methods are replaced."""
        made = type("Chosen", (client,), faults)
        self.account.connect = lambda: made.connect(self.account.endpoint)  # type: ignore[method-assign,attr-defined]

    def be_killed(self, client: type[ImapClient], moment: str, policy: Any = MONTH) -> None:
        """Let a run be cut off at one command."""
        self.use(client, **{moment: kill})
        with pytest.raises(KeyboardInterrupt):
            self.account.retain(policy)
        self.use(client)
        self.account.wait(days(0.01))

    def move(self, folder: str, target: str, *uids: int) -> None:
        """Move messages as a person does."""
        with self.dovecot.mailbox(self.user) as phone:
            phone.select_folder(folder)
            phone.move(list(uids), target)

    def flag(self, flag: str, *uids: int) -> None:
        """Set a flag in INBOX as a person does."""
        with self.dovecot.mailbox(self.user) as phone:
            phone.select_folder("INBOX")
            phone.add_flags(list(uids), [flag])

    def hold(self) -> None:
        """Place the whole account under legal hold."""
        place_hold(self.account.archive, account="account", reason="case", by="me", at=self.account.now())

    def there(self, folder: str = "INBOX") -> list[int]:
        """Return the UIDs in a folder."""
        return there(self.dovecot, self.user, folder)

    def texts(self, folder: str) -> list[bytes]:
        """Return the whole messages of a folder."""
        with self.dovecot.mailbox(self.user) as phone:
            phone.select_folder(folder, readonly=True)
            found = phone.fetch(phone.search("ALL"), ["BODY.PEEK[]"])
        return sorted(found[uid][b"BODY[]"] for uid in found)

    def marked(self, folder: str) -> list[int]:
        """Return what is marked as deleted."""
        with self.dovecot.mailbox(self.user) as phone:
            phone.select_folder(folder, readonly=True)
            return list(phone.search("DELETED"))

    def told(self) -> dict[int, str]:
        """Return what the audit says of each message of INBOX, each once."""
        rows = self.account.audit()
        assert len({row["uid"] for row in rows}) == len(rows)
        return {row["uid"]: row["action"] for row in rows}

    def is_clean(self) -> bool:
        """Return whether the archive holds no note of anything under way."""
        return notes(self.account) == [] and not list((self.account.root / "intents").rglob("*.json"))


@pytest.fixture
def mailbox(dovecot: Dovecot, user: str, archive_root: Path) -> Mailbox:
    return Mailbox(dovecot, user, archive_root)


def after_move(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None], *, landed: bool = True) -> None:
    """Let something happen right after MOVE.

    :param landed: whether the server says what numbers the messages got.
    """
    move = mailbox_removal.move_messages

    def moving(client: ImapClient, uids: Any, folder: str, places: Any = None) -> None:
        move(client, uids, folder, places if landed else None)
        do()

    monkeypatch.setattr(mailbox_removal, "move_messages", moving)


FOUR = dict.fromkeys((1, 2, 3, 4))
MOVED = dict.fromkeys(FOUR, "moved_to_trash")
DELETED = dict.fromkeys(FOUR, "deleted")


def test_a_spared_message_that_its_owner_throws_away_later_stays_in_the_trash(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flagged at the last moment, it was never on its way; no later run touches it."""
    remove = mailbox_removal.MailboxRemoval.remove

    def flagged_late(self: Any, prepared: Any, **options: Any) -> Any:
        mailbox.flag("\\Flagged", 1)
        return remove(self, prepared, **options)

    mailbox.use(LikeGmail)
    with monkeypatch.context() as patch:
        patch.setattr(mailbox_removal.MailboxRemoval, "remove", flagged_late)
        assert mailbox.account.retain(MONTH).deleted == 3
    assert mailbox.is_clean()
    mailbox.move("INBOX", "Trash", 1)
    mirror(mailbox.account)
    mailbox.hold()
    assert mailbox.account.retain(YEARS).deleted == 0
    assert len(mailbox.there("Trash")) == 1
    assert mailbox.told() == dict.fromkeys((2, 3, 4), "deleted")


def test_what_a_server_did_not_move_is_on_no_way_anywhere(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MOVE was refused once; what its owner throws away afterwards stays in the trash."""

    def refuse(*_: Any) -> None:
        raise CommandRejected("No.", command="MOVE", kind="NO", text="try later")

    mailbox.use(LikeGmail)
    with monkeypatch.context() as patch:
        patch.setattr(mailbox_removal, "move_messages", refuse)
        report = mailbox.account.retain(MONTH)
    assert (report.deleted, "try later" in report.failures[0], mailbox.is_clean()) == (0, True, True)
    mailbox.move("INBOX", "Trash", 1, 2)
    assert mailbox.account.retain(YEARS).deleted == 0
    assert (len(mailbox.there("Trash")), mailbox.told()) == (2, {})


@pytest.mark.parametrize("moment", ["mark_deleted", "expunge"])
@pytest.mark.parametrize("held", [False, True], ids=["", "under hold"])
def test_what_a_killed_run_moved_stays_in_the_trash(mailbox: Mailbox, moment: str, held: bool) -> None:
    """The next run records what came true, and takes the marks of the killed one back."""
    mailbox.dovecot.append(mailbox.user, mail(1), folder="Trash")
    mailbox.be_killed(LikeGmail, moment)
    assert len(mailbox.there("Trash")) == 5
    if held:
        mailbox.hold()
    assert mailbox.account.retain(YEARS).deleted == 0
    assert (mailbox.there(), len(mailbox.there("Trash")), mailbox.marked("Trash")) == ([5, 6], 5, [])
    assert mailbox.told() == MOVED
    assert mailbox.account.changes().count("deleted_by_retention") == 4
    assert mailbox.is_clean()


@pytest.mark.parametrize("mirrors", [False, True], ids=["", "mirrored between"])
def test_what_a_killed_run_expunged_in_the_trash_is_recorded_as_deleted(
    mailbox: Mailbox, mirrors: bool
) -> None:
    """The note says what was begun there, and the trash is asked."""

    def falling(self: ImapClient, uids: Any) -> None:
        super(LikeGmail, self).expunge(uids)
        raise KeyboardInterrupt

    mailbox.use(LikeGmail, expunge=falling)
    with pytest.raises(KeyboardInterrupt):
        mailbox.account.retain(MONTH)
    mailbox.use(LikeGmail)
    mailbox.account.wait(days(0.01))
    if mirrors:
        mirror(mailbox.account)
    mailbox.account.retain(YEARS)
    assert (mailbox.there(), mailbox.there("Trash"), mailbox.told()) == ([5, 6], [], DELETED)
    assert mailbox.is_clean()


def test_a_killed_run_that_moved_nothing_has_nothing_to_answer_for(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before MOVE; its owner moves one to a folder of his own, and a letter like it into the trash."""
    stranger = mail(1).replace(b"Texto 1", b"Textx 1")
    mailbox.dovecot.append(mailbox.user, stranger, folder="Elsewhere")
    mailbox.dovecot.append(mailbox.user, mail(9), folder="Work")
    with monkeypatch.context() as patch:
        patch.setattr(mailbox_removal, "move_messages", kill)
        mailbox.use(LikeGmail)
        with pytest.raises(KeyboardInterrupt):
            mailbox.account.retain(MONTH)
    mailbox.account.wait(days(0.01))
    mailbox.move("INBOX", "Work", 1)
    mailbox.move("Elsewhere", "Trash", 1)
    mirror(mailbox.account)
    assert mailbox.account.retain(YEARS).deleted == 0
    assert (mailbox.texts("Trash"), mailbox.told()) == ([stranger], {})
    assert len(mailbox.there("Work")) == 2


@pytest.mark.parametrize("landed", [True, False], ids=["known by COPYUID", "known by their bytes"])
def test_a_letter_like_ours_in_header_and_size_is_not_expunged(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, landed: bool
) -> None:
    """It came into the trash right after ours did."""
    stranger = mail(1).replace(b"Texto 1", b"Textx 1")
    assert len(stranger) == len(mail(1))
    mailbox.dovecot.append(mailbox.user, stranger, folder="Elsewhere")
    after_move(monkeypatch, lambda: mailbox.move("Elsewhere", "Trash", 1), landed=landed)
    mailbox.use(LikeGmail)
    report = mailbox.account.retain(MONTH)
    assert (report.deleted, report.failures) == (4, ())
    assert (mailbox.texts("Trash"), mailbox.told()) == ([stranger], DELETED)


@pytest.mark.parametrize("landed", [True, False], ids=["known by COPYUID", "known by their bytes"])
def test_what_somebody_took_out_of_the_trash_at_once_is_not_told_as_deleted(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, landed: bool
) -> None:
    """It is not there to be expunged; the run fails and says so."""
    mailbox.dovecot.append(mailbox.user, mail(9), folder="Work")
    after_move(monkeypatch, lambda: mailbox.move("Trash", "Work", 2), landed=landed)
    mailbox.use(LikeGmail)
    report = mailbox.account.retain(MONTH)
    assert "1 messages were moved into 'Trash' and stay there: 1 cannot be told" in report.failures[0]
    assert mailbox.there("Trash") == []
    assert mailbox.told() == {**DELETED, 2: "moved_to_trash"}


@pytest.mark.parametrize("lie", [{1: 1}, {2: 4}], ids=["given before", "given twice"])
def test_a_numbering_that_cannot_be_true_is_not_believed(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, lie: dict[int, int]
) -> None:
    """The bytes decide then, and what lay in the trash before stays."""
    mailbox.dovecot.append(mailbox.user, mail(7), folder="Trash")
    move = mailbox_removal.move_messages

    def lying(client: ImapClient, uids: Any, folder: str, places: Any = None) -> None:
        move(client, uids, folder, places)
        places.update({uid: (places[uid][0], place) for uid, place in lie.items()})

    monkeypatch.setattr(mailbox_removal, "move_messages", lying)
    mailbox.use(LikeGmail)
    report = mailbox.account.retain(MONTH)
    assert (report.deleted, report.failures) == (4, ())
    assert (mailbox.texts("Trash"), mailbox.told()) == ([mail(7)], DELETED)


def test_a_hold_that_is_placed_after_the_move_keeps_mail_in_the_trash(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holds are asked once more before anything is gone for good."""
    after_move(monkeypatch, mailbox.hold)
    mailbox.use(LikeGmail)
    report = mailbox.account.retain(MONTH)
    assert "4 are under legal hold" in report.failures[0]
    assert (len(mailbox.there("Trash")), mailbox.told(), mailbox.is_clean()) == (4, MOVED, True)


def test_what_cannot_be_expunged_in_the_trash_is_left_there_by_later_runs(mailbox: Mailbox) -> None:
    """The audit says where it is, and the failure why; nobody finishes it unasked."""

    def refuse(*_: Any) -> None:
        raise CommandRejected("No.", command="EXPUNGE", kind="NO", text="not now")

    mailbox.use(LikeGmail, expunge=refuse)
    report = mailbox.account.retain(MONTH)
    assert "4 messages were moved into 'Trash' and stay there" in report.failures[0]
    mailbox.use(LikeGmail)
    assert mailbox.account.retain(MONTH).failures == ()
    assert (len(mailbox.there("Trash")), mailbox.marked("Trash"), mailbox.told()) == (4, [], MOVED)
    assert mailbox.is_clean()


def test_a_trash_that_is_refused_after_the_move_is_a_failure_of_the_run(mailbox: Mailbox) -> None:
    """What was moved is recorded as moved."""

    class Refusing(LikeGmail):
        def select(self, folder: str) -> SelectedFolder:
            if folder == "Trash":
                raise CommandRejected("No.", command="SELECT", kind="NO", text="not now")
            return super().select(folder)

    mailbox.use(Refusing)
    report = mailbox.account.retain(RetentionRule(older_than=days(30), folders=("INBOX",)))
    assert "stay there: the server refuses to open it: not now" in report.failures[0]
    assert (len(mailbox.there("Trash")), mailbox.told()) == (4, MOVED)


def test_a_folder_made_anew_while_the_trash_was_open_is_left_alone(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers of the next batch would mean other mail."""
    monkeypatch.setattr("mailroom.services.deleting.mailbox_retention.BATCH_MESSAGES", 1)
    for number in (11, 12):
        mailbox.dovecot.append(mailbox.user, mail(number), folder="Work", internal_date=ago(100 - number))
    mirror(mailbox.account)

    class Renewed(LikeGmail):
        def select(self, folder: str) -> SelectedFolder:
            selected = super().select(folder)
            if folder == "Trash":
                with mailbox.dovecot.mailbox(mailbox.user) as phone:
                    phone.delete_folder("Work")
                for number in (13, 14):
                    mailbox.dovecot.append(mailbox.user, mail(number), folder="Work")
            return selected

    mailbox.use(Renewed)
    report = mailbox.account.retain(RetentionRule(older_than=days(30), folders=("Work",)))
    assert (report.deleted, len(report.failures)) == (1, 1)
    assert "somebody made the folder anew meanwhile" in report.failures[0]
    assert sorted(mailbox.texts("Work")) == sorted([mail(13), mail(14)])


@pytest.mark.parametrize("moment", ["mark_deleted", "expunge"])
@pytest.mark.parametrize("mirrors", [False, True], ids=["", "mirrored between"])
def test_mail_that_its_owner_moved_after_a_kill_is_not_told_as_deleted(
    mailbox: Mailbox, moment: str, mirrors: bool
) -> None:
    """Before marks are set nothing can have gone by us; after it, archive and server are asked where it is.

    The mark that we left on it would else be carried out there by whoever expunges next.
    """
    mailbox.dovecot.append(mailbox.user, mail(9), folder="Work")
    mailbox.be_killed(ImapClient, moment)
    mailbox.move("INBOX", "Work", 1)
    if mirrors:
        mirror(mailbox.account)
    before = mailbox.account.changes()
    mailbox.account.retain(RetentionRule(older_than=days(3650), folders=("INBOX",)))
    assert (mailbox.told(), mailbox.account.changes()) == ({}, before)
    assert (mailbox.there(), len(mailbox.there("Work"))) == ([2, 3, 4, 5, 6], 2)
    assert (mailbox.marked("INBOX"), mailbox.marked("Work"), mailbox.is_clean()) == ([], [], True)


def test_mail_that_its_owner_moved_into_a_new_folder_after_a_kill_is_not_told_as_deleted(
    mailbox: Mailbox,
) -> None:
    """Whatever is in a folder that was made since came there since."""
    mailbox.be_killed(ImapClient, "expunge")
    mailbox.dovecot.append(mailbox.user, mail(9), folder="Later")
    mailbox.move("INBOX", "Later", 1)
    mailbox.account.retain(RetentionRule(older_than=days(3650), folders=("INBOX",)))
    assert (mailbox.told(), mailbox.marked("Later"), mailbox.is_clean()) == ({}, [], True)


@pytest.mark.parametrize("since", ["", "mirrored", "made anew"])
def test_an_equal_copy_in_another_folder_hides_no_deletion_of_ours(mailbox: Mailbox, since: str) -> None:
    """It lay there before in a folder that the archive did not know, and its owner's mark on it stays."""

    class Falling(ImapClient):
        def expunge(self, uids: Any) -> None:
            super().expunge(uids)
            raise KeyboardInterrupt

    mailbox.dovecot.append(mailbox.user, mail(1), folder="Backup", flags=["\\Deleted"])
    mailbox.use(Falling)
    with pytest.raises(KeyboardInterrupt):
        mailbox.account.retain(MONTH)
    mailbox.use(ImapClient)
    mailbox.account.wait(days(0.01))
    if since == "mirrored":
        mirror(mailbox.account)
    if since == "made anew":
        with mailbox.dovecot.mailbox(mailbox.user) as phone:
            phone.delete_folder("Backup")
        mailbox.dovecot.append(mailbox.user, mail(1), folder="Backup", flags=["\\Deleted"])
    mailbox.account.retain(RetentionRule(older_than=days(3650), folders=("INBOX",)))
    assert (mailbox.told(), mailbox.marked("Backup"), mailbox.is_clean()) == (DELETED, [1], True)
    assert mailbox.account.changes().count("deleted_by_retention") == 4


def test_a_letter_like_ours_in_the_trash_is_no_copy_of_it(mailbox: Mailbox) -> None:
    """On a server that only copies, what a killed run copied is known by its bytes."""
    mailbox.be_killed(WithoutMove, "expunge", TO_TRASH)
    stranger = mail(1).replace(b"Texto 1", b"Textx 1")
    mailbox.dovecot.append(mailbox.user, stranger, folder="Elsewhere")
    with mailbox.dovecot.mailbox(mailbox.user) as phone:
        phone.select_folder("Trash")
        phone.delete_messages([1])
        phone.expunge()
    mailbox.move("Elsewhere", "Trash", 1)
    assert mailbox.account.retain(TO_TRASH).deleted == 4
    assert Counter(mailbox.texts("Trash")) == Counter([stranger, *(mail(n) for n in (1, 2, 3, 4))])
    assert (mailbox.told(), mailbox.is_clean()) == (MOVED, True)


def test_a_copy_made_during_a_long_run_hides_no_deletion_of_ours(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What folders number next is asked again, once it is a minute old, for each intent that follows."""

    class Slow(ImapClient):
        asked = expunged = 0

        def fetch_fingerprints(self, *args: Any, **options: Any) -> Any:
            Slow.asked += 1
            if Slow.asked == 1:
                mailbox.dovecot.append(mailbox.user, mail(4), folder="Work")
                mailbox.account.wait(days(0.01))
            return super().fetch_fingerprints(*args, **options)

        def expunge(self, uids: Any) -> None:
            super().expunge(uids)
            Slow.expunged += 1
            if Slow.expunged == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr("mailroom.services.deleting.mailbox_retention.BATCH_MESSAGES", 2)
    mailbox.dovecot.append(mailbox.user, mail(9), folder="Work")
    mailbox.use(Slow)
    with pytest.raises(KeyboardInterrupt):
        mailbox.account.retain(MONTH)
    mailbox.use(ImapClient)
    mailbox.account.retain(RetentionRule(older_than=days(3650), folders=("INBOX",)))
    assert (mailbox.told(), len(mailbox.there("Work")), mailbox.is_clean()) == (DELETED, 2, True)
