"""Is everything safe? An account on a real server beside its archive, whatever happened to either."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from mailroom.client.imap import ImapClient
from mailroom.exceptions import ConfigurationError
from mailroom.model import MailProtocol
from mailroom.policy.retention import RetentionRule
from mailroom.services.check import CheckReport, FolderCheck, check_account
from mailroom.services.progress import NoProgress
from tests.integration.mirrors import MirrorAccount
from tests.integration.runs import DELETE, Account, days
from tests.support.command import Finished, run_command
from tests.support.dovecot import Dovecot
from tests.support.imap_server import ImapServer, Mail, Mailbox
from tests.support.mail import make_message
from tests.support.maildir import Stored


def mail(number: int) -> bytes:
    return make_message(subject=f"Mensaje {number}", text=f"Texto {number}\n" * (1 + number))


def check(account: MirrorAccount | Account, **options: Any) -> CheckReport:
    return check_account(
        account.connect,
        Archive(account.root),
        account.name,
        progress=NoProgress(),
        stop=threading.Event(),
        **options,
    )


def of(report: CheckReport, folder: str = "INBOX") -> FolderCheck:
    return next(found for found in report.folders if found.folder == folder)


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> MirrorAccount:
    """Two folders, four messages, mirrored."""
    account = MirrorAccount(dovecot, user, archive_root, name=f"{user}@127.0.0.1")
    for number in range(3):
        account.append(mail(number))
    account.append(mail(3), "Sent")
    account.mirror()
    return account


def test_mirrored_account_is_safe(account: MirrorAccount) -> None:
    """Every folder is complete, with the server's sizes beside the archive's."""
    report = check(account)
    assert (report.failures, report.is_complete) == ((), True)
    inbox = of(report)
    octets = sum(len(mail(number)) for number in range(3))
    assert (inbox.messages, inbox.archived, inbox.missing, inbox.gone) == (3, 3, 0, 0)
    assert (inbox.octets, inbox.archived_octets) == (octets, octets)
    assert of(report, "Sent").messages == 1


def test_message_that_arrived_since_is_missing(account: MirrorAccount) -> None:
    """One sentence says how many, where, and what to do; new mail can be allowed."""
    account.append(mail(9))
    report = check(account)
    assert (of(report).missing, of(report).arrived) == (1, 1)
    (sentence,) = report.failures
    assert "1 of the 5 messages" in sentence
    assert "'INBOX': 1" in sentence
    assert "arrived since the last mirror" in sentence
    assert check(account, allow_new=True).failures == ()


def test_old_message_that_was_never_archived_is_missing_whatever_is_allowed(
    dovecot: Dovecot, user: str, archive_root: Path
) -> None:
    """A mirror of the large messages only leaves the small ones missing, and they are not new."""
    account = MirrorAccount(dovecot, user, archive_root)
    account.append(mail(0))
    account.append(mail(200))
    account.mirror(larger_than=1000)
    report = check(account, allow_new=True)
    assert (of(report).missing, of(report).arrived) == (1, 0)
    assert len(report.failures) == 1


def test_message_that_is_gone_from_the_server_is_safe(
    dovecot: Dovecot, user: str, account: MirrorAccount
) -> None:
    """What the archive holds and the server has no longer is counted and no failure."""
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX")
        phone.delete_messages([1])
        phone.expunge()
        phone.delete_folder("Sent")
    report = check(account)
    assert (of(report).messages, of(report).gone) == (2, 1)
    assert (of(report, "Sent").messages, of(report, "Sent").gone) == (0, 1)
    assert of(report, "Sent").note == "no longer on the server"
    assert report.failures == ()


def test_folder_that_was_never_mirrored_is_missing_as_a_whole(account: MirrorAccount) -> None:
    """A folder left out of the mirror is not safe; leaving it out of the check as well says it is meant."""
    account.append(mail(7), "Drafts")
    report = check(account)
    assert (of(report, "Drafts").missing, of(report, "Drafts").note) == (1, "not in the archive")
    assert len(report.failures) == 1
    assert check(account, exclude=("Drafts",)).failures == ()


def test_folder_that_was_numbered_anew_is_compared_by_what_its_messages_are(
    dovecot: Dovecot, user: str, account: MirrorAccount
) -> None:
    """New numbers for the same mail lose nothing; a message that came with them is found."""
    with dovecot.mailbox(user) as phone:
        phone.delete_folder("Sent")
    account.append(mail(3), "Sent")
    account.append(mail(8), "Sent")
    sent = of(check(account, read=True), "Sent")
    assert (sent.messages, sent.archived, sent.missing, sent.damaged) == (2, 1, 1, 0)
    assert sent.note == "numbered anew since the last mirror"


def test_check_changes_nothing(dovecot: Dovecot, user: str, account: MirrorAccount) -> None:
    """Neither a flag on the server nor a row in the archive; \\Recent stays for whoever comes next."""
    account.append(mail(9))
    before = account.versions()
    check(account, read=True)
    assert account.versions() == before
    with dovecot.mailbox(user) as phone:
        status = phone.folder_status("INBOX", ["RECENT", "UNSEEN"])
    assert (status[b"RECENT"], status[b"UNSEEN"]) == (4, 4)


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "flipped": lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]),
}
"""What may become of a raw object; the last leaves name and size as they were."""


def objects(root: Path) -> list[Path]:
    return sorted(root.glob("raw/??/*.eml"))


def states(root: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in objects(root)}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_not_safe(account: MirrorAccount, damage: str) -> None:
    """A row alone is no mail: name and size tell what is missing or cut, reading back tells all."""
    DAMAGES[damage](objects(account.root)[0])
    found = [check(account, read=read, quick=quick) for read in (False, True) for quick in (False, True)]
    told = [sum(folder.damaged for folder in report.folders) for report in found]
    assert told == ([0, 0, 1, 1] if damage == "flipped" else [1, 1, 1, 1])
    assert "1 archived message of" in found[-1].failures[0]
    assert "--repair" in found[-1].failures[0]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_fetched_again(account: MirrorAccount, damage: str) -> None:
    """The very same bytes come back from the server; what is whole is not touched."""
    path = objects(account.root)[0]
    before, kept = path.read_bytes(), states(account.root)
    DAMAGES[damage](path)
    report = check(account, read=True, repair=True)
    assert (report.failures, sum(folder.repaired for folder in report.folders)) == ((), 1)
    assert path.read_bytes() == before
    assert {p: s for p, s in states(account.root).items() if p != path} == {
        p: s for p, s in kept.items() if p != path
    }
    assert verify_archive(Archive(account.root)).is_sound
    assert check(account, read=True, repair=True).summary()["repaired"] == 0


def test_all_of_an_account_is_fetched_again(dovecot: Dovecot, user: str, account: MirrorAccount) -> None:
    """Also where one message is in two folders, and where a folder was numbered anew since."""
    account.append(mail(0), "Sent")
    account.mirror()
    kept = {path: path.read_bytes() for path in objects(account.root)}
    for path in kept:
        path.unlink()
    with dovecot.mailbox(user) as phone:
        phone.delete_folder("Sent")
    account.append(mail(3), "Sent")
    account.append(mail(0), "Sent")
    report = check(account, repair=True)
    assert report.failures == ()
    assert report.summary()["repaired"] == 4
    assert {path: path.read_bytes() for path in objects(account.root)} == kept


def test_other_bytes_are_never_taken(archive_root: Path) -> None:
    """A server that has another message by now under that number mends nothing."""
    inbox = Mailbox(mail={1: Mail(content=mail(1)), 2: Mail(content=mail(2))})
    with ImapServer({"INBOX": inbox}) as server:
        account = Account(archive_root, server.endpoint())
        _mirror(account)
        inbox.mail[2] = Mail(content=mail(2).replace(b"Texto", b"Otros"))
        for path in objects(archive_root):
            path.unlink()
        report = check(account, quick=True, repair=True)
    assert (of(report).repaired, of(report).damaged) == (1, 1)
    assert "does not deliver the same bytes again" in report.failures[0]
    assert [path.read_bytes() for path in objects(archive_root)] == [mail(1)]
    assert list(archive_root.glob("raw/.incoming/*")) == []


def test_large_message_is_fetched_again(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """What is spooled on its way is put back as well."""
    account = MirrorAccount(dovecot, user, archive_root)
    account.append(make_message(text="Texto largo\n" * 400_000))
    account.mirror()
    (path,) = objects(archive_root)
    before = path.read_bytes()
    path.unlink()
    assert check(account, repair=True).failures == ()
    assert path.read_bytes() == before


def test_maildrop_is_repaired_by_pop3(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """By UIDL; only what is lost is retrieved."""
    account = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))
    for number in range(3):
        dovecot.append(user, mail(number))
    account.fetch()
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX")
        phone.remove_flags([1, 2, 3], [b"\\Seen"])
    lost = next(path for path in objects(archive_root) if path.read_bytes() == mail(1))
    lost.unlink()
    assert check(account).failures[0].startswith("1 archived message of")
    report = check(account, repair=True)
    assert (report.failures, of(report).repaired, of(report).damaged) == ((), 1, 0)
    assert lost.read_bytes() == mail(1)
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert phone.search("UNSEEN") == [1, 3]


def test_a_copy_of_an_archive_is_not_repaired(account: MirrorAccount, tmp_path: Path) -> None:
    """It is filled from its archive, and from nowhere else."""
    copied = run_command("replicate", str(account.root), str(tmp_path / "copy"))
    assert copied.status == 0, copied.err
    with pytest.raises(ConfigurationError, match="is a copy of the archive"):
        check_account(
            account.connect,
            Archive(tmp_path / "copy"),
            account.name,
            repair=True,
            progress=NoProgress(),
            stop=threading.Event(),
        )


def test_number_given_to_another_message_is_not_taken_for_the_archived_one(archive_root: Path) -> None:
    """A server restored from a copy may give a number twice: then size and date differ, and who it is."""
    inbox = Mailbox(mail={1: Mail(content=mail(1)), 2: Mail(content=mail(2))})
    with ImapServer({"INBOX": inbox}) as server:
        account = Account(archive_root, server.endpoint())
        _mirror(account)
        inbox.mail[2] = Mail(content=mail(5))
        report = check(account)
        assert (of(report).archived, of(report).missing) == (1, 1)
        assert "1 numbers stand for another message" in str(of(report).note)
        assert of(check(account, quick=True)).missing == 0
        inbox.mail[2] = Mail(content=mail(2), octets=7)
        assert of(check(account)).missing == 0, "a size that the server corrected is no other message"


def test_server_that_counts_more_than_it_lists_is_not_called_safe(archive_root: Path) -> None:
    """What a window hides may be archived or not: nobody can say."""
    inbox = Mailbox(mail={uid: Mail(content=mail(uid)) for uid in range(1, 6)})
    with ImapServer({"INBOX": inbox}) as server:
        account = Account(archive_root, server.endpoint())
        _mirror(account)
        inbox.window = 2
        report = check(account)
    assert (of(report).unlisted, of(report).missing, of(report).is_complete) == (3, 0, False)
    assert "nobody can say" in report.failures[0]


def test_folder_that_does_not_open_is_a_failure_and_stops_no_other(archive_root: Path) -> None:
    """A folder that could not be looked at is not safe."""
    folders = {"Broken": Mailbox(is_broken=True), "INBOX": Mailbox(mail={1: Mail(content=mail(1))})}
    with ImapServer(folders) as server:
        account = Account(archive_root, server.endpoint())
        _mirror(account, folders=("INBOX",))
        report = check(account)
    assert [folder.folder for folder in report.folders] == ["INBOX"]
    assert "'Broken'" in report.failures[0]


def test_message_never_delivered_is_missing_and_keeps_retention_away(archive_root: Path) -> None:
    """Its folder is not complete: nothing is deleted there unless that is allowed."""
    inbox = Mailbox(mail={uid: Mail(content=mail(uid)) for uid in (1, 2, 3)}, withheld={2})
    with ImapServer({"INBOX": inbox}) as server:
        account = Account(archive_root, server.endpoint())
        _mirror(account)
        assert (of(check(account)).missing, of(check(account)).arrived) == (1, 0)
        rule = RetentionRule(older_than=days(0))
        report = account.retain(rule, dry_run=True)
        assert report.deleted == 0
        assert "1 message was listed and never delivered" in report.failures[0]
        allowed = account.retain(RetentionRule(older_than=days(0), allow_incomplete=True), dry_run=True)
        assert (allowed.deleted, allowed.failures) == (2, ())


def test_folder_known_to_show_a_part_is_not_safe_and_keeps_retention_away(archive_root: Path) -> None:
    """Everything it lists is archived; what it hides nobody knows, until a mirror sees all of it."""
    inbox = Mailbox(mail={uid: Mail(content=mail(uid)) for uid in (1, 2, 3)})
    with ImapServer({"INBOX": inbox}) as server:
        account = Account(archive_root, server.endpoint())
        _mirror(account, windowed=("INBOX",))
        report = check(account)
        assert (of(report).missing, of(report).is_complete, report.is_complete) == (0, False, False)
        assert "only a part of 'INBOX'" in report.failures[0]
        kept = account.retain(RetentionRule(older_than=days(0)), dry_run=True)
        assert kept.deleted == 0
        assert "a part only" in kept.failures[0]
        _mirror(account)
        assert check(account).failures == ()
        assert account.retain(RetentionRule(older_than=days(0)), dry_run=True).deleted == 3


def test_folder_whose_mirror_never_ended_keeps_retention_away(archive_root: Path) -> None:
    """What was archived before the interruption is verified, but the folder is not done."""
    inbox = Mailbox(mail={uid: Mail(content=mail(uid)) for uid in (1, 2, 3)})
    with ImapServer({"INBOX": inbox}) as server:
        account = Account(archive_root, server.endpoint())
        stop = threading.Event()
        inbox.arrivals = lambda mailbox, searches: stop.set() if searches > 1 else None
        _mirror(account, stop=stop)
        assert len(account.archive.folder_state(account.name, "INBOX").live) == 3
        report = account.retain(RetentionRule(older_than=days(0)), dry_run=True)
    assert "no run has read it to its end" in report.failures[0]


def test_maildrop_beside_its_archive(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """By POP3 unique ids and sizes are compared; a message that came since is missing."""
    account = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))
    for number in range(3):
        dovecot.append(user, mail(number))
    account.fetch()
    report = check(account, read=True)
    assert (of(report).messages, of(report).archived, report.failures) == (3, 3, ())
    assert of(report).octets == of(report).archived_octets
    dovecot.append(user, mail(9))
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX")
        phone.delete_messages([1])
        phone.expunge()
    report = check(account)
    assert (of(report).missing, of(report).gone, len(report.failures)) == (1, 1, 1)
    with dovecot.mailbox(user) as phone:
        phone.select_folder("INBOX", readonly=True)
        assert len(phone.search("UNSEEN")) == 1, "the check must not have read the new message"


def test_maildrop_that_is_checked_by_imap_says_how_to_check_it(
    dovecot: Dovecot, user: str, archive_root: Path
) -> None:
    """By IMAP none of its messages has a number that is known; an empty inbox has nothing to say."""
    maildrop = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))
    dovecot.append(user, mail(0))
    maildrop.fetch(DELETE)
    by_imap = Account(archive_root, dovecot.endpoint(user, MailProtocol.IMAP))
    assert check(by_imap, folders=("INBOX",)).failures == ()
    dovecot.append(user, mail(1))
    maildrop.fetch()
    report = check(by_imap, folders=("INBOX",))
    assert (of(report).missing, of(report).note) == (1, "fetched by POP3: check it by POP3")


def test_maildrop_refuses_folders(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """POP3 shows the inbox alone."""
    account = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))
    with pytest.raises(ConfigurationError, match="imap"):
        check(account, folders=("Sent",))


def command(dovecot: Dovecot, user: str, root: Path, *more: str) -> Finished:
    url = f"imaps://{user}@127.0.0.1:{dovecot.imaps_port}"
    return run_command("check", url, "--ca-file", dovecot.ca_file, "--archive", str(root), *more)


def test_command_shows_a_table_and_its_status_is_the_answer(
    dovecot: Dovecot, user: str, account: MirrorAccount
) -> None:
    """0 and a line that says so where everything is archived; 1 and one sentence where not."""
    safe = command(dovecot, user, account.root)
    assert safe.status == 0, safe.err
    lines = safe.out.splitlines()
    assert lines[0].split() == ["folder", "server", "archived", "missing", "gone", "size", "complete"]
    assert lines[-1] == f"Everything is safe: 4 of 4 messages of {account.name} are in the archive."
    account.append(mail(9))
    unsafe = command(dovecot, user, account.root)
    assert unsafe.status == 1
    assert len([line for line in unsafe.err.splitlines() if line.startswith("mailroom: ")]) == 1
    assert "Everything is safe" not in unsafe.out
    assert command(dovecot, user, account.root, "--allow-new").status == 0
    account.mirror()
    for path in objects(account.root):
        path.unlink()
    lost = command(dovecot, user, account.root)
    assert lost.status == 1
    assert "Everything is safe" not in lost.out
    mended = command(dovecot, user, account.root, "--repair")
    assert mended.status == 0, mended.err
    assert "5 messages were missing or damaged in the archive: fetched from the server again" in mended.out
    assert command(dovecot, user, account.root, "--read").status == 0


def test_command_answers_in_json(dovecot: Dovecot, user: str, account: MirrorAccount) -> None:
    """Programs get every folder with its counts."""
    document = json.loads(command(dovecot, user, account.root, "--json", "--read").out)
    assert document["complete"] is True
    assert {folder["folder"]: folder["messages"] for folder in document["folders"]} == {"INBOX": 3, "Sent": 1}
    assert document["failures"] == []


def test_large_folder_is_compared_without_a_download(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """Facts are asked in one go, and no message is downloaded."""
    dovecot.fill(user, [Stored(content=mail(number % 50)) for number in range(3000)])
    account = MirrorAccount(dovecot, user, archive_root)
    account.mirror()
    sent: list[int] = []

    class Counting(ImapClient):
        def fetch_messages(self, *arguments: Any) -> Any:
            sent.append(1)
            return super().fetch_messages(*arguments)

    report = check_account(
        lambda: Counting.connect(account.endpoint),
        account.archive,
        account.name,
        progress=NoProgress(),
        stop=threading.Event(),
    )
    assert (report.is_complete, of(report).messages, sent) == (True, 3000, [])


def _mirror(account: Account, *, stop: threading.Event | None = None, **selection: Any) -> None:
    from mailroom.policy.mirror import MirrorSelection
    from mailroom.services.mirror import mirror_account

    mirror_account(
        account.connect,
        account.archive,
        account.context("mirror"),
        selection=MirrorSelection(**selection),
        now=account.now,
        progress=NoProgress(),
        stop=stop or threading.Event(),
    )
