"""The mail that is measured on."""

from __future__ import annotations

import email
import itertools

import pytest

from benchmarks.accounts import ACCOUNTS, AccountSpec, messages
from benchmarks.measure import ProgramFailed, measure


@pytest.fixture(params=[account.part(100) for account in ACCOUNTS], ids=lambda account: account.name)
def account(request: pytest.FixtureRequest) -> AccountSpec:
    """Each account, a hundredth of it."""
    assert isinstance(request.param, AccountSpec)
    return request.param


def test_octets_are_the_same_on_every_machine(account: AccountSpec) -> None:
    """Two results can be compared only if the mail is the same."""
    for folder in account.folders:
        first, second = (list(messages(account, folder)) for _ in range(2))
        assert first == second
        assert len({message.content for message in first}) == folder.count


def test_totals_are_as_stated(account: AccountSpec) -> None:
    """A table that says so many MB has measured so many, but for a few per cent."""
    found = sum(len(m.content) for folder in account.folders for m in messages(account, folder))
    assert found == pytest.approx(account.octets, rel=0.05)


def test_messages_are_well_formed(account: AccountSpec) -> None:
    """Programs that parse have something to parse, with line ends as on the wire."""
    for message in itertools.islice(messages(account, account.folders[0]), 40):
        parsed = email.message_from_bytes(message.content)
        assert not parsed.defects
        assert parsed["Message-ID"]
        assert message.content.count(b"\n") == message.content.count(b"\r\n")


def test_a_program_that_fails_is_not_measured() -> None:
    """A run that broke off early would win."""
    with pytest.raises(ProgramFailed, match="status 3: sorry"):
        measure(["/bin/sh", "-c", "echo sorry; exit 3"], {})


def test_memory_counts_all_processes() -> None:
    """A program that hands its work to another one has still used the memory."""
    ran = measure(["/bin/sh", "-c", "sleep 0.2 & sleep 0.2; wait"], {"PATH": "/usr/bin:/bin"})
    assert ran.seconds >= 0.2
    assert ran.peak_mib > 0
