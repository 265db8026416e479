"""A push while others are at work: what it saw a moment ago must not decide what it deletes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import NewMessage
from mailroom.change_request import Attempt, RequestState
from mailroom.client.imap import ImapClient
from mailroom.client.imap_selected import SelectedFolder
from mailroom.services.holds import place_hold
from tests.integration.mirrors import shown_by_server
from tests.integration.pushes import TwoWayAccount
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message

WHEN = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)

PLAIN = "IMAP4rev1 SASL-IR LITERAL+ NAMESPACE UNSELECT LIST-EXTENDED SPECIAL-USE ESEARCH"
"""A server without MOVE and UIDPLUS."""


@pytest.fixture(scope="module")
def plain_dovecot() -> Iterator[Dovecot]:
    with Dovecot(imap_extra=f"imap_capability = {PLAIN}") as server:
        yield server


@dataclass
class BusyAccount(TwoWayAccount):
    """An account in which something happens when a folder is looked at.

    :param at_looks: what happens when a folder is opened for reading, once each.
    :param confused_in: a folder in which the server understands nothing.
    """

    at_looks: dict[str, Callable[[], None]] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    confused_in: str | None = None

    def connect(self) -> ImapClient:
        """Open a session that tells which folders it opens."""
        account = self

        class Client(ImapClient):
            def examine(self, name: str) -> SelectedFolder:
                if name in account.at_looks:
                    account.at_looks.pop(name)()
                return super().examine(name)

            def select(self, name: str) -> SelectedFolder:
                account.opened.append(name)
                return super().select(name)

            def noop(self) -> None:
                if self.selected is not None and self.selected.name == account.confused_in:
                    self.search("NONSENSE")
                super().noop()

        return Client.connect(self.endpoint)


def filled(server: Dovecot, root: Path, count: int = 3) -> BusyAccount:
    account = BusyAccount(server, server.add_user(), root)
    with server.mailbox(account.user) as client:
        client.create_folder("Projects")
        client.create_folder("Target")
    for number in range(count):
        account.append(make_message(subject=f"old {number}"), "Projects", internal_date=WHEN)
    account.mirror()
    return account


def contents(account: TwoWayAccount, folder: str) -> list[str]:
    """Return the digests of the messages of a folder on the server."""
    shown = shown_by_server(account.server, account.user)
    return sorted(value[0] for (name, _), value in shown.items() if name == folder)


def begun(account: TwoWayAccount, folder: str | None = None) -> None:
    """Leave what a run leaves that is killed when it has set out and the server has not answered."""
    standing = Attempt()
    if folder is not None:
        with account.server.mailbox(account.user) as client:
            status: Any = client.folder_status(folder)
        standing = Attempt(uid_validity=status[b"UIDVALIDITY"], uid_next=status[b"UIDNEXT"])
    waiting = account.changes.waiting()
    account.changes.record([replace(r, state=RequestState.BEGUN, attempt=standing) for r in waiting])


def test_a_folder_made_anew_while_messages_are_copied_loses_nothing(
    plain_dovecot: Dovecot, archive_root: Path
) -> None:
    """Another folder took the name between COPY and our removal: its messages have the same numbers."""
    account = filled(plain_dovecot, archive_root)
    account.changes.request_move(account.live("Projects"), "Target")
    new = [make_message(subject=f"new {number}") for number in range(3)]

    def make_anew() -> None:
        with account.server.mailbox(account.user) as client:
            client.rename_folder("Projects", "Former")
            client.create_folder("Projects")
        for content in new:
            account.append(content, "Projects")

    account.at_looks["Target"] = make_anew
    report = account.mirror_both_ways()
    assert contents(account, "Projects") == sorted(hashlib.sha256(content).hexdigest() for content in new)
    assert (report.push.pushed, report.push.conflicts, report.push.waiting) == (0, 3, 0)
    assert "numbered the folder anew" in report.push.warnings[0]
    account.assert_in_step()


def test_a_folder_made_anew_before_a_killed_run_is_looked_into_loses_nothing(
    plain_dovecot: Dovecot, archive_root: Path
) -> None:
    """The same, while the next run looks for what a killed one had moved."""
    account = filled(plain_dovecot, archive_root)
    account.changes.request_move(account.live("Projects"), "Target")
    begun(account, "Target")
    with account.server.mailbox(account.user) as client:
        client.select_folder("Projects")
        client.copy([1, 2, 3], "Target")

    def make_anew() -> None:
        with account.server.mailbox(account.user) as client:
            client.rename_folder("Projects", "Former")
            client.create_folder("Projects")
        for number in range(3):
            account.append(make_message(subject=f"new {number}"), "Projects")

    account.at_looks["Target"] = make_anew
    report = account.mirror_both_ways()
    assert len(contents(account, "Projects")) == 3
    assert (report.push.pushed, report.push.conflicts) == (0, 3)


def test_a_target_that_cannot_be_opened_stops_nothing_else(dovecot: Dovecot, archive_root: Path) -> None:
    """A refused EXAMINE leaves no folder open (RFC 3501 section 6.3.1): the source is opened again."""
    account = filled(dovecot, archive_root)
    account.changes.request_move(account.live("Projects", uids=[1]), "Target")
    begun(account, "Target")
    account.changes.request_deletion(account.live("Projects", uids=[2]), expunge=True)

    def remove() -> None:
        with account.server.mailbox(account.user) as client:
            client.delete_folder("Target")

    account.at_looks["Target"] = remove
    report = account.mirror_both_ways()
    assert (report.push.pushed, report.push.refused, report.push.waiting) == (1, 1, 0)
    assert len(contents(account, "Projects")) == 2
    account.assert_in_step()


def test_a_confused_server_stops_one_folder_only(dovecot: Dovecot, archive_root: Path) -> None:
    """What it never should refuse is told of, and other folders and the mirror go on."""
    account = filled(dovecot, archive_root)
    account.append(make_message(subject="other"), "Target")
    account.mirror()
    account.changes.request_deletion(account.live("Projects"), expunge=True)
    account.changes.request_deletion(account.live("Target"), expunge=True)
    account.confused_in = "Projects"
    report = account.mirror_both_ways()
    assert (report.push.pushed, report.push.waiting) == (1, 3)
    assert [text for text in report.failures if "'Projects'" in text]
    account.assert_in_step()


def test_a_folder_is_opened_once(dovecot: Dovecot, archive_root: Path) -> None:
    """However many kinds of changes wait for it."""
    account = filled(dovecot, archive_root)
    account.changes.request_flags(account.live("Projects"), add=["\\Seen"])
    account.changes.request_move(account.live("Projects", uids=[1]), "Target")
    account.changes.request_deletion(account.live("Projects", uids=[2]), expunge=True)
    assert account.mirror_both_ways().push.pushed == 5
    assert account.opened == ["Projects"]


LETTER = (
    b"From: ana@example.org\r\nTo: %s\r\nSubject: contract\r\nMessage-ID: <contract@example.org>\r\n"
    b"Date: Fri, 1 Mar 2024 12:00:00 +0000\r\n\r\n%s\r\n"
)
ORIGINAL = LETTER % (b"ben@example.org", b"the signed contract, in full")
LIST_COPY = LETTER % (b"list@example.org", b"(attachment removed by the list)")


@pytest.mark.parametrize("kind", ["plain", "full"])
def test_a_copy_from_a_list_is_not_the_message_that_was_moved(
    dovecot: Dovecot, plain_dovecot: Dovecot, archive_root: Path, kind: str
) -> None:
    """After a kill only the very message counts as arrived; in doubt nothing is deleted, and that is told."""
    account = filled(plain_dovecot if kind == "plain" else dovecot, archive_root, 0)
    account.append(ORIGINAL, "Projects", internal_date=WHEN)
    account.mirror()
    account.changes.request_move(account.live("Projects"), "Target")
    begun(account, "Target")
    account.append(LIST_COPY, "Target", internal_date=WHEN)
    report = account.mirror_both_ways()
    assert contents(account, "Projects") == [hashlib.sha256(ORIGINAL).hexdigest()]
    assert (report.push.pushed, report.push.conflicts, report.push.waiting) == (0, 1, 0)
    assert "came to folder 'Target'" in report.push.warnings[0]


def test_a_copy_from_a_list_is_not_the_message_that_was_added(dovecot: Dovecot, archive_root: Path) -> None:
    """Nobody says that it was added when something else came; nor is it added twice."""
    account = filled(dovecot, archive_root, 0)
    account.append(ORIGINAL, "Projects", internal_date=WHEN)
    account.mirror()
    digest = hashlib.sha256(ORIGINAL).hexdigest()
    account.changes.request_append([NewMessage(sha256=digest, internal_date=WHEN)], "Target")
    begun(account, "Target")
    account.append(LIST_COPY, "Target", internal_date=WHEN)
    report = account.mirror_both_ways()
    assert (report.push.pushed, report.push.conflicts, report.push.waiting) == (0, 1, 0)


@pytest.mark.parametrize("trashing", [False, True])
@pytest.mark.parametrize("kind", ["plain", "full"])
def test_a_message_that_a_killed_run_marked_and_somebody_flagged_keeps_no_mark(
    dovecot: Dovecot, plain_dovecot: Dovecot, archive_root: Path, kind: str, trashing: bool
) -> None:
    """The deletion gives way; else any client's EXPUNGE would carry it out."""
    account = filled(plain_dovecot if kind == "plain" else dovecot, archive_root)
    with account.server.mailbox(account.user) as client:
        client.create_folder("Trash")
        client.select_folder("Projects")
        client.add_flags([3], [b"\\Deleted"])
    account.mirror()
    account.changes.request_deletion(account.live("Projects", uids=[1]), expunge=not trashing)
    begun(account, "Trash")
    with account.server.mailbox(account.user) as client:
        client.select_folder("Projects")
        client.add_flags([1], [b"\\Deleted"])
        client.add_flags([1], [b"\\Flagged"])
    assert account.mirror_both_ways().push.conflicts == 1
    shown = shown_by_server(account.server, account.user)
    flags = {uid: value[1] for (folder, uid), value in shown.items() if folder == "Projects"}
    assert flags == {1: ("\\Flagged",), 2: (), 3: ("\\Deleted",)}
    account.assert_in_step()


@pytest.mark.parametrize("what", ["deletion", "expunge", "move", "move to the trash"])
def test_held_mail_leaves_no_folder(dovecot: Dovecot, archive_root: Path, what: str) -> None:
    """What is under legal hold is not deleted, nor moved to where the hold does not reach."""
    account = filled(dovecot, archive_root)
    with account.server.mailbox(account.user) as client:
        client.create_folder("Trash")
    account.mirror()
    rows = account.live("Projects")
    if what.startswith("move"):
        account.changes.request_move(rows, "Target" if what == "move" else "Trash")
    else:
        account.changes.request_deletion(rows, expunge=what == "expunge")
    place_hold(
        account.archive,
        account=account.name,
        reason="case 7",
        by="a test",
        at=account.now(),
        folder="Projects" if what == "move" else None,
        query="subject:old",
    )
    report = account.mirror_both_ways()
    assert len(contents(account, "Projects")) == 3
    assert (report.push.pushed, report.push.refused, report.push.waiting) == (0, 3, 0)
    assert "legal hold: case 7" in report.failures[0]


def test_held_mail_is_moved_where_the_hold_reaches(dovecot: Dovecot, archive_root: Path) -> None:
    """Tidying up is not deleting, and what no hold means is free."""
    account = filled(dovecot, archive_root)
    account.append(make_message(subject="other"), "Projects")
    account.mirror()
    rows = account.live("Projects")
    account.changes.request_move(rows[:3], "Target")
    account.changes.request_deletion(rows[3:], expunge=True)
    place_hold(
        account.archive,
        account="*",
        reason="case 7",
        by="a test",
        at=account.now(),
        query="subject:old",
    )
    assert account.mirror_both_ways().push.pushed == 4
    assert (len(contents(account, "Target")), len(contents(account, "Projects"))) == (3, 0)


def taken_away(account: TwoWayAccount, uids: list[int], folder: str = "INBOX") -> None:
    """Remove messages on the server, as another client does."""
    with account.server.mailbox(account.user) as client:
        client.select_folder(folder)
        client.delete_messages(uids)
        client.expunge()


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_a_killed_run_had_expunged_is_audited_and_no_loss(
    dovecot: Dovecot, archive_root: Path, mirrored: bool
) -> None:
    """The next run records what was our doing, whether or not a mirror has seen it meanwhile."""
    account = filled(dovecot, archive_root, 0)
    for number in range(80):
        account.append(make_message(subject=f"mail {number}"))
    account.mirror()
    account.changes.request_deletion(account.live(uids=range(1, 61)), expunge=True)
    begun(account)
    taken_away(account, list(range(1, 61)))
    if mirrored:
        account.mirror(max_gone=1)
    assert account.mirror_both_ways().push.pushed == 60
    audit = account.archive.read_table("audit", ["uid", "rule"]).to_pylist()
    assert sorted(row["uid"] for row in audit) == list(range(1, 61))
    told = account.archive.read_table("locations", ["change"])["change"].to_pylist()
    assert told.count("deleted_by_request") == 60
    account.assert_in_step()


def test_what_we_deleted_is_not_counted_with_what_others_delete(dovecot: Dovecot, archive_root: Path) -> None:
    """A hundred removed because somebody asked for it, then a few by a person: that is no alarm."""
    account = filled(dovecot, archive_root, 0)
    for number in range(230):
        account.append(make_message(subject=f"mail {number}"))
    account.mirror()
    account.changes.request_deletion(account.live(uids=range(1, 101)), expunge=True)
    assert account.mirror_both_ways().push.pushed == 100
    taken_away(account, list(range(101, 121)))
    assert account.mirror().summary()["expunged"] == 20
