"""Header blocks with every kind of line end, and with lines that are no field."""

from __future__ import annotations

import pytest

from mailroom.message.defects import Defect, Defects
from mailroom.message.headers import (
    FIRST_LOOK_OCTETS,
    MAX_HEADER_OCTETS,
    Header,
    first,
    read_header,
    skip_envelope,
    unfold,
    unfolded,
)


def read(block: bytes) -> tuple[Header, bytes, Defects]:
    defects: Defects = set()
    header, body = read_header(block, skip_envelope(block, 0, len(block)), len(block), defects)
    return header, block[body:], defects


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\r\n"], ids=["CRLF", "LF", "CR", "CRCRLF"])
def test_any_line_end_ends_a_line(end: bytes) -> None:
    """Fields, folding and the blank line are found whatever ends the lines."""
    block = end.join([b"From: a@example.org", b"Subject: one", b" two", b"X-A:b", b"", b"body"])
    header, body, defects = read(block)
    assert first(header, "from") == "a@example.org"
    assert first(header, "subject") == "one two"
    assert first(header, "x-a") == "b"
    assert body == b"body"
    assert not defects


def test_mixed_line_ends_within_one_header() -> None:
    """The first blank line of any kind ends the header."""
    header, body, _ = read(b"A: 1\r\nB: 2\nC: 3\n\nbody\r\n\r\nmore")
    assert list(header) == ["a", "b", "c"]
    assert body == b"body\r\n\r\nmore"


def test_a_bare_cr_within_a_line_is_white_space_or_a_line_end() -> None:
    """A CR before a field name starts a field; before anything else it is a space."""
    header, _, _ = read(b"Subject: a\rb\rX-Next: c\r\nTo: x@example.org\r\n\r\n")
    assert first(header, "subject") == "a b"
    assert first(header, "x-next") == "c"


@pytest.mark.parametrize(
    "block",
    [
        b"Subject: x\r\nthis is no field\r\nTo: y@example.org\r\n\r\nbody",
        b"no field at first\r\nSubject: x\r\nTo: y@example.org\r\n\r\nbody",
        b"Subject: x\r\n>From someone Mon Jan 1 2026\r\nTo: y@example.org\r\n\r\nbody",
        b"Subject: x\r\n: no name\r\nTo: y@example.org\r\n\r\nbody",
        b"Subject: x\r\n=====\r\nTo: y@example.org\r\n\r\nbody",
    ],
)
def test_a_malformed_line_does_not_end_the_header(block: bytes) -> None:
    """Fields after a line that is none still count, as in mail clients."""
    header, body, defects = read(block)
    assert first(header, "subject") == "x"
    assert first(header, "to") == "y@example.org"
    assert body == b"body"
    assert defects == {Defect.HEADER_LINE_MALFORMED}


def test_what_continues_a_malformed_line_belongs_to_no_field() -> None:
    """Words below a line that is no field are not taken for the field above it."""
    block = b"From: a@example.org\r\nscanned by us\r\n and by them\r\nSubject: x\r\n\r\n"
    assert read_header(block, 0, len(block), set())[0] == {"from": ["a@example.org"], "subject": ["x"]}


def test_a_parameter_that_lost_its_indentation_belongs_to_the_line_above() -> None:
    """A folded parameter without its leading space is mended where the line above ends with a semicolon."""
    header, _, _ = read(b'Content-Type: application/zip;\r\nname="a:b.zip"\r\nX: y\r\nno field\r\n\r\n')
    assert first(header, "content-type") == 'application/zip; name="a:b.zip"'
    assert first(header, "x") == "y"


@pytest.mark.parametrize(
    "envelope",
    [
        b"From ana@example.org Wed Mar  4 10:30:00 2026\r\n",
        b">From ana@example.org Wed Mar  4 10:30:00 2026\n",
        b"\r\n\r\n",
        b" ",
        b"\xef\xbb\xbf",
        b"\r\nFrom ana@example.org Wed Mar  4 10:30:00 2026\r\n",
    ],
)
def test_what_stands_before_the_header_is_passed_over(envelope: bytes) -> None:
    """mbox lines, blank lines, stray spaces and byte order marks do not hide the fields."""
    header, body, defects = read(envelope + b"From: a@example.org\r\nSubject: x\r\n\r\nbody")
    assert first(header, "from") == "a@example.org"
    assert first(header, "subject") == "x"
    assert body == b"body"
    assert not defects


def test_a_from_field_with_a_space_is_no_envelope() -> None:
    """``From : x`` is a field (RFC 5322 section 4.5), not an mbox line."""
    assert first(read(b"From : a@example.org\r\nTo: b@example.org\r\n\r\n")[0], "from") == "a@example.org"


def test_a_blank_line_before_text_leaves_the_header_empty() -> None:
    """Only fields that mail has are taken for a header below a blank line."""
    header, body, _ = read(b"\r\nNote: this is text\r\n\r\nmore")
    assert header == {}
    assert body == b"Note: this is text\r\n\r\nmore"


def test_text_without_any_field_is_all_body() -> None:
    """A block without a field is no header: nothing of it is lost."""
    header, body, defects = read(b"// not a message\r\n\r\nat all")
    assert header == {}
    assert body == b"// not a message\r\n\r\nat all"
    assert Defect.HEADER_MISSING in defects


@pytest.mark.parametrize(
    "text",
    [b"Dear all,\r\nthe report is below.", b"JVBERi0xLjQK\r\nJVBERi0xLjQK\r\n\r\n"],
    ids=["text", "base64 and blank lines"],
)
def test_a_body_right_below_the_header_is_found(text: bytes) -> None:
    """Where no blank line comes before the text, the text starts at the first line that is no field."""
    header, body, defects = read(b"Subject: x\r\nContent-Transfer-Encoding: 7bit\r\n" + text)
    assert first(header, "subject") == "x"
    assert body == text
    assert Defect.BLANK_LINE_MISSING in defects


def test_a_header_without_a_body() -> None:
    """A message may end with its header, with or without a line end."""
    for block in (b"Subject: cut", b"Subject: cut\r\n", b"Subject: cut\r\n\r\n"):
        header, body, defects = read(block)
        assert first(header, "subject") == "cut"
        assert body == b""
        assert not defects
    assert read(b"") == ({}, b"", set())


def test_octets_that_are_not_utf8_stay_recoverable() -> None:
    """Raw 8-bit octets are kept as surrogates, for their charset is not known yet."""
    header, _, _ = read(b"Subject: caf\xe9\r\n\r\n")
    assert first(header, "subject").encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_nul_octets_are_dropped() -> None:
    """NUL in a header is what old gateways left behind."""
    assert first(read(b"Sub\0ject: a\0b\r\n\r\n")[0], "subject") == "ab"


def test_repeated_fields_are_all_kept() -> None:
    """All values are kept in their order; the first that is not empty is the one that counts."""
    header, _, _ = read(b"To: a@x\r\nSubject: \r\nTO: b@x\r\nSubject: two\r\n\r\n")
    assert unfolded(header, "to") == ["a@x", "b@x"]
    assert first(header, "subject") == "two"
    assert first(header, "cc") == ""
    assert unfolded(header, "cc") == []


@pytest.mark.parametrize(
    ("folded", "plain"),
    [
        ("one\n two", "one two"),
        ("one\n\ttwo", "one two"),
        ("one \n\t two", "one  two"),
        ("one\n  two", "one  two"),
        ("\n one", "one"),
        ("one\n ", "one"),
        ("a\tb", "a b"),
    ],
)
def test_unfolding(folded: str, plain: str) -> None:
    """A fold is taken out and its spaces stay (RFC 5322 section 2.2.3); tabs become one space."""
    assert unfold(folded) == plain


def test_a_header_longer_than_the_first_look_is_read_whole() -> None:
    """Only a limit far beyond real mail cuts a header."""
    long = b"X-Long: " + b"z" * FIRST_LOOK_OCTETS
    header, body, defects = read(long + b"\r\nSubject: after\r\n\r\nbody")
    assert first(header, "subject") == "after"
    assert body == b"body"
    assert not defects


def test_a_header_beyond_the_limit_is_cut_and_its_body_found() -> None:
    """Fields beyond the limit are not read; the body still starts after the blank line."""
    filler = b"X-Filler: " + b"z" * 86 + b"\r\n"
    block = b"Subject: x\r\n" + filler * (MAX_HEADER_OCTETS // len(filler) + 10) + b"X-Last: y\r\n\r\nbody"
    header, body, defects = read(block)
    assert first(header, "subject") == "x"
    assert "x-last" not in header
    assert body == b"body"
    assert Defect.HEADER_TOO_LONG in defects


@pytest.mark.parametrize("last", [b"\r\n", b"\n", b"\r\r\n"], ids=["CRLF", "LF", "CRCRLF"])
@pytest.mark.parametrize("blank", [b"\r\n", b"\n", b"\r\r\n"], ids=["CRLF", "LF", "CRCRLF"])
def test_a_blank_line_ends_the_header_whatever_the_line_before_ends_with(last: bytes, blank: bytes) -> None:
    """A filter that adds a field with another line end does not make the text a part of the header."""
    content = b"Subject: a\r\nX-Spam: no" + last + blank + b"Text: with a colon\r\n\r\nmore\r\n"
    header, body = read_header(content, 0, len(content), set())
    assert list(header) == ["subject", "x-spam"]
    assert content[body:].startswith(b"Text:")
