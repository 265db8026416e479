"""Transfer encodings, whole and damaged, in one piece and in windows."""

from __future__ import annotations

import base64
import binascii
import random

import pytest

from mailroom.message.octets import WINDOW_OCTETS
from mailroom.message.transfer import Encoding, content_range, decode, decoded_chunks, encoding_of, is_base64

NOISE = random.Random(1).randbytes(3 * WINDOW_OCTETS)


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        ("base64", Encoding.BASE64),
        (" BASE64 ", Encoding.BASE64),
        ("base64;", Encoding.BASE64),
        ("x-base64", Encoding.BASE64),
        ("base64 charset=utf-8", Encoding.BASE64),
        ("Quoted-Printable", Encoding.QUOTED_PRINTABLE),
        ("quoted printable", Encoding.QUOTED_PRINTABLE),
        ("7bit", Encoding.IDENTITY),
        ("7-bit", Encoding.IDENTITY),
        ("8bits", Encoding.IDENTITY),
        ("binary", Encoding.IDENTITY),
        ("", Encoding.IDENTITY),
        ("x-uuencode", Encoding.UUENCODE),
        ("x-uue", Encoding.UUENCODE),
        ("base9000", None),
        ("x" * 200, None),
    ],
)
def test_names_of_encodings(value: str, encoding: Encoding | None) -> None:
    """Names are read as loosely as they are written; one that nobody knows is None."""
    assert encoding_of(value) is encoding


@pytest.mark.parametrize(
    ("encoded", "content"),
    [
        (b"", b""),
        (b"QUJD", b"ABC"),
        (b"QUJDRA==", b"ABCD"),
        (b"QUJDRA", b"ABCD"),
        (b"QUJDRA=", b"ABCD"),
        (b"QUJDRA===", b"ABCD"),
        (b"QUJDR", b"ABC"),
        (b"QU\r\nJD\r\nRA==\r\n", b"ABCD"),
        (b"QUJD\nRA==\n", b"ABCD"),
        (b"  QUJD\r\n  RA==", b"ABCD"),
        (b"QUI=QUI=", b"ABAB"),
        (b"QUI=\r\nQUI=\r\n", b"ABAB"),
        (b"QUI\r\nQUI", b"AB\x10P"),
        (b"QU*JD!RA==", b"ABCD"),
        (b"QUJDRA==\r\n\r\n", b"ABCD"),
        (b"\r\n\r\nQUJD", b"ABC"),
        (b"QUJD\0RA==", b"ABCD"),
        (b"====", b""),
        (b"_-8=", b"\xff\xef"),
    ],
)
def test_base64_whole_and_damaged(encoded: bytes, content: bytes) -> None:
    """Missing and early padding, stray characters and odd lines are recovered from (RFC 2045 section 6.8)."""
    assert decode(encoded, Encoding.BASE64) == content


@pytest.mark.parametrize(
    "below",
    [
        b"_______________________________________________\r\nA mailing list\r\nlist@example.org\r\n",
        b"\r\n--\r\nThis mail was scanned for viruses, http://example.org/\r\n",
        b"no strange characters in this line\r\n",
        b"--foo-\r\n",
        b"This e-mail is confidential; if it is not for you, delete it.\r\n",
    ],
)
@pytest.mark.parametrize("content", [b"x" * 30, b"x" * 31, b"y" * 9000])
def test_text_below_base64_is_not_decoded(below: bytes, content: bytes) -> None:
    """What gateways and lists put below an attachment does not get into the file."""
    encoded = base64.encodebytes(content).replace(b"\n", b"\r\n") + below
    assert decode(encoded, Encoding.BASE64) == content


@pytest.mark.parametrize(
    "above",
    [
        b"CAUTION: this mail came from outside.\r\n\r\n",
        b"a line of words\r\n",
        b"\r\nOne line, then another:\r\nanother.\r\n\r\n",
    ],
)
@pytest.mark.parametrize("size", [60, 171, 9000])
def test_text_above_base64_is_not_decoded(above: bytes, size: int) -> None:
    """A warning that a gateway put there costs nobody the file, whole lines of which follow."""
    encoded = above + base64.encodebytes(NOISE[:size]).replace(b"\n", b"\r\n")
    assert is_base64(encoded, 0, len(encoded))
    assert decode(encoded, Encoding.BASE64) == NOISE[:size]


def test_text_among_base64_ends_no_file() -> None:
    """What stands below it is not lost, though what is in between cannot be told from it."""
    encoded = base64.encodebytes(NOISE[:570])
    hurt = encoded[:77] + b"a line of words\n" + encoded[77:]
    assert len(decode(hurt, Encoding.BASE64)) > 570


def test_text_below_a_few_octets_of_base64_is_not_decoded() -> None:
    """A short answer above a list's footer is read, and a greeting above plain words is none."""
    footer = b"\r\n\r\nPlease read the rules of this list, all of them: http://example.org\r\n"
    assert decode(b"aGVsbG8h" + footer, Encoding.BASE64) == b"hello!"
    assert decode(b"eWVz" + footer, Encoding.BASE64) == b"yes"
    assert decode(b"bm8=" + footer, Encoding.BASE64) == b"no"
    for greeting in (b"Moin", b"Hi", b"Everybody!"):
        assert decode(greeting + footer, Encoding.BASE64) == greeting + footer


@pytest.mark.parametrize("mark", [b"> ", b"| "])
def test_marks_before_lines_of_base64_are_no_text(mark: bytes) -> None:
    """What was quoted by a program that forwarded it is decoded whole."""
    content = bytes(range(57)) * 3
    encoded = b"".join(mark + line + b"\r\n" for line in base64.encodebytes(content).splitlines())
    assert decode(encoded, Encoding.BASE64) == content


def test_words_that_are_said_to_be_base64_stay_words() -> None:
    """A label that cannot be true is not followed: clients would show rubbish, people want the text."""
    text = b"Dear customer,\r\n\r\nplease find the invoice below.\r\n"
    assert not is_base64(text, 0, len(text))
    assert decode(text, Encoding.BASE64) == text
    indented = b"    QUJDRA==\r\n" * 3
    assert is_base64(indented, 0, len(indented))


def test_the_range_of_base64_is_all_of_it_where_nothing_is_strange() -> None:
    """Ordinary content is not cut."""
    encoded = base64.encodebytes(NOISE[:6000])
    assert content_range(encoded, 0, len(encoded)) == (0, len(encoded))


@pytest.mark.parametrize(
    ("encoded", "content"),
    [
        (b"", b""),
        (b"caf=C3=A9", "café".encode()),
        (b"caf=c3=a9", "café".encode()),
        (b"one=\r\ntwo", b"onetwo"),
        (b"one=\ntwo", b"onetwo"),
        (b"one= \r\ntwo", b"onetwo"),
        (b"one=\t \ntwo", b"onetwo"),
        (b"one=\rtwo\n", b"onetwo\n"),
        (b"end=", b"end"),
        (b"end=\r\n", b"end"),
        (b"a=ZZb=4", b"a=ZZb=4"),
        (b"a==b", b"a=b"),
        (b"=0D=0A", b"\r\n"),
        (b"under_score", b"under_score"),
        (b"line\r\n  next \r\n", b"line\r\n  next \r\n"),
        (b"raw \xe9", b"raw \xe9"),
    ],
)
def test_quoted_printable_whole_and_damaged(encoded: bytes, content: bytes) -> None:
    """Soft breaks with white space after them and escapes that are none are read as clients do."""
    assert decode(encoded, Encoding.QUOTED_PRINTABLE) == content


def uuencoded(content: bytes) -> bytes:
    lines = [binascii.b2a_uu(content[at : at + 45]) for at in range(0, len(content), 45)]
    return b"".join(lines)


def test_uuencode_with_and_without_its_frame() -> None:
    """``begin`` and ``end`` lines frame the content but are not needed."""
    content = NOISE[:100]
    body = uuencoded(content)
    assert (
        decode(b"begin 644 a.bin\r\n" + body.replace(b"\n", b"\r\n") + b"`\r\nend\r\n", Encoding.UUENCODE)
        == content
    )
    assert decode(body, Encoding.UUENCODE) == content
    assert decode(b"begin 644 a\n" + body + b" \nend\nmore text\n", Encoding.UUENCODE) == content


def test_uuencode_with_rubbish_after_its_lines() -> None:
    """Old encoders added a checksum character, and gateways ate trailing spaces."""
    content = b"\0" * 45
    line = binascii.b2a_uu(content).rstrip(b"\n")
    assert decode(line + b"!\n", Encoding.UUENCODE) == content
    assert decode(line.rstrip() + b"\n", Encoding.UUENCODE) == content
    assert decode(b"\xff\xfe no line\n", Encoding.UUENCODE) == b""


@pytest.mark.parametrize(
    ("encoding", "encoded"),
    [
        (Encoding.BASE64, base64.encodebytes(NOISE)),
        (Encoding.BASE64, base64.encodebytes(NOISE).replace(b"\n", b"\r\n")),
        (Encoding.BASE64, base64.b64encode(NOISE)),
        (Encoding.BASE64, base64.b64encode(NOISE).rstrip(b"=")),
        (
            Encoding.BASE64,
            b"".join(base64.b64encode(NOISE[at : at + 50]) + b"\n" for at in range(0, len(NOISE), 50)),
        ),
        (Encoding.QUOTED_PRINTABLE, binascii.b2a_qp(NOISE, istext=False)),
        (Encoding.QUOTED_PRINTABLE, b"".join(b"=%02X" % octet for octet in NOISE)),
        (Encoding.UUENCODE, uuencoded(NOISE)),
        (Encoding.IDENTITY, NOISE),
    ],
    ids=["base64", "CRLF", "one line", "no padding", "padded lines", "qp", "qp one line", "uu", "identity"],
)
def test_large_content_is_the_same_in_windows(encoding: Encoding, encoded: bytes) -> None:
    """Content above the window size comes in bounded chunks that together are the content."""
    chunks = list(decoded_chunks(encoded, 0, len(encoded), encoding))
    assert b"".join(chunks) == NOISE
    assert max(map(len, chunks)) <= 2 * WINDOW_OCTETS


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_uuencode_is_whole_wherever_windows_end(line_end: bytes) -> None:
    """Within a line, before its end, within its end, behind it."""
    content = NOISE[: WINDOW_OCTETS * 45 // 62 + 450]
    body = uuencoded(content).replace(b"\n", line_end)
    for length in range(65):
        encoded = b"begin 644 " + b"a" * length + line_end + body + b"`" + line_end + b"end"
        assert len(encoded) > WINDOW_OCTETS
        assert decode(encoded, Encoding.UUENCODE) == content, length


def test_only_the_range_is_decoded() -> None:
    """What stands around a part's content is left alone."""
    assert b"".join(decoded_chunks(b"xxxxQUJDyyyy", 4, 8, Encoding.BASE64)) == b"ABC"


@pytest.mark.parametrize("data", [b"\xfb\xff\xfe" * 4, b"\xfb\xff\xfe" * 400, b"a\xff\xff\xf0" * 3])
def test_base64_for_urls_may_have_its_marks_side_by_side(data: bytes) -> None:
    """RFC 4648 section 5: they stand for octets as any letter does."""
    assert decode(base64.urlsafe_b64encode(data), Encoding.BASE64) == data


@pytest.mark.parametrize("before", [0, 384, 700, WINDOW_OCTETS, 2 * WINDOW_OCTETS + 3])
@pytest.mark.parametrize("lines", [False, True])
def test_base64_for_urls_is_known_wherever_its_first_mark_stands(before: int, lines: bool) -> None:
    """Zeros and text have none for long, in either alphabet."""
    data = bytes(before) + b"\xfb\xff\xfe end" + bytes(9)
    for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        if lines:
            encoded = b"".join(encoded[at : at + 76] + b"\r\n" for at in range(0, len(encoded), 76))
        assert decode(encoded, Encoding.BASE64) == data


@pytest.mark.parametrize(
    "below", [b"-- \r\nlist footer\r\n", b"_____\r\nlist footer\r\n", b"\r\n--\r\nA-B\r\n"]
)
@pytest.mark.parametrize("before", [30, 900])
def test_a_footer_is_no_base64_for_urls(below: bytes, before: int) -> None:
    """Its marks come after the base64, which has none of either alphabet."""
    encoded = base64.encodebytes(bytes(before * 3)).replace(b"\n", b"\r\n")
    assert decode(encoded + below, Encoding.BASE64)[: before * 3] == bytes(before * 3)
    assert decode(encoded + below, Encoding.BASE64) == decode(
        encoded + below.replace(b"_", b"."), Encoding.BASE64
    )
