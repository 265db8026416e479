"""Drafts that save themselves: the newest state is what the archive is to keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.mirrors import Odd
from tests.support.imap_server import ImapServer, Mail, Mailbox
from tests.support.mail import make_message


def draft(words: str, message_id: str = "<draft@x>") -> Mail:
    """Return one state of a draft."""
    return Mail(content=make_message(subject="a letter", message_id=message_id, text=f"{words}\n"))


@pytest.fixture
def odd(archive_root: Path) -> Iterator[Odd]:
    """A drafts folder with three states of one draft, and another draft."""
    mail = {4: draft("I"), 5: draft("other", "<other@x>"), 6: draft("I am"), 7: draft("I am well")}
    with ImapServer({"Drafts": Mailbox(mail=mail, attributes="\\Drafts")}) as server:
        yield Odd(server, archive_root)


def test_the_newest_state_alone_is_downloaded(odd: Odd) -> None:
    """Older ones are left out in every run that sees them, and none is reported as a fault."""
    report = odd.mirror()
    assert (report.added, report.superseded, report.warnings, report.failures) == (2, 2, (), ())
    assert odd.states("Drafts") == {5: "added", 7: "added"}
    again = odd.mirror()
    assert (again.added, again.superseded) == (0, 2)


def test_a_state_that_was_archived_goes_when_the_server_deletes_it(odd: Odd) -> None:
    """The draft goes on: one state replaces the other, run after run."""
    odd.mirror()
    mail = odd.server.folders["Drafts"].mail
    mail[8] = draft("I am well, and you?")
    for uid in (4, 6, 7):
        del mail[uid]
    report = odd.mirror()
    assert (report.added, report.expunged, report.superseded) == (1, 1, 0)
    assert odd.states("Drafts") == {5: "added", 7: "expunged", 8: "added"}


def test_the_newest_may_be_gone_and_the_older_one_stay(odd: Odd) -> None:
    """A person who discards the last state keeps the one before, and so does the archive."""
    odd.mirror()
    del odd.server.folders["Drafts"].mail[7]
    report = odd.mirror()
    assert (report.added, report.superseded) == (1, 1)
    assert odd.states("Drafts") == {5: "added", 6: "added", 7: "expunged"}


def test_all_states_where_that_is_wanted(odd: Odd) -> None:
    """Who asks for all drafts gets them, and so does any folder that is none for drafts."""
    assert odd.mirror(all_drafts=True).added == 4
    odd.server.folders["Letters"] = Mailbox(mail={1: draft("I"), 2: draft("I am")}, uid_validity=2)
    assert odd.mirror().added == 2
