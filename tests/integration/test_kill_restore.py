"""SIGKILL while restoring: whatever moment, the next run completes the account and doubles nothing."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.killing import EARLIEST, small_mail
from tests.integration.mirrors import MirrorAccount
from tests.integration.restores import Content, shown
from tests.support.command import kill_after, run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import message_of_size
from tests.support.maildir import Stored

pytestmark = pytest.mark.kill

ROUNDS = 4
CHANCE = random.Random(20261125)


def counts(found: Content) -> dict[str, Counter[tuple[object, ...]]]:
    return {folder: Counter(messages) for folder, messages in found.items()}


@pytest.fixture
def source(dovecot: Dovecot, user: str, archive_root: Path) -> MirrorAccount:
    """Two folders of mail, some of it twice, some without Message-ID, one message large."""
    account = MirrorAccount(dovecot, user, archive_root, name="ana")
    nameless = [b"Subject: alarm\r\n\r\nsensor %d\r\n" % number for number in range(40)]
    messages = [*small_mail(0, 1500), *small_mail(0, 20), *nameless, message_of_size(4_000_000)]
    messages = [content for content in messages if b"\r\r" not in content]  # Dovecot stores one CR less
    dovecot.fill(user, [Stored(content=content, flags=("\\Seen",)) for content in messages])
    for content in small_mail(5000, 30):
        account.append(content, "Sent", flags=["$Work"])
    account.mirror()
    return account


@pytest.fixture(params=["all at once", "one by one"])
def host(request: pytest.FixtureRequest, dovecot: Dovecot) -> Iterator[Dovecot]:
    """A server that takes many messages in a command, and one that does not say that it does."""
    if request.param == "all at once":
        yield dovecot
        return
    offered = "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS NAMESPACE UNSELECT LIST-EXTENDED SPECIAL-USE ESEARCH"
    with Dovecot(imap_extra=f"imap_capability = {offered}") as server:
        yield server


def test_killed_while_restoring(dovecot: Dovecot, host: Dovecot, source: MirrorAccount) -> None:
    """After each kill nothing is there twice; the run after it, at once, ends where one run would have."""
    wanted = counts(shown(dovecot, source.user))
    target = host.add_user()
    command = ["restore", "--archive", str(source.root), "--quiet"]
    whole = run_command(*command, f"imap://{target}@127.0.0.1:{host.imap_port}")
    assert whole.status == 0, whole.err
    killed = 0
    for _ in range(ROUNDS):
        target = host.add_user()
        url = f"imap://{target}@127.0.0.1:{host.imap_port}"
        for _ in range(2):
            finished = kill_after(CHANCE.uniform(EARLIEST, 1.05) * whole.seconds, *command, url)
            killed += finished.was_killed
            for folder, messages in counts(shown(host, target)).items():
                assert messages - wanted[folder] == Counter(), "a message is there more often than it was"
        last = run_command(*command, url)
        assert last.status == 0, last.err
        assert counts(shown(host, target)) == wanted
    assert killed, "the command always finished before it was killed"
