"""The space a run gains, by the server's own count, beside what was planned."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroom.client.imap import ImapClient
from mailroom.client.imap_quota import read_quota
from tests.integration.runs import days
from tests.integration.test_retention_policy import Filled, mirror
from tests.support.command import run_command
from tests.support.dovecot import Dovecot, find_dovecot
from tests.support.imap_server import ImapServer

LIMIT = 20 * 1024 * 1024
PLUGIN = """
mail_plugins = quota
plugin {
  quota = count:Account
  quota_vsizes = yes
  quota_grace = 0
  quota_rule = *:storage=20M
}
"""


@pytest.fixture(scope="module")
def limited() -> Iterator[Dovecot]:
    """A server whose accounts have 20 MB each."""
    said = subprocess.run([find_dovecot(), "--version"], check=True, capture_output=True, text=True).stdout
    if not said.startswith("2.3"):
        pytest.skip("Dovecot 2.4 writes quotas otherwise in its configuration")
    with Dovecot(extra=PLUGIN, imap_extra="mail_plugins = quota imap_quota") as server:
        yield server


@pytest.fixture(scope="module")
def narrow() -> Iterator[Dovecot]:
    """A server whose accounts have 1 MB each."""
    with Dovecot(extra=PLUGIN.replace("20M", "1M"), imap_extra="mail_plugins = quota imap_quota") as server:
        yield server


class OnlyCopies(ImapClient):
    """A server that cannot move."""

    def supports(self, name: str) -> bool:
        return name != "MOVE" and super().supports(name)


def crowded(server: Dovecot, root: Path, client: type[ImapClient], **folders: int) -> Filled:
    """An account with so many old messages of 160 kB in each folder, mirrored."""
    made = Filled(server, server.add_user(), root)
    with server.mailbox(made.user) as phone:
        phone.create_folder("Trash")
    for folder, number in folders.items():
        for age in range(number):
            made.put(100 - age, folder=folder, text="palabra\n" * 18_000)
    made.account.connect = lambda: client.connect(made.account.endpoint)  # type: ignore[method-assign]
    mirror(made.account)
    made.account.wait(days(1))
    return made


TO_TRASH = "{to_trash: true, rules: [{delete_after: 30d, folders: [INBOX]}]}"
TRASH_TOO = """{to_trash: true, rules: [
    {name: mail, delete_after: 30d, folders: [INBOX]}, {name: bin, delete_after: 0, folders: [Trash]}]}"""


@pytest.mark.parametrize(
    ("client", "folders", "policy", "left"),
    [
        (ImapClient, {"INBOX": 6}, TO_TRASH, (0, 6)),
        (OnlyCopies, {"INBOX": 5}, TO_TRASH, (0, 5)),
        (OnlyCopies, {"INBOX": 4, "Trash": 2}, TRASH_TOO, (0, 4)),
    ],
    ids=["moved", "copied one at a time", "copied into the room that the trash gave"],
)
def test_a_crowded_account_is_tidied(
    narrow: Dovecot,
    archive_root: Path,
    client: type[ImapClient],
    folders: dict[str, int],
    policy: str,
    left: tuple[int, int],
) -> None:
    """Where there is no room for all copies at once, what frees room comes first, then part by part."""
    made = crowded(narrow, archive_root, client, **folders)
    report = made.retain(policy)
    assert report.failures == ()
    assert (len(made.there()), len(made.there("Trash"))) == left
    actions = Counter(row["action"] for row in made.account.audit())
    assert actions == Counter(moved_to_trash=folders["INBOX"], deleted=folders.get("Trash", 0)) + Counter()


def test_a_full_account_loses_nothing_and_is_told_why(narrow: Dovecot, archive_root: Path) -> None:
    """No room for a single copy: all stays, once, and the sentence says what to do."""
    made = crowded(narrow, archive_root, OnlyCopies, INBOX=6)
    for _ in range(2):
        report = made.retain(TO_TRASH)
        assert (report.deleted, len(made.there()), made.there("Trash")) == (0, 6, [])
        assert "the account is full: empty the trash first" in report.failures[0]
    assert made.account.audit() == []


@pytest.fixture
def filled(limited: Dovecot, archive_root: Path) -> Filled:
    made = Filled(limited, limited.add_user(), archive_root)
    for age in (100, 90, 10):
        made.put(age, text="palabra\n" * 20_000)
    mirror(made.account)
    return made


def test_the_quota_is_read_again(filled: Filled) -> None:
    """What was planned and what was gained stand side by side, and agree on a server that counts at once."""
    dry = filled.retain("rules: [{delete_after: 30d}]", dry_run=True).summary()
    assert dry["quota"]["limit"] == LIMIT
    assert "gained" not in dry["quota"]
    wet = filled.retain("rules: [{delete_after: 30d}]").summary()
    assert wet["quota"]["gained"] == dry["quota"]["used"] - wet["quota"]["used"]
    assert abs(wet["quota"]["gained"] - wet["octets"]) < 2 * 1024
    assert wet["deleted"] == 2


def test_what_was_planned_stands_beside_what_was_gained(
    filled: Filled, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where less went than was planned, for somebody flagged a message meanwhile."""
    planned = filled.retain("rules: [{delete_after: 30d}]", dry_run=True)
    filled.mark(filled.there()[:1], "\\Flagged")
    caplog.set_level("INFO", "mailroom")
    caplog.clear()
    wet = filled.account.carry_out(planned.plan_id or "").summary()
    assert (wet["planned"], wet["deleted"]) == (2, 1)
    assert wet["quota"]["planned"] == planned.summary()["octets"] > wet["octets"]
    assert f"Planned to free {wet['quota']['planned']:,} octets; by the server's quota" in caplog.text


def test_the_log_shows_a_plan_as_a_table_of_counts(filled: Filled, caplog: pytest.LogCaptureFixture) -> None:
    """A line a folder and rule, and the sum; not a line for each of a million messages."""
    caplog.set_level("INFO", "mailroom")
    planned = filled.retain("rules: [{name: old, delete_after: 30d}]", dry_run=True)
    lines = [record.getMessage() for record in caplog.records]
    start = lines.index("To be deleted on the server:")
    octets = f"{planned.summary()['octets']:,}"
    assert lines[start + 1].split() == ["folder", "rule", "messages", "octets", "oldest", "newest"]
    assert lines[start + 2].startswith("  INBOX   old: more than 30 days after it reached the mailbox")
    assert lines[start + 2].split()[-4:-2] == ["2", octets]
    assert lines[start + 3].split() == ["in", "all", "2", octets]


def test_the_command_line_tells_the_space_gained(filled: Filled) -> None:
    """A person sees what it was for."""
    url = f"imap://{filled.user}@127.0.0.1:{filled.dovecot.imap_port}"
    command = ["retention", url, "--archive", str(filled.account.root), "--account", "account"]
    told = run_command(*command, "--older-than", "30d")
    assert "kB were gained" in told.out, told.err
    assert "of 21.0 MB are used now" in told.out
    assert "Planned to free" in told.out


def test_a_server_that_tells_no_quota_is_not_asked() -> None:
    """RFC 9208: only where QUOTA is offered."""
    with ImapServer() as server, ImapClient.connect(server.endpoint()) as client:
        assert read_quota(client) is None
    assert not any("QUOTA" in command for command in server.commands)


def test_a_server_that_refuses_to_tell_stops_nothing() -> None:
    """It is a figure in a report, no more."""
    with ImapServer(capabilities=("IMAP4rev1", "QUOTA")) as server:
        with ImapClient.connect(server.endpoint()) as client:
            assert read_quota(client) is None
        assert any("GETQUOTAROOT" in command for command in server.commands)
