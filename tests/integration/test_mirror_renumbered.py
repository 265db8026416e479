"""Folders numbered anew, accounts moved to another host, and runs that break in between."""

from __future__ import annotations

import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroom.client.imap import ImapClient
from mailroom.exceptions import ConnectionLost
from mailroom.services.mirroring import mirror_run
from tests.integration.mirrors import MirrorAccount
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message, message_of_size
from tests.support.proxy import Proxy

FOLDER = "Archive"


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> MirrorAccount:
    """An account with ten messages in a folder that can be deleted and made anew."""
    found = MirrorAccount(dovecot, user, archive_root)
    fill(found, range(10))
    return found


def fill(account: MirrorAccount, numbers: range, hour: int = 7) -> None:
    """Put messages into the folder, each with an internal date of its own."""
    for number in numbers:
        account.append(
            make_message(subject=f"number {number}"),
            FOLDER,
            internal_date=datetime(2020, 1, 1 + number, hour, tzinfo=UTC),
        )


def recreate(account: MirrorAccount) -> None:
    """Delete the folder, so that the next one of its name has another UIDVALIDITY."""
    with account.server.mailbox(account.user) as client:
        client.delete_folder(FOLDER)


def test_same_messages_under_new_numbers_are_not_downloaded(account: MirrorAccount) -> None:
    """UIDVALIDITY changed and everything else is as it was: one row each, no octet."""
    account.mirror()
    recreate(account)
    fill(account, range(9, -1, -1))
    report = account.mirror()
    assert (report.recognised, report.added, report.octets, report.expunged) == (10, 10, 0, 10)
    account.assert_in_step()
    assert account.mirror().unchanged == account.mirror().folders


def test_only_what_is_new_is_downloaded(account: MirrorAccount) -> None:
    """What is gone is closed, what is new is fetched, the rest is recognised."""
    account.mirror()
    recreate(account)
    fill(account, range(5, 12))
    report = account.mirror()
    assert (report.recognised, report.added, report.expunged) == (5, 7, 10)
    account.assert_in_step()
    assert account.archive.read_table("messages").num_rows == 12


def test_restore_that_changed_internal_dates_is_recognised_by_date_header(account: MirrorAccount) -> None:
    """A restore often gives all messages the date of the restore."""
    account.mirror()
    recreate(account)
    fill(account, range(10), hour=20)
    report = account.mirror()
    assert (report.recognised, report.octets) == (10, 0)
    account.assert_in_step()


def test_flags_are_those_of_the_new_folder(account: MirrorAccount) -> None:
    """A recognised message is recorded as the server shows it now."""
    account.mirror()
    recreate(account)
    fill(account, range(10))
    with account.server.mailbox(account.user) as client:
        client.select_folder(FOLDER)
        client.add_flags([3, 4], [b"\\Answered", b"$done"])
    account.mirror()
    account.assert_in_step()


def test_run_stopped_in_between_is_continued(account: MirrorAccount) -> None:
    """Former messages stay known until the whole folder was seen, so none is downloaded twice."""
    account.mirror()
    recreate(account)
    fill(account, range(14))
    stop = threading.Event()
    looks = 0

    def now() -> datetime:
        nonlocal looks
        looks += 1
        if looks == 12:
            stop.set()
        return MirrorAccount.now(account)

    account.now = now  # type: ignore[method-assign]
    first = account.mirror(stop=stop)
    assert first.interrupted
    assert first.expunged == 0
    stop.clear()
    second = account.mirror()
    assert first.added + second.added == 14
    assert second.expunged == 10
    account.assert_in_step()


def test_account_at_a_new_host_with_other_folder_names_is_recognised(
    account: MirrorAccount, dovecot: Dovecot
) -> None:
    """Another server, other UIDVALIDITYs, another folder name: the mail is the same mail."""
    account.mirror()
    account.user = dovecot.add_user()
    moved = MirrorAccount(dovecot, account.user, account.root)
    for number in range(10):
        moved.append(
            make_message(subject=f"number {number}"),
            "Elsewhere",
            internal_date=datetime(2020, 1, 1 + number, 7, tzinfo=UTC),
        )
    dovecot.doveadm("mailbox", "update", "-u", moved.user, "--uid-validity", "77", "Elsewhere")
    report = moved.mirror()
    assert (report.recognised, report.octets, report.deleted_folders) == (10, 0, 1)
    moved.assert_in_step()


def test_mail_reencoded_by_a_new_host_is_no_second_message(account: MirrorAccount, dovecot: Dovecot) -> None:
    """Other bytes of the same content become a place of the archived message."""
    account.mirror()
    moved = MirrorAccount(dovecot, dovecot.add_user(), account.root)
    for number in range(10):
        content = make_message(subject=f"number {number}")
        moved.append(content.replace(b"Subject: ", b"X-Moved-By: host\r\nSubject: "), FOLDER)
    # Dovecot takes the second at which a folder was made, which may be the same for both.
    dovecot.doveadm("mailbox", "update", "-u", moved.user, "--uid-validity", "77", FOLDER)
    report = moved.mirror()
    assert (report.added, report.recognised, report.expunged) == (10, 0, 10)
    assert moved.archive.read_table("messages").num_rows == 10


def test_messages_of_one_message_id_are_kept_apart(dovecot: Dovecot, user: str, archive_root: Path) -> None:
    """Broken senders give all their mail one Message-ID; each message survives a new numbering."""
    account = MirrorAccount(dovecot, user, archive_root)
    bodies = [make_message(message_id="<same@x>", subject="report", text=f"day {n}\n") for n in range(8)]
    for body in bodies:
        account.append(body, FOLDER)
    account.mirror()
    recreate(account)
    for body in reversed(bodies):
        account.append(body, FOLDER)
    account.mirror()
    account.assert_in_step()
    assert account.archive.read_table("messages").num_rows == 8


@pytest.mark.parametrize("cut_after", [3_000, 60_000, 150_000])
def test_lost_connections_cost_no_message(
    dovecot: Dovecot, user: str, archive_root: Path, monkeypatch: pytest.MonkeyPatch, cut_after: int
) -> None:
    """What was committed stays; however often the line breaks, the account is whole in the end."""
    monkeypatch.setattr(mirror_run, "BREAK_SECONDS", 0.01)
    account = MirrorAccount(dovecot, user, archive_root)
    for number in range(12):
        account.append(message_of_size(30_000, seed=str(number)))
    with Proxy(dovecot.host, dovecot.imaps_port, cut_after=cut_after, cuts=9) as proxy:

        def connect() -> ImapClient:
            endpoint = dovecot.endpoint(user, account.endpoint.protocol, port=proxy.port)
            return ImapClient.connect(endpoint)

        runs = 0
        while True:
            runs += 1
            try:
                report = account.mirror(connect=connect)
                break
            except ConnectionLost:
                continue
    assert runs <= 10
    assert report.failures == ()
    account.assert_in_step()
    uids = account.archive.read_table("locations").to_pylist()
    assert sorted(row["uid"] for row in uids if row["change"] == "added") == list(range(1, 13))


def test_mail_after_a_restore_from_a_copy_is_archived(
    dovecot: Dovecot, user: str, archive_root: Path, tmp_path: Path
) -> None:
    """Dovecot comes back with the UIDVALIDITY and the numbers of the copy, and gives them anew."""
    account = MirrorAccount(dovecot, user, archive_root)
    home, copy = Path(dovecot.doveadm("user", "-f", "home", user).strip()), tmp_path / "copy"
    for number in range(12):
        if number == 6:
            subprocess.run(["cp", "-a", home, copy], check=True)
        account.append(
            make_message(subject=f"number {number}"), internal_date=datetime(2020, 1, 1 + number, tzinfo=UTC)
        )
    account.mirror()
    subprocess.run(["rm", "-r", home], check=True)
    subprocess.run(["mv", copy, home], check=True)
    for number in range(8):
        account.append(
            make_message(subject=f"later {number}"), internal_date=datetime(2020, 2, 1 + number, tzinfo=UTC)
        )
    report = account.mirror()
    assert (report.added, report.failures, len(report.warnings)) == (8, (), 1)
    account.assert_in_step()
    assert account.archive.read_table("messages").num_rows == 20
