"""SIGKILL between delivering and moving: each message goes to its folder once, and none is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailroom.change_request import RequestState
from tests.integration.killing import CHANCE
from tests.integration.pushes import TwoWayAccount
from tests.support.command import kill_after, run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message

pytestmark = pytest.mark.kill

MESSAGES = 60
ROUNDS = 6


def subjects(account: TwoWayAccount, folder: str) -> list[str]:
    """Return what the server has in a folder, by its subjects."""
    with account.server.mailbox(account.user) as client:
        if not client.folder_exists(folder):
            return []
        client.select_folder(folder, readonly=True)
        found = client.fetch(client.search("ALL"), ["BODY.PEEK[HEADER.FIELDS (SUBJECT)]"])
        headers = [next(v for k, v in facts.items() if k.startswith(b"BODY")) for facts in found.values()]
        return sorted(header.decode().partition(":")[2].strip() for header in headers)


def test_each_message_is_moved_once_after_its_delivery(
    dovecot: Dovecot, archive_root: Path, tmp_path: Path
) -> None:
    """What was not delivered is never moved, whenever the kills come; the last run finishes the rest."""
    account = TwoWayAccount(dovecot, dovecot.add_user(), archive_root)
    for number in range(MESSAGES):
        content = b"%d\n" % number * 40
        account.append(make_message(subject=f"m{number:03}", attachments=[("a.txt", "text/plain", content)]))
    account.append(make_message(subject="letter"))
    account.mirror()
    arguments = ["attachments", "--archive", str(archive_root), "--to", str(tmp_path / "out"), "--quiet"]
    arguments += ["--account", account.name]
    whole = run_command(*arguments, "--dry-run").seconds
    arguments += ["--on-success", "flag", "--on-success", "move:Done"]
    killed = 0
    for _ in range(ROUNDS):
        killed += kill_after(whole * CHANCE.uniform(0.4, 2.0), *arguments).was_killed
        told = {row["message_sha256"] for row in account.archive.read_table("deliveries").to_pylist()}
        assert {one.sha256 for one in account.changes.newest()} <= told
    assert run_command(*arguments).status == 0
    account.mirror_both_ways()
    expected = [f"m{number:03}" for number in range(MESSAGES)]
    assert subjects(account, "Done") == expected
    assert subjects(account, "INBOX") == ["letter"]
    states = {one.state for one in account.changes.newest()}
    assert states == {RequestState.PUSHED}
    assert run_command(*arguments).status == 0
    account.mirror_both_ways()
    assert subjects(account, "Done") == expected
    account.assert_in_step()
    assert killed, "no run was killed before its end; the moments are too late for this machine"
