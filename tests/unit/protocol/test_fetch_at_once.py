"""Messages of the usual shape, read at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailroom.model import Body, FetchedMessage
from mailroom.protocol.fetch_at_once import WAITED_OCTETS, is_worth_waiting, read_at_once
from mailroom.protocol.fetch_stream import SPOOL_OCTETS, Event, FetchStream

CONTENT = b"Subject: x\r\n\r\n)\r\n* 9 FETCH (UID 9)\r\n"
DATE = b'INTERNALDATE "17-Jul-1996 02:44:25 -0700"'
AT = datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)
LITERAL = b"BODY[] {%d}\r\n%b" % (len(CONTENT), CONTENT)
BODY = Body(octets=len(CONTENT), content=CONTENT)


def carefully(octets: bytes) -> list[Event]:
    """Read the same with care, as whatever is not in capitals is."""
    rare = octets.replace(b" FETCH (", b" Fetch (", 1)
    assert read_at_once(rare, 0) is None
    return list(FetchStream().feed(rare))


@pytest.mark.parametrize(
    "items",
    [
        rb"UID 7 FLAGS (\Seen) " + DATE + b" RFC822.SIZE 40 MODSEQ (5) " + LITERAL,
        rb"UID 7 " + DATE + rb" RFC822.SIZE 40 MODSEQ (5) FLAGS (\Seen) " + LITERAL,
        rb"FLAGS (\Seen) UID 7 " + DATE + b" MODSEQ (5) RFC822.SIZE 40 " + LITERAL,
        b"UID 7 RFC822.SIZE 40 MODSEQ (5) " + LITERAL + rb" FLAGS (\Seen) " + DATE,
        LITERAL + rb" UID 7 FLAGS (\Seen) " + DATE + b" RFC822.SIZE 40 MODSEQ (5)",
    ],
    ids=["as asked", "flags last", "flags first", "body amid", "body first"],
)
def test_servers_send_the_items_in_the_order_they_like(items: bytes) -> None:
    """In whatever order the items come, the message is read at once, up to its very end."""
    octets = b"* 12 FETCH (%b)\r\n" % items
    message = FetchedMessage(uid=7, flags=("\\Seen",), internal_date=AT, octets=40, modseq=5, body=BODY)
    assert read_at_once(b"...." + octets + b"A1 OK\r\n", 4) == (message, 4 + len(octets))
    assert carefully(octets) == [message]


@pytest.mark.parametrize(
    ("item", "identifier"),
    [(b"X-GM-MSGID 1278455344230334865", "1278455344230334865"), (b"EMAILID (Mf6d3c-_1)", "Mf6d3c-_1")],
)
def test_object_identifiers_are_read_at_once(item: bytes, identifier: str) -> None:
    """Gmail's and Fastmail's messages take no detour."""
    octets = b"* 1 FETCH (%b UID 7 %b)\r\n" % (item, LITERAL)
    message = FetchedMessage(uid=7, object_id=identifier, body=BODY)
    assert read_at_once(octets, 0) == (message, len(octets))
    assert carefully(octets) == [message]


@pytest.mark.parametrize(
    "octets",
    [
        rb"* 1 FETCH (UID 7 FLAGS (\Seen))" + b"\r\n",
        b"* 1 fetch (uid 7 body[] {1}\r\nx)\r\n",
        b"* 1 FETCH (UID 7 BODY[] {2}\r\nx)\r\n",
        b"* 1 FETCH (UID 7 BODY[] NIL)\r\n",
        b"* 1 FETCH (UID 7 BODY[] ~{1}\r\nx)\r\n",
        b"* 1 FETCH (UID 7 BODY[]<0> {1}\r\nx)\r\n",
        b"* 1 FETCH (UID 7 BODY[HEADER] {1}\r\nx)\r\n",
        b"* 1 FETCH (UID 7 EMAILID (NIL) BODY[] {1}\r\nx)\r\n",
        b"* 1 FETCH (UID 7 X-NEW 5 BODY[] {1}\r\nx)\r\n",
        b"* 1 FETCH (UID 7 BODY[] {1}\r\nx BODY[] {1}\r\ny)\r\n",
        b"* 1 FETCH (UID 7  BODY[] {1}\r\nx)\r\n",
        b"* 1 FETCH (UID 7 BODY[] {1}\r\nx",
        b"* 1 FETCH (UID 7 BODY[] {5}\r\nx)\r\n",
        b"A1 OK done\r\n",
        b"",
    ],
)
def test_anything_else_is_left_to_the_careful_reading(octets: bytes) -> None:
    """A response that is rare, broken, or not whole yet is not guessed at."""
    assert read_at_once(octets, 0) is None


@pytest.mark.parametrize("end", range(len(LITERAL) - len(CONTENT) + 33, 33 + len(LITERAL) + 10))
def test_a_small_message_that_is_not_whole_is_waited_for(end: int) -> None:
    """TLS cuts where it likes; joined with what comes next, the message is read at once."""
    octets = b"* 12 FETCH (UID 7 RFC822.SIZE 40 %b FLAGS (a))\r\n" % LITERAL
    assert is_worth_waiting(octets[:end], 0)
    stream = FetchStream()
    assert list(stream.feed(octets[:end])) == []
    assert stream.rest() == octets[:end]
    assert not is_worth_waiting(octets, 0)


@pytest.mark.parametrize(
    "octets",
    [
        b"* 1 FETCH (UID 7 BODY[] {%d}\r\nabc" % (WAITED_OCTETS + 1),
        b"* 1 FETCH (UID 7 X-NEW 1 BODY[] {5}\r\nabc",
        b"* 1 FETCH (UID 7 BODY[] {1}\r\nx X-NEW 1)\r\n",
        b"* 1 FETCH (UID 7 BODY[] {1}\r\nx" + b" " * 5000,
        b"* 1 FETCH (UID 7 BODY",
        b"",
    ],
)
def test_nothing_else_is_waited_for(octets: bytes) -> None:
    """A large body goes on its way in pieces, and what is unusual is read with care as it comes."""
    assert not is_worth_waiting(octets, 0)


def test_what_is_said_twice_counts_as_said_last() -> None:
    """Both readings agree where a server repeats an item before and after the body."""
    octets = (
        b"* 1 FETCH (UID 7 UID 8 FLAGS (a) RFC822.SIZE 5 %b RFC822.SIZE 6 FLAGS (b) FLAGS (c))\r\n" % LITERAL
    )
    message = FetchedMessage(uid=8, flags=("c",), octets=6, body=BODY)
    assert read_at_once(octets, 0) == (message, len(octets))
    assert carefully(octets) == [message]


def test_two_kinds_of_id_are_left_to_the_careful_reader() -> None:
    """It knows which of them came last."""
    octets = b"* 1 FETCH (UID 7 X-GM-MSGID 12 EMAILID (M1) %b)\r\n" % LITERAL
    assert read_at_once(octets, 0) is None
    assert [message.object_id for message in carefully(octets)] == ["M1"]


def test_a_body_to_be_spooled_is_never_read_at_once() -> None:
    """Six digits stay below the size from which bodies come in pieces, whatever is in the buffer."""
    assert SPOOL_OCTETS > 999_999
    size = SPOOL_OCTETS + 1
    assert read_at_once(b"* 1 FETCH (UID 7 BODY[] {%d}\r\n%b)\r\n" % (size, b"x" * size), 0) is None


def test_flags_longer_than_any_server_has_are_left_to_the_limits() -> None:
    """The careful reading says what is more than believable."""
    octets = b"* 1 FETCH (UID 7 FLAGS (%b) BODY[] {1}\r\nx)\r\n" % (b"a" * 5000)
    assert read_at_once(octets, 0) is None


def test_the_message_is_as_immutable_and_complete_as_any() -> None:
    """Made in a quicker way, it is the same value: equal, hashed and shown alike."""
    octets = b"* 1 FETCH (UID 7 BODY[] {1}\r\nx)\r\n"
    found = read_at_once(octets, 0)
    assert found is not None
    made = FetchedMessage(uid=7, body=Body(octets=1, content=b"x"))
    assert (found[0], hash(found[0]), repr(found[0])) == (made, hash(made), repr(made))
    with pytest.raises(AttributeError):
        found[0].uid = 8  # type: ignore[misc]  # that it cannot be set is what is tried
