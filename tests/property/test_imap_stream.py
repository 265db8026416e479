"""Properties of the FETCH stream: any cut, any content, any order of items, any garbage."""

from __future__ import annotations

import contextlib
import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailroom.exceptions import LimitExceeded, RemoteProtocolError
from mailroom.model import Body, FetchedMessage
from mailroom.protocol.fetch_at_once import match_at_once, read_at_once
from mailroom.protocol.fetch_stream import BodyPiece, Event, FetchStream, TaggedResponse, UntaggedResponse
from mailroom.protocol.imap_dates import parse_internal_date
from mailroom.protocol.imap_items import parse_flags

numbers = st.integers(min_value=1, max_value=2**32 - 1)
words = st.text("abcXYZ$-_0", min_size=1, max_size=6)
awkward = st.sampled_from(
    [b"\r\n", b")\r\n", b"* 1 FETCH (UID 1)\r\n", b"{3}", b"\0", b"\xff", b"A1 OK x\r\n"]
)
contents = st.lists(awkward | st.binary(max_size=12), max_size=6).map(b"".join)
system_flags = st.sampled_from(["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"])
moments = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(microsecond=0))
zones = st.integers(-12 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

Item = tuple[bytes, dict[str, object]]


def date_time(at: datetime) -> bytes:
    """Write a moment as ``date-time`` of RFC 3501 section 9."""
    text = f"{at.day:2d}-{MONTHS[at.month - 1]}-{at:%Y %H:%M:%S %z}"
    return text.encode()


def quoted(octets: bytes) -> bytes:
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def literal(octets: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(octets), octets)


unknown: st.SearchStrategy[bytes] = st.recursive(
    st.one_of(
        st.just(b"NIL"),
        words.map(str.encode),
        words.map(lambda word: quoted(f'"{word}) {{3}}\\'.encode())),
        contents.map(literal),
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda values: b"(" + b" ".join(values) + b")"),
    max_leaves=5,
)


def body_item(content: bytes) -> Item:
    return b"BODY[] " + literal(content), {"body": Body(octets=len(content), content=content)}


items: dict[str, st.SearchStrategy[Item]] = {
    "uid": numbers.map(lambda n: (b"UID %d" % n, {"uid": n})),
    "flags": st.lists(system_flags | words, max_size=4).map(
        lambda flags: (
            f"FLAGS ({' '.join(flags)})".encode(),
            {"flags": tuple(sorted(set(flags)))},
        )
    ),
    "octets": numbers.map(lambda n: (b"RFC822.SIZE %d" % n, {"octets": n})),
    "modseq": numbers.map(lambda n: (b"MODSEQ (%d)" % n, {"modseq": n})),
    "internal_date": st.builds(lambda at, zone: at.replace(tzinfo=zone), moments, zones).map(
        lambda at: (b'INTERNALDATE "%b"' % date_time(at), {"internal_date": at.astimezone(UTC)})
    ),
    "body": contents.map(body_item) | st.just((b"BODY[] NIL", {})),
    "header": contents.map(lambda header: (b"BODY[HEADER] " + literal(header), {"header": header})),
    "unknown": unknown.map(lambda value: (b"X-NEW " + value, {})),
}


@st.composite
def responses(draw: st.DrawFn) -> tuple[bytes, Event]:
    """Draw the octets of one response and the event they are."""
    kind = draw(st.sampled_from(["fetch", "fetch", "fetch", "untagged", "tagged"]))
    if kind == "untagged":
        line = draw(st.sampled_from([b"* 5 EXISTS", b"* OK see {7}", b"* VANISHED 1:9", b"+ more"]))
        return line + b"\r\n", UntaggedResponse(line)
    if kind == "tagged":
        return b"A1 NO [X] {1}\r\n", TaggedResponse(b"A1", "NO", b"[X] {1}")
    names = draw(st.lists(st.sampled_from(sorted(items)), unique=True))
    drawn = [draw(items[name]) for name in draw(st.permutations(names))]
    values: dict[str, object] = {"uid": 0}
    for _, value in drawn:
        values |= value
    text = b" ".join(text for text, _ in drawn)
    return b"* 1 FETCH (%b)\r\n" % text, FetchedMessage(**values)  # type: ignore[arg-type]  # by name


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Cut a stream at these places."""
    marks = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(marks)]


def play(pieces: list[bytes]) -> list[Event]:
    """Feed the pieces; join the pieces of a large body, whose length is the network's."""
    stream = FetchStream()
    found: list[Event] = []
    for piece in pieces:
        for event in stream.feed(piece):
            if isinstance(event, BodyPiece) and found and isinstance(found[-1], BodyPiece):
                event = BodyPiece(found.pop().data + event.data)  # type: ignore[union-attr]  # checked above
            found.append(event)
    return found


@given(st.lists(responses(), max_size=5), st.lists(st.integers(min_value=0), max_size=12))
def test_however_the_stream_is_cut_its_events_are_what_was_written(
    written: list[tuple[bytes, Event]], places: list[int]
) -> None:
    """Any order of items, any content, any piece of the network: the same messages."""
    stream = b"".join(octets for octets, _ in written)
    assert play(cut(stream, places)) == [event for _, event in written]


@given(responses(), responses())
def test_octet_by_octet_is_as_good_as_whole(first: tuple[bytes, Event], second: tuple[bytes, Event]) -> None:
    """The slowest network there is."""
    stream = first[0] + second[0]
    assert play([stream[i : i + 1] for i in range(len(stream))]) == [first[1], second[1]]


usual_items = st.one_of(
    *(items[name] for name in ("uid", "flags", "octets", "modseq", "internal_date")),
    st.sampled_from(
        [
            b"X-GM-MSGID 12",
            b"EMAILID (M1)",
            b"EMAILID (nil)",
            b"X-NEW ()",
            b"uid 4",
            b'INTERNALDATE "x"',
            b"UID 0",
        ]
    ).map(lambda text: (text, {})),
).map(lambda item: item[0])
usual_responses = st.builds(
    lambda before, content, after, end: (
        b"* 1 FETCH (%b)%b" % (b" ".join([*before, b"BODY[] " + literal(content), *after]), end)
    ),
    st.lists(usual_items, max_size=6),
    contents,
    st.lists(usual_items, max_size=3),
    st.sampled_from([b"\r\n", b"\r\n", b" \r\n"]),
)


@given(usual_responses, st.binary(max_size=4))
def test_read_at_once_or_with_care_a_message_is_the_same(octets: bytes, following: bytes) -> None:
    """Whatever the quick reading takes, it takes whole and says the same of it, repeated items included."""
    found = match_at_once(octets + following, 0)
    assert read_at_once(octets + following, 0) == found
    with_care = play([octets.replace(b" FETCH (", b" Fetch (", 1)])
    if found is None:
        assert play([octets]) == with_care
    else:
        assert (with_care, len(octets)) == ([found[0]], found[1])


@given(st.lists(usual_items.filter(lambda item: item[:5] not in (b"X-NEW", b"uid 4", b"EMAIL"))), contents)
def test_the_usual_shape_is_read_at_once(before: list[bytes], content: bytes) -> None:
    """No order of the usual items and no content makes a message slow to read."""
    octets = b"* 1 FETCH (%b)\r\n" % b" ".join([*before, b"BODY[] " + literal(content)])
    assert read_at_once(octets, 0) is not None


NEAR_DATES = st.from_regex(
    rb"[ 0-9]?[0-9]-(Jan|feb|Dec|Jux)-[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}", fullmatch=True
)


@settings(max_examples=500)
@given(
    st.lists(st.one_of(usual_items, NEAR_DATES.map(lambda date: b'INTERNALDATE "%b"' % date)), max_size=5),
    st.lists(st.tuples(st.integers(min_value=0), st.sampled_from(b'()"\\ {}\r\n09aZ-+\\')), max_size=2),
)
def test_compiled_code_reads_octets_of_any_kind_as_python_does(
    before: list[bytes], changes: list[tuple[int, int]]
) -> None:
    """Dates that are none, limits of each item, octets changed anywhere: the same message, or none."""
    octets = bytearray(b"* 1 FETCH (%b)\r\n" % b" ".join([*before, b"BODY[] {3}\r\nabc", *before[:1]]))
    for place, octet in changes:
        octets[place % len(octets)] = octet
    for end in (len(octets), len(octets) - 1, len(octets) // 2):
        assert read_at_once(bytes(octets[:end]), 0) == match_at_once(bytes(octets[:end]), 0)


@pytest.mark.parametrize(
    "item",
    [
        b"UID %b",
        b"RFC822.SIZE %b",
        b"MODSEQ (%b)",
        b"X-GM-MSGID %b",
        b"EMAILID (%b)",
        b"FLAGS (%b)",
        b'INTERNALDATE "%b"',
    ],
)
def test_compiled_code_knows_the_limits_of_python(item: bytes) -> None:
    """What is too long for one is too long for the other, and none is cut."""
    for length in (0, 1, 9, 10, 11, 18, 19, 20, 21, 59, 60, 61, 254, 255, 256, 3999, 4000, 4001):
        octets = b"* 1 FETCH (" + item % (b"9" * length) + b" BODY[] {1}\r\nx)\r\n"
        assert read_at_once(octets, 0) == match_at_once(octets, 0)


@given(st.lists(st.integers(min_value=0, max_value=1_100_000), max_size=4))
def test_a_large_body_comes_whole_in_however_many_pieces(places: list[int]) -> None:
    """Nothing is lost, doubled or moved where pieces meet."""
    content = bytes(range(256)) * 4200
    stream = b"* 1 FETCH (UID 7 BODY[] {%d}\r\n%b FLAGS ())\r\nA1 OK\r\n" % (len(content), content)
    assert play(cut(stream, places)) == [
        BodyPiece(content),
        FetchedMessage(uid=7, flags=()),
        TaggedResponse(b"A1", "OK", b""),
    ]


pieces_of_imap = st.sampled_from(
    [b"* ", b"1 FETCH ", b"(", b")", b"UID ", b"5 ", b"FLAGS ", b"BODY[] ", b"{3}\r\n", b"{1}", b'"', b"\\",
     b"\r\n", b"\n", b"NIL", b"MODSEQ (", b"A1 OK ", b"INTERNALDATE ", b"[", b"]", b"~", b"9" * 30, b"\xff"]
)  # fmt: skip


@given(
    st.lists(pieces_of_imap | st.binary(max_size=4), max_size=20).map(b"".join),
    st.lists(st.integers(min_value=0)),
)
def test_garbage_is_the_servers_fault_and_nothing_else(garbage: bytes, places: list[int]) -> None:
    """No octets make the parser fail in another way, and cuts change nothing."""

    def outcome(pieces: list[bytes]) -> tuple[list[Event], str]:
        stream = FetchStream()
        found: list[Event] = []
        try:
            for piece in pieces:
                for event in stream.feed(piece):
                    found.append(event)
        except (RemoteProtocolError, LimitExceeded) as error:
            return found, repr(error)
        return found, ""

    assert outcome([garbage]) == outcome(cut(garbage, places))


@given(st.binary(max_size=40))
def test_any_octets_are_flags_or_a_date_or_none(octets: bytes) -> None:
    """Neither ever fails."""
    with contextlib.suppress(UnicodeEncodeError):
        " ".join(parse_flags(octets)).encode("utf-8")
    parse_internal_date(octets)


@given(moments, zones)
def test_a_moment_survives_its_writing(at: datetime, zone: timezone) -> None:
    """Every day of every zone."""
    moment = at.replace(tzinfo=zone)
    assert parse_internal_date(date_time(moment)) == moment
