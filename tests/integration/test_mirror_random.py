"""Whatever two clients do to an account, between and during runs, the archive shows the very account."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from mailroom.archive.reading.history import folders_as_of
from mailroom.client.imap import ImapClient
from mailroom.exceptions import ConnectionLost
from mailroom.services.mirroring import mirror_run
from tests.integration.mirror_walk import Account, Walk, account_in_archive, account_on_server, difference
from tests.integration.mirrors import MirrorAccount
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.proxy import Proxy

STEPS = int(os.environ.get("MAILROOM_WALK_STEPS", "30"))
"""How many random operations a walk has; a long one is for when the mirror was changed."""

SEEDS = [int(seed) for seed in os.environ.get("MAILROOM_WALK_SEEDS", "1,2").split(",")]


@pytest.mark.parametrize("seed", SEEDS)
def test_archive_shows_the_account_after_whatever_happens(
    dovecot: Dovecot, user: str, archive_root: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """After each run folders, UIDs, flags, dates and octets are the server's; what was is still told."""
    monkeypatch.setattr(mirror_run, "BREAK_SECONDS", 0.01)
    account = MirrorAccount(dovecot, user, archive_root)
    account.append(make_message(subject="the first"))
    account.mirror()
    walk = Walk(dovecot, user, seed)
    past: list[tuple[datetime, Account]] = []
    for number in range(STEPS):
        walk.step()
        if walk.chance.random() < 0.25:
            mirror_while_others_work(account, walk)
        if walk.chance.random() < 0.6 or number == STEPS - 1:
            report = account.mirror(max_gone=1, connections=1)
            assert report.failures == (), walk.done
            server = account_on_server(dovecot, user)
            assert difference(server, account_in_archive(archive_root, account.name)) == {}, walk.done
            past.append((account.clock, server))
            assert_nothing_new(account, walk)
    walk.close()
    for moment, server in past:
        assert difference(server, account_in_archive(archive_root, account.name, moment)) == {}, walk.done
        assert history(account, moment) == server, walk.done


def history(account: MirrorAccount, moment: datetime) -> Account:
    """Return what the archive tells itself of a past moment."""
    archive = account.archive
    folders = folders_as_of(archive, account.name, moment).to_pylist()
    messages = {
        (folder["folder"], row["uidvalidity"], row["uid"]): (
            row["sha256"],
            tuple(row["flags"]),
            row["internal_date"],
        )
        for folder in folders
        for row in archive.folder_as_of(account.name, folder["folder"], moment).to_pylist()
    }
    shown = {row["folder"]: (row["uidvalidity"], row["subscribed"]) for row in folders}
    return Account(folders=shown, messages=messages)


def mirror_while_others_work(account: MirrorAccount, walk: Walk) -> None:
    """Mirror; others do something between some of the commands. What broke is for the next run."""
    walk.done.append("a run begins")

    def meanwhile() -> None:
        if walk.chance.random() < 0.2:
            walk.step()

    server = account.server
    with Proxy(server.host, server.imaps_port, before_sending=meanwhile) as proxy:

        def connect() -> ImapClient:
            return ImapClient.connect(
                server.endpoint(account.user, account.endpoint.protocol, port=proxy.port)
            )

        try:
            report = account.mirror(connect=connect, max_gone=1, connections=1)
            unexplained = [told for told in report.failures if "ended the connection" not in told]
            assert unexplained == [], walk.done  # Dovecot hangs up on who has a folder open that is replaced
        except ConnectionLost:
            walk.done.append("the run broke")
    walk.done.append("the run ends")


def assert_nothing_new(account: MirrorAccount, walk: Walk) -> None:
    """Check that a further run finds nothing to do."""
    before = account.versions()
    report = account.mirror(max_gone=1, connections=1)
    assert (report.added, report.flags, report.expunged, report.warnings) == (0, 0, 0, ()), walk.done
    assert account.versions() == before, walk.done
