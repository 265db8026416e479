"""Retention on an account like Gmail's: a message under several labels is one, and is deleted as one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

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
BESIDE_ALL = "rules: [{{name: all, delete_after: 30d}}, {{name: filed, folders: [Contracts], {}}}]"


def message(number: int, age: float, labels: str, sender: str = "ana@shop.example") -> Mail:
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


def test_labels_are_those_of_now(account: Labelled) -> None:
    """Somebody filed it after the last mirror."""
    account.server.folders["INBOX"].mail[2].labels = '"Contracts"'
    report = account.plan("rules: [{folders: [INBOX], delete_after: 30d}]")
    assert (report.deleted, report.summary()["kept"]) == (0, {"in another folder that keeps it": 2})


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
    text = "rules: [{name: all, delete_after: 30d}, {name: filed, folders: [Contracts], keep_for: forever}]"
    explained = explain_message(account.archive, account.name, contract, parse_policy(text), account.now())
    assert {each.verdict.rule for each in explained if each.verdict} == {"filed: kept for ever"}
