"""What is written by the rules is read back as it was."""

from __future__ import annotations

import base64
import binascii
import email.header
import email.utils
import quopri
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import index_message
from mailroom.message.addresses import Address, parse_addresses
from mailroom.message.dates import parse_date
from mailroom.message.defects import Defects
from mailroom.message.encoded_words import decode_words
from mailroom.message.headers import first, read_header
from mailroom.message.octets import WINDOW_OCTETS
from mailroom.message.parameters import parse_parameters
from mailroom.message.structure import parse_structure
from mailroom.message.transfer import Encoding, decode, decoded_chunks
from tests.support.mail import make_message

LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs", "Cf", "Co", "Cn"])
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=12), min_size=1, max_size=8).map(" ".join)
NAMES = WORDS.filter(lambda name: "=?" not in name and not set(name) & set("\"'\\<>"))


@given(
    WORDS.filter(lambda text: "=?" not in text),
    st.sampled_from(["utf-8", "utf-16-be", "gb18030"]),
    st.integers(20, 70),
)
def test_encoded_words_come_back(text: str, charset: str, width: int) -> None:
    """Text encoded by Python's ``email``, folded at any width, is read back."""
    value = email.header.Header(text, charset, maxlinelen=width).encode()
    assert decode_words(value.replace("\n ", " ")) == text


@given(WORDS, st.integers(3, 30))
def test_text_cut_into_words_anywhere_comes_back(text: str, size: int) -> None:
    """Words cut between any two octets are put together again."""
    octets = text.encode()
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    words = " ".join(f"=?utf-8?B?{base64.b64encode(piece).decode()}?=" for piece in pieces)
    assert decode_words(words) == text


@given(NAMES, st.from_regex(r"[a-z][a-z0-9.+-]{0,20}@[a-z][a-z0-9.-]{0,20}", fullmatch=True))
def test_mailboxes_come_back(name: str, address: str) -> None:
    """A name and an address written by Python's ``email`` are read back, alone and in a list."""
    value = email.utils.formataddr((name, address))
    expected = Address("" if name.lower() == address else name, address)
    assert parse_addresses(value) == (expected,)
    assert parse_addresses(f"{value}, b@example.org, {value}") == (
        expected,
        Address("", "b@example.org"),
        expected,
    )


@given(WORDS, st.sampled_from(["utf-8", "utf-16", "gb18030"]))
def test_extended_parameters_come_back(name: str, charset: str) -> None:
    """A name in the form of RFC 2231, whole or in any number of pieces, is read back."""
    octets = name.encode(charset)
    escaped = "".join(f"%{octet:02X}" for octet in octets)
    assert parse_parameters(f"attachment; filename*={charset}''{escaped}").parameters["filename"] == name
    pieces = [escaped[at : at + 9] for at in range(0, len(escaped), 9)]
    continued = "; ".join(
        f"filename*{number}*={charset + chr(39) * 2 if number == 0 else ''}{piece}"
        for number, piece in enumerate(pieces)
    )
    assert parse_parameters(f"attachment; {continued}").parameters["filename"] == name


@given(NAMES.filter(lambda name: "''" not in name))
def test_quoted_parameters_come_back(name: str) -> None:
    """A quoted name is read back whatever marks are in it, and so are the parameters after it."""
    found = parse_parameters(f'a/b; name="{name}"; charset=utf-8').parameters
    assert found == {"name": name, "charset": "utf-8"}


@given(st.datetimes(datetime(1950, 1, 1), datetime(2049, 12, 31)), st.integers(-14 * 60, 14 * 60))
def test_dates_come_back(moment: datetime, minutes: int) -> None:
    """A date in any zone is the same moment in UTC, in the forms of mail, of C and of ISO 8601."""
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_date(email.utils.format_datetime(moment)) == moment
    assert parse_date(moment.isoformat()) == moment
    assert parse_date(moment.strftime("%a, %d %b %y %I:%M:%S %p %z")) == moment
    utc = moment.astimezone(UTC)
    assert parse_date(utc.strftime("%a %b %e %H:%M:%S %Y")) == moment


CONTENT = st.binary(max_size=500)


@given(CONTENT, st.sampled_from([b"\r\n", b"\n"]), st.integers(1, 20).map(lambda quanta: 4 * quanta))
def test_base64_comes_back(content: bytes, end: bytes, width: int) -> None:
    """Any line length and line end, padded or not."""
    encoded = base64.b64encode(content)
    lines = end.join(encoded[at : at + width] for at in range(0, len(encoded), width))
    assert decode(lines, Encoding.BASE64) == content
    assert decode(lines.rstrip(b"="), Encoding.BASE64) == content


@given(CONTENT)
def test_quoted_printable_comes_back(content: bytes) -> None:
    """Binary and text as Python's encoder writes them."""
    assert decode(binascii.b2a_qp(content, istext=False), Encoding.QUOTED_PRINTABLE) == content
    text = content.replace(b"\r", b"").replace(b"\0", b"")
    assert decode(quopri.encodestring(text), Encoding.QUOTED_PRINTABLE) == text


@given(CONTENT)
def test_uuencode_comes_back(content: bytes) -> None:
    """With the frame that the Unix program writes."""
    lines = b"".join(binascii.b2a_uu(content[at : at + 45]) for at in range(0, len(content), 45))
    assert decode(b"begin 644 a\n" + lines + b"`\nend\n", Encoding.UUENCODE) == content


@given(
    st.binary(min_size=1, max_size=100),
    st.integers(1, 90),
    st.sampled_from([Encoding.BASE64, Encoding.QUOTED_PRINTABLE]),
)
def test_windows_make_no_difference(seed: bytes, width: int, encoding: Encoding) -> None:
    """Content above the window size is decoded as if it were in one piece, however its lines fall."""
    content = (seed * (WINDOW_OCTETS // len(seed) + 1))[: WINDOW_OCTETS + 77]
    if encoding is Encoding.BASE64:
        encoded = base64.b64encode(content)
        encoded = b"\n".join(encoded[at : at + width] for at in range(0, len(encoded), width))
    else:
        encoded = binascii.b2a_qp(content, istext=False)
    assert b"".join(decoded_chunks(encoded, 0, len(encoded), encoding)) == content


FIELD = st.tuples(
    st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True),
    st.lists(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20), max_size=6
    ),
)


@given(st.lists(FIELD, min_size=1, max_size=8), st.sampled_from(["\r\n", "\n"]), st.binary(max_size=50))
def test_headers_come_back(fields: list[tuple[str, list[str]]], end: str, body: bytes) -> None:
    """Fields folded at every word are read back unfolded, and the body starts after the blank line."""
    block = "".join(f"{name}: {(end + ' ').join(words)}{end}" for name, words in fields)
    content = (block + end).encode() + body
    defects: Defects = set()
    header, at = read_header(content, 0, len(content), defects)
    for name, words in fields:
        values = [" ".join(other) for key, other in fields if key.lower() == name.lower() and other]
        assert first(header, name.lower()) == (values[0] if values else "")
        assert words is not None
    assert content[at:] == body
    assert not defects


PART = st.binary(max_size=60).filter(lambda part: b"--b" not in part)


@given(st.lists(PART, min_size=1, max_size=6), st.sampled_from([b"\r\n", b"\n"]))
def test_parts_come_back(parts: list[bytes], end: bytes) -> None:
    """The contents of a multipart are what stands between its boundaries, octet by octet."""
    body = b"".join(b"--b" + end + b"X: y" + end + end + part + end for part in parts)
    content = b"Content-Type: multipart/mixed; boundary=b" + end + end + body + b"--b--" + end
    root = parse_structure(content, set())
    found = [content[leaf.start : leaf.end] for leaf in root.leaves()]
    # a part that ends with CR before a bare LF: the two are one line end, as anywhere in mail
    expected = [part[:-1] if end == b"\n" and part.endswith(b"\r") else part for part in parts]
    assert found == expected


@given(
    WORDS.filter(lambda text: "=?" not in text),
    st.lists(st.tuples(NAMES, st.binary(max_size=100)), max_size=4),
    st.text(LETTERS, max_size=100),
)
def test_messages_of_pythons_email_come_back(subject: str, files: list[tuple[str, bytes]], text: str) -> None:
    """Subject, text and attachments that the standard library wrote are read as they were.

    But for spaces of a subject, which it loses itself where it folds between encoded words.
    """
    attachments = [(name, "application/octet-stream", content) for name, content in files]
    message = make_message(subject=subject, text=text + "\n", attachments=attachments)
    found = index_message(message)
    assert found.subject.replace(" ", "") == subject.replace(" ", "")
    assert found.text == text.strip()
    assert [(a.filename, a.size) for a in found.attachments] == [
        (name, len(content)) for name, content in files
    ]
    assert found.identity == index_message(message.replace(b"\r\n", b"\n")).identity
    assert not found.defects
