"""The stream of FETCH responses: octets in, events out."""

from __future__ import annotations

import pytest

from mailroom.exceptions import LimitExceeded, RemoteProtocolError
from mailroom.model import Body, FetchedMessage
from mailroom.protocol.fetch_at_once import WAITED_OCTETS
from mailroom.protocol.fetch_stream import (
    MAX_LITERAL_OCTETS,
    MAX_RESPONSE_OCTETS,
    SPOOL_OCTETS,
    BodyPiece,
    Event,
    FetchStream,
    TaggedResponse,
    UntaggedResponse,
)


def events(*pieces: bytes) -> list[Event]:
    """Feed the pieces one after the other."""
    stream = FetchStream()
    return [event for piece in pieces for event in stream.feed(piece)]


def message(uid: int, content: bytes) -> bytes:
    return b"* 1 FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (uid, len(content), content)


def fetched(uid: int, content: bytes) -> FetchedMessage:
    return FetchedMessage(uid=uid, body=Body(octets=len(content), content=content))


def test_messages_come_whole_with_their_octets_as_they_are() -> None:
    """What a message holds never ends it: only its announced size does."""
    contents = [b"", b"x", b")\r\n* 2 FETCH (UID 9)\r\n", b"\0\xff\r\n.\r\n", b"bare\nlf", b"A1 OK done\r\n"]
    stream = b"".join(message(uid, content) for uid, content in enumerate(contents, 1))
    assert events(stream) == [fetched(uid, content) for uid, content in enumerate(contents, 1)]


@pytest.mark.parametrize(
    "line",
    [
        rb"* 12 FETCH (UID 34 FLAGS (\Seen) MODSEQ (5))",
        rb"* 12 FETCH (UID 34 MODSEQ (5) FLAGS (\Seen))",
        rb"* 12 FETCH (FLAGS (\Seen) MODSEQ (5) UID 34)",
        rb"* 12 fetch (uid 34 modseq (5) flags (\Seen \Recent))",
    ],
)
def test_flags_come_in_the_order_each_server_likes(line: bytes) -> None:
    """Dovecot answers a FETCH in one order and a STORE in another; both are quick to read."""
    assert events(line + b"\r\n") == [FetchedMessage(uid=34, flags=("\\Seen",), modseq=5)]


def test_flags_without_modseq_have_none() -> None:
    """Servers without CONDSTORE, and messages nobody named, are read alike."""
    assert events(b"* 1 FETCH (UID 7 FLAGS ())\r\n* 2 FETCH (FLAGS (a))\r\n") == [
        FetchedMessage(uid=7, flags=()),
        FetchedMessage(uid=0, flags=("a",)),
    ]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"* 23 EXISTS", UntaggedResponse(b"* 23 EXISTS")),
        (b"* 4 EXPUNGE", UntaggedResponse(b"* 4 EXPUNGE")),
        (b"* VANISHED 1:4", UntaggedResponse(b"* VANISHED 1:4")),
        (b"* BYE [UNAVAILABLE] Later", UntaggedResponse(b"* BYE [UNAVAILABLE] Later")),
        (b"+ go on", UntaggedResponse(b"+ go on")),
        (b"+", UntaggedResponse(b"+")),
        (b"A12 OK done", TaggedResponse(b"A12", "OK", b"done")),
        (b"A12 no [NOPERM] You may not", TaggedResponse(b"A12", "NO", b"[NOPERM] You may not")),
        (b"A12 BAD", TaggedResponse(b"A12", "BAD", b"")),
    ],
)
def test_other_responses_pass_through(line: bytes, event: Event) -> None:
    """They come between the messages at any time (RFC 3501 section 7)."""
    assert events(message(1, b"a") + line + b"\r\n" + message(2, b"b")) == [
        fetched(1, b"a"),
        event,
        fetched(2, b"b"),
    ]


def test_words_that_end_like_a_literal_announce_none() -> None:
    """Text to people ends as it likes; waiting for octets that never come would be for ever."""
    assert events(b"* OK see {5}\r\n* BYE {1}\r\nA1 OK {9}\r\n+ {3}\r\n") == [
        UntaggedResponse(b"* OK see {5}"),
        UntaggedResponse(b"* BYE {1}"),
        TaggedResponse(b"A1", "OK", b"{9}"),
        UntaggedResponse(b"+ {3}"),
    ]


def test_a_literal_of_another_response_stays_in_its_place() -> None:
    """Its octets are not taken for lines."""
    assert events(b'* LIST () "/" {6}\r\na)\r\nA1\r\n' + message(1, b"x")) == [
        UntaggedResponse(b'* LIST () "/" {6}a)\r\nA1'),
        fetched(1, b"x"),
    ]


def test_a_body_over_the_limit_comes_in_pieces_as_it_arrives() -> None:
    """The pieces first, the message that says whose they are last; nothing is held back."""
    size = SPOOL_OCTETS + 1
    head = b"* 1 FETCH (UID 5 BODY[] {%d}\r\n" % size
    found = events(head + b"a" * 10, b"b" * 20, b"c" * (size - 30), b" FLAGS ())\r\n")
    assert found == [
        BodyPiece(b"a" * 10),
        BodyPiece(b"b" * 20),
        BodyPiece(b"c" * (size - 30)),
        FetchedMessage(uid=5, flags=()),
    ]


def test_whose_large_body_arrives_is_known_as_far_as_it_was_said_before() -> None:
    """If the connection breaks, somebody may go on from there."""
    stream = FetchStream()
    size = SPOOL_OCTETS + 1
    assert stream.begun() is None
    assert list(stream.feed(b"* 1 FETCH (UID 5 RFC822.SIZE 9 BODY[] {%d}\r\n" % size)) == []
    list(stream.feed(b"a" * 10))
    assert stream.begun() == (FetchedMessage(uid=5, octets=9), size)
    list(stream.feed(b"a" * (size - 10)))
    assert stream.begun() is None
    assert list(stream.feed(b" FLAGS ())\r\n")) == [FetchedMessage(uid=5, octets=9, flags=())]


@pytest.mark.parametrize(
    "head",
    [b"UID 5 BODY[] {10}", b"UID 5 BODY[1] {%d}", b"UID 5 X (BODY[] {%d}", b"UID 5 BODY[]<0> {%d}"],
)
def test_of_what_is_no_large_body_nothing_has_begun(head: bytes) -> None:
    """A small body, a part, a list and a range are nothing to go on from."""
    stream = FetchStream()
    announced = head % (SPOOL_OCTETS + 1) if b"%" in head else head
    list(stream.feed(b"* 1 FETCH (" + announced + b"\r\nabc"))
    assert stream.begun() is None


def test_a_body_at_the_limit_comes_whole() -> None:
    """Exactly 1 MiB is still small."""
    content = b"x" * SPOOL_OCTETS
    assert events(message(5, content)) == [fetched(5, content)]


@pytest.mark.parametrize("name", [b"BODY[HEADER]", b"BODY[1]", b"X-BODY[]", b"X-NEW (BODY[]"])
def test_a_large_literal_that_is_no_body_is_passed_over(name: bytes) -> None:
    """It must neither fill the memory nor be taken for the message."""
    tail = b")" if b"(" in name else b""
    stream = b"* 1 FETCH (UID 5 %b {%d}\r\n%b%b)\r\n" % (
        name,
        SPOOL_OCTETS + 1,
        b"x" * (SPOOL_OCTETS + 1),
        tail,
    )
    found = [event for event in events(stream) if not isinstance(event, BodyPiece)]
    assert found == [FetchedMessage(uid=5)]
    if b"(" not in name:
        assert events(stream) == [FetchedMessage(uid=5)]


def test_a_body_that_fits_one_piece_of_the_network_is_not_copied_again() -> None:
    """The octets as they were fed are the body where they are nothing but the body."""
    stream = FetchStream()
    content = b"x" * (WAITED_OCTETS + 1)
    assert list(stream.feed(b"* 1 FETCH (UID 5 BODY[] {%d}\r\n" % len(content))) == []
    assert list(stream.feed(content)) == []
    (found,) = stream.feed(b")\r\n")
    assert isinstance(found, FetchedMessage)
    assert found.body is not None
    assert found.body.content is content


def test_what_follows_the_last_response_is_given_back() -> None:
    """Somebody else may go on reading the connection."""
    stream = FetchStream()
    assert len(list(stream.feed(b"A1 OK done\r\n* 5 EXI"))) == 1
    assert stream.is_between_responses
    assert stream.rest() == b"* 5 EXI"
    assert list(stream.feed(b"A2 OK done\r\n")) == [TaggedResponse(b"A2", "OK", b"done")]


def test_the_middle_of_a_response_is_no_place_to_stop() -> None:
    """Half a message is neither an event nor somebody else's."""
    stream = FetchStream()
    assert list(stream.feed(b"* 1 FETCH (BODY[] {%d}\r\nabc" % (WAITED_OCTETS + 1))) == []
    assert not stream.is_between_responses


def test_half_of_a_small_message_is_given_back_from_its_beginning() -> None:
    """Whoever reads on has the response whole, or has none of it."""
    stream = FetchStream()
    half = b"* 1 FETCH (UID 5 BODY[] {5}\r\nabc"
    assert list(stream.feed(b"A1 OK done\r\n" + half)) == [TaggedResponse(b"A1", "OK", b"done")]
    assert stream.is_between_responses
    assert stream.rest() == half


@pytest.mark.parametrize(
    "octets",
    [
        b"\r\n",
        b"hello\r\n",
        b"* 1 FETCH (UID 5\r\n",
        b"* 1 FETCH (UID 5) x\r\n",
        b"* 1 FETCH (UID 5 BODY[] {3}\r\nabcdef)\r\n",
        b"* 1 FETCH (UID 5 BODY[] {123456789012345678901}\r\n",
        b"A1 MAYBE done\r\n",
        b"\xff\xfe\r\n",
    ],
)
def test_octets_that_are_no_imap_are_the_servers_fault(octets: bytes) -> None:
    """What cannot be read is said, never skipped."""
    with pytest.raises(RemoteProtocolError):
        events(octets)


def test_what_came_before_the_fault_is_not_lost() -> None:
    """Messages that arrived whole are handed out before the error."""
    found: list[Event] = []
    with pytest.raises(RemoteProtocolError):
        found.extend(FetchStream().feed(message(1, b"x") + b"junk\r\n"))
    stream = FetchStream().feed(message(1, b"x") + b"junk\r\n")
    assert next(stream) == fetched(1, b"x")


@pytest.mark.parametrize(
    "stream",
    [
        b"* 1 FETCH (BODY[] {%d}\r\n" % (MAX_LITERAL_OCTETS + 1),
        b"* OK " + b"x" * MAX_RESPONSE_OCTETS,
        (b"* 1 FETCH (X {%d}\r\n" % SPOOL_OCTETS)
        + (b"x" * SPOOL_OCTETS + b" Y {%d}\r\n" % SPOOL_OCTETS) * 16,
    ],
    ids=["literal", "line", "many literals"],
)
def test_more_than_believable_is_refused(stream: bytes) -> None:
    """Memory stays flat whatever a server sends."""
    with pytest.raises(LimitExceeded):
        events(stream)
