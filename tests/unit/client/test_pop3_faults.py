"""The POP3 client against a server with chosen faults: wrong sizes, large mail, long windows."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mailroom.client.pop3 import Pop3Client
from mailroom.client.pop3_window import MAX_COMMANDS
from mailroom.client.spool import SPOOL_OCTETS
from mailroom.exceptions import (
    CommandRejected,
    ConnectionLost,
    LimitExceeded,
    LocalProtocolError,
    StoreUnavailable,
)
from mailroom.model import SpoolFactory
from tests.support.pop3_server import CAPABILITIES, Maildrop, Pop3Server

LOCKSTEP = tuple(name for name in CAPABILITIES if name != "PIPELINING")


def maildrop(count: int, octets: int = 50) -> Maildrop:
    messages = [(f"id{i}", b"Subject: %d\r\n\r\n.%s\r\n" % (i, b"x" * octets)) for i in range(1, count + 1)]
    return Maildrop(messages=messages)


@pytest.fixture
def spool(tmp_path: Path) -> SpoolFactory:
    names = iter(range(1000))
    return lambda: str(tmp_path / f"spool{next(names)}")


@pytest.mark.parametrize("stated", [0, 1, 10**12])
@pytest.mark.parametrize("capabilities", [CAPABILITIES, LOCKSTEP, None])
def test_wrong_sizes_do_not_matter(
    stated: int, capabilities: tuple[str, ...] | None, spool: SpoolFactory
) -> None:
    """LIST may state anything; sizes steer the window and nothing else."""
    drop = maildrop(30)
    drop.stated = dict.fromkeys(range(1, 31), stated)
    drop.capabilities = capabilities
    with Pop3Server(drop) as server, Pop3Client.connect(server.endpoint()) as client:
        numbers = [message.number for message in client.list_messages().messages]
        fetched = list(client.retrieve(numbers, spool))
    contents = [retrieved.body.content for retrieved in fetched if retrieved.body]
    assert contents == [content for _, content in drop.messages]
    assert [retrieved.number for retrieved in fetched] == numbers


def test_without_pipelining_one_command_waits_at_a_time(spool: SpoolFactory) -> None:
    """RFC 2449 section 6.6: a server that does not say PIPELINING gets the next command after its answer."""
    drop = maildrop(20)
    drop.capabilities = LOCKSTEP
    with Pop3Server(drop) as server, Pop3Client.connect(server.endpoint()) as client:
        client.list_messages()
        assert len(list(client.retrieve(range(1, 21), spool))) == 20
        assert client.delete(range(1, 21)) == dict.fromkeys(range(1, 21))
        assert server.unanswered == 1


def test_window_is_bounded(spool: SpoolFactory) -> None:
    """More messages than a window holds arrive in order, and never more commands wait than it allows."""
    drop = maildrop(2 * MAX_COMMANDS)
    with Pop3Server(drop) as server, Pop3Client.connect(server.endpoint()) as client:
        numbers = [message.number for message in client.list_messages().messages]
        assert [r.number for r in client.retrieve(numbers, spool) if r.body] == numbers
        assert 1 < server.unanswered <= MAX_COMMANDS
        assert list(client.delete(numbers).values()) == [None] * len(numbers)
        client.quit()
    assert drop.messages == []


def test_nothing_asked_for_is_nothing_sent(spool: SpoolFactory) -> None:
    """Empty requests cost no command."""
    with Pop3Server(maildrop(1)) as server, Pop3Client.connect(server.endpoint()) as client:
        sent = len(server.commands)
        assert list(client.retrieve([], spool)) == []
        assert list(client.top([])) == []
        assert client.delete([]) == {}
        assert len(server.commands) == sent


@pytest.mark.parametrize("octets", [SPOOL_OCTETS - 100, SPOOL_OCTETS + 1, 3 * SPOOL_OCTETS])
def test_large_message_is_spooled_and_hashed(octets: int, spool: SpoolFactory) -> None:
    """Above SPOOL_OCTETS a message goes to a file with its digest; below it stays in memory."""
    drop = maildrop(2, octets)
    with Pop3Server(drop) as server, Pop3Client.connect(server.endpoint()) as client:
        bodies = [retrieved.body for retrieved in client.retrieve([1, 2], spool)]
    for body, (_, content) in zip(bodies, drop.messages, strict=True):
        assert body is not None
        assert body.octets == len(content)
        assert (body.path is not None) == (len(content) > SPOOL_OCTETS)
        if body.path is not None:
            assert Path(body.path).read_bytes() == content
            assert body.sha256 == hashlib.sha256(content).hexdigest()
        else:
            assert body.content == content


def test_half_a_large_message_leaves_no_file(tmp_path: Path, spool: SpoolFactory) -> None:
    """A fetch that breaks off removes what it spooled of the message in hand."""
    drop = maildrop(2, 3 * SPOOL_OCTETS)
    drop.hang_up_at = "RETR 2"
    with Pop3Server(drop) as server, Pop3Client.connect(server.endpoint()) as client:
        fetch = client.retrieve([1, 2], spool)
        whole = next(fetch)
        with pytest.raises(ConnectionLost):
            next(fetch)
        assert whole.body is not None
        assert [str(path) for path in tmp_path.iterdir()] == [whole.body.path]


def test_spool_that_cannot_be_written(tmp_path: Path) -> None:
    """A full or missing disk is said as such, with the path."""
    with (
        Pop3Server(maildrop(1, 2 * SPOOL_OCTETS)) as server,
        Pop3Client.connect(server.endpoint()) as client,
        pytest.raises(StoreUnavailable, match="missing cannot be used: the bucket or folder is not there"),
    ):
        list(client.retrieve([1], lambda: str(tmp_path / "missing" / "spool")))


def test_header_is_fetched_without_the_body() -> None:
    """TOP with no lines gives the header and the blank line; with lines so many of the text."""
    drop = Maildrop(messages=[("a", b"Subject: one\r\n\r\n.first\r\nsecond\r\n")])
    with Pop3Server(drop) as server, Pop3Client.connect(server.endpoint()) as client:
        assert [headed.header for headed in client.top([1])] == [b"Subject: one\r\n\r\n"]
        assert [headed.header for headed in client.top([1], 1)] == [b"Subject: one\r\n\r\n.first\r\n"]


def test_overlong_header_is_an_error_of_its_own() -> None:
    """One absurd header does not stop the others."""
    drop = Maildrop(messages=[("a", b"X: " + b"y" * (5 << 20) + b"\r\n\r\n"), ("b", b"Subject: b\r\n\r\n")])
    with Pop3Server(drop) as server, Pop3Client.connect(server.endpoint()) as client:
        long, short = client.top([1, 2])
    assert long.header is None
    assert long.error == "header longer than 4194304 octets"
    assert short.header == b"Subject: b\r\n\r\n"


def test_message_that_is_refused_stops_nothing(spool: SpoolFactory) -> None:
    """A message may vanish between LIST and RETR; the rest is fetched and deleted."""
    drop = maildrop(5)
    drop.refused = {3: "[SYS/TEMP] cannot read it"}
    with Pop3Server(drop) as server, Pop3Client.connect(server.endpoint()) as client:
        errors = {retrieved.number: retrieved.error for retrieved in client.retrieve(range(1, 6), spool)}
        assert errors == {1: None, 2: None, 3: "[SYS/TEMP] cannot read it", 4: None, 5: None}
        assert client.delete([2, 3]) == {2: None, 3: "[SYS/TEMP] cannot read it"}
        client.quit()
    assert [unique for unique, _ in drop.messages] == ["id1", "id3", "id4", "id5"]


def test_leaving_by_an_error_deletes_nothing() -> None:
    """The context manager closes without QUIT, so marks are never carried out by accident."""
    drop = maildrop(3)
    with Pop3Server(drop) as server:
        with Pop3Client.connect(server.endpoint()) as client:
            client.delete([1, 2, 3])
        with Pop3Client.connect(server.endpoint()) as client:
            assert client.stat()[0] == 3
            client.delete([1, 2])
            client.reset()
            client.quit()
    assert len(drop.messages) == 3


def test_failed_quit_is_an_error() -> None:
    """A QUIT that is refused raises, and nothing was deleted."""
    drop = maildrop(2)
    drop.quit_answer = "-ERR [SYS/TEMP] not now"
    with Pop3Server(drop) as server, Pop3Client.connect(server.endpoint()) as client:
        client.delete([1])
        with pytest.raises(CommandRejected) as caught:
            client.quit()
    assert caught.value.code == "SYS/TEMP"
    assert len(drop.messages) == 2


def test_fetch_is_not_resumed_after_another_command(spool: SpoolFactory) -> None:
    """Answers would be taken for those of other commands."""
    with Pop3Server(maildrop(5)) as server, Pop3Client.connect(server.endpoint()) as client:
        first = client.retrieve([1, 2], spool)
        next(first)
        assert [r.number for r in client.retrieve([4, 5], spool)] == [4, 5]
        with pytest.raises(LocalProtocolError):
            next(first)


def test_endless_capabilities_are_refused() -> None:
    """A block that never ends must not fill the memory."""
    drop = Maildrop(capabilities=("X" * 100,) * 1000)
    with Pop3Server(drop) as server, pytest.raises(LimitExceeded) as caught:
        Pop3Client.connect(server.endpoint())
    assert caught.value.found > caught.value.limit
