"""What must work on Dovecot must work on servers of other habits: Courier and Cyrus.

The folders of both lie below ``INBOX.``. Courier counts no changes, tells no UIDNEXT when a folder is opened,
and has neither MOVE nor MULTIAPPEND nor LITERAL+ nor ESEARCH nor SPECIAL-USE; Cyrus has nearly everything, in
its own way.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from mailroom.archive import NewMessage
from mailroom.change_request import RequestState
from mailroom.client.imap import ImapClient
from mailroom.model import Endpoint, MailProtocol
from mailroom.policy.restore import RestoreSelection
from mailroom.policy.retention import RetentionRule
from mailroom.services.copy import copy_account
from mailroom.services.progress import NoProgress
from tests.integration.mirrors import shown_by_server
from tests.integration.pushes import TwoWayAccount
from tests.integration.restores import restore, shown
from tests.integration.runs import Account
from tests.integration.test_two_way_random import Elsewhere
from tests.support.courier import Courier
from tests.support.cyrus import Cyrus
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message, message_of_size
from tests.support.unpacked import PackagesMissing

Host = Courier | Cyrus

OLD = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module", params=[Courier, Cyrus], ids=["courier", "cyrus"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A running server with no accounts."""
    try:
        with request.param() as server:
            yield server
    except PackagesMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def account(host: Host, archive_root: Path) -> TwoWayAccount:
    """An account with mail in three folders."""
    found = TwoWayAccount(cast(Dovecot, host), host.add_user(), archive_root)
    for number in range(6):
        found.append(mail(number), flags=["\\Seen", "$Work"][: number % 3], internal_date=OLD)
    found.append(message_of_size(600_000), "INBOX.Gross", internal_date=OLD)
    found.append(mail(20), "INBOX.Proyectos.2024", internal_date=OLD)
    return found


def mail(number: int) -> bytes:
    return make_message(subject=f"Mensaje {number}", text=f"texto {number}")


def connecting(endpoint: Endpoint) -> Any:
    return lambda: ImapClient.connect(endpoint)


def test_mirror_shows_the_account(account: TwoWayAccount) -> None:
    """After each run archive and server agree, whatever another client did in between."""
    account.mirror()
    account.assert_in_step()
    assert account.mirror().added == 0
    with account.server.mailbox(account.user) as client:
        client.select_folder("INBOX")
        client.add_flags([1, 2], [b"\\Flagged", b"$Later"])
        client.remove_flags([3], [b"\\Seen"])
        client.copy([4], "INBOX.Gross")
        client.delete_messages([5])
        client.expunge()
        client.rename_folder("INBOX.Proyectos.2024", "INBOX.Archivo")
    account.append(mail(30), "INBOX.Über uns")
    account.mirror(max_gone=1)
    account.assert_in_step()


def test_a_renamed_folder_keeps_its_mail(account: TwoWayAccount) -> None:
    """Whatever the server does to ids and numbers (Courier numbers anew), nothing comes a second time."""
    account.mirror()
    for old, new in [("Gross", "Klein"), ("Klein", "Mittel"), ("Proyectos.2024", "Proyectos.2025")]:
        with account.server.mailbox(account.user) as client:
            client.rename_folder(f"INBOX.{old}", f"INBOX.{new}")
        report = account.mirror(max_gone=1)
        assert (report.octets, report.warnings) == (0, ())
        account.assert_in_step()


def test_mirror_knows_a_folder_numbered_anew(account: TwoWayAccount) -> None:
    """Deleted and made again under its name, with mail that is known and mail that is not."""
    account.mirror()
    with account.server.mailbox(account.user) as client:
        client.delete_folder("INBOX.Gross")
    account.append(message_of_size(600_000), "INBOX.Gross", internal_date=OLD)
    account.append(mail(31), "INBOX.Gross")
    report = account.mirror(max_gone=1)
    account.assert_in_step()
    assert report.warnings == ()


def test_restore_and_again(account: TwoWayAccount, host: Host) -> None:
    """Onto an empty account of the same server: equal; a second time: nothing to add."""
    account.mirror()
    target = host.add_user()
    report = restore(host.endpoint(target), account.root, account.name, read_back="all")
    assert report.failures == report.warnings == ()
    assert shown(cast(Dovecot, host), target) == shown(account.server, account.user)
    assert restore(host.endpoint(target), account.root, account.name).summary()["added"] == 0


def test_retention_deletes_what_is_old(account: TwoWayAccount) -> None:
    """What is archived, verified and old enough goes, and nothing else."""
    account.append(mail(40))
    account.mirror()
    run = Account(account.root, account.endpoint, name=account.name, clock=datetime.now(UTC))
    rule = RetentionRule(older_than=timedelta(days=30), folders=("INBOX",))
    report = run.retain(rule)
    assert report.failures == ()
    assert report.summary()["deleted"] == 6
    left = [value[0] for (folder, _), value in shown_by_server(account.server, account.user).items()]
    assert hashlib.sha256(mail(40)).hexdigest() in left
    assert len(left) == 3
    account.mirror(max_gone=1)
    account.assert_in_step()


def test_each_change_is_pushed(account: TwoWayAccount) -> None:
    """Flags, a move into a new folder, both deletions and a new message."""
    with account.server.mailbox(account.user) as client:
        client.create_folder("INBOX.Trash")
    account.mirror()
    changes = account.changes
    changes.request_flags(account.live(uids=[1, 4]), add=["\\Answered", "$Neu"], remove=["\\Seen"])
    changes.request_move(account.live(uids=[2]), "INBOX.Archivo.2024")
    changes.request_deletion(account.live(uids=[3]))
    changes.request_deletion(account.live(uids=[5]), expunge=True)
    digest = hashlib.sha256(mail(0)).hexdigest()
    wanted = NewMessage(sha256=digest, flags=("\\Draft",), internal_date=OLD)
    changes.request_append([wanted], "INBOX.Drafts")
    report = account.mirror_both_ways(max_gone=1)
    assert report.failures == ()
    assert (report.push.pushed, report.push.waiting) == (6, 0)
    account.assert_in_step()
    found = Counter(folder for folder, _ in shown_by_server(account.server, account.user))
    assert found["INBOX.Archivo.2024"] == found["INBOX.Trash"] == found["INBOX.Drafts"] == 1
    assert found["INBOX"] == 3


def test_names_of_targets_become_the_servers(account: TwoWayAccount) -> None:
    """With slashes and without the prefix, known folders and new ones; a folder is not moved to itself."""
    account.mirror()
    changes = account.changes
    changes.request_move(account.live(uids=[1]), "Archivo/2024")
    changes.request_move(account.live(uids=[2]), "Gross")
    changes.request_move(account.live("INBOX.Gross"), "Gross")
    wanted = NewMessage(sha256=hashlib.sha256(mail(0)).hexdigest(), internal_date=OLD)
    changes.request_append([wanted], "Archivo/2024")
    report = account.mirror_both_ways(max_gone=1)
    assert report.failures == report.push.warnings == ()
    assert (report.push.pushed, report.push.waiting) == (4, 0)
    account.assert_in_step()
    found = Counter(folder for folder, _ in shown_by_server(account.server, account.user))
    assert found == {"INBOX": 4, "INBOX.Gross": 2, "INBOX.Archivo.2024": 2, "INBOX.Proyectos.2024": 1}


@pytest.mark.parametrize("seed", [1, 2])
def test_both_sides_end_equal(host: Host, archive_root: Path, seed: int) -> None:
    """Two clients, ours and another one, do what comes to mind; nothing is lost, and both show the same."""
    chance = random.Random(seed)
    account = TwoWayAccount(cast(Dovecot, host), host.add_user(), archive_root)
    folders = ("INBOX", "INBOX.Work", "INBOX.Trash")
    for number in range(9):
        account.append(mail(number), folders[number % 3])
    other = Elsewhere(account, chance, folders)
    for _ in range(4):
        account.mirror(max_gone=1)
        with host.mailbox(account.user) as client:
            for _ in range(4):
                other.step(client)
        rows = account.live()
        if rows:
            account.changes.request_flags(chance.sample(rows, 1), add=["\\Flagged"])
            account.changes.request_move(chance.sample(rows, 1), "INBOX.Work")
            account.changes.request_deletion(chance.sample(rows, 1))
        with host.mailbox(account.user) as client:
            other.step(client)
        account.mirror_both_ways(max_gone=1)
        account.assert_in_step()
    there = {value[0] for value in shown_by_server(account.server, account.user).values()}
    sent = {hashlib.sha256(mail(number)).hexdigest() for number in range(9)}
    assert sent - there <= other.expunged
    assert {row.state for row in account.changes.newest()} <= {
        RequestState.PUSHED,
        RequestState.CONFLICT,
        RequestState.REFUSED,
    }


@pytest.mark.parametrize("direction", ["to", "from"])
def test_copy_between_servers(account: TwoWayAccount, dovecot: Dovecot, host: Host, direction: str) -> None:
    """Folders lose and gain their prefix and their dots on the way; a second run adds nothing."""
    user = dovecot.add_user()
    if direction == "to":
        for folder in ("INBOX", "Projekte/2024"):
            dovecot.append(user, mail(1), folder, flags=["\\Seen"], internal_date=OLD)
        source, target = dovecot.endpoint(user, MailProtocol.IMAP), host.endpoint(host.add_user())
        expected = {"INBOX": 1, "INBOX.Projekte.2024": 1}
    else:
        source, target = account.endpoint, dovecot.endpoint(user, MailProtocol.IMAP)
        expected = {"INBOX": 6, "Gross": 1, "Proyectos/2024": 1}
    added = []
    for _ in range(2):
        report = copy_account(
            connecting(source),
            connecting(target),
            "old",
            "new",
            selection=RestoreSelection(),
            dry_run=False,
            progress=NoProgress(),
            stop=threading.Event(),
        )
        assert report.failures == report.warnings == ()
        added.append(report.summary()["added"])
    assert added == [sum(expected.values()), 0]
    server = cast(Dovecot, host) if direction == "to" else dovecot
    found = {folder: len(messages) for folder, messages in shown(server, target.user).items() if messages}
    assert found == expected
