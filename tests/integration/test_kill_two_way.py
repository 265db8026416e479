"""SIGKILL while changes are pushed: the next run does the rest, nothing twice, nothing lost."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroom.archive import NewMessage
from mailroom.change_request import RequestState
from tests.integration.killing import small_mail
from tests.integration.mirrors import shown_by_server
from tests.integration.pushes import TwoWayAccount
from tests.support.command import kill_after, run_command
from tests.support.dovecot import Dovecot
from tests.support.maildir import Stored

pytestmark = pytest.mark.kill

CHANCE = random.Random(20261126)
ROUNDS = 6
A_KIND = 150
PLAIN = "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS NAMESPACE UNSELECT LIST-EXTENDED SPECIAL-USE ESEARCH"


@pytest.fixture(params=["all at once", "one by one"])
def server(request: pytest.FixtureRequest, dovecot: Dovecot) -> Iterator[Dovecot]:
    """A server with MOVE, MULTIAPPEND and CONDSTORE, and one without."""
    if request.param == "all at once":
        yield dovecot
        return
    with Dovecot(imap_extra=f"imap_capability = {PLAIN}") as plain:
        yield plain


def ask(account: TwoWayAccount, number: int, left: list[str]) -> Counter[str]:
    """Ask for changes of all kinds; return where each message has to be in the end."""
    rows = sorted(account.live(), key=lambda row: row.uid or 0)
    part = [rows[start::4] for start in range(4)]
    changes = account.changes
    changes.request_flags(part[0], add=["\\Seen", f"$r{number}"])
    changes.request_move(part[1][:A_KIND], "Archivo")
    changes.request_deletion(part[2][:A_KIND])
    changes.request_deletion(part[3][:A_KIND], expunge=True)
    changes.request_append([NewMessage(sha256=row.sha256 or "") for row in part[0][:A_KIND]], "Kopien")
    moved = [("Archivo", row) for row in part[1][:A_KIND]] + [("Trash", row) for row in part[2][:A_KIND]]
    left += [f"{folder} {row.sha256}" for folder, row in moved]
    left += [f"Kopien {row.sha256}" for row in part[0][:A_KIND]]
    gone = {row.uid for rows in part[1:] for row in rows[:A_KIND]}
    return Counter([*left, *(f"INBOX {row.sha256}" for row in rows if row.uid not in gone)])


def shown(account: TwoWayAccount) -> Counter[str]:
    found = shown_by_server(account.server, account.user)
    return Counter(f"{folder} {value[0]}" for (folder, _), value in found.items())


def test_killed_while_pushing(server: Dovecot, archive_root: Path) -> None:
    """After each kill no message is gone that should not be; in the end each is where it was to go, once."""
    user = server.add_user()
    account = TwoWayAccount(server, user, archive_root, name=f"{user}@127.0.0.1")
    mail = small_mail(0, 700 * (ROUNDS // 2 + 1))
    digests = [hashlib.sha256(content).hexdigest() for content in mail]
    server.fill(user, [Stored(content=content) for content in mail])
    with server.mailbox(user) as client:
        client.create_folder("Trash")
    account.mirror()
    url = f"imap://{user}@127.0.0.1:{server.imap_port}"
    command = ["mirror", url, "--archive", str(archive_root), "--quiet", "--two-way", "--max-gone", "1"]
    left: list[str] = []
    killed = 0
    wanted = ask(account, 0, left)
    whole = run_command(*command)
    assert whole.status == 0, whole.err
    assert shown(account) == wanted
    for number in range(1, ROUNDS):
        wanted = ask(account, number, left)
        for _ in range(2):
            finished = kill_after(CHANCE.uniform(0.15, 0.9) * whole.seconds, *command)
            killed += finished.was_killed
        last = run_command(*command)
        assert last.status == 0, last.err
        assert shown(account) == wanted
        assert {row.state for row in account.changes.newest()} == {RequestState.PUSHED}
        account.assert_in_step()
    assert killed, "the command always finished before it was killed"
    assert all(account.archive.raw.hash(digest) == digest for digest in digests)
