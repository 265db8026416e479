"""Folders that others share, mirrored on request: changes are pushed there, and ``check`` looks there."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroom.archive import NewMessage
from mailroom.client.imap import ImapClient
from mailroom.model import Folder, RunContext
from mailroom.services.check import check_account
from mailroom.services.progress import NoProgress
from mailroom.services.two_way import push_changes
from tests.integration.pushes import TwoWayAccount
from tests.support.dovecot import Dovecot, find_dovecot
from tests.support.mail import make_message


@pytest.fixture(scope="module")
def shared_dovecot() -> Iterator[Dovecot]:
    """A server with a namespace that all users share, and a trash in it as in everyone's own."""
    said = subprocess.run([find_dovecot(), "--version"], check=True, capture_output=True, text=True).stdout
    where = "location = maildir:~/public" if said < "2.4" else "mail_driver = maildir\n  mail_path = ~/public"
    trash = "  mailbox Trash {\n    special_use = \\Trash\n  }\n"
    space = (
        f"namespace public {{\n  type = public\n  separator = /\n  prefix = Public/\n  {where}\n{trash}}}\n"
    )
    with Dovecot(extra=space) as server:
        yield server


@pytest.fixture
def account(shared_dovecot: Dovecot, archive_root: Path) -> TwoWayAccount:
    """An account with mail of its own and in a shared folder, all of it mirrored."""
    found = TwoWayAccount(shared_dovecot, shared_dovecot.add_user(), archive_root)
    with shared_dovecot.mailbox(found.user) as client:
        for folder in ("Trash", "Public/Trash", "Public/team", "Public/other"):
            client.create_folder(folder)
    found.append(mail(1))
    for number in range(2, 6):
        found.append(mail(number), "Public/team")
    found.mirror(other_namespaces=True)
    return found


def mail(number: int) -> bytes:
    return make_message(subject=f"Mensaje {number}", text=f"texto {number}")


def counts(account: TwoWayAccount) -> dict[str, int]:
    """Return how many messages each folder has on the server, the shared ones included."""
    with account.server.mailbox(account.user) as client:
        names = [name for attributes, _, name in client.list_folders() if b"\\Noselect" not in attributes]
        return {name: found for name in names if (found := client.folder_status(name)[b"MESSAGES"])}


def test_changes_of_shared_folders_are_pushed(account: TwoWayAccount) -> None:
    """Flags, moves out and in, new mail, and a deletion, which goes to the account's own trash."""
    changes = account.changes
    team = account.live("Public/team")
    changes.request_flags(team[:1], add=["\\Flagged"])
    changes.request_move(team[1:2], "Work")
    changes.request_deletion(team[2:3])
    changes.request_deletion(team[3:4], expunge=True)
    changes.request_move(account.live(), "Public/other")
    changes.request_append([NewMessage(sha256=team[0].sha256 or "")], "Public/new/2024")
    report = account.mirror_both_ways(other_namespaces=True, max_gone=1)
    assert report.failures == report.push.warnings == ()
    assert (report.push.pushed, report.push.waiting) == (6, 0)
    assert counts(account) == {
        "Public/team": 1,
        "Work": 1,
        "Trash": 1,
        "Public/other": 1,
        "Public/new/2024": 1,
    }
    assert [row.flags for row in account.live("Public/team")] == [("\\Flagged",)]


class Noting(ImapClient):
    """A client that notes whether others' folders were listed."""

    foreign_listings = 0

    def list_folders(
        self, *, other_namespaces: bool = False, with_subscriptions: bool = False
    ) -> list[Folder]:
        Noting.foreign_listings += other_namespaces
        return super().list_folders(other_namespaces=other_namespaces, with_subscriptions=with_subscriptions)


def test_changes_of_own_folders_list_no_others(account: TwoWayAccount) -> None:
    """A shared tree may be huge: it is listed only where something is asked for there."""
    account.changes.request_move(account.live(), "Trash")
    report = push_changes(
        lambda: Noting.connect(account.endpoint),
        account.archive,
        RunContext(run_id="one", what="push", account=account.name, started=account.now(), who="a test"),
        now=account.now,
        progress=NoProgress(),
        stop=threading.Event(),
    )
    assert (report.pushed, Noting.foreign_listings) == (1, 0)


def test_check_looks_into_shared_folders_that_are_archived(account: TwoWayAccount) -> None:
    """What was mirrored of others' folders is compared; what never was is not asked about."""
    account.append(mail(9), "Public/team")
    account.append(mail(10), "Public/other")
    report = check_account(
        account.connect,
        account.archive,
        account.name,
        progress=NoProgress(),
        stop=threading.Event(),
    )
    found = {folder.folder: (folder.messages, folder.archived, folder.note) for folder in report.folders}
    assert found["Public/team"] == (5, 4, None)
    assert "Public/other" not in found
    assert "'Public/team': 1" in report.failures[0]
