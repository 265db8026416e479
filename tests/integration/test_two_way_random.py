"""Two clients at once, ours by way of the archive and another one: both sides end equal, nothing is lost."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import NewMessage
from mailroom.change_request import RequestState
from tests.integration.mirrors import shown_by_server
from tests.integration.pushes import TwoWayAccount
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message

ROUNDS = 12
STEPS = 12
FOLDERS = ("INBOX", "Work", "Archivo", "Trash")
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "$Work", "$Later")


class Elsewhere:
    """Another client, which knows nothing of the archive."""

    def __init__(
        self, account: TwoWayAccount, chance: random.Random, folders: tuple[str, ...] = FOLDERS
    ) -> None:
        self.account = account
        self.chance = chance
        self.folders = folders
        self.sent = 0
        self.expunged: set[str] = set()

    def step(self, client: Any) -> None:
        """Do one thing, whatever comes to mind."""
        folder = self.chance.choice(self.folders)
        client.select_folder(folder)
        uids = client.search()
        acts: list[Callable[[], Any]] = [lambda: self.deliver(client, folder)]
        if uids:
            some = self.chance.sample(uids, min(len(uids), self.chance.randint(1, 3)))
            flags = [flag.encode() for flag in self.chance.sample(FLAGS, 2)]
            target = self.chance.choice([name for name in self.folders if name != folder])
            acts += [
                lambda: client.add_flags(some, flags),
                lambda: client.remove_flags(some, flags),
                lambda: self.move(client, some, target),
                lambda: client.copy(some, target),
                lambda: self.expunge(client, some),
            ]
        self.chance.choice(acts)()

    def deliver(self, client: Any, folder: str) -> None:
        """Add a message nobody has seen."""
        self.sent += 1
        client.append(folder, make_message(subject=f"Neu {self.sent}"), (self.chance.choice(FLAGS),))

    def move(self, client: Any, uids: list[int], target: str) -> None:
        """Move messages, in the way that the server has."""
        if client.has_capability("MOVE"):
            client.move(uids, target)
        else:
            client.copy(uids, target)
            client.delete_messages(uids)
            client.expunge(uids)

    def expunge(self, client: Any, uids: list[int]) -> None:
        """Remove messages for good."""
        bodies = client.fetch(uids, ["BODY.PEEK[]"]).values()
        self.expunged |= {hashlib.sha256(data[b"BODY[]"]).hexdigest() for data in bodies}
        client.delete_messages(uids)
        client.expunge(uids)


def ask(account: TwoWayAccount, chance: random.Random, doomed: set[str]) -> None:
    """Ask for one change on the archive's side, of what the archive shows."""
    folder = chance.choice(FOLDERS)
    rows = account.live(folder)
    if not rows:
        return
    some = chance.sample(rows, min(len(rows), chance.randint(1, 3)))
    changes = account.changes
    flags = chance.sample(FLAGS, 2)
    target = chance.choice([name for name in FOLDERS if name != folder])
    kind = chance.randrange(6)
    if kind < 2:
        changes.request_flags(some, add=flags[:1], remove=flags[1:])
    elif kind == 2:
        changes.request_move(some, target)
    elif kind == 3:
        changes.request_deletion(some)
    elif kind == 4:
        changes.request_deletion(some, expunge=True)
        doomed |= {row.sha256 or "" for row in some}
    else:
        changes.request_append(
            [NewMessage(sha256=row.sha256 or "", flags=(flags[0],)) for row in some], target
        )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_sides_end_equal(dovecot: Dovecot, user: str, archive_root: Path, seed: int) -> None:
    """Whatever two clients do, in the end the archive shows the server, and only what was deleted is gone."""
    chance = random.Random(seed)
    account = TwoWayAccount(dovecot, user, archive_root)
    other = Elsewhere(account, chance)
    with dovecot.mailbox(user) as client:
        for folder in FOLDERS[1:]:
            client.create_folder(folder)
        for number in range(20):
            client.append(FOLDERS[number % 3], make_message(subject=f"Alt {number}"))
        doomed: set[str] = set()
        known: set[str] = set()
        for _ in range(ROUNDS):
            account.mirror(max_gone=1)
            known |= {value[0] for value in shown_by_server(dovecot, user).values()}
            for _ in range(STEPS):
                if chance.random() < 0.5:
                    other.step(client)
                else:
                    ask(account, chance, doomed)
            known |= {value[0] for value in shown_by_server(dovecot, user).values()}
            report = account.mirror_both_ways(max_gone=1)
            account.assert_in_step()
            assert report.push.waiting == 0
            assert report.push.refused == 0 or all("trash already" in text for text in report.failures)
        there = {value[0] for value in shown_by_server(dovecot, user).values()}
    assert known - there <= doomed | other.expunged, "a message is gone that nobody deleted"
    ends = list(account.changes.newest())
    assert {row.state for row in ends} >= {RequestState.PUSHED, RequestState.CONFLICT}
    assert all(row.reason for row in ends if row.state is not RequestState.PUSHED)
