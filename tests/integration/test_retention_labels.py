"""Retention on an account like Gmail's: a message under several labels is one, and is deleted as one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroom.policy.deletion import Keep
from mailroom.policy.mirror import MirrorSelection
from mailroom.policy.policy_file import parse_policy
from mailroom.services.deleting.retention_report import RetentionReport
from mailroom.services.holds import place_hold
from mailroom.services.mirror import mirror_account
from mailroom.services.policy_explanation import explain_message
from mailroom.services.progress import NoProgress
from tests.integration.runs import Account, digest
from tests.support.imap_server import CAPABILITIES, ImapServer, Mail, Mailbox
from tests.support.mail import make_message

TODAY = datetime.now(UTC)
ALL_MAIL = "[Gmail]/All Mail"
TRASH = "[Gmail]/Trash"
BOTH = "rules: [{{name: inbox, folders: [INBOX], delete_after: 30d}}, {{name: filed, {}}}]"
BESIDE_ALL = "rules: [{{name: all, delete_after: 30d}}, {{name: filed, folders: [Contracts], {}}}]"


def message(number: int, age: float, labels: str | None, sender: str = "ana@shop.example") -> Mail:
    return Mail(
        content=make_message(subject=f"number {number}", sender=sender),
        object_id=str(1_278_455_344_230_334_865 + number),
        labels=labels,
        date=f"{TODAY - timedelta(days=age):%d-%b-%Y %H:%M:%S} +0000",
    )


class Labelled(Account):
    """The account; message 1 is 100 days old, in the inbox and under Contracts, 2 in the inbox only."""

    server: ImapServer

    def mirror(self) -> None:
        mirror_account(
            self.connect,
            self.archive,
            self.context("mirror"),
            selection=MirrorSelection(),
            now=self.now,
            progress=NoProgress(),
            stop=threading.Event(),
        )

    def plan(self, text: str) -> RetentionReport:
        """Return what a policy would delete."""
        report = self.retain(parse_policy(text), dry_run=True)
        assert report.failures == ()
        return report


@pytest.fixture
def account(archive_root: Path) -> Iterator[Labelled]:
    everything = {
        11: message(1, 100, r'"\\Inbox" "Contracts"', "tax@bank.example"),
        12: message(2, 90, r'"\\Inbox"'),
    }
    folders = {
        "INBOX": Mailbox(
            mail={1: message(1, 100, '"Contracts"', "tax@bank.example"), 2: message(2, 90, "")},
            uid_validity=1,
        ),
        "Contracts": Mailbox(mail={5: message(1, 100, r'"\\Inbox"', "tax@bank.example")}, uid_validity=2),
        ALL_MAIL: Mailbox(mail=everything, uid_validity=3, attributes=r"\All"),
        TRASH: Mailbox(uid_validity=4, attributes=r"\Trash"),
    }
    with ImapServer(folders, capabilities=(*CAPABILITIES, "X-GM-EXT-1", "MOVE")) as server:
        found = Labelled(archive_root, server.endpoint(), clock=TODAY)
        found.server = server
        found.mirror()
        yield found


def planned(report: RetentionReport) -> dict[str, set[int]]:
    """Return the UIDs of a plan by folder."""
    found: dict[str, set[int]] = {}
    for part in report.parts():
        found.setdefault(part.folder, set()).update(part.uids)
    return found


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("rules: [{folders: [INBOX], delete_after: 30d}]", id="a folder without a rule"),
        pytest.param("{exclude: [Contracts], rules: [{delete_after: 30d}]}", id="an excluded folder"),
        pytest.param(BESIDE_ALL.format("keep_for: 10 years"), id="a keeping rule"),
        pytest.param(BESIDE_ALL.format("from: '*@bank.example', keep_for: forever"), id="one for an author"),
        pytest.param(BESIDE_ALL.format("delete_after: 1 years"), id="a longer rule"),
        pytest.param(
            BOTH.format("folders: [Contracts], delete_after: 10 years"), id="a rule that ends later"
        ),
        pytest.param(BOTH.format("delete_after: 10 years"), id="a rule for all that ends later"),
        pytest.param(
            BOTH.format("folders: [Contracts], from: '*@shop.example', delete_after: 1d"),
            id="no rule that means it",
        ),
    ],
)
def test_what_another_of_its_folders_keeps_stays(account: Labelled, policy: str) -> None:
    """In the trash it would lose all labels, whichever folder it was deleted in."""
    found = planned(account.plan(policy))
    assert found["INBOX"] == {2}
    assert (found.get("Contracts"), found.get(ALL_MAIL, {12})) == (None, {12})


def test_what_all_of_its_folders_let_go_goes(account: Labelled) -> None:
    """One rule for all folders means it in each."""
    found = planned(account.plan("rules: [{delete_after: 30d}]"))
    assert found == {"INBOX": {1, 2}, "Contracts": {5}, ALL_MAIL: {11, 12}}


def test_all_mail_is_a_view_and_keeps_nothing_by_being_left_out(account: Labelled) -> None:
    """Everything is in it, so that no rule for another folder would mean anything."""
    assert planned(account.plan("rules: [{folders: [INBOX, Contracts], delete_after: 30d}]")) == {
        "INBOX": {1, 2},
        "Contracts": {5},
    }


def test_a_rule_for_all_folders_does_not_shorten_that_of_the_inbox_by_way_of_all_mail(
    account: Labelled,
) -> None:
    """A rule that names a folder beats one for all there is, also where All Mail shows the message."""
    rules = "{name: all, delete_after: 30d}, {name: filed, folders: [INBOX, Contracts], delete_after: 365d}"
    assert account.plan(f"rules: [{rules}]").deleted == 0


def test_all_mail_does_not_lengthen_a_rule_of_the_inbox_by_a_rule_for_all_folders(account: Labelled) -> None:
    """It shows what the inbox holds; a rule that names All Mail does count."""
    assert planned(account.plan(BOTH.format("delete_after: 1 years")))["INBOX"] == {2}
    assert account.plan(BOTH.format(f"folders: ['{ALL_MAIL}'], delete_after: 1 years")).deleted == 0


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(None, id="not stated"),
        pytest.param('"Hidden"', id="of a folder that IMAP does not show"),
        pytest.param(r'"\\Sent"', id="of the system, not shown"),
        pytest.param('"A&B"', id="in improper UTF-7"),
    ],
)
def test_what_nobody_can_say_the_folders_of_stays(account: Labelled, labels: str | None) -> None:
    """It may be filed where its owner wants it to stay."""
    account.server.folders["A&B"] = Mailbox(uid_validity=9)
    account.server.folders["INBOX"].mail[2].labels = labels
    report = account.plan("rules: [{folders: [INBOX, Contracts], delete_after: 30d}]")
    assert planned(report) == {"INBOX": {1}, "Contracts": {5}}
    assert report.summary()["kept"] == {"in another folder that keeps it": 1}


def test_views_that_are_not_shown_keep_nothing(account: Labelled) -> None:
    """Being starred, important or muted is not being filed anywhere."""
    account.server.folders["INBOX"].mail[2].labels = r'"\\Important" "\\Starred" "\\Muted"'
    assert planned(account.plan("rules: [{folders: [INBOX], delete_after: 30d}]")) == {"INBOX": {2}}


def test_what_was_brought_back_counts_anew_in_all_of_its_folders(account: Labelled) -> None:
    """Retention took it out of the inbox, and so out of All Mail, where it would be found due at once."""
    taken = parse_policy(
        "{to_trash: true, keep_flagged: false, rules: [{folders: [INBOX, Contracts], delete_after: 30d}]}"
    )
    assert account.retain(taken).deleted == 2
    account.mirror()
    account.wait(timedelta(days=1))
    account.server.folders["INBOX"].mail[3] = message(2, 90, "")
    account.server.folders[ALL_MAIL].mail[13] = message(2, 90, r'"\\Inbox"')
    account.mirror()
    text = "{exclude: ['[Gmail]/Trash'], rules: [{delete_after: 30d}]}"
    assert planned(account.plan(text)) == {}
    account.wait(timedelta(days=29))
    assert planned(account.plan(text)) == {}
    content = digest(account.server.folders["INBOX"].mail[3].content)
    explained = explain_message(account.archive, account.name, content, parse_policy(text), account.now())
    explained = [each for each in explained if each.verdict]
    assert {each.verdict.keep for each in explained if each.verdict} == {Keep.TOO_YOUNG}
    assert all("when it was brought back, 29 days ago" in each.sentence(account.now()) for each in explained)
    account.wait(timedelta(days=1.1))
    assert planned(account.plan(text)) == {"INBOX": {3}, ALL_MAIL: {13}}


def test_labels_are_those_of_now(account: Labelled) -> None:
    """Somebody filed it after the last mirror."""
    account.server.folders["INBOX"].mail[2].labels = '"Contracts"'
    report = account.plan("rules: [{folders: [INBOX], delete_after: 30d}]")
    assert (report.deleted, report.summary()["kept"]) == (0, {"in another folder that keeps it": 2})


@pytest.mark.parametrize(("age", "is_due"), [("5 years", False), ("1d", True)])
def test_each_of_its_folders_counts_from_its_own_date(account: Labelled, age: str, is_due: bool) -> None:
    """The date that one folder's rules count from is known in the other as well."""
    text = BOTH.format(f"folders: [Contracts], basis: date, delete_after: {age}")
    found = planned(account.plan(text))
    assert (1 in found["INBOX"], "Contracts" in found) == (is_due, is_due)


def test_days_in_a_folder_are_those_of_that_folder(account: Labelled) -> None:
    """What was filed under a label lately stays its days there, however long it was in the inbox."""
    text = BOTH.format("folders: [Contracts], basis: saved, delete_after: 60d")
    account.wait(timedelta(days=50))
    account.server.folders["INBOX"].mail[2].labels = '"Contracts"'
    account.server.folders["Contracts"].mail[6] = message(2, 90, r'"\\Inbox"')
    assert 2 not in planned(account.plan(text)).get("INBOX", set())  # nobody knows yet since when
    account.mirror()
    account.wait(timedelta(days=11))
    assert planned(account.plan(text)) == {"INBOX": {1}, "Contracts": {5}}
    account.wait(timedelta(days=49.1))
    assert planned(account.plan(text)) == {"INBOX": {1, 2}, "Contracts": {5, 6}}


@pytest.mark.parametrize("values", [{"folder": "Contracts"}, {"folder": "Contracts", "query": "number"}])
def test_a_hold_on_one_of_its_folders_holds_it_everywhere(account: Labelled, values: dict[str, Any]) -> None:
    """Nothing under hold is deleted, by whatever folder."""
    place_hold(account.archive, account="*", reason="case 7", by="clerk", at=account.now(), **values)
    report = account.plan("rules: [{delete_after: 30d}]")
    assert planned(report) == {"INBOX": {2}, ALL_MAIL: {12}}
    assert report.summary()["kept"] == {"under legal hold": 3}


def test_the_newest_of_one_of_its_folders_stays(account: Labelled) -> None:
    """The only message under Contracts is the newest there, and not in the inbox."""
    report = account.plan("{keep_newest: 1, rules: [{delete_after: 30d}]}")
    assert report.deleted == 0


KEEP_ONE = "{keep_newest: 1, rules: [{delete_after: 30d}]}"


def test_what_somebody_took_out_of_a_folder_is_not_among_its_newest(account: Labelled) -> None:
    """The contract is the newest of its folder again, which the archive does not know yet."""
    account.server.folders["Contracts"].mail[6] = message(3, 1, "")
    account.server.folders[ALL_MAIL].mail[13] = message(3, 1, '"Contracts"')
    account.mirror()
    assert planned(account.plan(KEEP_ONE)) == {"INBOX": {1}, "Contracts": {5}, ALL_MAIL: {11}}
    del account.server.folders["Contracts"].mail[6]
    assert planned(account.plan(KEEP_ONE)) == {}


@pytest.mark.parametrize(
    "fault", [{"uid_validity": 77}, {"is_broken": True}], ids=["numbered anew", "refused"]
)
def test_where_nobody_knows_the_newest_of_a_folder_its_mail_stays(
    account: Labelled, fault: dict[str, Any]
) -> None:
    """It may be among them."""
    account.server.folders["Contracts"].mail[6] = message(3, 1, "")
    account.mirror()
    for name, value in fault.items():
        setattr(account.server.folders["Contracts"], name, value)
    assert account.retain(parse_policy(KEEP_ONE), dry_run=True).deleted == 0


def test_labels_of_what_lies_in_the_trash_keep_nothing(account: Labelled) -> None:
    """It is in no other folder, though it has its labels still."""
    account.server.folders[TRASH].mail[9] = message(9, 100, '"Contracts"')
    account.mirror()
    text = r"rules: [{folders: ['\Trash'], delete_after: 7d, basis: internal}]"
    assert planned(account.plan(text)) == {TRASH: {9}}


def test_a_policy_is_explained_with_the_labels_in_mind(account: Labelled) -> None:
    """What the deletion would do is what the explanation says."""
    contract = digest(account.server.folders["INBOX"].mail[1].content)
    policy = parse_policy("rules: [{folders: [INBOX], delete_after: 30d}]")
    explained = explain_message(account.archive, account.name, contract, policy, account.now())
    sentences = {each.folder: each.sentence(account.now()) for each in explained}
    assert sentences["INBOX"].startswith("It stays, in another folder that keeps it. What decides: more")
    assert sentences["INBOX"].endswith(
        " It is in 'Contracts' too, and goes when the last of its folders lets it go."
    )
    text = "rules: [{name: all, delete_after: 30d}, {name: filed, folders: [Contracts], keep_for: forever}]"
    explained = explain_message(account.archive, account.name, contract, parse_policy(text), account.now())
    assert {each.verdict.rule for each in explained if each.verdict} == {"filed: kept for ever"}
    late = parse_policy(BOTH.format("folders: [Contracts], delete_after: 10 years"))
    explained = explain_message(account.archive, account.name, contract, late, account.now())
    told = {each.folder: each.verdict and (each.verdict.keep, each.verdict.rule) for each in explained}
    assert told == {
        "INBOX": (Keep.TOO_YOUNG, "filed: more than 3650 days after it reached the mailbox"),
        "Contracts": (Keep.TOO_YOUNG, "filed: more than 3650 days after it reached the mailbox"),
        ALL_MAIL: None,
    }


def test_a_policy_is_explained_with_labels_of_folders_that_no_mirror_saw(
    archive_root: Path, account: Labelled
) -> None:
    """Rules mean those folders too, and the deletion would ask them."""
    account.server.folders["INBOX"].mail[2].labels = '"Later"'
    account.mirror()
    other = digest(account.server.folders["INBOX"].mail[2].content)
    for text, keep in (("delete_after: 10 years", Keep.TOO_YOUNG), ("delete_after: 1d", None)):
        policy = parse_policy(BOTH.format(f"folders: [Later], {text}"))
        explained = explain_message(account.archive, account.name, other, policy, account.now())
        assert [each.verdict.keep for each in explained if each.verdict] == [keep]
