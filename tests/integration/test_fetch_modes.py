"""POP3 fetch in its three modes, against Dovecot."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mailroom.client.pop3 import MaildropListing, Pop3Client, Retrieved
from mailroom.model import MailProtocol, SpoolFactory
from mailroom.policy.fetch_mode import FetchMode
from tests.integration.runs import DELETE, Account, Recorded, days, digest, raw_digests
from tests.support.dovecot import Dovecot, find_dovecot
from tests.support.mail import AWKWARD, make_message, message_of_size
from tests.support.maildir import Stored

MAIL = [make_message(subject=f"Factura {number}", text=f"Importe {number}\n") for number in range(7)]
TEN_DAYS = FetchMode(delete_after=days(10))


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> Account:
    return Account(archive_root, dovecot.endpoint(user, MailProtocol.POP3))


@pytest.fixture
def filled(dovecot: Dovecot, user: str, account: Account) -> Account:
    dovecot.fill(user, [Stored(content=content) for content in MAIL])
    return account


def listed(account: Account) -> int:
    with Pop3Client.connect(account.endpoint) as client:
        return len(client.list_messages().messages)


def test_leave_archives_every_byte_and_deletes_nothing(filled: Account) -> None:
    """What the server sent is in the archive under its checksum, and is still on the server."""
    report = filled.fetch()
    assert raw_digests(filled.root) == {digest(content) for content in MAIL}
    assert (report.added, report.deleted, report.failures, report.identity) == (7, 0, (), "uidl")
    assert listed(filled) == 7


def test_second_run_retrieves_and_records_nothing(filled: Account) -> None:
    """Each message comes over the line once, and a run with nothing new leaves no rows."""
    filled.fetch()
    before = filled.history()
    report = filled.fetch()
    assert (report.retrieved, report.added, report.left, report.sessions) == (0, 0, 7, 1)
    assert filled.history() == before


def test_new_message_among_known_ones_is_fetched_alone(dovecot: Dovecot, user: str, filled: Account) -> None:
    """Only what came since is retrieved."""
    filled.fetch()
    new = make_message(subject="Otra")
    dovecot.append(user, new)
    report = filled.fetch()
    assert (report.retrieved, report.added) == (1, 1)
    assert digest(new) in raw_digests(filled.root)


def test_delete_empties_the_server_and_records_each_deletion(filled: Account) -> None:
    """leave_on_server=False: archived, then gone, and the archive says who did it."""
    report = filled.fetch(DELETE)
    assert (report.added, report.deleted, report.failures) == (7, 7, ())
    assert listed(filled) == 0
    assert raw_digests(filled.root) == {digest(content) for content in MAIL}
    assert filled.changes() == ["added"] * 7 + ["deleted_by_fetch"] * 7
    assert [(row["action"], row["rule"]) for row in filled.audit()] == [
        ("deleted", "fetched, no copy is left")
    ] * 7


def test_days_count_from_archiving_and_survive_restarts(dovecot: Dovecot, user: str, filled: Account) -> None:
    """N days after the first archiving, to the run: not before, not later, each message by its own age."""
    filled.fetch(TEN_DAYS)
    filled.wait(days(5))
    dovecot.append(user, make_message(subject="Otra"))
    assert filled.fetch(TEN_DAYS).deleted == 0
    filled.wait(days(4.99))
    assert filled.fetch(TEN_DAYS).deleted == 0
    filled.wait(days(0.02))
    report = filled.fetch(TEN_DAYS)
    assert (report.deleted, report.left, listed(filled)) == (7, 1, 1)
    filled.wait(days(5))
    assert filled.fetch(TEN_DAYS).deleted == 1
    assert listed(filled) == 0


def test_zero_days_delete_in_the_run_that_archives(filled: Account) -> None:
    """delete_after=0 waits for nothing."""
    report = filled.fetch(FetchMode(delete_after=days(0)))
    assert (report.added, report.deleted, listed(filled)) == (7, 7, 0)


def test_what_an_earlier_run_left_is_deleted_without_a_second_download(filled: Account) -> None:
    """Changing the mode from leaving to deleting proves each message by its header and lets it go."""
    filled.fetch()
    report = filled.fetch(DELETE)
    assert (report.retrieved, report.deleted, report.failures) == (0, 7, ())
    assert listed(filled) == 0


def test_awkward_messages_arrive_byte_for_byte(dovecot: Dovecot, user: str, account: Account) -> None:
    """Whatever Dovecot sends for broken mail is archived as sent, and a later run can delete it all."""
    dovecot.fill(user, [Stored(content=content) for content in AWKWARD.values()])
    with Pop3Client.connect(account.endpoint) as client:
        numbers = [message.number for message in client.list_messages().messages]
        sent = [r.body.content for r in client.retrieve(numbers, account.archive.new_spool) if r.body]
    report = account.fetch()
    assert report.failures == ()
    assert raw_digests(account.root) == {digest(content or b"") for content in sent}
    again = account.fetch(DELETE)
    assert (again.failures, again.deleted, listed(account)) == ((), len(numbers), 0)


def test_large_message_passes_through_a_file(dovecot: Dovecot, user: str, account: Account) -> None:
    """A message above the limit for memory is spooled, archived, and leaves no file behind."""
    large = message_of_size(5_000_000)
    dovecot.fill(user, [Stored(content=large), Stored(content=MAIL[0])])
    assert account.fetch(DELETE).deleted == 2
    assert raw_digests(account.root) == {digest(large), digest(MAIL[0])}
    assert not list(account.root.glob("raw/.incoming/*"))


def test_equal_bytes_are_stored_once_and_counted_twice(dovecot: Dovecot, user: str, account: Account) -> None:
    """The same mail delivered twice has two places and one raw object."""
    dovecot.fill(user, [Stored(content=MAIL[0]), Stored(content=MAIL[0])])
    assert account.fetch().added == 2
    assert account.archive.read_table("messages").num_rows == 1
    assert account.fetch(DELETE).deleted == 2


def test_message_that_vanishes_while_another_client_works_is_no_failure(
    dovecot: Dovecot, user: str, filled: Account
) -> None:
    """Somebody's phone deletes mail between our listing and our RETR: the rest arrives, the run succeeds."""

    phones = iter([True])

    class Disturbed(Pop3Client):
        def list_messages(self) -> MaildropListing:
            listing = super().list_messages()
            with dovecot.mailbox(user) as phone:
                if next(phones, False):
                    phone.select_folder("INBOX")
                    phone.delete_messages(phone.search("2"))
                    phone.expunge()
            return listing

    report = filled.fetch(connect=lambda: Disturbed.connect(filled.endpoint))
    assert (report.failures, report.vanished, report.added) == ((), 1, 6)
    assert raw_digests(filled.root) == {digest(content) for content in MAIL if content != MAIL[1]}


def test_two_sessions_on_one_maildrop_lose_and_double_nothing(filled: Account, dovecot: Dovecot) -> None:
    """A second fetch into another archive at the same time sees the same mail; deletions happen once."""
    other = Account(filled.root.parent / "other", filled.endpoint, name="other")
    with Pop3Client.connect(filled.endpoint) as reader:
        numbers = [message.number for message in reader.list_messages().messages]
        assert other.fetch(DELETE).deleted == 7
        errors = [r.error for r in reader.retrieve(numbers, filled.archive.new_spool)]
        assert len(errors) == 7
    assert filled.fetch(DELETE).deleted == 0
    assert raw_digests(other.root) == {digest(content) for content in MAIL}


def test_damaged_archived_copy_keeps_the_message_on_the_server(filled: Account) -> None:
    """Before a DELE the archived bytes are read back; what fails stays, the run says so and fails."""
    filled.fetch()
    victim = filled.root / "raw" / digest(MAIL[3])[:2] / f"{digest(MAIL[3])}.eml"
    victim.write_bytes(b"something else")
    report = filled.fetch(DELETE)
    assert (report.deleted, listed(filled)) == (6, 1)
    assert len(report.failures) == 1
    assert "mailroom check --read --repair" in report.failures[0]


def test_missing_archived_copy_keeps_the_message_on_the_server(filled: Account) -> None:
    """The row alone is no proof that the bytes are there."""
    filled.fetch()
    (filled.root / "raw" / digest(MAIL[3])[:2] / f"{digest(MAIL[3])}.eml").unlink()
    assert filled.fetch(DELETE).deleted == 6


def test_stop_before_the_first_batch_changes_nothing(filled: Account) -> None:
    """A run that is told to stop at once deletes nothing and says that it was interrupted."""
    stop = threading.Event()
    stop.set()
    report = filled.fetch(DELETE, stop=stop)
    assert (report.interrupted, report.deleted, listed(filled)) == (True, 0, 7)


def test_stop_within_a_run_keeps_what_is_done_and_goes_on_next_time(filled: Account) -> None:
    """What has arrived is archived and deleted; the next run takes the rest."""
    stop = threading.Event()

    class Interrupted(Pop3Client):
        def retrieve(self, numbers: Sequence[int], spool: SpoolFactory) -> Iterator[Retrieved]:
            for place, retrieved in enumerate(super().retrieve(numbers, spool)):
                if place == 2:
                    stop.set()
                yield retrieved

    report = filled.fetch(DELETE, stop=stop, connect=lambda: Interrupted.connect(filled.endpoint))
    assert (report.interrupted, report.added, report.deleted, listed(filled)) == (True, 3, 3, 4)
    assert filled.fetch(DELETE).deleted == 4
    assert raw_digests(filled.root) == {digest(content) for content in MAIL}


@pytest.fixture
def new_host(dovecot: Dovecot) -> Iterator[Dovecot]:
    """A server whose unique ids are file names, where the other one's are numbers."""
    said = subprocess.run([find_dovecot(), "--version"], check=True, capture_output=True, text=True).stdout
    name = "%f" if said.startswith("2.3") else "%{filename}"
    with Dovecot(pop3_extra=f"pop3_uidl_format = {name}") as server:
        yield server


def test_account_at_a_new_host_is_recognised_by_its_bytes(
    filled: Account, new_host: Dovecot, user: str
) -> None:
    """All-new UIDLs for known bytes make no second copy, and the days do not start again."""
    filled.fetch()
    filled.wait(days(8))
    new_host.add_user(user)
    new_host.fill(user, [Stored(content=content) for content in reversed(MAIL)])
    filled.endpoint = new_host.endpoint(user, MailProtocol.POP3)
    report = filled.fetch(TEN_DAYS)
    assert (report.added, report.not_listed, report.deleted) == (7, 7, 0)
    assert filled.archive.read_table("messages").num_rows == 7
    filled.wait(days(2))
    assert filled.fetch(TEN_DAYS).deleted == 7


def test_account_at_a_new_host_that_re_encodes_is_recognised_by_its_contents(
    filled: Account, new_host: Dovecot, user: str
) -> None:
    """Other bytes of the same mail (with trace fields) become no second message while none is deleted."""
    filled.fetch()
    filled.wait(days(8))
    new_host.add_user(user)
    moved = [b"Received: from old by new; Fri, 20 Nov 2026 12:00:00 +0000\r\n" + content for content in MAIL]
    new_host.fill(user, [Stored(content=content) for content in moved])
    filled.endpoint = new_host.endpoint(user, MailProtocol.POP3)
    report = filled.fetch()
    assert (report.added, report.not_listed, report.failures) == (7, 7, ())
    assert filled.archive.read_table("messages").num_rows == 7
    filled.wait(days(2))
    report = filled.fetch(TEN_DAYS)
    assert (report.deleted, report.differing, report.failures) == (7, 0, ())
    assert raw_digests(filled.root) == {digest(content) for content in [*MAIL, *moved]}
    assert listed(filled) == 0


@pytest.mark.parametrize("mode", [DELETE, TEN_DAYS], ids=["delete", "ten days"])
def test_re_encoded_mail_is_stored_as_it_is_before_it_is_deleted(
    filled: Account, new_host: Dovecot, user: str, mode: FetchMode
) -> None:
    """Exact bytes are archived of all that a fetch deletes, and the days do not start again."""
    filled.fetch()
    filled.wait(days(8))
    new_host.add_user(user)
    moved = [b"X-Moved: yes\r\n" + content for content in MAIL]
    new_host.fill(user, [Stored(content=content) for content in moved])
    filled.endpoint = new_host.endpoint(user, MailProtocol.POP3)
    assert filled.fetch(mode).deleted == (7 if mode is DELETE else 0)
    assert raw_digests(filled.root) == {digest(content) for content in [*MAIL, *moved]}
    filled.wait(days(2))
    filled.fetch(mode)
    assert listed(filled) == 0
    assert "unfetchable" not in filled.changes()


def test_progress_is_told_in_messages_and_octets(filled: Account) -> None:
    """The totals are those of the new messages; every start has its end."""
    filled.progress = seen = Recorded()
    filled.fetch(DELETE)
    octets = sum(len(content) for content in MAIL)
    assert seen.started == [("INBOX", 7, octets), ("INBOX", 0, 0)]
    assert (seen.messages, seen.octets, seen.finished) == (7, octets, 2)


def test_summary_is_small_and_json(filled: Account) -> None:
    """What goes into an XCom are counts."""
    summary = filled.fetch(DELETE).summary()
    assert summary["added"] == summary["deleted"] == summary["listed"] == 7
    assert summary["octets"] == sum(len(content) for content in MAIL)
    assert summary.pop("age") is None  # it waits for none
    assert all(isinstance(value, (int, str, bool)) for value in summary.values())


def test_run_is_recorded_with_its_outcome(filled: Account) -> None:
    """The runs table tells what happened."""
    filled.fetch(DELETE)
    runs = filled.archive.read_table("runs").to_pylist()
    assert [(run["what"], run["outcome"]) for run in runs] == [("fetch", "succeeded")]
