"""Policies of several rules and legal holds, against Dovecot: what they say is what happens."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive.ledgers import read_holds
from mailroom.client.imap import ImapClient
from mailroom.client.pop3 import Pop3Client
from mailroom.exceptions import ConfigurationError
from mailroom.model import MailProtocol
from mailroom.policy.fetch_mode import FetchMode
from mailroom.policy.mirror import MirrorSelection
from mailroom.policy.policy_file import parse_policy
from mailroom.policy.retention import RetentionRule
from mailroom.services.deleting import mailbox_retention
from mailroom.services.holds import place_hold, release_hold
from mailroom.services.mirror import mirror_account
from mailroom.services.progress import NoProgress
from tests.integration.runs import DELETE, Account, days, digest
from tests.support.command import run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.maildir import Stored

TODAY = datetime.now(UTC)
POLICY = r"""
rules:
  - {name: trash, folders: ['\Trash'], delete_after: 7 days, basis: internal}
  - {name: junk, folders: ['\Junk'], delete_after: 3 days, basis: internal}
  - {name: inbox, folders: [INBOX], delete_after: 365 days}
  - {name: news, from: '*@news.example', delete_after: 14 days}
  - {name: tax, from: '*@tax.example', keep_for: forever}
"""


def mail(number: int, sender: str = "ana@shop.example", **values: Any) -> bytes:
    text = values.pop("text", f"Texto {number}\n")
    return make_message(subject=f"Mensaje {number}", sender=sender, text=text, **values)


def mirror(account: Account) -> None:
    mirror_account(
        account.connect,
        account.archive,
        account.context("mirror"),
        selection=MirrorSelection(),
        now=account.now,
        progress=NoProgress(),
        stop=threading.Event(),
    )


def there(dovecot: Dovecot, user: str, folder: str = "INBOX") -> list[int]:
    with dovecot.mailbox(user) as phone:
        phone.select_folder(folder, readonly=True)
        return list(phone.search("ALL"))


class Filled:
    """An account with mail of chosen ages and senders, mirrored today."""

    def __init__(self, dovecot: Dovecot, user: str, root: Path) -> None:
        self.dovecot, self.user = dovecot, user
        self.account = Account(root, dovecot.endpoint(user, MailProtocol.IMAP), clock=TODAY)
        self.number = 0

    def put(self, age: float, sender: str = "ana@shop.example", folder: str = "INBOX", **values: Any) -> int:
        self.number += 1
        date = TODAY - timedelta(days=age)
        content = mail(self.number, sender, **values)
        return self.dovecot.append(self.user, content, internal_date=date, folder=folder)

    def put_and_mirror(self, *ages: float) -> Filled:
        """Put a message of each age into INBOX, mirror, and return the account."""
        for age in ages:
            self.put(age)
        mirror(self.account)
        return self

    def mark(self, uids: list[int], *flags: str, folder: str = "INBOX") -> None:
        with self.dovecot.mailbox(self.user) as phone:
            phone.select_folder(folder)
            phone.add_flags(uids, flags)

    def there(self, folder: str = "INBOX") -> list[int]:
        return there(self.dovecot, self.user, folder)

    def retain(self, text: str, **options: Any) -> Any:
        return self.account.retain(parse_policy(text), **options)


@pytest.fixture
def filled(dovecot: Dovecot, user: str, archive_root: Path) -> Filled:
    return Filled(dovecot, user, archive_root)


def test_one_policy_for_all_folders(filled: Filled) -> None:
    """Trash, junk, INBOX, a sender and an exception, each by its own rule."""
    old, young, news, fresh_news, tax = (
        filled.put(400),
        filled.put(100),
        filled.put(20, "offers@news.example"),
        filled.put(10, "offers@news.example"),
        filled.put(4000, "office@tax.example"),
    )
    trash, junk = filled.put(8, folder="Trash"), filled.put(4, folder="Junk")
    fresh_junk = filled.put(2, folder="Junk")
    sent = filled.put(4000, folder="Sent")
    mirror(filled.account)
    report = filled.retain(POLICY)
    assert report.failures == ()
    assert filled.there() == [young, fresh_news, tax]
    assert (filled.there("Trash"), filled.there("Junk"), filled.there("Sent")) == ([], [fresh_junk], [sent])
    rules = {(row["folder"], row["uid"]): row["rule"].partition(":")[0] for row in filled.account.audit()}
    assert rules == {
        ("INBOX", old): "inbox",
        ("INBOX", news): "news",
        ("Trash", trash): "trash",
        ("Junk", junk): "junk",
    }
    assert filled.retain(POLICY).deleted == 0


def test_the_newest_of_a_folder_stay(filled: Filled) -> None:
    """Whatever their age; which are newest is a matter of dates, not of numbers."""
    uids = [filled.put(age) for age in (100, 400, 200, 300)]
    mirror(filled.account)
    report = filled.retain("{keep_newest: 2, rules: [{delete_after: 30d}]}")
    assert filled.there() == [uids[0], uids[2]]
    assert report.summary()["kept"] == {"among the newest of its folder": 2}


def test_what_somebody_deleted_since_is_not_among_the_newest(filled: Filled) -> None:
    """Two stay on the server, though the archive does not know yet that newer ones are gone."""
    uids = [filled.put(age) for age in (400, 300, 200, 100, 90)]
    mirror(filled.account)
    with filled.dovecot.mailbox(filled.user) as phone:
        phone.select_folder("INBOX")
        phone.delete_messages(uids[3:])
        phone.expunge()
    report = filled.retain("{keep_newest: 2, rules: [{delete_after: 30d}]}")
    assert filled.there() == uids[1:3]
    assert (report.deleted, report.failures) == (1, ())


@pytest.mark.parametrize("basis", ["internal", "archived", "date"])
def test_what_somebody_brought_back_counts_its_days_anew(filled: Filled, basis: str) -> None:
    """Else the next run would undo the undoing; whatever was there all the time counts as before."""
    policy = f"rules: [{{delete_after: 30d, basis: {basis}}}]"
    old = TODAY - timedelta(days=400)
    brought_back, other = mail(1, date=old), mail(2, date=old)
    for content in (brought_back, other):
        filled.dovecot.append(filled.user, content, internal_date=old)
    mirror(filled.account)
    filled.account.wait(days(40))
    assert filled.retain(policy).deleted == 2
    filled.account.wait(days(1))
    filled.dovecot.append(filled.user, brought_back, internal_date=old)
    mirror(filled.account)
    filled.account.wait(days(29))
    assert (filled.retain(policy).deleted, len(filled.there())) == (0, 1)
    filled.account.wait(days(1.1))
    assert (filled.retain(policy).deleted, filled.there()) == (1, [])


@pytest.mark.parametrize("to_trash", [False, True])
def test_what_somebody_brought_back_into_another_folder_counts_its_days_anew(
    filled: Filled, to_trash: bool
) -> None:
    """Wherever a person puts what retention took away, it stays for its days; what we threw away does not."""
    old = TODAY - timedelta(days=400)
    content = mail(1, date=old)
    with filled.dovecot.mailbox(filled.user) as phone:
        for name in sorted({"Old", "Trash"} - {each for *_, each in phone.list_folders()}):
            phone.create_folder(name)
    filled.dovecot.append(filled.user, content, internal_date=old)
    mirror(filled.account)
    rule = "{folders: [INBOX, Old], delete_after: 30d}"
    assert filled.retain(f"{{to_trash: {str(to_trash).lower()}, rules: [{rule}]}}").deleted == 1
    filled.dovecot.append(filled.user, content, internal_date=old, folder="Old")
    filled.account.wait(days(1))
    mirror(filled.account)
    everywhere = "rules: [{delete_after: 30d, basis: internal}]"
    planned = {part.folder: part.messages for part in filled.retain(everywhere, dry_run=True).parts()}
    assert planned == ({"Trash": 1} if to_trash else {})
    filled.account.wait(days(29.9))
    assert "Old" not in {part.folder for part in filled.retain(everywhere, dry_run=True).parts()}
    filled.account.wait(days(0.2))
    assert "Old" in {part.folder for part in filled.retain(everywhere, dry_run=True).parts()}


def test_one_of_two_equal_messages_that_stayed_has_not_come_back(filled: Filled) -> None:
    """It was there before its twin went, so its days go on."""
    content, old = mail(1), TODAY - timedelta(days=400)
    for _ in range(2):
        filled.dovecot.append(filled.user, content, internal_date=old)
    mirror(filled.account)
    text = "{max_fraction: 0.5, rules: [{delete_after: 30d}]}"
    assert [filled.retain(text).deleted for _ in range(2)] == [1, 1]


def test_conditions_are_asked_of_the_server_of_now(filled: Filled) -> None:
    """What was read since the last mirror counts as read, and what was unread again as unread."""
    unread, read, unread_again = (filled.put(100, text="palabra\n" * 500) for _ in range(3))
    small = filled.put(100)
    filled.mark([unread_again, small], "\\Seen")
    mirror(filled.account)
    filled.mark([read], "\\Seen")
    with filled.dovecot.mailbox(filled.user) as phone:
        phone.select_folder("INBOX")
        phone.remove_flags([unread_again], ["\\Seen"])
    filled.retain("rules: [{delete_after: 30d, seen: true, larger_than: 2k}]")
    assert filled.there() == [unread, unread_again, small]


def test_seen_for_so_long(filled: Filled) -> None:
    """Days count from when the archive first knew it to be read, without a break."""
    early, late, broken = filled.put(100), filled.put(100), filled.put(100)
    filled.mark([early, broken], "\\Seen")
    mirror(filled.account)
    filled.account.wait(days(20))
    filled.mark([late], "\\Seen")
    with filled.dovecot.mailbox(filled.user) as phone:
        phone.select_folder("INBOX")
        phone.remove_flags([broken], ["\\Seen"])
    mirror(filled.account)
    filled.mark([broken], "\\Seen")
    mirror(filled.account)
    filled.account.wait(days(15))
    filled.retain("rules: [{delete_after: 30d, basis: seen}]")
    assert filled.there() == [late, broken]


def test_days_from_the_date_header(filled: Filled) -> None:
    """What was sent long ago and arrived today is old by its date, and without a date it stays."""
    sent = datetime(2020, 1, 1, tzinfo=UTC)
    filled.put(0, date=sent)
    new, dateless = filled.put(0, date=TODAY), filled.put(0, date=None)
    mirror(filled.account)
    filled.retain("rules: [{delete_after: 30d, basis: date}]")
    assert filled.there() == [new, dateless]


def test_a_keyword_decides(filled: Filled) -> None:
    """Keywords are flags of any name."""
    plain, marked = filled.put(100), filled.put(100)
    filled.mark([marked], "$Done")
    mirror(filled.account)
    filled.retain("rules: [{delete_after: 30d, keywords: $done}]")
    assert filled.there() == [plain]


def test_a_typing_error_in_a_folder_deletes_nothing(filled: Filled) -> None:
    """The exception it names might be the one that matters."""
    filled.put(100)
    mirror(filled.account)
    with pytest.raises(ConfigurationError, match="'Taxess'"):
        filled.retain("rules: [{name: a, delete_after: 30d}, {name: b, folders: Taxess, keep_for: forever}]")
    assert len(filled.there()) == 1


def hold(owner: Account, /, **values: Any) -> str:
    known: dict[str, Any] = {"account": "*", "reason": "case 7", "by": "clerk", "at": owner.now()}
    return place_hold(owner.archive, **(known | values)).hold_id


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"account": "acount"}, "no mail of an account 'acount'; it has these accounts: 'account'"),
        ({"folder": "Inbx"}, "No folder matches 'Inbx'.*'INBOX'"),
        ({"account": "account", "folder": "\\\\Junk"}, "No folder matches"),
        ({"sender": "shop.example"}, r"write '\*@shop.example'"),
    ],
)
def test_hold_with_a_typing_error_is_refused(filled: Filled, values: dict[str, Any], says: str) -> None:
    """It would hold nothing, and nobody would know before it is too late."""
    filled.put(100)
    mirror(filled.account)
    with pytest.raises(ConfigurationError, match=says):
        hold(filled.account, **values)


@pytest.mark.parametrize(
    "values",
    [
        {"sender": "*@bank.example"},
        {"query": "subject:'Mensaje 1'"},
        {"account": "account", "folder": "INB*", "sender": "ana@bank.example"},
    ],
)
def test_what_is_held_stays(filled: Filled, values: dict[str, Any]) -> None:
    """Whatever the rules say, and the report says why."""
    held, free = filled.put(400, "ana@bank.example"), filled.put(400)
    mirror(filled.account)
    hold(filled.account, **values)
    report = filled.retain("rules: [{delete_after: 0d}]")
    assert free not in filled.there()
    assert filled.there() == [held]
    assert report.summary()["kept"] == {"under legal hold": 1}


def test_a_released_hold_is_obeyed_for_its_days_of_grace(filled: Filled) -> None:
    """A release by mistake can be taken back in time."""
    uid = filled.put(400)
    mirror(filled.account)
    name = hold(filled.account, grace=days(3))
    release_hold(filled.account.archive, name, by="clerk", at=filled.account.now())
    filled.account.wait(days(2))
    filled.retain("rules: [{delete_after: 0d}]")
    assert filled.there() == [uid]
    filled.account.wait(days(1.1))
    filled.retain("rules: [{delete_after: 0d}]")
    assert filled.there() == []


def test_a_hold_that_is_placed_during_a_run_is_obeyed_from_the_next_batch_on(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run may last for hours, and whoever places a hold was told what it means."""
    monkeypatch.setattr(mailbox_retention, "BATCH_MESSAGES", 1)
    account = filled.put_and_mirror(400, 300, 200).account

    class Holding(ImapClient):
        def expunge(self, uids: Any) -> None:
            if not read_holds(account.archive):
                hold(account, query="Mensaje")
            super().expunge(uids)

    account.connect = lambda: Holding.connect(account.endpoint)  # type: ignore[method-assign]
    report = filled.retain("rules: [{delete_after: 30d}]")
    assert (report.deleted, report.summary()["kept"]) == (1, {"under legal hold": 2})
    assert len(filled.there()) == 2


@pytest.mark.parametrize("way", ["fetch", "retention"])
def test_a_hold_that_is_placed_during_a_pop3_session_deletes_nothing_in_it(
    dovecot: Dovecot, user: str, archive_root: Path, way: str
) -> None:
    """QUIT would carry all deletions out, so it is not sent; a later session deletes what is free."""
    dovecot.fill(user, [Stored(content=mail(1, "ana@bank.example")), Stored(content=mail(2))])
    account = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))
    account.fetch()

    class Holding(Pop3Client):
        def delete(self, numbers: Any) -> dict[int, str | None]:
            if numbers:
                hold(account, sender="*@bank.example")
            return super().delete(numbers)

    def deletes() -> Any:
        return account.fetch(DELETE) if way == "fetch" else account.retain(RetentionRule(older_than=days(0)))

    account.connect = lambda: Holding.connect(account.endpoint)  # type: ignore[method-assign]
    report = deletes()
    assert "1 of the messages came under legal hold meanwhile" in report.failures[0]
    account.connect = lambda: Pop3Client.connect(account.endpoint)  # type: ignore[method-assign]
    assert report.deleted + deletes().deleted == 1
    assert [row["message_sha256"] for row in account.audit()] == [digest(mail(2))]


@pytest.mark.parametrize("mode", [DELETE, FetchMode(delete_after=days(1))], ids=["at once", "later"])
def test_a_pop3_fetch_deletes_nothing_that_is_held(
    dovecot: Dovecot, user: str, archive_root: Path, mode: FetchMode
) -> None:
    """A hold binds whoever deletes on a server, not retention alone."""
    held, free = mail(1, "ana@bank.example"), mail(2)
    dovecot.fill(user, [Stored(content=held), Stored(content=free)])
    account = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))
    account.fetch()
    hold(account, sender="*@bank.example")
    account.wait(days(2))
    report = account.fetch(mode)
    assert (report.deleted, report.failures) == (1, ())
    assert [row["message_sha256"] for row in account.audit()] == [digest(free)]


def test_pop3_retention_knows_senders_and_dates(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """All that the archive knows of a message may be asked for."""
    old = datetime(2020, 1, 1, tzinfo=UTC)
    messages = [mail(1, date=old), mail(2, date=TODAY)]
    messages += [mail(3, "x@tax.example", date=old), mail(4, "y@bank.example", date=old)]
    dovecot.fill(user, [Stored(content=content) for content in messages])
    account = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))
    account.fetch()
    hold(account, sender="*@bank.example")
    due = "{name: a, basis: date, delete_after: 30d}"
    kept = "{name: b, from: x@tax.example, keep_for: forever}"
    report = account.retain(parse_policy(f"rules: [{due}, {kept}]"))
    assert [row["message_sha256"] for row in account.audit()] == [digest(messages[0])]
    assert report.summary()["kept"] == {"kept by a rule": 1, "under legal hold": 1}


def test_the_command_line_checks_explains_holds_and_obeys(filled: Filled, tmp_path: Path) -> None:
    """From the policy's file to the deletion, as somebody types it."""
    uid, tax = filled.put(400), filled.put(400, "office@tax.example")
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    url = f"imap://{filled.user}@127.0.0.1:{filled.dovecot.imap_port}"
    root = ["--archive", str(filled.account.root)]
    assert run_command("mirror", url, *root, "--account", "ana").status == 0
    checked = run_command("policy", "check", str(policy))
    assert "policy of 5 rules" in checked.out
    explained = [
        run_command("policy", "explain", str(policy), digest(content), *root, "--account", "ana").out
        for content in (mail(1), mail(2, "office@tax.example"))
    ]
    assert "It is due. What decides: inbox: more than 365 days after it reached the mailbox" in explained[0]
    assert "It stays, kept by a rule. What decides: tax: kept for ever" in explained[1]
    placed = run_command("hold", "add", *root, "--reason", "case 7", "--folder", "INBOX", "--by", "clerk")
    assert "It means 2 messages of the archive now." in placed.out
    bank = run_command("hold", "add", *root, "--reason", "case 8", "--from", "*@tax.example", "--by", "clerk")
    assert "It means 1 message of the archive now." in bank.out
    assert placed.status == 0, placed.err
    assert (
        "under legal hold"
        in run_command("policy", "explain", str(policy), digest(mail(1)), *root, "--account", "ana").out
    )
    retention = ["retention", url, *root, "--account", "ana", "--policy", str(policy)]
    assert run_command(*retention).status == 0
    assert filled.there() == [uid, tax]
    listed = run_command("hold", "list", *root)
    name = listed.out.split()[1]
    assert "case 7 (clerk" in listed.out
    assert "obeyed until" in run_command("hold", "release", name, *root).out
    assert run_command("hold", "release", name, *root).status == 2
    assert run_command(*retention, "--folder", "INBOX").status == 2
