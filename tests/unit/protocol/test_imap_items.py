"""What one FETCH response says of a message."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailroom.exceptions import RemoteProtocolError
from mailroom.model import Body, FetchedMessage
from mailroom.protocol.imap_items import parse_fetch_items, parse_flags
from mailroom.protocol.imap_syntax import Part

MOMENT = datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)


def body(content: bytes) -> Body:
    return Body(octets=len(content), content=content)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        # Dovecot
        (
            [
                rb'(UID 34 FLAGS (\Seen) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 7 '
                rb"MODSEQ (5) BODY[] {7}",
                b"a\r\nb\r\n\0",
                b")",
            ],
            FetchedMessage(
                uid=34,
                flags=("\\Seen",),
                internal_date=MOMENT,
                octets=7,
                modseq=5,
                body=body(b"a\r\nb\r\n\0"),
            ),
        ),
        # Gmail
        (
            [
                b'(X-GM-MSGID 1278455344230334865 UID 1 RFC822.SIZE 2 INTERNALDATE "17-Jul-1996 '
                b'02:44:25 -0700" BODY[] {2}',
                b"hi",
                b" FLAGS (\\Seen $Phishing))",
            ],
            FetchedMessage(
                uid=1,
                flags=("$Phishing", "\\Seen"),
                internal_date=MOMENT,
                octets=2,
                body=body(b"hi"),
                object_id="1278455344230334865",
            ),
        ),
        # Exchange: the body first, whose it is last
        ([b"(BODY[] {1}", b"x", b" FLAGS () UID 9)"], FetchedMessage(uid=9, flags=(), body=body(b"x"))),
        ([b"( uid 9  flags () )"], FetchedMessage(uid=9, flags=())),
        ([b'(UID 3 BODY[] "short")'], FetchedMessage(uid=3, body=body(b"short"))),
        ([b'(UID 3 BODY[] "")'], FetchedMessage(uid=3, body=body(b""))),
        ([b"(UID 3 BODY[] {0}", b"", b")"], FetchedMessage(uid=3, body=body(b""))),
        ([b"(UID 3 BODY[] ~{2}", b"\0\0", b")"], FetchedMessage(uid=3, body=body(b"\0\0"))),
        ([b"(UID 3 BODY[] NIL)"], FetchedMessage(uid=3)),
        ([b"(UID 3 BODY[] {9999999}", None, b")"], FetchedMessage(uid=3)),
        ([b"(UID 3 INTERNALDATE NIL SAVEDATE NIL)"], FetchedMessage(uid=3)),
        ([b"(FLAGS (\\Seen))"], FetchedMessage(uid=0, flags=("\\Seen",))),
        ([b"()"], FetchedMessage(uid=0)),
        ([b"(UID 3 EMAILID (M6d99ac))"], FetchedMessage(uid=3, object_id="M6d99ac")),
        ([b"(UID 3 MODSEQ 12 RFC822.SIZE  7)"], FetchedMessage(uid=3, modseq=12, octets=7)),
        ([b"(UID 3 EMAILID M6d99ac)"], FetchedMessage(uid=3, object_id="M6d99ac")),
        (
            [b'(UID 3 SAVEDATE "17-Jul-1996 02:44:25 -0700")'],
            FetchedMessage(uid=3, save_date=MOMENT),
        ),
        ([b"(UID 3 FLAGS (a {3}", b"b c", b' "d"))'], FetchedMessage(uid=3, flags=("a", "b", "c", "d"))),
    ],
)
def test_a_response_is_read_whatever_server_wrote_it(parts: list[Part], message: FetchedMessage) -> None:
    """Items in any order, any case, with any spaces; strings in any form."""
    assert parse_fetch_items(parts, 1) == message


@pytest.mark.parametrize(
    ("parts", "octets"),
    [
        ([b"(UID 3 BODY[]<0> {2}", b"ab", b")"], b"ab"),
        ([b"(BODY[]<0> {2}", b"ab", b" UID 3)"], b"ab"),
        ([b'(uid 3 body[]<0> "ab")'], b"ab"),
        ([b'(UID 3 BODY[]<0> "")'], b""),
    ],
)
def test_a_range_says_where_it_begins(parts: list[Part], octets: bytes) -> None:
    """RFC 3501 section 7.4.2: so that it is never taken for the whole message."""
    assert parse_fetch_items(parts, 1) == FetchedMessage(uid=3, body=body(octets), origin=0)


def test_a_range_beyond_belief_is_the_servers_fault() -> None:
    """No number is that long."""
    with pytest.raises(RemoteProtocolError):
        parse_fetch_items([b"(UID 3 BODY[]<" + b"9" * 5000 + b'> "")'], 1)


def test_header_fields_are_kept_as_they_came() -> None:
    """The section may be spelt with quotes, and anything may follow."""
    parts = [b'(UID 7 BODY[HEADER.FIELDS ("SUBJECT" Date)] {14}', b"Subject: )(\r\n\r\n", b" RFC822.SIZE 99)"]
    assert parse_fetch_items(parts, 1) == FetchedMessage(uid=7, header=b"Subject: )(\r\n\r\n", octets=99)


def test_labels_are_names_of_folders() -> None:
    """They are written as LIST writes names: in modified UTF-7 or UTF-8, quoted, as atoms or as literals."""
    parts: list[Part] = [b'(UID 5 X-GM-LABELS ("\\\\Important" a "Caf&AOk-" {3}', b")))", b"))"]
    assert parse_fetch_items(parts, 1).labels == (")))", "Café", "\\Important", "a")
    assert parse_fetch_items([b"(UID 5 X-GM-LABELS ())"], 1).labels == ()
    assert parse_fetch_items(['(UID 5 X-GM-LABELS ("Café"))'.encode()], 1).labels == ("Café",)


@pytest.mark.parametrize(
    "unknown",
    [
        [b"X-NEW 1"],
        [b"X-NEW NIL"],
        [b'X-GM-THRID ("\\\\Important" a {3}', b")))", b")"],
        [b'ENVELOPE (NIL "s" ((NIL NIL "a" "b")) NIL)'],
        [b'BODYSTRUCTURE (("text" "plain" ("charset" "x") NIL NIL "7bit" 1 1) "mixed")'],
        [b"BODY[1]<0> {2}", b"))", b""],
        [b"BODY[TEXT] {99999999}", None, b""],
        [b'PREVIEW "FLAGS (\\\\Deleted) UID 66"'],
    ],
)
def test_items_nobody_asked_for_are_passed_over(unknown: list[Part]) -> None:
    """What is inside them is never taken for the message's own."""
    first, last = unknown[0] or b"", unknown[-1] or b""
    parts = (
        [b"(UID 5 " + first + b" FLAGS ())"]
        if len(unknown) == 1
        else [b"(UID 5 " + first, *unknown[1:-1], last + b" FLAGS ())"]
    )
    assert parse_fetch_items(parts, 1) == FetchedMessage(uid=5, flags=())


@pytest.mark.parametrize(
    "parts",
    [
        [b"(UID 5"],
        [b"(UID 5) junk"],
        [b"(UID)"],
        [b"(UID x)"],
        [b"(UID (5))"],
        [b"(UID 123456789012345678901)"],
        [b"(UID NIL)"],
        [b"(MODSEQ (1 2))"],
        [b"(RFC822.SIZE -1)"],
        [b"(FLAGS (\\Seen)"],
        [b"(BODY[] (a))"],
        [b"(BODY[] {5})"],
        [b"(UID 5 BODY[] {1}", b"x", b""],
        [b"(UID 5)", b"x", b")"],
        [b"(INTERNALDATE (a))"],
    ],
)
def test_what_is_no_response_is_the_servers_fault(parts: list[Part]) -> None:
    """A number that is none or a list that does not end: nothing is guessed."""
    with pytest.raises(RemoteProtocolError):
        parse_fetch_items(parts, 1)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (b"", ()),
        (b"\\Seen \\Answered", ("\\Answered", "\\Seen")),
        (b"b a b", ("a", "b")),
        (b"\\Recent \\recent x", ("x",)),
        ("Wichtig-é".encode(), ("Wichtig-é",)),
        (b"\xff", ("\\xff",)),
    ],
)
def test_flags_are_sorted_and_each_is_named_once(text: bytes, flags: tuple[str, ...]) -> None:
    """So that two answers can be compared; \\Recent tells about the session, not the message."""
    assert parse_flags(text) == flags
