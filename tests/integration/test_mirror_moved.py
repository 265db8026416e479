"""Mail that moved between folders of a server without ids of messages comes over the line once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.mirrors import Odd
from tests.integration.mirrors import mail as mails
from tests.integration.pushes import TwoWayAccount
from tests.support.dovecot import Dovecot
from tests.support.imap_server import ImapServer, Mailbox
from tests.support.mail import make_message

FOLDERS = ("Archive", "INBOX", "Zettel")
"""In the order in which a mirror works on them, whatever it is: mail moves up and down."""


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> TwoWayAccount:
    """Three folders with three messages each, mirrored."""
    found = TwoWayAccount(dovecot, user, archive_root)
    for number in range(9):
        found.append(mail(number), FOLDERS[number % 3], internal_date=at(number))
    found.mirror()
    return found


def mail(number: int, **more: str) -> bytes:
    return make_message(subject=f"Mensaje {number}", text=more.pop("text", f"texto {number}"), **more)


def at(number: int) -> datetime:
    return datetime(2024, 3, 1, 12, number, tzinfo=UTC)


def move(account: TwoWayAccount, uids: Sequence[int], source: str, target: str) -> None:
    with account.server.mailbox(account.user) as client:
        client.select_folder(source)
        client.move(uids, target)


@pytest.mark.parametrize(("source", "target"), [("INBOX", "Zettel"), ("INBOX", "Archive"), ("Zettel", "New")])
def test_moved_by_another_client(account: TwoWayAccount, source: str, target: str) -> None:
    """Into a known folder or a new one: known by how it looks; what is new beside it is fetched."""
    with account.server.mailbox(account.user) as client:
        if target == "New":
            client.create_folder(target)
    move(account, [1, 3], source, target)
    fresh = mail(20)
    account.append(fresh, target)
    report = account.mirror(max_gone=1)
    assert (report.added, report.recognised, report.octets) == (3, 2, len(fresh))
    assert report.warnings == ()
    account.assert_in_step()


def test_moved_to_and_fro(account: TwoWayAccount) -> None:
    """Whichever folder comes first, what it got from the others is known."""
    move(account, [1], "INBOX", "Archive")
    move(account, [2], "Archive", "Zettel")
    move(account, [3], "Zettel", "INBOX")
    report = account.mirror(max_gone=1)
    assert (report.recognised, report.octets) == (3, 0)
    account.assert_in_step()


def test_moved_out_of_a_folder_that_was_deleted(account: TwoWayAccount) -> None:
    """Into one that was there already."""
    move(account, [1, 2], "Zettel", "INBOX")
    with account.server.mailbox(account.user) as client:
        client.delete_folder("Zettel")
    report = account.mirror(max_gone=1)
    assert (report.recognised, report.octets, report.deleted_folders) == (2, 0, 1)
    account.assert_in_step()


def test_moved_by_a_push(account: TwoWayAccount) -> None:
    """Our own moves and deletions to the trash are recorded by the push; the mirror finds nothing to do."""
    with account.server.mailbox(account.user) as client:
        client.create_folder("Trash")
    account.mirror()
    account.changes.request_move(account.live(uids=[1, 2]), "Work/2024")
    account.changes.request_deletion(account.live("Zettel", uids=[1]))
    report = account.mirror_both_ways(max_gone=1)
    assert (report.push.pushed, report.mirror.recognised, report.mirror.octets) == (3, 0, 0)
    account.assert_in_step()


def test_what_a_push_moved_is_known_whatever_it_looks_like(account: TwoWayAccount) -> None:
    """Where looks would not do: no Message-ID, or two that look the same."""
    alike = [mail(40, message_id="<same@example.org>", text=word) for word in ("abc", "xyz")]
    uids = [account.append(content, internal_date=at(40)) for content in (*alike, mail(41, message_id=""))]
    account.mirror()
    account.changes.request_move(account.live(uids=uids), "Zettel")
    report = account.mirror_both_ways(max_gone=1)
    assert (report.push.pushed, report.mirror.octets) == (3, 0)
    account.assert_in_step()


def test_what_looks_the_same_and_is_not_is_fetched(account: TwoWayAccount) -> None:
    """Two with one Message-ID, size and date that left: neither says which of them came."""
    one, other = (mail(40, message_id="<same@example.org>", text=word) for word in ("abc", "xyz"))
    assert len(one) == len(other)
    uids = [account.append(content, internal_date=at(40)) for content in (one, other)]
    account.mirror()
    move(account, uids[1:], "INBOX", "Zettel")
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.delete_messages(uids[:1])
        client.expunge()
    report = account.mirror(max_gone=1)
    assert (report.recognised, report.octets) == (0, len(other))
    account.assert_in_step()


def test_another_delivery_of_the_same_mail_is_fetched(account: TwoWayAccount) -> None:
    """To a second address in the same second: as long, and another in one line of its header alone."""
    mine, theirs = (
        mail(40, message_id="<list@example.org>").replace(
            b"Subject:", b"Delivered-To: %b@x\r\nSubject:" % name
        )
        for name in (b"ana", b"bob")
    )
    uid = account.append(mine, internal_date=at(40))
    account.append(theirs, "Spam", internal_date=at(40))
    account.mirror(exclude=("Spam",))
    move(account, [1], "Spam", "Archive")
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.delete_messages([uid])
        client.expunge()
    report = account.mirror(exclude=("Spam",), max_gone=1)
    assert (report.recognised, report.octets) == (0, len(theirs))
    account.assert_in_step()


@pytest.mark.parametrize(
    ("message_id", "minute"),
    [("<draft@example.org>", 41), ("", 40)],
    ids=["another arrival", "no Message-ID"],
)
def test_what_is_only_alike_is_fetched(account: TwoWayAccount, message_id: str, minute: int) -> None:
    """A draft's next state has its Message-ID, its Date and maybe its size, and another date of arrival."""
    before, after = (mail(40, message_id=message_id, text=word) for word in ("abc", "xyz"))
    uid = account.append(before, internal_date=at(40))
    account.mirror()
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.delete_messages([uid])
        client.expunge()
    account.append(after, "Archive", internal_date=at(minute))
    report = account.mirror(max_gone=1)
    assert (report.recognised, report.octets) == (0, len(after))
    account.assert_in_step()


LARGE = "texto largo\r\n" * 2000


def copy(account: TwoWayAccount, uids: Sequence[int], source: str, target: str) -> None:
    with account.server.mailbox(account.user) as client:
        client.select_folder(source)
        client.copy(uids, target)


@pytest.fixture
def large(account: TwoWayAccount) -> int:
    """The UID of a message in INBOX whose download is worth avoiding, mirrored."""
    uid = account.append(mail(60, text=LARGE), internal_date=at(50))
    account.mirror()
    return uid


def test_copies_are_known(account: TwoWayAccount, large: int) -> None:
    """Into another folder and into the same one; what is new beside them is fetched."""
    copy(account, [large], "INBOX", "Archive")
    copy(account, [large], "INBOX", "INBOX")
    fresh = mail(61, text=LARGE)
    account.append(fresh, "Archive", internal_date=at(50))
    report = account.mirror()
    assert (report.added, report.recognised, report.octets) == (3, 2, len(fresh))
    account.assert_in_step()


def test_what_moved_between_two_lanes_is_known(account: TwoWayAccount, large: int) -> None:
    """Neither lane sees the other's folder; the bytes are in the archive all the same."""
    move(account, [large], "INBOX", "Archive")
    reports = [account.mirror(lane=(folder,)) for folder in ("Archive", "INBOX")]
    assert [(report.added, report.recognised, report.octets) for report in reports] == [(1, 1, 0), (0, 0, 0)]
    assert account.mirror().expunged == 1
    account.assert_in_step()


def test_what_comes_back_after_days_is_known(account: TwoWayAccount, large: int) -> None:
    """Moved out of sight, recorded as gone, and moved back: it is stored once."""
    move(account, [large], "INBOX", "Zettel")
    assert account.mirror(exclude=("Zettel",), max_gone=1).expunged == 1
    move(account, [4], "Zettel", "INBOX")
    report = account.mirror()
    assert (report.added, report.recognised, report.octets) == (1, 1, 0)
    account.assert_in_step()


@pytest.mark.parametrize(
    ("alike", "minute"),
    [(mail(60, text=LARGE, sender="Eve <eve@example.com>"), 50), (mail(60, text=LARGE), 51)],
    ids=["another header", "another arrival"],
)
def test_what_only_resembles_a_large_message_is_fetched(
    account: TwoWayAccount, large: int, alike: bytes, minute: int
) -> None:
    """Size, date of arrival and the whole header must be the same."""
    padded = alike + b"x" * (len(mail(60, text=LARGE)) - len(alike))
    account.append(padded, "Archive", internal_date=at(minute))
    report = account.mirror()
    assert (report.recognised, report.octets) == (0, len(padded))
    account.assert_in_step()


def test_one_of_two_that_have_the_same_header_is_fetched(account: TwoWayAccount) -> None:
    """Alike in size, arrival and header, other in their bytes: which one was copied, nobody says."""
    alike = [mail(70, message_id="<same@example.org>", text=LARGE + word) for word in ("abc", "xyz")]
    uids = [account.append(content, internal_date=at(40)) for content in alike]
    account.mirror()
    copy(account, uids[1:], "INBOX", "Zettel")
    report = account.mirror()
    assert (report.recognised, report.octets) == (0, len(alike[1]))
    account.assert_in_step()


def test_what_has_no_message_id_is_fetched(account: TwoWayAccount) -> None:
    """A scanner's mail: as long, of one date and one header, and another page in each."""
    header = b"From: scanner@example.org\r\nSubject: scan\r\n\r\n"
    scans = [header + page * 20_000 for page in (b"1", b"2")]
    account.append(scans[0], internal_date=at(40))
    account.mirror()
    account.append(scans[1], internal_date=at(40))
    report = account.mirror()
    assert (report.added, report.recognised, report.octets) == (1, 0, len(scans[1]))
    account.assert_in_step()


def test_new_mail_is_not_looked_for(account: TwoWayAccount, large: int) -> None:
    """What came after the last run is in no folder that was mirrored: it is fetched, whatever its size."""
    account.append(mail(80, text=LARGE), internal_date=account.clock + timedelta(minutes=1))
    report = account.mirror()
    assert (report.added, report.recognised) == (1, 0)
    account.assert_in_step()


def test_nothing_is_listed_twice_where_nothing_left(account: TwoWayAccount) -> None:
    """New mail alone costs no look at the other folders."""
    account.append(mail(50), "Zettel")
    account.append(mail(51))
    report = account.mirror()
    assert (report.added, report.recognised, report.unchanged) == (2, 0, 1)
    account.assert_in_step()


def test_a_folder_that_cannot_be_looked_through_stops_no_other(archive_root: Path) -> None:
    """What left it is not known then, so what came is fetched; the folder itself is told of once."""
    folders = {"INBOX": Mailbox(mail=mails(1, 2)), "Filed": Mailbox(uid_validity=5)}
    with ImapServer(folders) as server:
        odd = Odd(server, archive_root)
        odd.mirror()
        server.folders["Filed"].mail[1] = server.folders["INBOX"].mail.pop(1)
        server.folders["INBOX"].is_broken = True
        report = odd.mirror()
        assert (report.added, report.recognised, len(report.failures)) == (1, 0, 1)
        server.folders["INBOX"].is_broken = False
        assert odd.mirror().expunged == 1
