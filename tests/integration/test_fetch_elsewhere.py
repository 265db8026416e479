"""POP3 fetch over bad lines, into S3, and by two runs at a time."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.client.pop3 import Pop3Client
from mailroom.exceptions import ConnectionLost
from mailroom.model import MailProtocol, Security
from mailroom.policy.fetch_mode import FetchMode
from mailroom.policy.retention import RetentionRule
from tests.integration.runs import DELETE, LEAVE, Account, days, digest, raw_digests
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message, message_of_size
from tests.support.maildir import Stored
from tests.support.proxy import Proxy
from tests.support.s3 import S3Server

MAIL = [make_message(subject=f"Factura {number}", text=f"Importe {number}\n") for number in range(30)]


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> Account:
    dovecot.fill(user, [Stored(content=content) for content in MAIL])
    return Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))


def listed(account: Account) -> int:
    with Pop3Client.connect(account.endpoint) as client:
        return len(client.list_messages().messages)


def test_line_that_breaks_again_and_again_is_survived_within_one_run(
    dovecot: Dovecot, user: str, account: Account
) -> None:
    """Each session goes on where the last one broke; nothing is archived twice, and all is deleted."""
    with Proxy(dovecot.host, dovecot.pop3_port, cut_after=6000, cuts=2) as proxy:
        direct = account.endpoint
        account.endpoint = dovecot.endpoint(user, MailProtocol.POP3, Security.PLAIN, port=proxy.port)
        report = account.fetch(DELETE)
        account.endpoint = direct
    assert (report.added, report.deleted, report.failures) == (30, 30, ())
    assert proxy.connections >= 3
    assert account.changes() == ["added"] * 30 + ["deleted_by_fetch"] * 30


def test_line_that_always_breaks_fails_the_run_and_loses_nothing(
    dovecot: Dovecot, user: str, account: Account
) -> None:
    """What came through is archived; nothing was deleted, because no QUIT came through."""
    with Proxy(dovecot.host, dovecot.pop3_port, cut_after=6000) as proxy:
        direct = account.endpoint
        account.endpoint = dovecot.endpoint(user, MailProtocol.POP3, Security.PLAIN, port=proxy.port)
        with pytest.raises(ConnectionLost):
            account.fetch(DELETE)
        account.endpoint = direct
    assert listed(account) == 30
    assert "deleted_by_fetch" not in account.changes()
    assert account.fetch(DELETE).deleted == 30
    assert raw_digests(account.root) == {digest(content) for content in MAIL}


def test_quit_that_never_arrives_deletes_nothing_on_a_real_server(account: Account) -> None:
    """Dovecot keeps what was only marked; the archive did not claim otherwise."""

    class HangingUp(Pop3Client):
        def quit(self) -> None:
            self.close()
            raise ConnectionLost("The line went.", reason="closed")

    report = account.fetch(DELETE, connect=lambda: HangingUp.connect(account.endpoint))
    assert (report.deleted, len(report.failures), listed(account)) == (0, 1, 30)
    assert account.fetch(DELETE).deleted == 30


@pytest.mark.parametrize("security", [Security.PLAIN, Security.STARTTLS], ids=lambda s: s.value)
def test_every_kind_of_connection_serves(
    dovecot: Dovecot, user: str, account: Account, security: Security
) -> None:
    """Plain and STLS do what implicit TLS does."""
    account.endpoint = dovecot.endpoint(user, MailProtocol.POP3, security)
    assert account.fetch(DELETE).deleted == 30


def test_fetch_and_retention_into_s3(account: Account, dovecot: Dovecot, user: str, s3: S3Server) -> None:
    """The same order holds there: stored, committed, read back, deleted."""
    large = message_of_size(2_000_000)
    dovecot.fill(user, [Stored(content=large)], stamp=1_700_000_000)
    root = f"s3://{s3.new_bucket()}/mail"
    account.at(Archive(root, storage_options=s3.storage_options))
    assert account.fetch().added == 31
    account.wait(days(8))
    assert account.retain(RetentionRule(older_than=days(7), max_fraction=0.5)).deleted == 15
    assert account.fetch(DELETE).deleted == 16
    assert listed(account) == 0
    rows = account.archive.read_table("messages").to_pylist()
    assert {row["sha256"] for row in rows} == {digest(content) for content in [*MAIL, large]}
    assert account.archive.raw.hash(digest(large)) == digest(large)


@pytest.mark.parametrize("mode", [LEAVE, FetchMode(delete_after=days(0))], ids=["leave", "delete"])
def test_two_runs_at_a_time_archive_and_record_each_message_once(account: Account, mode: FetchMode) -> None:
    """A schedule that overlaps itself doubles nothing."""
    other = Account(account.root, account.endpoint)
    start = threading.Barrier(2)

    def run(one: Account) -> tuple[str, ...]:
        start.wait()
        return one.fetch(mode).failures

    with ThreadPoolExecutor(2) as pool:
        failures = [failure for found in pool.map(run, (account, other)) for failure in found]
    counted = Counter(account.history())
    assert {count for (change, _), count in counted.items() if change == "added"} == {1}
    assert sum(count for (change, _), count in counted.items() if change == "added") == 30
    account.fetch(mode)
    assert listed(account) == (30 if mode is LEAVE else 0)
    assert raw_digests(account.root) == {digest(content) for content in MAIL}
    assert failures == [] or mode is not LEAVE
