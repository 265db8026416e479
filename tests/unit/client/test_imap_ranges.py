"""Large bodies that go on where the connection broke, and when they must begin anew."""

from __future__ import annotations

import hashlib
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailroom.client.half_bodies import WORTH_KEEPING_OCTETS, HalfBodies
from mailroom.client.imap import ImapClient
from mailroom.client.imap_ranges import COMPARED_OCTETS, RANGE_OCTETS
from mailroom.exceptions import CommandRejected, ConnectionLost, StoreUnavailable
from mailroom.model import FetchedMessage
from tests.support.imap_server import ImapServer, Mail, Mailbox

SMALL = b"Subject: small\r\n\r\nx\r\n"
HALF = WORTH_KEEPING_OCTETS + 1_234_567


CONTENT = b"Subject: giant\r\n\r\n" + random.Random(7).randbytes(9 * RANGE_OCTETS + 77)


class Account:
    """A server with one small message before and after the giant, and what a run knows."""

    def __init__(self, folder: Path) -> None:
        self.mailbox = Mailbox(
            mail={1: Mail(content=SMALL), 5: Mail(content=CONTENT), 9: Mail(content=SMALL)}
        )
        self.server = ImapServer({"INBOX": self.mailbox})
        self.halves = HalfBodies()
        self.folder = folder
        self.spooled = 0

    def spool(self) -> str:
        self.spooled += 1
        return str(self.folder / str(self.spooled))

    @property
    def files(self) -> list[str]:
        return sorted(os.listdir(self.folder))

    def fetch(self, *uids: int) -> list[FetchedMessage]:
        """Fetch in a session of its own."""
        client = ImapClient.connect(self.server.endpoint())
        try:
            client.examine("INBOX")
            return list(client.fetch_messages(uids, self.spool, halves=self.halves))
        finally:
            client.close()

    def break_at(self, *octets: int) -> None:
        """Let the connection break so often."""
        for count in octets:
            self.mailbox.breaks_after = [count]
            with pytest.raises(ConnectionLost):
                self.fetch(5)

    @property
    def asked(self) -> list[str]:
        """The sections asked for, since the first break."""
        found = [
            re.search(r"BODY\.PEEK\[\]\S*", line) for line in self.server.commands if "UID FETCH" in line
        ]
        return [match[0].rstrip(")") for match in found if match]


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    made = Account(tmp_path)
    with made.server:
        yield made


def check(message: FetchedMessage, content: bytes = CONTENT) -> None:
    """The whole message, in a file, with its digest."""
    assert (message.uid, message.octets, message.origin) == (5, len(content), None)
    assert message.body is not None
    assert message.body.path is not None
    assert Path(message.body.path).read_bytes() == content
    assert message.body.sha256 == hashlib.sha256(content).hexdigest()
    assert message.body.octets == len(content)


def test_the_rest_is_asked_for_and_nothing_twice(account: Account) -> None:
    """After the comparison of its beginning and its end, ranges of one size from the octet where it stood."""
    account.break_at(HALF)
    (message,) = account.fetch(5)
    check(message)
    at, asked = HALF, []
    while at < len(CONTENT):
        asked.append(f"BODY.PEEK[]<{at}.{RANGE_OCTETS}>")
        at += RANGE_OCTETS
    compared = [f"BODY.PEEK[]<{offset}.{COMPARED_OCTETS}>" for offset in (0, HALF - COMPARED_OCTETS)]
    assert account.asked == ["BODY.PEEK[]", *compared, *asked]
    assert account.files == ["1"]


def test_it_goes_on_however_often_the_connection_breaks(account: Account) -> None:
    """What came of a range before the break is lost, what came before it is not."""
    account.break_at(HALF)
    with_comparison = [COMPARED_OCTETS + 5, RANGE_OCTETS - 1]
    account.break_at(*with_comparison)
    check(account.fetch(5)[0])


def test_messages_come_in_the_order_asked_for(account: Account) -> None:
    """The half one in its turn, so that a break says at which one it was."""
    account.break_at(HALF)
    assert [message.uid for message in account.fetch(1, 5, 9)] == [1, 5, 9]


def test_what_hardly_began_is_not_kept(account: Account) -> None:
    """It comes again in a moment, without two comparisons."""
    account.break_at(WORTH_KEEPING_OCTETS - 1)
    assert account.files == []
    check(account.fetch(5)[0])
    assert account.asked == ["BODY.PEEK[]", "BODY.PEEK[]"]


@pytest.mark.parametrize("ranges", ["ignored", "withheld", "empty"])
def test_a_server_that_gives_no_ranges_gives_the_whole(account: Account, ranges: str) -> None:
    """One that ignores them is taken at its word at once; the others are asked once more."""
    account.break_at(HALF)
    account.mailbox.ranges = ranges
    check(account.fetch(5)[0])
    assert len(account.files) == 1
    whole = [section for section in account.asked if section == "BODY.PEEK[]"]
    assert len(whole) == (1 if ranges == "ignored" else 2)


def test_a_server_that_calls_ranges_an_error_is_not_asked_for_them_again(account: Account) -> None:
    """BAD ends a session; the next one fetches the message whole."""
    account.break_at(HALF)
    account.mailbox.ranges = "refused"
    with pytest.raises(CommandRejected):
        account.fetch(5)
    assert account.files == []
    check(account.fetch(5)[0])


CHANGED = {
    "beginning": b"?" + CONTENT[1:],
    "end of half": CONTENT[: HALF - 1] + b"?" + CONTENT[HALF:],
    "shorter": CONTENT[:-1],
    "longer": CONTENT + b"?",
}


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED)
def test_another_message_under_the_number_is_fetched_whole(account: Account, changed: bytes) -> None:
    """Neither half of one message and half of another, nor one that is longer or shorter than announced."""
    account.break_at(HALF)
    account.mailbox.mail[5] = Mail(content=changed, octets=len(CONTENT))
    (message,) = account.fetch(5)
    assert message.body is not None
    assert message.body.sha256 == hashlib.sha256(changed).hexdigest()


@pytest.mark.parametrize("change", [{"date": "05-Mar-2026 10:30:00 +0000"}, {"octets": 7}])
def test_another_date_or_size_means_another_message(account: Account, change: dict[str, object]) -> None:
    """Even if its octets are the same as far as they were compared."""
    account.break_at(HALF)
    account.mailbox.mail[5] = Mail(content=CONTENT, **change)  # type: ignore[arg-type]  # by name
    assert len(account.fetch(5)) == 1
    assert account.asked[-1] == "BODY.PEEK[]"


def test_a_size_that_is_wrongly_stated_does_not_matter(account: Account) -> None:
    """What counts is the length that was announced with the octets."""
    account.mailbox.mail[5] = Mail(content=CONTENT, octets=12)
    account.break_at(HALF)
    (message,) = account.fetch(5)
    assert message.body is not None
    assert message.body.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert account.asked.count("BODY.PEEK[]") == 1


def test_new_numbers_mean_new_messages(account: Account) -> None:
    """With another UIDVALIDITY a UID says nothing of who it was."""
    account.break_at(HALF)
    account.mailbox.uid_validity = 2
    check(account.fetch(5)[0])
    assert account.asked == ["BODY.PEEK[]", "BODY.PEEK[]"]


def test_a_mailbox_without_uidvalidity_keeps_no_halves(account: Account) -> None:
    """There is nothing to recognise a message by."""
    account.mailbox.uid_validity = None
    account.break_at(HALF)
    assert account.files == []


def test_a_message_that_is_gone_leaves_nothing(account: Account) -> None:
    """Its half is removed, and it is missing from the answer."""
    account.break_at(HALF)
    del account.mailbox.mail[5]
    assert [message.uid for message in account.fetch(1, 5, 9)] == [1, 9]
    assert account.files == []


def test_half_bodies_are_removed_at_the_end(account: Account) -> None:
    """Whatever a run did not finish is not left on the disk; closing twice is fine."""
    account.break_at(HALF)
    assert account.files == ["1"]
    account.halves.close()
    account.halves.close()
    assert account.files == []


def test_a_file_that_went_away_is_said(account: Account) -> None:
    """Somebody cleaned up the spool: that is no fault of the server."""
    account.break_at(HALF)
    os.unlink(account.folder / "1")
    with pytest.raises(StoreUnavailable):
        account.fetch(5)
