"""The space a run gains, by the server's own count, beside what was planned."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroom.client.imap import ImapClient
from mailroom.client.imap_quota import read_quota
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


def test_the_command_line_tells_the_space_gained(filled: Filled) -> None:
    """A person sees what it was for."""
    url = f"imap://{filled.user}@127.0.0.1:{filled.dovecot.imap_port}"
    command = ["retention", url, "--archive", str(filled.account.root), "--account", "account"]
    told = run_command(*command, "--older-than", "30d")
    assert "kB were gained" in told.out, told.err
    assert "of 21.0 MB are used now" in told.out


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
