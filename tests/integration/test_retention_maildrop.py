"""Retention over POP3: the one folder there is, counted from archiving."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mailroom.client.pop3 import Pop3Client
from mailroom.exceptions import ConfigurationError, ConnectionLost
from mailroom.model import MailProtocol
from mailroom.policy.fetch_mode import FetchMode
from mailroom.policy.retention import Basis, RetentionRule
from tests.integration.runs import Account, days, digest, raw_digests
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.maildir import Stored
from tests.support.pop3_server import Maildrop, Pop3Server

MAIL = [make_message(subject=f"Mensaje {number}", text=f"Texto {number}\n") for number in range(6)]
WEEK = RetentionRule(older_than=days(7))


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> Account:
    """Three messages archived today and three eight days ago."""
    made = Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))
    dovecot.fill(user, [Stored(content=content) for content in MAIL[:3]])
    made.fetch()
    made.wait(days(8))
    dovecot.fill(user, [Stored(content=content) for content in MAIL[3:]])
    made.fetch()
    return made


def listed(account: Account) -> int:
    with Pop3Client.connect(account.endpoint) as client:
        return len(client.list_messages().messages)


def test_messages_archived_long_enough_go(account: Account) -> None:
    """Each proves by its header that it is the archived one; the deletion is recorded."""
    report = account.retain(WEEK)
    assert (report.deleted, report.failures, listed(account)) == (3, (), 3)
    assert account.changes().count("deleted_by_retention") == 3
    assert report.folders[0].basis == "archived"


def test_each_deletion_is_in_the_audit(account: Account) -> None:
    """The audit says which message went, by which rule, and who did it."""
    account.retain(WEEK)
    rows = account.audit()
    assert {row["message_sha256"] for row in rows} == {digest(content) for content in MAIL[:3]}
    assert len({row["uidl"] for row in rows} - {None}) == 3
    (known,) = {(row["protocol"], row["folder"], row["action"], row["rule"], row["who"]) for row in rows}
    assert known == ("pop3", "INBOX", "deleted", "more than 7 days after it was first archived", "a test")


def test_second_run_finds_nothing_to_do(account: Account) -> None:
    """A plan after it was applied is empty."""
    account.retain(WEEK)
    before = account.history()
    assert account.retain(WEEK).deleted == 0
    assert account.history() == before


def test_fetch_after_retention_has_nothing_to_correct(account: Account) -> None:
    """What retention recorded is what the server says."""
    account.retain(WEEK)
    before = account.history()
    account.fetch()
    assert account.history() == before


def test_dry_run_changes_nothing(account: Account) -> None:
    """It tells the same number as the real run."""
    before = account.history()
    assert account.retain(WEEK, dry_run=True).deleted == 3
    assert listed(account) == 6
    assert account.history() == before


def test_fraction_takes_the_oldest(account: Account) -> None:
    """A third of six is two."""
    report = account.retain(RetentionRule(older_than=days(7), max_fraction=0.34))
    assert (report.deleted, report.folders[0].kept) == (2, {"over max_fraction": 1})


def test_damaged_archived_copy_keeps_the_message(account: Account) -> None:
    """The archived bytes are read back before anything goes."""
    name = digest(MAIL[0])
    (account.root / "raw" / name[:2] / f"{name}.eml").unlink()
    report = account.retain(WEEK)
    assert (report.deleted, report.folders[0].kept) == (2, {"archived copy missing or damaged": 1})


@pytest.mark.parametrize(
    "rule",
    [
        RetentionRule(older_than=days(7), basis=Basis.INTERNAL),
        RetentionRule(older_than=days(7), basis=Basis.SAVED),
        RetentionRule(older_than=days(7), folders=("Trash",)),
    ],
    ids=["internal", "saved", "folder"],
)
def test_what_needs_imap_is_refused(account: Account, rule: RetentionRule) -> None:
    """The sentence says to use an imap connection; nothing is deleted."""
    with pytest.raises(ConfigurationError, match="imap connection"):
        account.retain(rule)
    assert listed(account) == 6


def test_re_encoded_mail_stays_until_its_exact_bytes_are_archived(
    account: Account, dovecot: Dovecot, archive_root: Path
) -> None:
    """A new host gives other bytes: a run archives them, and a later one deletes; a dry run does neither."""
    user = dovecot.add_user()
    moved = [b"X-Moved: yes\r\n" + content for content in MAIL[:3]]
    dovecot.fill(user, [Stored(content=content) for content in moved], stamp=1_700_000_000)
    account.endpoint = dovecot.endpoint(user, MailProtocol.POP3)
    account.fetch()
    before = account.history()
    assert account.retain(WEEK, dry_run=True).folders[0].kept == {"archived with other bytes": 3}
    assert account.history() == before
    report = account.retain(WEEK)
    assert (report.deleted, report.failures, listed(account)) == (0, (), 3)
    assert {digest(content) for content in moved} <= raw_digests(archive_root)
    report = account.retain(WEEK)
    assert (report.deleted, report.failures, listed(account)) == (3, (), 0)
    assert {row["message_sha256"] for row in account.audit()} == {digest(content) for content in moved}


def test_maildrop_that_was_never_fetched_is_passed_over(account: Account) -> None:
    """It is told, and nothing goes."""
    other = Account(account.root, account.endpoint, name="other")
    report = other.retain(WEEK)
    assert report.folders[0].note is not None
    assert "fetch it first" in report.folders[0].note
    assert listed(account) == 6


def test_odd_server(archive_root: Path) -> None:
    """Shared UIDLs are kept, a message that answers differently is kept, a failed QUIT records nothing."""
    maildrop = Maildrop(messages=[("same", MAIL[0]), ("same", MAIL[1]), ("u2", MAIL[2]), ("u3", MAIL[3])])
    with Pop3Server(maildrop) as server:
        account = Account(archive_root, server.endpoint())
        account.fetch()
        account.wait(days(8))
        other = MAIL[3].replace(b"Message-ID: <", b"Message-ID: <x").replace(b"mail.ex", b"ail.ex")
        maildrop.messages[3] = ("u3", other)
        maildrop.quit_answer = "-ERR disk full"
        report = account.retain(WEEK)
        assert (report.deleted, len(report.failures), len(maildrop.messages)) == (0, 2, 4)
        assert account.audit() == []
        assert "(Message-ID differs)" in report.failures[0]
        maildrop.quit_answer = "+OK"
        report = account.retain(WEEK)
        kept = report.folders[0].kept
        assert (report.deleted, len(maildrop.messages)) == (1, 3)
        assert kept == {"shares its UIDL with another": 2, "answers differently": 1}


@pytest.mark.parametrize(
    ("fault", "removed"),
    [
        pytest.param({"quit_answer": "-ERR cannot write"}, 0, id="refused"),
        pytest.param({"quit_answer": "-ERR some not removed", "quit_removes": 2}, 2, id="refused in part"),
        pytest.param({"hang_up_at": "QUIT"}, 0, id="lost before QUIT"),
        pytest.param({"hangs_up_after_quit": True}, 4, id="lost after QUIT"),
        pytest.param({"hang_up_at": "DELE 3"}, 0, id="lost at DELE"),
    ],
)
def test_a_session_that_ends_badly_says_no_more_than_what_went(
    archive_root: Path, fault: dict[str, Any], removed: int
) -> None:
    """Nothing counts as deleted without +OK to QUIT; the next session finds out which run took what."""
    maildrop = Maildrop(messages=[(f"u{number}", MAIL[number]) for number in range(4)])
    with Pop3Server(maildrop) as server:
        account = Account(archive_root, server.endpoint())
        account.fetch()
        account.wait(days(8))
        healthy = {name: getattr(maildrop, name) for name in fault}
        for name, value in fault.items():
            setattr(maildrop, name, value)
        if fault.get("hang_up_at") == "DELE 3":
            with pytest.raises(ConnectionLost):
                account.retain(WEEK)
        else:
            report = account.retain(WEEK)
            assert (report.deleted, len(report.failures), report.undo) == (0, 1, None)
        assert (account.audit(), len(maildrop.messages)) == ([], 4 - removed)
        assert set(account.states().values()) == {"added"}
        for name, value in healthy.items():
            setattr(maildrop, name, value)
        account.wait(days(0.01))
        assert account.retain(WEEK).deleted == 4 - removed
        assert maildrop.messages == []
    assert set(account.states().values()) == {"deleted_by_retention"}
    by_run = Counter(row["run_id"] for row in account.audit())
    assert sorted(by_run.values()) == sorted(count for count in (removed, 4 - removed) if count)
    assert len({row["message_sha256"] for row in account.audit()}) == 4


def test_deletions_that_a_server_confirms_and_forgets_are_asked_for_again(archive_root: Path) -> None:
    """As after RSET: the next listing shows the messages, and each confirmation is a row of the audit."""
    maildrop = Maildrop(messages=[("u0", MAIL[0]), ("u1", MAIL[1])], quit_removes=0)
    with Pop3Server(maildrop) as server:
        account = Account(archive_root, server.endpoint())
        account.fetch()
        account.wait(days(8))
        assert (account.retain(WEEK).deleted, len(maildrop.messages)) == (2, 2)
        account.wait(days(0.01))
        account.fetch()
        assert set(account.states().values()) == {"added"}
        maildrop.quit_removes = None
        assert (account.retain(WEEK).deleted, maildrop.messages) == (2, [])
    assert len(account.audit()) == 4
    assert set(account.states().values()) == {"deleted_by_retention"}


@pytest.mark.parametrize("way", ["retention", "fetch"])
def test_what_somebody_brought_back_counts_its_days_anew(
    account: Account, dovecot: Dovecot, user: str, way: str
) -> None:
    """Under its new UIDL it stays for its days, and then goes; what was there all the time goes as before."""
    mode = FetchMode(delete_after=days(7))

    def run() -> int:
        account.fetch()
        return account.fetch(mode).deleted if way == "fetch" else account.retain(WEEK).deleted

    assert run() == 3
    account.wait(days(1))
    dovecot.append(user, MAIL[0])
    assert (run(), listed(account)) == (0, 4)
    account.wait(days(6.5))
    assert (run(), listed(account)) == (3, 1)
    account.wait(days(0.6))
    assert (run(), listed(account)) == (1, 0)


def test_what_is_fetched_and_left_nowhere_goes_however_it_came(
    account: Account, dovecot: Dovecot, user: str
) -> None:
    """Who leaves no copy on the server has no days to count."""
    account.fetch(FetchMode(leave_on_server=False))
    account.wait(days(1))
    dovecot.append(user, MAIL[0])
    assert (account.fetch(FetchMode(leave_on_server=False)).deleted, listed(account)) == (1, 0)
