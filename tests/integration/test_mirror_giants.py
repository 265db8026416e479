"""Giants on a line that breaks again and again: they arrive, each octet once, in little memory."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from mailroom.client.half_bodies import HalfBodies
from mailroom.client.imap import ImapClient
from mailroom.client.imap_ranges import RANGE_OCTETS
from mailroom.exceptions import ConnectionLost
from tests.integration.mirrors import MirrorAccount
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.maildir import Stored
from tests.support.proxy import Proxy

FILM = random.Random(3).randbytes(20 << 20)
GIANT = make_message(attachments=[("film.bin", "application/octet-stream", FILM)])
SMALL = [make_message(subject=f"Small {number}") for number in range(5)]
CUT_OCTETS = 10 << 20


@pytest.fixture
def account(dovecot: Dovecot, user: str, archive_root: Path) -> MirrorAccount:
    """An account with a giant among small messages."""
    dovecot.fill(user, [Stored(content=content) for content in [*SMALL[:3], GIANT, *SMALL[3:]]])
    return MirrorAccount(dovecot, user, archive_root)


def test_a_giant_arrives_over_a_line_that_never_lasts_for_it(account: MirrorAccount) -> None:
    """Every connection is cut long before its end; still hardly an octet comes twice."""
    with Proxy(account.server.host, account.server.imaps_port, cut_after=CUT_OCTETS) as proxy:
        account.endpoint = replace(account.endpoint, port=proxy.port)
        report = account.mirror()
        assert proxy.connections == len(GIANT) // CUT_OCTETS + 1
        assert proxy.received < len(GIANT) + proxy.connections * RANGE_OCTETS + 300_000
    assert (report.failures, report.warnings) == ((), ())
    account.assert_in_step()
    assert account.archive.raw.leftovers() == []


def test_a_giant_that_never_arrives_leaves_no_half_behind(account: MirrorAccount) -> None:
    """Where a line breaks at its first octets, the run ends as ever, and its files are removed."""
    with Proxy(account.server.host, account.server.imaps_port, cut_after=CUT_OCTETS, cuts=1) as proxy:
        account.endpoint = replace(account.endpoint, port=proxy.port)

        def connect() -> ImapClient:
            if proxy.connections:
                raise ConnectionLost("The line is dead.", reason="refused")
            return account.connect()

        with pytest.raises(ConnectionLost):
            account.mirror(connect=connect)
    assert account.archive.raw.leftovers() == []


def test_memory_stays_flat_while_it_goes_on(account: MirrorAccount, tmp_path: Path) -> None:
    """A range at a time is in memory, whatever the message has."""
    halves = HalfBodies()
    names = iter(range(10))

    def fetch(port: int) -> list[int]:
        with ImapClient.connect(replace(account.endpoint, port=port)) as client:
            client.examine("INBOX")
            messages = client.fetch_messages([4], lambda: str(tmp_path / f"s{next(names)}"), halves=halves)
            return [message.body.octets for message in messages if message.body is not None]

    with (
        Proxy(account.server.host, account.server.imaps_port, cut_after=CUT_OCTETS, cuts=1) as proxy,
        pytest.raises(ConnectionLost),
    ):
        fetch(proxy.port)
    tracemalloc.start()
    octets = fetch(account.server.imaps_port)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert octets == [len(GIANT)]
    assert (tmp_path / "s0").read_bytes() == GIANT
    assert peak < 6 * RANGE_OCTETS
