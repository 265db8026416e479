"""Values as IMAP writes them, read from a response cut at its literals."""

from __future__ import annotations

import pytest

from mailroom.exceptions import MAX_QUOTED_OCTETS, RemoteProtocolError
from mailroom.protocol.imap_syntax import MAX_NESTING, Part, Reader, Value, unescape, unreadable


@pytest.mark.parametrize(
    ("parts", "value"),
    [
        ([b"atom next"], b"atom"),
        ([b"  spaced"], b"spaced"),
        ([b"NIL"], None),
        ([b"nil)"], None),
        ([b'"NIL"'], b"NIL"),
        ([b'""'], b""),
        ([rb'"a \"b\" \\ (c) {5}"'], rb'a "b" \ (c) {5}'),
        ([b"{3}", b"a\r\n", b" next"], b"a\r\n"),
        ([b"~{2}", b"\0x", b")"], b"\0x"),
        ([b"{0}", b"", b")"], b""),
        ([b"{9999999}", None, b")"], None),
        ([b"()"], []),
        ([b"( a  (b NIL) () )"], [b"a", [b"b", None], []]),
        ([b"(a {1}", b")", b' "(" {1}', b"(", b"))"], [b"a", b")", b"(", b"("]),
        ([b"\\Seen "], b"\\Seen"),
        ([b"$Junk]x"], b"$Junk]x"),
    ],
)
def test_each_kind_of_value_is_read(parts: list[Part], value: Value) -> None:
    """Strings in all three forms mean the same octets (RFC 3501 section 4)."""
    assert Reader(parts).value() == value


@pytest.mark.parametrize(
    "parts",
    [
        [b""],
        [b")"],
        [b'"open'],
        [b'"open\\"'],
        [b"(a b"],
        [b"((a)"],
        [b"{3} text"],
        [b"{3}"],
        [b"(" * (MAX_NESTING + 1) + b")" * (MAX_NESTING + 1)],
    ],
)
def test_what_is_no_value_is_the_servers_fault(parts: list[Part]) -> None:
    """An unfinished list, string or literal, or one list in a hundred others."""
    with pytest.raises(RemoteProtocolError):
        Reader(parts).value()


def test_lists_may_be_nested_deeply() -> None:
    """Mail in mail in mail makes a deep BODYSTRUCTURE."""
    value = Reader([b"(" * MAX_NESTING + b")" * MAX_NESTING]).value()
    depth = 0
    while isinstance(value, list) and value:
        value, depth = value[0], depth + 1
    assert depth == MAX_NESTING - 1


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"uid 5", b"UID"),
        (b"Rfc822.Size 5", b"RFC822.SIZE"),
        (b"BODY[] NIL", b"BODY[]"),
        (b"BODY[HEADER.FIELDS (DATE FROM)] x", b"BODY[HEADER.FIELDS (DATE FROM)]"),
        (b'BODY[HEADER.FIELDS ("a]b")] x', b'BODY[HEADER.FIELDS ("A]B")]'),
        (b"BODY[1.MIME]<0> x", b"BODY[1.MIME]<0>"),
        (b"BODY[\xff] x", b"BODY[\xff]"),
        (b"vendor/x:y_z 1", b"VENDOR/X:Y_Z"),
    ],
)
def test_an_items_name_includes_its_section(text: bytes, name: bytes) -> None:
    """BODY[HEADER.FIELDS (…)] is one name, with a space in it (RFC 3501 section 7.4.2)."""
    assert Reader([text]).name() == name


@pytest.mark.parametrize("text", [b"", b"(a)", b'"a"', b"[x]", b"{1}"])
def test_an_item_without_a_name_is_the_servers_fault(text: bytes) -> None:
    """Values come after names only."""
    with pytest.raises(RemoteProtocolError):
        Reader([text]).name()


def test_a_reader_knows_where_it_is() -> None:
    """Between literals there is text; after the last there is none to come."""
    reader = Reader([b"{1}", b"x", b"y"])
    assert not reader.is_last_text
    values = [reader.value(), reader.value()]
    assert (values, reader.is_last_text) == ([b"x", b"y"], True)


def test_an_octet_is_taken_once() -> None:
    """Or not at all, if another one comes."""
    reader = Reader([b"))("])
    assert [reader.takes(b")") for _ in range(3)] == [True, True, False]


def test_an_escaped_octet_stands_for_itself() -> None:
    """RFC 3501 section 9: quoted-specials are the quote and the backslash."""
    assert unescape(rb"a\"\\b") == rb'a"\b'


def test_an_error_shows_the_shape_of_what_came_and_none_of_its_words() -> None:
    """Behind a literal that was counted wrong stands mail."""
    error = unreadable(b"Dear Ana, my PIN is 1234\xff\r\n" + b"x" * 1000)
    assert error.received.startswith(b"xxxx xxx, xx xxx xx 0000?\r\n")
    assert len(error.received) == MAX_QUOTED_OCTETS
    assert "Ana" not in str(error)
