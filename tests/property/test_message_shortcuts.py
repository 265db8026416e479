"""Shortcuts through common mail give what the careful way gives, on any input."""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import random
import re
import sys

from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import addresses, contents, embedded, text, transfer
from mailroom.message.charsets import decode_text
from mailroom.message.octets import occurrences
from mailroom.message.quotes import reply_of
from mailroom.message.structure import parse_structure
from mailroom.message.transfer import Encoding, decode, decoded_chunks

NAMES = [
    "", '"Doe, John" ', '"=?utf-8?q?D=C3=B6?= x"', "=?utf-8?q?Ana_B?= ", "=?utf-8?q?A?= =?utf-8?q?B?=",
    "Ana Ruiz ", "'ana' ", "a.b ", '"ana@x.y"', '""', "-", "=?x-bad?q?=E9?= ", "=?utf-8?q?a,_b_<c>?= ",
    "\x01a ", "\x1b$B ", "ana@x.y ", "'ana@x.y'", "(c) ", "ana[1] ", "a\\b ", "é ",
]  # fmt: skip
ANGLES = ["<ana@x.y>", "<Ana@X.y>", "<a'b@c>", "<'a@b'>", "<a@[1.2.3.4]>", "<a b@c>", "<mailto:a@b>", "<a>"]
BARE = ["ana@x.y", "'a@b'", "a@[1.2.3.4]", "A.B+c@d-e.f", "ana"]
MAILBOX = st.one_of(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(ANGLES)).map("".join), st.sampled_from(BARE)
)
LISTS = st.tuples(
    st.sampled_from([", ", ",", " , ", ",\t", "; "]),
    st.lists(MAILBOX, min_size=1, max_size=4),
    st.sampled_from(["", "", " ", ","]),
).map(lambda drawn: drawn[0].join(drawn[1]) + drawn[2])


@given(LISTS, st.sampled_from([None, "koi8-r", "utf-8"]))
def test_lists_of_plain_addresses_are_read_as_by_their_tokens(value: str, hint: str | None) -> None:
    """Where the short way gives an answer, the tokens give the same."""
    simple = addresses._parse_simply(value, hint)
    careful = tuple(itertools.islice(addresses._mailboxes(value, hint), addresses.MAX_ADDRESSES))
    assert simple in (None, careful)
    assert addresses.parse_addresses(value, hint) == careful


def test_lists_that_people_write_are_plain() -> None:
    """The short way is taken for what most fields hold."""
    for value in ("a@b.c, d@e.f", '"Doe, J" <a@b.c>, Ana <x@y>', "=?utf-8?q?A?= =?utf-8?q?B?= <a@b>"):
        assert addresses._parse_simply(value, None) is not None


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
STRAY = st.sampled_from(
    [b"", b"", b"=", b"==", b"\r", b"\n", b"\r\n", b" ", b"*", b"\xff", b"-", b"A", b"QUJD\r\n"]
)


def carefully_decoded(data: bytes) -> bytes:
    """Return base64 decoded in the plainest way: split at padding, everything strange left out."""
    kept = re.sub(rb"[^A-Za-z0-9+/=]", b"", data)
    segments = [run[: len(run) - 1] if len(run) % 4 == 1 else run for run in re.split(rb"=+", kept)]
    return b"".join(binascii.a2b_base64(run + b"=" * (-len(run) % 4)) for run in segments)


@given(
    st.integers(0, 10_000),
    st.integers(1, 30),
    st.sampled_from([4, 60, 64, 76, 76, 76, 75, 990, 2000]),
    st.sampled_from([b"\r\n", b"\r\n", b"\n"]),
    st.lists(STRAY, max_size=3),
)
def test_base64_is_decoded_alike_however_regular_its_lines_are(
    seed: int, kilobytes: int, width: int, line_end: bytes, stray: list[bytes]
) -> None:
    """Lines of one length, lines of any length, strange octets among them: one content."""
    chance = random.Random(seed)
    text = base64.b64encode(chance.randbytes(kilobytes * 1000 + chance.randrange(3)))
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    data = bytearray(line_end.join(lines) + line_end * chance.randrange(3))
    for octets in stray:
        at = chance.randrange(len(data))
        data[at : at + chance.randrange(3)] = octets
    assert b"".join(transfer._base64_chunks(bytes(data), 0, len(data))) == carefully_decoded(bytes(data))


def test_base64_longer_than_a_window_is_decoded_whole() -> None:
    """Lines that a window cuts in two belong together."""
    content = random.Random(2).randbytes(900_001)
    for width in (76, 64, 75, 72):
        text = base64.b64encode(content)
        encoded = b"\r\n".join(text[at : at + width] for at in range(0, len(text), width))
        for before in (b"", b"\r\n", b"QUJD\r\n"):
            data = before + encoded
            chunks = list(decoded_chunks(data, 0, len(data), Encoding.BASE64))
            assert b"".join(chunks) == (b"ABC" if b"Q" in before else b"") + content
            assert max(map(len, chunks)) < 300_000
    assert decode(base64.encodebytes(content), Encoding.BASE64) == content


PIECES = st.lists(
    st.sampled_from(
        [
            b"\r",
            b"\n",
            b"\r\n",
            b"a",
            b" ",
            b"\t",
            "é".encode(),
            b"\xe9",
            b"\x1b$B",
            b"\x0b",
            b"\x1c",
            b"\xef\xbb\xbf",
            b"~{",
        ]
    )
).map(b"".join)


@given(
    PIECES,
    st.sampled_from(
        [None, "utf-8", "us-ascii", "iso-8859-1", "utf-7", "hz-gb-2312", "iso-2022-jp", "x-none"]
    ),
)
def test_lines_are_ended_alike_before_and_after_decoding(data: bytes, label: str | None) -> None:
    """Text is the same whether its line ends are made one kind as octets or as characters."""
    expected = decode_text(data, label).replace("\r\n", "\n").replace("\r", "\n")
    plain = contents._plainly_decoded(data, label)
    expected = expected.removeprefix("\ufeff")
    assert plain is None or plain == (expected, expected.encode())


@given(PIECES, st.sampled_from(["", "; charset=utf-8", "; charset=iso-8859-1", "; charset=utf-7"]))
def test_digest_of_a_text_is_that_of_its_characters(data: bytes, label: str) -> None:
    """Octets digested as they stand give what the decoded text gives, white space at its end apart."""
    part = parse_structure(b"Content-Type: text/html" + label.encode() + b"\r\n\r\n" + data, set())
    found = contents.read_content(part, set(), with_checksum=False, with_text=True, hint=None)
    solid = found.text.rstrip().encode("utf-8", "replace")
    assert found.digest == (hashlib.sha256(solid).digest() if solid else b"")


QUOTED = st.lists(
    st.sampled_from(
        [
            b"=",
            b"=\r\n",
            b"=\n",
            b"=\r",
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"\t",
            b"=41",
            b"=e9",
            b"4",
            b"1",
            b"ab",
            b"_",
        ]
    )
).map(b"".join)


@given(QUOTED)
def test_quoted_printable_is_decoded_alike_with_and_without_a_look_at_odd_escapes(data: bytes) -> None:
    """Where no escape is odd, soft breaks may be left to the decoder."""
    assert transfer._decode_quoted(data) == transfer._decode_oddly_quoted(data)
    assert decode(data, Encoding.QUOTED_PRINTABLE) == transfer._decode_oddly_quoted(data)


TAGS = [
    "<p>",
    "</p>",
    '<p class="a">',
    '<td a="x>y">',
    "<a href='x'>",
    "<br/>",
    "<br",
    "<li >",
    "<o:p>",
    '<b">',
    "<script>",
    "</script>",
    "<style x>",
    "</style>",
    "<!--",
    "-->",
    '<img a="',
    '">',
    "< p>",
    "<",
    ">",
    "<h1\t>",
    "&lt;",
    "&nbsp;",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\xa0",
    "\u2028",
    "a",
    "b c",
    "é",
    "<ul><li>",
    "\x1c",
]


@given(st.lists(st.sampled_from(TAGS)).map("".join))
def test_pages_read_alike_however_their_tags_are_written(page: str) -> None:
    """Tags in small letters, of which most are known at once, mean what those in capitals mean."""
    shouted = re.sub(r"<(/?[a-z0-9]+)", lambda tag: tag[0].upper(), page)
    assert text.readable_html(page) == text.readable_html(shouted)
    assert text._single_spaced(page) == " ".join(page.split())


def test_no_white_space_but_the_space_is_printable() -> None:
    """A page that is printable has no other white space, and needs not be split to find it."""
    assert [c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace() and c.isprintable()] == [" "]


@given(
    st.lists(st.sampled_from(["a", "From", "Von", "-", "--", "*", "\n", "\n\n", " ", "@", "1", "wrote"])).map(
        "".join
    )
)
def test_text_without_any_mark_of_a_quote_quotes_nothing(words: str) -> None:
    """What is answered at a glance is what a look at each line gives."""
    if "---" not in words:
        assert reply_of(words) is None
        assert reply_of(f"{words}\nz:z") is None


def test_every_introduction_of_a_file_is_looked_for() -> None:
    """A text in which neither of two marks stands holds no file of any kind."""
    for mark, *_ in embedded._FINDERS:
        part = parse_structure(b"\r\n" + mark, set())
        assert embedded._may_hold_file(part)


@given(
    st.lists(st.sampled_from([b"-", b"--", b"--b", b"--b1", b"a", b"-" * 20])).map(b"".join),
    st.integers(0, 9),
)
def test_boundaries_are_found_among_dashes(data: bytes, start: int) -> None:
    """However many dashes stand before it, each needle is found where a plain search finds it."""
    found = list(occurrences(data, b"--b", start, len(data)))
    assert found == [
        match.start() for match in re.finditer(b"--b", data[:start].replace(b"-", b"a") + data[start:])
    ]
