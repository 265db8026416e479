"""Commands and responses of one IMAP connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from mailroom.client.imap import ImapClient
from mailroom.client.imap_append import AppendOutcome, Outgoing, append_messages
from mailroom.client.imap_fetch import stream_commands
from mailroom.client.imap_wire import ImapWire, Told
from mailroom.client.transport import Transport
from mailroom.exceptions import (
    CommandRejected,
    ConnectionLost,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
)
from mailroom.model import Endpoint, MailProtocol

GREETING = b"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n"


class Played:
    """A wire and the other end of its connection."""

    def __init__(self) -> None:
        near, self.far = socket.socketpair()
        near.settimeout(5)
        self.far.settimeout(5)
        self.endpoint = Endpoint(protocol=MailProtocol.IMAP, host="played", port=143, user="ana", timeout=5)
        self.wire = ImapWire(Transport(self.endpoint, near, is_tls=False))

    def says(self, *octets: bytes) -> None:
        """Send this, whatever is asked."""
        self.far.sendall(b"".join(octets))


@pytest.fixture
def played() -> Iterator[Played]:
    """A connection past its greeting."""
    made = Played()
    made.says(GREETING)
    made.wire.greet()
    yield made
    made.far.close()
    made.wire.transport.close()


@pytest.mark.parametrize(
    ("greeting", "state", "capabilities"),
    [
        (GREETING, "NONAUTH", {"IMAP4REV1", "IDLE"}),
        (b"* PREAUTH [CAPABILITY IMAP4rev1] in\r\n", "AUTH", {"IMAP4REV1"}),
        (
            b"* OK hello\r\n* CAPABILITY IMAP4rev2 ID\r\nM1 OK [X] done\r\n",
            "NONAUTH",
            {"IMAP4REV2", "ID"},
        ),
        (b"* ok [capability imap4rev1] lower\r\n", "NONAUTH", {"IMAP4REV1"}),
    ],
)
def test_greeting_tells_state_and_capabilities(greeting: bytes, state: str, capabilities: set[str]) -> None:
    """RFC 3501 section 7.1; asked for only where the greeting does not say."""
    played = Played()
    played.says(greeting)
    played.wire.greet()
    assert (played.wire.state, played.wire.capabilities) == (state, capabilities)


@pytest.mark.parametrize(
    "greeting",
    [b"* NO\r\n", b"hello\r\n", b"* OK [CAPABILITY SMTP] hm\r\n", b"* OK lone line end\n", b"*\r\n"],
)
def test_what_is_no_imap_is_said_to_be_none(greeting: bytes) -> None:
    """Rather than read on in something else."""
    played = Played()
    played.says(greeting)
    with pytest.raises(RemoteProtocolError, match="no IMAP"):
        played.wire.greet()


@pytest.mark.parametrize(
    ("response", "name", "told"),
    [
        (b"* 23 EXISTS\r\n", "EXISTS", [b"23"]),
        (b"* SEARCH\r\n", "SEARCH", [b""]),
        (b"* 5 FETCH (FLAGS ())\r\n", "FETCH", [b"5 (FLAGS ())"]),
        (b"* LIST () NIL {3}\r\na]b\r\n", "LIST", [(b"() NIL {3}", b"a]b"), b""]),
        (b"* X {1}\r\na {2}\r\n\r\n end\r\n", "X", [(b"{1}", b"a"), (b" {2}", b"\r\n"), b" end"]),
        (b"* OK [UIDVALIDITY 7] valid [really]\r\n", "UIDVALIDITY", [b"7"]),
        (b"* OK [READ-ONLY] so\r\n", "READ-ONLY", [b""]),
        (b"* OK [PERMANENTFLAGS (\\Seen \\*)] limited\r\n", "PERMANENTFLAGS", [b"(\\Seen \\*)"]),
    ],
)
def test_untagged_responses_are_kept_by_name(
    played: Played, response: bytes, name: str, told: list[Told]
) -> None:
    """Literals whole, and response codes as if they were responses."""
    played.says(response, b"+ go on\r\n", b"M1 OK done\r\n")
    assert played.wire.run("NOOP") == b"done"
    assert played.wire.untagged_responses[name] == told


def test_completions_may_come_in_any_order(played: Played) -> None:
    """Commands sent together are told apart by their tags, and one that nobody waits for is passed over."""
    played.wire.begin("ID", "NIL")
    first, second = played.wire.begin("STATUS", b'"a"', "(MESSAGES)"), played.wire.begin("NOOP")
    played.says(
        b"M1 BAD what\r\n", b"M3 OK\r\n", b"* STATUS a (MESSAGES 1)\r\n", b"M2 NO [NONEXISTENT] gone.\r\n"
    )
    with pytest.raises(CommandRejected) as refused:
        played.wire.end("STATUS", first)
    assert (refused.value.kind, refused.value.code, refused.value.text) == ("NO", "NONEXISTENT", "gone")
    assert played.wire.end("NOOP", second) == b""
    assert played.far.recv(100) == b'M1 ID NIL\r\nM2 STATUS "a" (MESSAGES)\r\nM3 NOOP\r\n'


def test_bye_ends_the_connection(played: Played) -> None:
    """Also right before or behind the completion of a command (RFC 3501 section 7.1.5)."""
    played.says(b"* BYE [UNAVAILABLE] down for repair\r\n", b"M1 OK done\r\n")
    with pytest.raises(ConnectionLost, match="down for repair") as lost:
        played.wire.run("NOOP")
    assert lost.value.reason == "busy"


def test_completion_of_what_was_not_sent_is_an_error(played: Played) -> None:
    """Then nobody can say what answers belong to."""
    played.says(b"M9 OK done\r\n")
    with pytest.raises(RemoteProtocolError, match="no IMAP"):
        played.wire.run("NOOP")


@pytest.mark.parametrize("argument", ["a\r\nM2 DELETE x", b"a\nb", b"\0"])
def test_an_argument_is_no_second_command(played: Played, argument: str | bytes) -> None:
    """What would end the line is refused before anything is sent."""
    with pytest.raises(LocalProtocolError, match="line break"):
        played.wire.run("EXAMINE", argument)
    played.far.setblocking(False)
    with pytest.raises(BlockingIOError):
        played.far.recv(1)


@pytest.mark.parametrize("command", ["UID SEARCH", "EXPUNGE"])
def test_commands_about_a_folder_need_an_open_one(played: Played, command: str) -> None:
    """The server would say BAD."""
    with pytest.raises(LocalProtocolError, match="open one first"):
        played.wire.run(command, "ALL")


@pytest.mark.parametrize("words", [b"* OK see {3}", b"* NO see {3}", b"* bad {3}", b"* PREAUTH [X] see {3}"])
def test_words_to_people_announce_no_literal(played: Played, words: bytes) -> None:
    """The next line is a response of its own, not a part of those words."""
    played.says(words, b'\r\n* LIST () "/" INBOX\r\n', b"M1 OK done\r\n")
    assert played.wire.run("LIST", '""', "*") == b"done"
    assert played.wire.untagged_responses["LIST"] == [b'() "/" INBOX']


@pytest.mark.parametrize("digits", [b"9999999999", b"9" * 5000, b"0" * 5000 + b"67108865"])
def test_literal_beyond_belief_is_refused(played: Played, digits: bytes) -> None:
    """Before it is waited for, however many digits it has."""
    played.says(b'* LIST () "/" {', digits, b"}\r\nabc")
    with pytest.raises(LimitExceeded, match="octets at once") as refused:
        played.wire.run("LIST", '""', "*")
    assert refused.value.found > refused.value.limit


@pytest.mark.parametrize(
    "answer", [b"* ID NIL\r\nM1 OK done\r\n", b"M1 BAD what\r\n", b"M1 NO [CANNOT] no\r\n"]
)
def test_messages_are_read_behind_what_nobody_waited_for(played: Played, answer: bytes) -> None:
    """ID is sent ahead: its completion is none of theirs, and its refusal no error."""
    played.wire.begin("ID", "NIL")
    played.says(answer, b"* 1 FETCH (UID 7 FLAGS (\\Seen))\r\nM2 OK done\r\n")
    (message,) = stream_commands(played.wire, ["UID FETCH 7 (UID FLAGS)"])
    assert (message.uid, message.flags) == (7, ("\\Seen",))


def added(played: Played) -> Iterator[AppendOutcome]:
    """Add one message, and yield what becomes of it."""
    client = ImapClient(played.endpoint, played.wire, frozenset({"LITERAL+"}))
    message = Outgoing(place=1, digest="x", octets=6)
    return append_messages(client, "INBOX", [message], lambda digest: contextlib.nullcontext(b"a: b\r\n"))


def test_messages_are_added_behind_what_nobody_waited_for(played: Played) -> None:
    """As they are read."""
    played.wire.begin("ID", "NIL")
    played.says(b"* ID NIL\r\nM1 OK done\r\n", b"M2 OK [APPENDUID 5 9] done\r\n")
    assert [outcome.uid for outcome in added(played)] == [9]


def test_answers_left_by_an_error_are_read_first(played: Played) -> None:
    """Where the folders were asked for together with what goes with them, and the list was refused."""
    client = ImapClient(played.endpoint, played.wire, frozenset({"NAMESPACE"}))
    played.says(b"M3 NO [LIMIT] not now\r\n")
    with pytest.raises(CommandRejected, match="not now"):
        client.list_folders(with_subscriptions=True)
    played.says(b"M1 OK\r\nM2 NO no\r\n", b"* 1 FETCH (UID 7 FLAGS ())\r\nM4 OK done\r\n")
    assert [message.uid for message in client.fetch_flags([7])] == [7]


def test_bye_is_heard_behind_what_nobody_waited_for(played: Played) -> None:
    """Then nothing is sent any more."""
    played.wire.begin("ID", "NIL")
    played.says(b"* BYE [UNAVAILABLE] down\r\n")
    with pytest.raises(ConnectionLost, match="down"):
        list(stream_commands(played.wire, ["UID FETCH 7 (UID FLAGS)"]))


def test_a_completion_outlasts_what_was_read_in_between(played: Played) -> None:
    """Who sent a command may ask for its completion after messages were read."""
    tag = played.wire.begin("STATUS", b'"a"', "(MESSAGES)")
    played.says(b"M1 OK counted\r\n", b"M2 OK done\r\n")
    assert list(stream_commands(played.wire, ["UID FETCH 7 (UID FLAGS)"])) == []
    assert played.wire.end("STATUS", tag) == b"counted"


@pytest.mark.parametrize("digits", [b"9999999999", b"9" * 5000])
def test_literal_beyond_belief_is_refused_while_adding(played: Played, digits: bytes) -> None:
    """What others do may come in between; it is passed over, and not at any length."""
    played.says(b'* LIST () "/" {', digits, b"}\r\nabc")
    with pytest.raises(LimitExceeded, match="octets at once"):
        list(added(played))


def test_what_comes_while_adding_is_passed_over(played: Played) -> None:
    """With its literals; words to people have none."""
    played.says(b"* OK see {3}\r\n", b'* LIST () "/" {3}\r\na]b\r\n', b"M1 OK [APPENDUID 5 9] done\r\n")
    assert [outcome.uid for outcome in added(played)] == [9]


def test_a_server_that_never_ends_its_answer_is_left(played: Played) -> None:
    """What is told is held until the command is completed, so it is held up to a limit only."""

    def tell_on() -> None:
        with contextlib.suppress(OSError):
            while True:
                played.far.sendall(b"* STATUS " + b"x" * 1_000_000 + b"\r\n")

    telling = threading.Thread(target=tell_on)
    telling.start()
    with pytest.raises(LimitExceeded, match="completes no command"):
        played.wire.run("NOOP")
    played.wire.transport.close()
    telling.join()


def test_what_was_told_before_does_not_count(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is for one command, not for the life of a connection."""
    monkeypatch.setattr("mailroom.client.imap_wire.MAX_TOLD_OCTETS", 3000)
    for number in range(1, 10):
        played.says(b"* 7 EXPUNGE\r\n" * 20, b"M%d OK done\r\n" % number)
        played.wire.run("NOOP")
    assert len(played.wire.untagged_responses["EXPUNGE"]) == 180
