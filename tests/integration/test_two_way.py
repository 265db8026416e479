"""A mirror in both directions against Dovecot: what is asked for here happens there, once, or says why."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import NewMessage
from mailroom.change_request import Attempt, RequestState
from mailroom.services.holds import place_hold
from tests.integration.mirrors import shown_by_server
from tests.integration.pushes import TwoWayAccount
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message

WHEN = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)

PLAIN = "IMAP4rev1 SASL-IR LITERAL+ NAMESPACE UNSELECT LIST-EXTENDED SPECIAL-USE ESEARCH"
"""A server without MOVE, UIDPLUS, MULTIAPPEND and CONDSTORE."""


@pytest.fixture(scope="module")
def plain_dovecot() -> Iterator[Dovecot]:
    with Dovecot(imap_extra=f"imap_capability = {PLAIN}") as server:
        yield server


@pytest.fixture(params=["all extensions", "no extensions"])
def account(
    request: pytest.FixtureRequest, dovecot: Dovecot, plain_dovecot: Dovecot, archive_root: Path
) -> TwoWayAccount:
    """An account with five messages, mirrored."""
    server = dovecot if request.param == "all extensions" else plain_dovecot
    return filled(server, archive_root)


def filled(server: Dovecot, root: Path) -> TwoWayAccount:
    account = TwoWayAccount(server, server.add_user(), root)
    for number in range(5):
        account.append(mail(number), internal_date=WHEN)
    with server.mailbox(account.user) as client:
        client.create_folder("Trash")
    account.mirror()
    return account


def mail(number: int) -> bytes:
    return make_message(subject=f"Mensaje {number}", text=f"texto {number}")


def flags_on_server(account: TwoWayAccount, uid: int, folder: str = "INBOX") -> tuple[str, ...]:
    return shown_by_server(account.server, account.user)[folder, uid][1]


def test_flags_are_set_and_taken_away(account: TwoWayAccount) -> None:
    """What is asked for here is seen by every other client, and the same run records it."""
    account.changes.request_flags(account.live(uids=[1, 2]), add=["\\Seen", "$Work"])
    report = account.mirror_both_ways()
    assert report.push.pushed == 2
    assert flags_on_server(account, 1) == flags_on_server(account, 2) == ("$Work", "\\Seen")
    account.changes.request_flags(account.live(uids=[1]), add=["\\Flagged"], remove=["$Work"])
    assert account.mirror_both_ways().push.pushed == 1
    assert flags_on_server(account, 1) == ("\\Flagged", "\\Seen")
    account.assert_in_step()


def test_re_encoded_mail_is_not_removed_while_its_exact_bytes_are_nowhere(account: TwoWayAccount) -> None:
    """A new host gives other bytes, which are kept as the archived mail: it may be moved, not be deleted."""
    moved = TwoWayAccount(account.server, account.server.add_user(), account.root)
    for number in range(2):
        content = mail(number).replace(b"Subject: ", b"X-Moved-By: host\r\nSubject: ")
        moved.append(content, internal_date=WHEN)
    account.server.doveadm("mailbox", "update", "-u", moved.user, "--uid-validity", "77", "INBOX")
    moved.mirror()
    first, second = moved.live()
    moved.changes.request_deletion([first], expunge=True)
    moved.changes.request_move([second], "Elsewhere")
    report = moved.mirror_both_ways()
    assert {folder for folder, _ in shown_by_server(moved.server, moved.user)} == {"INBOX", "Elsewhere"}
    assert any("other bytes" in failure for failure in report.push.failures)


def test_messages_are_moved_into_a_new_folder(account: TwoWayAccount) -> None:
    """They keep bytes, flags and dates, are in one place only, and the folder is made and subscribed."""
    account.changes.request_flags(account.live(uids=[2]), add=["\\Answered"])
    account.changes.request_move(account.live(uids=[2, 3]), "Archivo/2024")
    assert account.mirror_both_ways().push.pushed == 3
    shown = shown_by_server(account.server, account.user)
    moved = sorted(value[0] for (folder, _), value in shown.items() if folder == "Archivo/2024")
    assert moved == sorted(hashlib.sha256(mail(number)).hexdigest() for number in (1, 2))
    assert {value[2] for value in shown.values()} == {WHEN}
    assert [uid for folder, uid in sorted(shown) if folder == "INBOX"] == [1, 4, 5]
    assert ("\\Answered",) in [value[1] for (folder, _), value in shown.items() if folder != "INBOX"]
    with account.server.mailbox(account.user) as client:
        assert "Archivo/2024" in [name for _, _, name in client.list_sub_folders()]
    account.assert_in_step()


def test_deleted_messages_go_to_the_trash(account: TwoWayAccount) -> None:
    """The usual deletion can be undone on the server as well."""
    account.changes.request_deletion(account.live(uids=[4]))
    assert account.mirror_both_ways().push.pushed == 1
    assert [f for f, _ in sorted(shown_by_server(account.server, account.user))].count("Trash") == 1
    account.assert_in_step()


def test_expunged_messages_stay_in_the_archive(account: TwoWayAccount) -> None:
    """They are gone from the server and nothing else is; the archive keeps the bytes."""
    account.changes.request_deletion(account.live(uids=[4]), expunge=True)
    assert account.mirror_both_ways().push.pushed == 1
    assert [uid for _, uid in sorted(shown_by_server(account.server, account.user))] == [1, 2, 3, 5]
    assert account.archive.raw.read(hashlib.sha256(mail(3)).hexdigest()) == mail(3)
    account.assert_in_step()


def test_messages_are_added_with_flags_and_date(account: TwoWayAccount) -> None:
    """A message of the archive goes to a folder of the server as it is told, exact bytes."""
    digest = hashlib.sha256(mail(0)).hexdigest()
    wanted = NewMessage(sha256=digest, flags=("\\Seen", "$Kopie"), internal_date=WHEN)
    account.changes.request_append([wanted], "Kopien")
    assert account.mirror_both_ways().push.pushed == 1
    shown = shown_by_server(account.server, account.user)
    assert shown["Kopien", 1] == (digest, ("$Kopie", "\\Seen"), WHEN)
    account.assert_in_step()


def test_a_message_asked_for_twice_is_added_twice(account: TwoWayAccount) -> None:
    """Each request counts: what is there already is no reason to add nothing."""
    digest = hashlib.sha256(mail(0)).hexdigest()
    account.changes.request_append([NewMessage(sha256=digest)] * 2, "INBOX")
    assert account.mirror_both_ways().push.pushed == 2
    shown = shown_by_server(account.server, account.user)
    assert [value[0] for value in shown.values()].count(digest) == 3


def test_a_mirror_one_way_leaves_the_server_alone(account: TwoWayAccount) -> None:
    """What waits, waits: only who asks for both directions changes anything."""
    before = shown_by_server(account.server, account.user)
    account.changes.request_flags(account.live(uids=[1]), add=["\\Seen"])
    account.changes.request_deletion(account.live(uids=[2]), expunge=True)
    account.mirror()
    assert shown_by_server(account.server, account.user) == before
    assert len(account.changes.waiting()) == 2


def test_pushed_once_and_never_again(account: TwoWayAccount) -> None:
    """A second run has nothing to do, whatever happened on the server in between."""
    account.changes.request_flags(account.live(uids=[1]), add=["\\Seen"])
    account.mirror_both_ways()
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.remove_flags([1], [b"\\Seen"])
    report = account.mirror_both_ways()
    assert (report.push.pushed, flags_on_server(account, 1)) == (0, ())


Act = Callable[[Any], None]


def on_server(account: TwoWayAccount, act: Act) -> None:
    """Let another client do something in the inbox."""
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        act(client)


def conflict_of(account: TwoWayAccount) -> str:
    """Push, and return the reason of the only conflict, which is told of in every way there is."""
    report = account.mirror_both_ways()
    assert (report.push.pushed, report.push.conflicts, report.push.refused) == (0, 1, 0)
    (row,) = account.changes.newest()
    assert row.state is RequestState.CONFLICT
    assert row.reason is not None
    assert row.reason in report.summary()["warnings"][0]
    account.assert_in_step()
    return row.reason


def expunge(client: Any) -> None:
    client.delete_messages([1])
    client.expunge()


def test_a_message_that_was_moved_there_stays_where_it_was_put(account: TwoWayAccount) -> None:
    """The server's side was first: the deletion asked for here is not done, and says so."""
    account.changes.request_deletion(account.live(uids=[1]), expunge=True)
    on_server(account, lambda client: (client.copy([1], "Trash"), expunge(client)))
    assert "no longer in the folder" in conflict_of(account)
    assert hashlib.sha256(mail(0)).hexdigest() in [
        v[0] for v in shown_by_server(account.server, account.user).values()
    ]


@pytest.mark.parametrize("expunging", [True, False])
def test_a_message_flagged_meanwhile_is_not_deleted(account: TwoWayAccount, expunging: bool) -> None:
    """Who flags a message wants it; a deletion gives way."""
    account.changes.request_deletion(account.live(uids=[1]), expunge=expunging)
    on_server(account, lambda client: client.add_flags([1], [b"\\Flagged"]))
    assert "flags were changed" in conflict_of(account)
    assert flags_on_server(account, 1) == ("\\Flagged",)


@pytest.mark.parametrize("expunging", [True, False])
def test_a_message_under_legal_hold_is_not_deleted(account: TwoWayAccount, expunging: bool) -> None:
    """Whoever asks: a hold binds everybody who deletes on a server."""
    place_hold(account.archive, account="*", reason="case 7", by="clerk", at=datetime.now(UTC))
    account.changes.request_deletion(account.live(uids=[1]), expunge=expunging)
    report = account.mirror_both_ways()
    assert (report.push.pushed, report.push.refused) == (0, 1)
    assert "legal hold: case 7" in report.failures[0]
    assert flags_on_server(account, 1) == ()


def test_other_flags_of_both_sides_are_merged(account: TwoWayAccount) -> None:
    """Different flags do not contradict each other."""
    account.changes.request_flags(account.live(uids=[1]), add=["\\Seen"])
    on_server(account, lambda client: client.add_flags([1], [b"\\Flagged"]))
    assert account.mirror_both_ways().push.pushed == 1
    assert flags_on_server(account, 1) == ("\\Flagged", "\\Seen")


def test_a_flag_that_the_server_has_turned_round_stays_so(account: TwoWayAccount) -> None:
    """The archive showed it as wanted already; the server's side changed its mind later."""
    on_server(account, lambda client: client.add_flags([1], [b"\\Seen"]))
    account.mirror()
    account.changes.request_flags(account.live(uids=[1]), add=["\\Seen"])
    on_server(account, lambda client: client.remove_flags([1], [b"\\Seen"]))
    assert "\\Seen" in conflict_of(account)
    assert flags_on_server(account, 1) == ()


def test_a_moved_message_takes_its_new_flags_along(account: TwoWayAccount) -> None:
    """A move does not give way: both sides get what they wanted."""
    account.changes.request_move(account.live(uids=[1]), "Trash")
    on_server(account, lambda client: client.add_flags([1], [b"\\Flagged"]))
    assert account.mirror_both_ways().push.pushed == 1
    assert flags_on_server(account, 1, "Trash") == ("\\Flagged",)


def test_a_folder_numbered_anew_is_left_alone(account: TwoWayAccount) -> None:
    """A number means nothing under another UIDVALIDITY, whatever message has it by now."""
    account.append(mail(7), "Work")
    account.mirror()
    account.changes.request_deletion(account.live("Work"), expunge=True)
    with account.server.mailbox(account.user) as client:
        client.delete_folder("Work")
    account.append(mail(8), "Work")
    assert "numbered the folder anew" in conflict_of(account)


def test_a_folder_that_is_gone_is_a_conflict(account: TwoWayAccount) -> None:
    """It was deleted or renamed there: nothing is looked for elsewhere."""
    account.append(mail(7), "Work")
    account.mirror()
    account.changes.request_flags(account.live("Work"), add=["\\Seen"])
    with account.server.mailbox(account.user) as client:
        client.delete_folder("Work")
    assert "folder is no longer" in conflict_of(account)


def test_a_damaged_copy_is_never_the_last_one(account: TwoWayAccount) -> None:
    """A message whose archived bytes are not whole stays on the server."""
    digest = hashlib.sha256(mail(0)).hexdigest()
    account.changes.request_deletion(account.live(uids=[1]), expunge=True)
    path = account.root / "raw" / digest[:2] / f"{digest}.eml"
    path.chmod(0o600)
    path.write_bytes(b"nothing")
    report = account.mirror_both_ways()
    assert report.push.refused == 1
    assert "mailroom verify" in report.failures[0]
    assert ("INBOX", 1) in shown_by_server(account.server, account.user)


def test_no_trash_no_deletion(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """Where nobody knows the trash, the message stays, and the reason says what can be asked for."""
    account = TwoWayAccount(dovecot, user, archive_root)
    account.append(mail(1))
    account.mirror()
    account.changes.request_deletion(account.live())
    report = account.mirror_both_ways()
    assert report.push.refused == 1
    assert "expunge" in report.failures[0]
    account.assert_in_step()


def test_withdrawn_changes_are_not_pushed(account: TwoWayAccount) -> None:
    """Whoever asked can take it back before a run has set out."""
    account.changes.request_deletion(account.live(uids=[1, 2]), expunge=True)
    first = account.changes.waiting()[0]
    assert account.changes.withdraw([first.change_id]) == 1
    report = account.mirror_both_ways()
    assert report.push.pushed == 1
    assert ("INBOX", 1) in shown_by_server(account.server, account.user)


def test_nothing_follows_a_move(account: TwoWayAccount) -> None:
    """A message that is to leave its place has to leave it first."""
    account.changes.request_move(account.live(uids=[1]), "Trash")
    asked = account.changes.request_flags(account.live(uids=[1, 2]), add=["\\Seen"])
    assert (asked.requested, asked.left_out) == (1, 1)


def test_many_expunged_at_once_do_not_stop_the_mirror(
    dovecot: Dovecot, user: str, archive_root: Path
) -> None:
    """What we deleted ourselves is no loss that the run has to ask about."""
    account = TwoWayAccount(dovecot, user, archive_root)
    for number in range(80):
        account.append(mail(number))
    account.mirror()
    account.changes.request_deletion(account.live(), expunge=True)
    report = account.mirror_both_ways()
    assert report.push.pushed == 80
    account.assert_in_step()


def begun(account: TwoWayAccount, folder: str) -> None:
    """Leave what a run leaves that is killed when it has set out and the server has not answered."""
    with account.connect() as client:
        status = client.folder_status(folder)
    standing = Attempt(uid_validity=status["UIDVALIDITY"], uid_next=status["UIDNEXT"])
    waiting = account.changes.waiting()
    account.changes.record([replace(r, state=RequestState.BEGUN, attempt=standing) for r in waiting])


def settled_after_kill(account: TwoWayAccount) -> list[tuple[str, str]]:
    """Push what the killed run left, and return folder and content of all messages."""
    report = account.mirror_both_ways()
    assert (report.push.pushed, report.push.waiting) == (1, 0)
    account.assert_in_step()
    shown = shown_by_server(account.server, account.user)
    return sorted((folder, value[0]) for (folder, _), value in shown.items())


@pytest.mark.parametrize("was_done", [True, False])
def test_killed_while_adding(account: TwoWayAccount, was_done: bool) -> None:
    """Whether the server had stored it or not: it is there once more, and only once."""
    digest = hashlib.sha256(mail(0)).hexdigest()
    account.append(mail(0), "Trash")
    account.changes.request_append([NewMessage(sha256=digest)], "Trash")
    begun(account, "Trash")
    if was_done:
        account.append(mail(0), "Trash")
    assert settled_after_kill(account).count(("Trash", digest)) == 2


@pytest.mark.parametrize("was_done", ["nothing", "copied", "moved"])
def test_killed_while_moving(account: TwoWayAccount, was_done: str) -> None:
    """Whatever was done of COPY and EXPUNGE, or of MOVE: it ends in the target, once."""
    digest = hashlib.sha256(mail(0)).hexdigest()
    account.changes.request_move(account.live(uids=[1]), "Trash")
    begun(account, "Trash")
    if was_done != "nothing":
        on_server(account, lambda client: client.copy([1], "Trash"))
    if was_done == "moved":
        on_server(account, expunge)
    found = settled_after_kill(account)
    assert [folder for folder, content in found if content == digest] == ["Trash"]


@pytest.mark.parametrize("was_done", [True, False])
def test_killed_while_expunging(account: TwoWayAccount, was_done: bool) -> None:
    """What is gone by then was our own doing."""
    account.changes.request_deletion(account.live(uids=[1]), expunge=True)
    begun(account, "INBOX")
    if was_done:
        on_server(account, expunge)
    assert len(settled_after_kill(account)) == 4


def test_moved_on_while_we_were_killed(account: TwoWayAccount) -> None:
    """A message that is in neither folder was moved or deleted by somebody, and that is said."""
    account.changes.request_move(account.live(uids=[1]), "Trash")
    begun(account, "Trash")
    on_server(account, expunge)
    assert "interrupted" in conflict_of(account)


def test_two_runs_at_once_do_no_harm(dovecot: Dovecot, archive_root: Path) -> None:
    """Both take up the same changes; each message ends where it was to go, once."""
    account = filled(dovecot, archive_root)
    for number in range(10, 60):
        account.append(mail(number))
    account.mirror()
    rows = account.live()
    account.changes.request_flags(rows, add=["\\Seen"])
    account.changes.request_move(rows[:20], "Archivo")
    account.changes.request_deletion(rows[20:30])
    account.changes.request_deletion(rows[30:40], expunge=True)
    with ThreadPoolExecutor(2) as runs:
        reports = list(runs.map(lambda _: account.mirror_both_ways(max_gone=1), range(2)))
    account.mirror_both_ways(max_gone=1)
    account.assert_in_step()
    assert account.changes.waiting() == []
    assert sum(report.push.refused for report in reports) == 0
    shown = shown_by_server(account.server, account.user)
    assert Counter(folder for folder, _ in shown) == {"INBOX": 15, "Archivo": 20, "Trash": 10}
    assert len({value[0] for value in shown.values()}) == 45
