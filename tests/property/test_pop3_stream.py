"""Properties of the POP3 parser: any cut of the stream, any content, any garbage."""

from __future__ import annotations

import contextlib
import itertools

from hypothesis import given
from hypothesis import strategies as st

from mailroom.exceptions import RemoteProtocolError
from mailroom.protocol.pop3 import Answer, Challenge, Content, Event, Pop3Parser, Status

awkward = st.sampled_from(
    [b"\r\n", b"\r", b"\n", b".", b"..", b"\r\n.", b"\r\n..", b"\n.\r\n", b"a", b"+OK", b"\0"]
)
lines = st.lists(awkward | st.binary(max_size=8), max_size=12).map(b"".join)


def stuff(content: bytes) -> bytes:
    """Return the octets on the wire of a message that ends with CRLF or is empty."""
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in content.split(b"\r\n"))


def whole(content: bytes) -> bytes:
    """Return the content with the CRLF at its end that every message has on the wire."""
    return content if not content or content.endswith(b"\r\n") else content + b"\r\n"


answers = st.one_of(
    lines.map(whole).map(lambda content: (Answer.BLOCK, b"+OK\r\n" + stuff(content) + b".\r\n", content)),
    st.sampled_from(list(Answer)).map(lambda answer: (answer, b"-ERR [SYS/TEMP] no\r\n", None)),
    st.just((Answer.LINE, b"+OK done\r\n", None)),
    st.just((Answer.CHALLENGE, b"+ YWJj\r\n", None)),
)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Cut a stream at these places."""
    marks = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(marks)]


def play(parts: list[bytes], awaited: list[Answer], piece_octets: int) -> list[Event]:
    """Feed a stream in parts to a parser past its greeting; join the pieces of each block."""
    parser = Pop3Parser(piece_octets=piece_octets)
    parser.feed(b"+OK\r\n")
    assert parser.next_event() == Status(is_ok=True)
    parser.expect(*awaited)
    events: list[Event] = []
    held = b""
    for part in parts:
        parser.feed(part)
        while (event := parser.next_event()) is not None:
            if isinstance(event, Content):
                held += event.octets
                if not event.is_last:
                    continue
                event, held = Content(octets=held, is_last=True), b""
            events.append(event)
    return events


@given(lines)
def test_what_a_server_stuffs_comes_out_as_it_was(content: bytes) -> None:
    """Round trip: any message, stuffed as RFC 1939 section 3 says, is returned octet by octet."""
    content = whole(content)
    stream = b"+OK\r\n" + stuff(content) + b".\r\n"
    assert play([stream], [Answer.BLOCK], 1 << 20) == [Content(octets=content, is_last=True)]


@given(st.lists(answers, max_size=6), st.lists(st.integers(0, 400), max_size=20), st.integers(0, 40))
def test_any_cut_gives_the_same_events(
    said: list[tuple[Answer, bytes, bytes | None]], places: list[int], piece_octets: int
) -> None:
    """However the network cuts a stream, and however small the pieces, the events are the same."""
    stream = b"".join(octets for _, octets, _ in said)
    awaited = [answer for answer, _, _ in said]
    events = play(cut(stream, places), awaited, piece_octets)
    assert events == play([stream], awaited, 1 << 20)
    assert len(events) == len(said)
    contents = [event.octets for event in events if isinstance(event, Content)]
    assert contents == [content for _, _, content in said if content is not None]


@given(st.lists(answers, min_size=1, max_size=3), st.integers(0, 40))
def test_octet_by_octet_is_the_same_as_at_once(
    said: list[tuple[Answer, bytes, bytes | None]], piece_octets: int
) -> None:
    """The worst cut of all: one octet at a time."""
    stream = b"".join(octets for _, octets, _ in said)
    awaited = [answer for answer, _, _ in said]
    octets = [stream[i : i + 1] for i in range(len(stream))]
    assert play(octets, awaited, piece_octets) == play([stream], awaited, 1 << 20)


@given(
    st.lists(st.sampled_from([b"+OK", b"-ERR", b"+ ", b"\r\n", b".\r\n"]) | st.binary(max_size=20)),
    st.lists(st.sampled_from(list(Answer)), max_size=5),
    st.integers(0, 40),
)
def test_garbage_gives_only_remote_protocol_error(
    parts: list[bytes], awaited: list[Answer], piece_octets: int
) -> None:
    """Whatever arrives, the parser gives events, asks for more, or raises RemoteProtocolError."""
    parser = Pop3Parser(piece_octets=piece_octets)
    parser.expect(*awaited)
    with contextlib.suppress(RemoteProtocolError):
        for part in parts:
            parser.feed(part)
            while (event := parser.next_event()) is not None:
                assert isinstance(event, Status | Challenge | Content)
