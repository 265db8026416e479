"""An archive back onto an account: folders, bytes, flags and dates as they were, and nothing twice."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.client.imap import ImapClient
from mailroom.exceptions import ConfigurationError
from mailroom.model import Endpoint, MailProtocol
from mailroom.policy.fetch_mode import FetchMode
from mailroom.policy.restore import ReadBack
from mailroom.policy.retention import RetentionRule
from mailroom.services.restoring import settling
from tests.integration.mirrors import MirrorAccount
from tests.integration.restores import Content, of, restore, shown
from tests.integration.runs import Account, days
from tests.support.command import run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import AWKWARD, make_message, message_of_size
from tests.support.maildir import Stored

DATE = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)


def mail(number: int, **values: Any) -> bytes:
    return make_message(subject=f"Mensaje {number}", text=f"Texto {number}\n" * (1 + number), **values)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else works on these accounts, so nothing need settle."""
    monkeypatch.setattr(settling, "SETTLE_SECONDS", 0.01)


@pytest.fixture
def source(dovecot: Dovecot, user: str, archive_root: Path) -> MirrorAccount:
    """An account in which there is some of everything, mirrored."""
    account = MirrorAccount(dovecot, user, archive_root, name="ana")
    for number in range(5):
        account.append(mail(number), internal_date=DATE + timedelta(days=number))
    account.append(
        mail(5), flags=["\\Seen", "\\Flagged", "\\Deleted", "$Work", "NonJunk"], internal_date=DATE
    )
    account.append(mail(6), "Sent", flags=["\\Seen", "\\Answered"])
    account.append(mail(0), "Sent")
    account.append(mail(7), "Facturas/2026/enero", internal_date=DATE - timedelta(days=9000))
    account.append(message_of_size(3_000_000), "Entwürfe & mehr 日本")
    for content in AWKWARD.values():
        if content and b"\0" not in content and b"\n" not in content.replace(b"\r\n", b""):
            account.append(content, "Awkward")
    account.append(mail(8), "Twice")
    account.append(mail(8), "Twice")
    account.append(mail(8), "Twice", internal_date=DATE)
    with dovecot.mailbox(user) as phone:
        phone.create_folder("Empty/deep")
    assert account.mirror().failures == ()
    return account


@pytest.fixture
def target(dovecot: Dovecot) -> str:
    """An empty account."""
    return dovecot.add_user()


def endpoint(dovecot: Dovecot, user: str) -> Endpoint:
    return dovecot.endpoint(user, MailProtocol.IMAP)


def content_of(dovecot: Dovecot, user: str) -> Content:
    """Return an account's folders, those left out that only exist because the test client made them."""
    return shown(dovecot, user)


def test_restored_account_is_the_account_that_was(
    dovecot: Dovecot, source: MirrorAccount, target: str
) -> None:
    """An independent client finds no difference: folders, bytes, flags and internal dates, in order."""
    report = restore(endpoint(dovecot, target), source.root, "ana")
    assert (report.failures, report.warnings) == ((), ())
    assert content_of(dovecot, target) == content_of(dovecot, source.user)
    summary = report.summary()
    assert summary["added"] == summary["messages"] == summary["checked"]
    with dovecot.mailbox(target) as phone, dovecot.mailbox(source.user) as old_phone:
        shown = [sorted(name for _, _, name in client.list_sub_folders()) for client in (phone, old_phone)]
    assert shown[0] == shown[1]


@pytest.mark.parametrize("read_back", [ReadBack.NONE, ReadBack.SAMPLE, ReadBack.ALL])
def test_second_restore_adds_nothing(
    dovecot: Dovecot, source: MirrorAccount, target: str, read_back: ReadBack
) -> None:
    """Whatever is there is recognised: equal messages, such without Message-ID, and odd ones."""
    first = restore(endpoint(dovecot, target), source.root, "ana", read_back=read_back)
    before = content_of(dovecot, target)
    second = restore(endpoint(dovecot, target), source.root, "ana", read_back=read_back)
    assert content_of(dovecot, target) == before
    summary = second.summary()
    assert (summary["added"], summary["created_folders"], second.warnings) == (0, 0, ())
    assert summary["already"] == first.summary()["added"] == summary["messages"]


def test_restore_onto_the_account_itself_adds_nothing(dovecot: Dovecot, source: MirrorAccount) -> None:
    """All of it is where it was."""
    before = content_of(dovecot, source.user)
    report = restore(endpoint(dovecot, source.user), source.root, "ana")
    assert report.summary()["added"] == 0
    assert content_of(dovecot, source.user) == before


def test_what_is_gone_comes_back_and_the_rest_is_left_as_it_is(
    dovecot: Dovecot, source: MirrorAccount
) -> None:
    """A folder deleted by mistake, as it was last mirrored; flags changed since stay changed."""
    before = content_of(dovecot, source.user)
    with dovecot.mailbox(source.user) as phone:
        phone.delete_folder("Sent")
        phone.select_folder("INBOX")
        phone.add_flags([1], [b"\\Flagged"])
    report = restore(endpoint(dovecot, source.user), source.root, "ana")
    now = content_of(dovecot, source.user)
    assert now["Sent"] == before["Sent"]
    assert "\\Flagged" in now["INBOX"][0][1]
    assert (report.summary()["added"], of(report, "Sent").created) == (2, True)


def test_dry_run_tells_and_changes_nothing(dovecot: Dovecot, source: MirrorAccount, target: str) -> None:
    """The same counts as the run itself."""
    before = content_of(dovecot, target)
    told = restore(endpoint(dovecot, target), source.root, "ana", dry_run=True).summary()
    assert content_of(dovecot, target) == before
    done = restore(endpoint(dovecot, target), source.root, "ana").summary()
    assert (told["would_add"], told["octets"]) == (done["added"], done["octets"])
    assert told["created_folders"] == done["created_folders"]


def test_foreign_mail_on_the_target_stays(dovecot: Dovecot, source: MirrorAccount, target: str) -> None:
    """Nothing there is touched, not even what looks much like an archived message."""
    foreign = [mail(90), mail(0).replace(b"Texto 0", b"Texto X"), b"Subject: no id\r\n\r\nx\r\n"]
    for number, content in enumerate(foreign):
        dovecot.append(target, content, internal_date=DATE + timedelta(hours=number + 1))
    before = content_of(dovecot, target)["INBOX"]
    restore(endpoint(dovecot, target), source.root, "ana", folders=("INBOX",))
    now = content_of(dovecot, target)["INBOX"]
    assert now[: len(before)] == before


def test_folders_are_chosen_by_patterns(dovecot: Dovecot, source: MirrorAccount, target: str) -> None:
    """A part of the archive, and a pattern that means nothing is an error that names what there is."""
    restore(endpoint(dovecot, target), source.root, "ana", folders=("Facturas/*", "Sent"), exclude=("Sent",))
    assert {name for name, found in content_of(dovecot, target).items() if found} == {"Facturas/2026/enero"}
    with pytest.raises(ConfigurationError, match="Facturas"):
        restore(endpoint(dovecot, target), source.root, "ana", folders=("Nope",))


def test_everything_can_go_below_one_folder(dovecot: Dovecot, source: MirrorAccount, target: str) -> None:
    """INBOX too, so that an old account lies beside the present one."""
    restore(endpoint(dovecot, target), source.root, "ana", into="Old mail")
    found = content_of(dovecot, target)
    original = content_of(dovecot, source.user)
    assert found.pop("INBOX") == []
    found = {name: messages for name, messages in found.items() if name != "Old mail"}
    assert found == {f"Old mail/{name}": messages for name, messages in original.items()}


def test_account_as_it_was(dovecot: Dovecot, source: MirrorAccount, target: str) -> None:
    """What was deleted and changed since is as it was at that moment."""
    before = content_of(dovecot, source.user)
    moment = source.now()
    with dovecot.mailbox(source.user) as phone:
        phone.select_folder("INBOX")
        phone.delete_messages([1, 2])
        phone.add_flags([3], [b"\\Answered"])
        phone.expunge()
        phone.delete_folder("Sent")
    source.append(mail(55))
    source.mirror()
    restore(endpoint(dovecot, target), source.root, "ana", as_of=moment)
    assert content_of(dovecot, target) == before


def test_query_brings_back_some_messages(dovecot: Dovecot, source: MirrorAccount, target: str) -> None:
    """Folders of which nothing is meant are not made."""
    restore(endpoint(dovecot, target), source.root, "ana", query='subject:"Mensaje 6"')
    found = {name: messages for name, messages in content_of(dovecot, target).items() if messages}
    assert [message[0] for message in found.pop("Sent")] == [hashlib.sha256(mail(6)).hexdigest()]
    assert found == {}


def test_one_message_comes_back(dovecot: Dovecot, source: MirrorAccount) -> None:
    """Deleted and mirrored as gone: its bytes are here, and it goes where it was, as it was."""
    before = content_of(dovecot, source.user)["INBOX"]
    digest = hashlib.sha256(mail(5)).hexdigest()
    with dovecot.mailbox(source.user) as phone:
        phone.select_folder("INBOX")
        phone.expunge()  # it is marked \\Deleted
    source.mirror()
    assert len(content_of(dovecot, source.user)["INBOX"]) == len(before) - 1
    report = restore(endpoint(dovecot, source.user), source.root, "ana", messages=(digest,))
    assert report.summary()["added"] == 1
    assert content_of(dovecot, source.user)["INBOX"][-1] == before[5]
    again = restore(endpoint(dovecot, source.user), source.root, "ana", messages=(digest,))
    assert again.summary()["added"] == 0


def test_message_that_was_never_archived_is_a_failure(dovecot: Dovecot, source: MirrorAccount) -> None:
    """The others of the list come back all the same."""
    known = hashlib.sha256(mail(5)).hexdigest()
    report = restore(endpoint(dovecot, source.user), source.root, "ana", messages=("ab" * 32, known))
    assert report.failures == (f"The archive has no message {'ab' * 32} of ana.",)
    assert report.summary()["already"] == 1


def test_what_retention_deleted_comes_back_when_asked(dovecot: Dovecot, source: MirrorAccount) -> None:
    """Retention was to free room, so its messages stay away unless somebody wants them."""
    before = content_of(dovecot, source.user)
    account = Account(source.root, source.endpoint, name="ana", clock=source.clock + timedelta(days=1))
    rule = RetentionRule(older_than=days(0), folders=("INBOX", "Twice"), include_flagged=True)
    assert account.retain(rule).deleted
    assert restore(source.endpoint, source.root, "ana").summary()["added"] == 0
    restore(source.endpoint, source.root, "ana", with_deleted=True)
    assert content_of(dovecot, source.user) == before


def test_pop3_account_that_left_nothing_on_its_server(
    dovecot: Dovecot, user: str, target: str, archive_root: Path
) -> None:
    """What was downloaded and deleted is only in the archive; its date is when it was sent."""
    account = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3), name="post")
    for number in range(3):
        dovecot.append(user, mail(number, date=DATE))
    account.fetch(FetchMode(leave_on_server=False))
    report = restore(endpoint(dovecot, target), archive_root, "post")
    assert report.failures == ()
    found = content_of(dovecot, target)["INBOX"]
    assert sorted(message[0] for message in found) == sorted(
        hashlib.sha256(mail(number, date=DATE)).hexdigest() for number in range(3)
    )
    assert {message[2] for message in found} == {DATE}


def test_damaged_copy_is_not_sent_and_stops_no_other(
    dovecot: Dovecot, source: MirrorAccount, target: str
) -> None:
    """Octets that are not what their name says never reach a server as if they were."""
    damaged, missing = (hashlib.sha256(mail(number)).hexdigest() for number in (1, 2))
    (source.root / "raw" / damaged[:2] / f"{damaged}.eml").write_bytes(b"Subject: x\r\n\r\n")
    (source.root / "raw" / missing[:2] / f"{missing}.eml").unlink()
    report = restore(endpoint(dovecot, target), source.root, "ana")
    assert of(report).refused == {"its archived copy is missing or damaged": 2}
    assert len(report.failures) == 1
    assert len(content_of(dovecot, target)["INBOX"]) == 4


def test_octets_that_the_server_changes_are_told_and_not_sent_again(
    dovecot: Dovecot, target: str, archive_root: Path, user: str
) -> None:
    """Dovecot stores NUL and a CR too many in its own way; the archive has them as they were."""
    contents = [
        mail(1).replace(b"Texto", b"Texto\r\r\n", 1),
        AWKWARD["NUL octets"],
        AWKWARD["bare line feeds"],
        b"Subject: no id\r\n\r\na\0b\r\n",
    ]
    dovecot.fill(user, [Stored(content=content) for content in contents])
    account = MirrorAccount(dovecot, user, archive_root, name="ana")
    account.mirror()
    report = restore(endpoint(dovecot, target), archive_root, "ana", read_back=ReadBack.ALL)
    assert report.failures == ()
    assert sum(of(report).alterations.values()) >= 2
    assert len(report.warnings) == 1
    before = content_of(dovecot, target)
    again = restore(endpoint(dovecot, target), archive_root, "ana")
    assert again.summary()["added"] == 0
    assert content_of(dovecot, target) == before


@pytest.fixture(scope="module")
def dotted() -> Iterator[Dovecot]:
    """A server whose folders are called INBOX.Name."""
    with Dovecot(separator=".", prefix="INBOX.") as server:
        yield server


def test_server_with_dots_and_a_prefix(
    dovecot: Dovecot, dotted: Dovecot, source: MirrorAccount, archive_root: Path
) -> None:
    """Names change their delimiter and get the prefix; on the way back they lose it again."""
    there = dotted.add_user()
    report = restore(endpoint(dotted, there), source.root, "ana")
    assert report.failures == ()
    names = set(content_of(dotted, there))
    assert {"INBOX", "INBOX.Sent", "INBOX.Facturas.2026.enero"} <= names
    second = MirrorAccount(dotted, there, archive_root.parent / "second", name="dotted")
    second.mirror()
    back = dovecot.add_user()
    restore(endpoint(dovecot, back), second.root, "dotted")
    assert content_of(dovecot, back) == content_of(dovecot, source.user)


def test_folder_goes_to_the_one_that_is_for_the_same(
    dovecot: Dovecot, target: str, user: str, archive_root: Path
) -> None:
    """What was sent belongs among what was sent, whatever either server calls it."""
    with Dovecot(imap_extra="") as server:
        name = server.add_user()
        with server.mailbox(name) as phone:
            phone.create_folder("Sent")
        account = MirrorAccount(server, name, archive_root, name="ana")
        server.append(name, mail(1), "Sent")
        account.mirror()
    row = Archive(archive_root).last_folders("ana")["Sent"]
    assert row.special_use == "\\Sent"
    dovecot.append(target, mail(2), "Sent")
    report = restore(endpoint(dovecot, target), archive_root, "ana")
    assert of(report, "Sent").target == "Sent"
    assert len(content_of(dovecot, target)["Sent"]) == 2


def test_stop_ends_cleanly_and_the_next_run_goes_on(
    dovecot: Dovecot, source: MirrorAccount, target: str
) -> None:
    """What is under way is finished, and nothing comes twice."""
    stop = threading.Event()

    class Stopping(ImapClient):
        def select(self, name: str) -> Any:
            stop.set()
            return super().select(name)

    where = endpoint(dovecot, target)
    report = restore(where, source.root, "ana", connect=lambda: Stopping.connect(where), stop=stop)
    assert report.interrupted
    restore(where, source.root, "ana")
    assert content_of(dovecot, target) == content_of(dovecot, source.user)


def test_nothing_is_written_to_the_archive(dovecot: Dovecot, source: MirrorAccount, target: str) -> None:
    """An archive on a read-only disk can be restored."""
    before = {path: path.stat().st_mtime_ns for path in source.root.rglob("*")}
    restore(endpoint(dovecot, target), source.root, "ana", read_back=ReadBack.ALL)
    assert {path: path.stat().st_mtime_ns for path in source.root.rglob("*")} == before


def test_folder_in_which_something_is_going_on_is_left_until_it_is_quiet(
    dovecot: Dovecot, source: MirrorAccount, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may still be storing what a killed run sent: that is waited for, and not sent again."""
    monkeypatch.setattr(settling, "SETTLE_SECONDS", 0.3)
    contents = [source.archive.raw.read(hashlib.sha256(mail(number)).hexdigest()) for number in range(5)]

    def straggle() -> None:
        for number, content in enumerate(contents):
            dovecot.append(target, content, internal_date=DATE + timedelta(days=number))
            time.sleep(0.15)

    late = threading.Thread(target=straggle)
    late.start()
    restore(endpoint(dovecot, target), source.root, "ana", folders=("INBOX",))
    late.join()
    assert sorted(content_of(dovecot, target)["INBOX"]) == sorted(content_of(dovecot, source.user)["INBOX"])


def test_folders_go_where_they_are_told(dovecot: Dovecot, dotted: Dovecot, source: MirrorAccount) -> None:
    """Their subfolders with them, also below a folder that held no mail; written with / on any server."""
    for server, names in ((dovecot, ("Bills", "Out/2026")), (dotted, ("INBOX.Bills", "INBOX.Out.2026"))):
        user = server.add_user()
        wanted = (("Facturas", "Bills"), ("Sent", "Out/2026"))
        report = restore(endpoint(server, user), source.root, "ana", folder_names=wanted)
        assert (report.failures, report.warnings) == ((), ())
        found = {name: len(messages) for name, messages in shown(server, user).items() if messages}
        deep = "/2026/enero" if server is dovecot else ".2026.enero"
        assert (found[f"{names[0]}{deep}"], found[names[1]]) == (1, 2)
        again = restore(endpoint(server, user), source.root, "ana", folder_names=wanted)
        assert (again.summary()["added"], again.summary()["created_folders"]) == (0, 0)


def test_flags_follow_the_archive_where_asked_for(
    dovecot: Dovecot, source: MirrorAccount, target: str
) -> None:
    """Left alone by default, for somebody may work there; \\Deleted is nobody's but theirs."""
    restore(endpoint(dovecot, target), source.root, "ana")
    before = content_of(dovecot, target)
    with dovecot.mailbox(target) as phone:
        phone.select_folder("INBOX")
        phone.add_flags([1, 2], [b"\\Flagged"])
        phone.remove_flags([6], [b"$Work"])
    changed = content_of(dovecot, target)
    assert restore(endpoint(dovecot, target), source.root, "ana").summary()["updated"] == 0
    assert content_of(dovecot, target) == changed != before
    report = restore(endpoint(dovecot, target), source.root, "ana", with_flags=True)
    assert report.summary()["updated"] == 3
    assert content_of(dovecot, target) == before


def test_command_takes_names_and_flags(dovecot: Dovecot, source: MirrorAccount, target: str) -> None:
    """As copy does."""
    url = f"imaps://{target}@127.0.0.1:{dovecot.imaps_port}"
    words = ["restore", "--archive", str(source.root), url, "--ca-file", dovecot.ca_file, "--quiet"]
    finished = run_command(*words, "--map", "Sent=Out", "--map", "Nowhere=There", "--update-flags")
    assert finished.status == 0, finished.err
    assert "Sent as Out: 2 of 2" in finished.out
    assert "No folder 'Nowhere' of ana" in finished.out
    assert run_command(*words, "--map", "Sent=Out", "--into", "Old").status == 2


def test_command_restores_and_says_what_it_did(dovecot: Dovecot, source: MirrorAccount, target: str) -> None:
    """The only account of an archive need not be named; a second run has nothing to do."""
    url = f"imaps://{target}@127.0.0.1:{dovecot.imaps_port}"
    words = ["restore", "--archive", str(source.root), url, "--ca-file", dovecot.ca_file]
    planned = run_command(*words, "--dry-run")
    assert planned.out.endswith("This was a dry run: nothing was changed.\n"), planned.err
    done = run_command(*words)
    assert done.status == 0, done.err
    assert f"of ana added to {target}@127.0.0.1" in done.out
    assert "Asked again: all have the size, date and flags they had." in done.out
    again = json.loads(run_command(*words, "--json").out)
    assert (again["added"], again["failures"]) == (0, [])
    assert content_of(dovecot, target) == content_of(dovecot, source.user)


def test_command_refuses_an_account_that_the_archive_does_not_know(
    dovecot: Dovecot, source: MirrorAccount, target: str
) -> None:
    """The sentence names the accounts there are."""
    url = f"imaps://{target}@127.0.0.1:{dovecot.imaps_port}"
    words = ["restore", "--archive", str(source.root), url, "--ca-file", dovecot.ca_file]
    finished = run_command(*words, "--account", "bob")
    assert finished.status == 1
    assert "'ana'" in finished.err
