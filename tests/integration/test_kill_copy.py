"""SIGKILL while copying from server to server: the next run completes the account and doubles nothing."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.killing import EARLIEST, small_mail
from tests.integration.restores import Content, shown
from tests.support.command import kill_after, run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import message_of_size
from tests.support.maildir import Stored

pytestmark = pytest.mark.kill

ROUNDS = 3
CHANCE = random.Random(20261127)


@pytest.fixture(params=["all at once", "one by one"])
def host(request: pytest.FixtureRequest) -> Iterator[Dovecot]:
    """A second server, that takes many messages in a command, or does not say that it does."""
    offered = "IMAP4rev1 SASL-IR LITERAL+ UIDPLUS NAMESPACE UNSELECT LIST-EXTENDED SPECIAL-USE ESEARCH"
    extra = {} if request.param == "all at once" else {"imap_extra": f"imap_capability = {offered}"}
    with Dovecot(**extra) as server:
        yield server


def counts(found: Content) -> dict[str, Counter[tuple[object, ...]]]:
    return {folder: Counter(messages) for folder, messages in found.items()}


@pytest.mark.parametrize("remembers", [False, True])
def test_killed_while_copying(
    dovecot: Dovecot,
    user: str,
    host: Dovecot,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    remembers: bool,
) -> None:
    """After each kill nothing is there twice; the run after it ends where one run would have."""
    monkeypatch.setenv("MAILROOM_TARGET_PASSWORD", "secret")
    nameless = [b"Subject: alarm\r\n\r\nsensor %d\r\n" % number for number in range(40)]
    messages = [*small_mail(0, 1200), *small_mail(0, 20), *nameless, message_of_size(4_000_000)]
    messages = [content for content in messages if b"\r\r" not in content]  # Dovecot stores one CR less
    dovecot.fill(user, [Stored(content=content, flags=("\\Seen",)) for content in messages])
    dovecot.append(user, small_mail(5000, 1)[0], "Sent", flags=["$Work"])
    wanted = counts(shown(dovecot, user))
    source = f"imap://{user}@127.0.0.1:{dovecot.imap_port}"

    def target() -> tuple[str, str]:
        name = host.add_user()
        return name, f"imap://{name}@127.0.0.1:{host.imap_port}"

    more = ["--state", str(tmp_path)] if remembers else []
    whole = run_command("copy", source, target()[1], "--quiet")
    assert whole.status == 0, whole.err
    killed = 0
    for _ in range(ROUNDS):
        name, url = target()
        for _ in range(2):
            moment = CHANCE.uniform(EARLIEST, 1.0) * whole.seconds
            killed += kill_after(moment, "copy", source, url, "--quiet", *more).was_killed
            for folder, found in counts(shown(host, name)).items():
                assert found - wanted[folder] == Counter(), "a message is there more often than it was"
        last = run_command("copy", source, url, "--quiet", *more)
        assert last.status == 0, last.err
        assert counts(shown(host, name)) == wanted
    assert killed, "the command always finished before it was killed"
