"""Base64 with white space between its blocks, told from words."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from mailroom.message import index_message, iter_attachment
from mailroom.message.spaced_blocks import block_width
from mailroom.message.transfer import Encoding, decode
from tests.support.mail import make_message

OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600) + b"\xff" * 3000 + bytes(range(256)) * 20
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 3


def within_lines(text: bytes, space: bytes) -> bytes:
    """Write lines of six blocks."""
    lines = [text[at : at + 60] for at in range(0, len(text), 60)]
    return b"\r\n".join(space.join(line[at : at + 10] for at in range(0, len(line), 10)) for line in lines)


def across_lines(text: bytes, space: bytes) -> bytes:
    """Write blocks one after the other, and break lines wherever they are full."""
    spaced = space.join(text[at : at + 10] for at in range(0, len(text), 10))
    return b"\r\n".join(spaced[at : at + 76].strip() for at in range(0, len(spaced), 76))


@pytest.mark.parametrize("space", [b" ", b"\t", b"  "])
@pytest.mark.parametrize("written", [within_lines, across_lines])
@pytest.mark.parametrize(
    "content", [PDF, OLE, b"Hello, this is the text.\r\n", b"id;name\r\n1;Jos\xc3\xa9\r\n"]
)
@pytest.mark.parametrize("below", [b"", b"\r\n", b"\r\n\r\n-- \r\nA list, to which\r\nanyone may write\r\n"])
def test_base64_in_blocks_is_undone(
    space: bytes, written: Callable[[bytes, bytes], bytes], content: bytes, below: bytes
) -> None:
    """Whatever stands between the blocks, wherever lines end, and without what a list put below."""
    assert decode(written(base64.b64encode(content), space) + below, Encoding.BASE64) == content


@pytest.mark.parametrize("space", [b" ", b"\t"])
def test_a_file_in_blocks_is_the_file(space: bytes) -> None:
    """Its size, its type and its content are those of what was attached."""
    message = make_message(attachments=[("a.pdf", "application/pdf", PDF)])
    head, _, rest = message.partition(b"JVBERi0x")
    encoded, mark, tail = (b"JVBERi0x" + rest).partition(b"\r\n--")
    message = head + within_lines(encoded.replace(b"\r\n", b""), space) + mark + tail
    found = index_message(message)
    assert [(one.size, one.detected_type) for one in found.attachments] == [(len(PDF), "application/pdf")]
    assert b"".join(iter_attachment(message, "2")) == PDF
    assert found.defects == ()


@pytest.mark.parametrize(
    "text",
    [
        b"From four word line come just more text\r\nthat fits into four when read",
        b"Hello World Title Cases Great Words Every Where",
        b"1234 5678 9012 3456\r\n1234 5678 9012 3456",
        b"AB12 CD34 EF56 AB12 CD34 EF56 AB12 CD34 EF56",
        b"GB29 NWBK 6016 1331 9268 19",
        b"Room1 Room2 Room3 Room4 Room5 Room6 Room7",
        b"name\tcity\tcode\r\nAnna\tRome\t1234\r\n",
        b"kEy1 = b;",
        b"",
        b"aB cD eF gH iJ kL mN oP",
    ],
)
def test_words_of_equal_length_are_no_blocks(text: bytes) -> None:
    """Tables, codes and account numbers that are said to be base64 stay what they are."""
    assert block_width(text, is_whole=True) == 0
    assert block_width(text, is_whole=False) == 0
