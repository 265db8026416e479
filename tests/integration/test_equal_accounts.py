"""An account that was restored or copied beside the one it comes from, compared by nothing of ours.

Python's ``imaplib`` reads both, and no difference is left: folders with their attributes and special uses,
subscriptions, and the octets, flags and dates of arrival of all messages in their order.
"""

from __future__ import annotations

import hashlib
import imaplib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from mailroom.services.restoring import settling
from tests.integration.mirrors import MirrorAccount
from tests.support.command import Finished, run_command
from tests.support.dovecot import Dovecot
from tests.support.mail import AWKWARD, make_message, message_of_size

USES = """
namespace inbox {
  mailbox Gesendet {
    special_use = \\Sent
    auto = subscribe
  }
  mailbox Papierkorb {
    special_use = \\Trash
    auto = create
  }
  mailbox Ablage {
    special_use = \\Archive
  }
}
"""

DEEP = "/".join(f"level {number}" for number in range(1, 11))

ODD_NAMES = (
    "Entwürfe & mehr 日本",
    "R&D",
    "&",
    'say "hello"',
    "back\\slash",
    "percent % star *",
    "{5}",
    "(brackets) [and] more",
    "-dash",
    "NIL",
    "inbox two",
    "🎈 party",
    "x" * 120,
)

LISTED = re.compile(rb'\((?P<attributes>[^)]*)\) "(?P<delimiter>.)" (?P<name>.*)', re.DOTALL)
FACTS = re.compile(rb'UID (?P<uid>\d+) FLAGS \((?P<flags>[^)]*)\) INTERNALDATE "(?P<date>[^"]*)"')

Told = dict[bytes, tuple[frozenset[bytes], list[tuple[str, frozenset[bytes], datetime]]]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SETTLE_SECONDS", 0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    """A server that marks folders, and lists parents that hold no mail."""
    with Dovecot(extra=USES) as running:
        yield running


class Reader:
    """One account as ``imaplib`` reads it, names as they are on the wire."""

    def __init__(self, server: Dovecot, user: str) -> None:
        self.imap = imaplib.IMAP4("127.0.0.1", server.imap_port)
        self.imap.login(user, "secret")

    def listed(self, command: str = "LIST") -> dict[bytes, frozenset[bytes]]:
        """Return the attributes of all folders by name."""
        _, answers = self.imap._simple_command(command, '""', '"*"')
        _, answers = self.imap._untagged_response("OK", answers, command)
        found = {}
        for answer in answers:
            if answer is None:
                continue
            line = b"".join((answer[0], answer[1])) if isinstance(answer, tuple) else answer
            line = re.sub(rb"\{\d+\}", b"", line) if isinstance(answer, tuple) else line
            match = LISTED.fullmatch(line)
            assert match is not None, line
            name = match["name"]
            if name[:1] == b'"':
                name = re.sub(rb"\\(.)", rb"\1", name[1:-1])
            # Whether something was delivered since somebody looked is no trait of a folder.
            found[name] = frozenset(match["attributes"].split()) - {b"\\Marked", b"\\UnMarked"}
        return found

    def messages(self, name: bytes) -> list[tuple[str, frozenset[bytes], datetime]]:
        """Return digest, flags and date of arrival of a folder's messages, in their order."""
        quoted = b'"' + re.sub(rb'(["\\])', rb"\\\1", name) + b'"'
        status, _ = self.imap.select(quoted.decode("latin-1"), readonly=True)
        assert status == "OK", name
        _, numbers = self.imap.uid("SEARCH", "ALL")  # type: ignore[arg-type]
        uids = numbers[0].split()
        if not uids:
            return []
        _, answers = self.imap.uid("FETCH", b",".join(uids).decode(), "(UID FLAGS INTERNALDATE BODY.PEEK[])")
        found = []
        for answer in answers:
            if not isinstance(answer, tuple):
                continue
            facts = FACTS.search(answer[0])
            assert facts is not None, answer[0]
            flags = frozenset(facts["flags"].split()) - {b"\\Recent"}
            arrived = datetime.strptime(facts["date"].decode().strip(), "%d-%b-%Y %H:%M:%S %z")
            digest = hashlib.sha256(answer[1]).hexdigest()
            found.append((int(facts["uid"]), digest, flags, arrived.astimezone(UTC)))
        assert len(found) == len(uids)
        return [message[1:] for message in sorted(found)]

    def told(self) -> Told:
        """Return all folders with their attributes, and the messages of those that can hold any."""
        return {
            name: (attributes, [] if b"\\Noselect" in attributes else self.messages(name))
            for name, attributes in self.listed().items()
        }


def arrival(day: int, hours: float) -> datetime:
    """Return a date of arrival in some time zone."""
    return datetime(
        1999 + day % 25, 1 + day % 12, 1 + day % 28, 23, 59, 7, tzinfo=timezone(timedelta(hours=hours))
    )


@pytest.fixture(scope="module")
def source(server: Dovecot) -> str:
    """An account with some of everything that a server can hold."""
    user = server.add_user()
    for number, hours in enumerate((0, 5.5, -8, 12.75, -3.5, 14)):
        content = make_message(subject=f"number {number}")
        server.append(user, content, "INBOX", internal_date=arrival(number, hours))
    flags = [
        "\\Seen",
        "\\Answered",
        "\\Flagged",
        "\\Deleted",
        "\\Draft",
        "$Work",
        "$label1",
        "NonJunk",
        "a.b:c",
    ]
    for number, flag in enumerate(flags):
        server.append(user, make_message(subject=f"flag {number}"), "INBOX", flags=[flag])
    server.append(user, make_message(subject="all flags"), "INBOX", flags=flags)
    server.append(user, message_of_size(2_000_000), DEEP)
    server.append(user, make_message(subject="sent"), "Gesendet", flags=["\\Seen"])
    server.append(user, make_message(subject="filed"), "Ablage")
    for name, content in AWKWARD.items():
        if content and b"\0" not in content and b"\n" not in content.replace(b"\r\n", b""):
            server.append(user, content, "Awkward", internal_date=arrival(len(name), 2))
    for _ in range(3):
        server.append(user, make_message(subject="three times"), "Twins")
    with server.mailbox(user) as client:
        for number, name in enumerate(ODD_NAMES):
            client.create_folder(name)
            if number % 2:
                client.append(name, make_message(subject=f"odd {number}"), ("\\Seen",))
        client.create_folder("Empty/and/deep")
        client.create_folder("Parent/child")
        client.create_folder("Parent/child/grandchild")
        client.delete_folder("Parent/child")
        client.subscribe_folder("INBOX")
        client.subscribe_folder("Papierkorb")
        for name in ("R&D", "Empty/and/deep", DEEP):
            client.subscribe_folder(name)
        for name in ("Twins", "Awkward", "NIL"):
            client.unsubscribe_folder(name)
    return user


def bring(way: str, server: Dovecot, source: str, target: str, root: Path) -> Finished:
    """Bring the account over as a user would type it."""
    here, there = (f"imap://{user}@127.0.0.1:{server.imap_port}" for user in (source, target))
    if way == "restore":
        assert MirrorAccount(server, source, root, name="ana").mirror().failures == ()
        return run_command("restore", "--archive", str(root), there, "--read-back", "all", "--quiet")
    more = ["--archive", str(root)] if way == "by archive" else ["--state", str(root)]
    return run_command("copy", here, there, "--read-back", "all", "--quiet", *more)


@pytest.mark.parametrize("way", ["restore", "straight", "by archive"])
def test_no_difference_is_left(
    server: Dovecot, source: str, archive_root: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Folders, attributes, subscriptions, octets, flags, dates; and a second run changes nothing."""
    monkeypatch.setenv("MAILROOM_TARGET_PASSWORD", "secret")
    target = server.add_user()
    finished = bring(way, server, source, target, archive_root)
    assert finished.status == 0, finished.err
    was, now = Reader(server, source), Reader(server, target)
    expected = was.told()
    assert len(expected) > 30
    assert b"\\Sent" in expected[b"Gesendet"][0]
    assert any(b"\\Noselect" in attributes for attributes, _ in expected.values())
    assert now.told() == expected
    assert set(now.listed("LSUB")) == set(was.listed("LSUB"))
    assert bring(way, server, source, target, archive_root).status == 0
    assert Reader(server, target).told() == expected
    assert was.told() == expected


def test_the_comparison_finds_each_kind_of_difference(server: Dovecot) -> None:
    """Or it would prove nothing."""
    users = [server.add_user() for _ in range(2)]
    date = arrival(1, 0)
    values: dict[str, Any] = {"internal_date": date, "flags": ["\\Seen"]}
    for user in users:
        server.append(user, make_message(subject="uno"), "A", **values)
    one, other = (Reader(server, user) for user in users)
    assert one.told() == other.told()
    for change in (
        {"content": make_message(subject="due")},
        {"flags": ["\\Seen", "$Work"]},
        {"internal_date": date + timedelta(seconds=1)},
        {"folder": "B"},
    ):
        for user, more in zip(users, ({}, change), strict=True):
            facts = {"content": make_message(subject="uno"), "folder": "A", **values, **more}
            server.append(user, facts.pop("content"), facts.pop("folder"), **facts)
        assert one.told() != other.told()
        for user in users:
            with server.mailbox(user) as client:
                for name in ("A", "B"):
                    if client.folder_exists(name):
                        client.delete_folder(name)
                client.create_folder("A")
        one, other = (Reader(server, user) for user in users)
        assert one.told() == other.told()
