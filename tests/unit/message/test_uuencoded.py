"""Files uuencoded in the text of a message."""

from __future__ import annotations

import binascii

import pytest

from mailroom.message.uuencoded import MAX_BLOCKS, Block, find_blocks

CONTENT = bytes(range(100))
BODY = b"".join(binascii.b2a_uu(CONTENT[at : at + 45]) for at in range(0, 100, 45)).replace(b"\n", b"\r\n")
FILE = b"begin 644 report 1.pdf\r\n" + BODY + b"`\r\nend\r\n"


def find(text: bytes) -> list[Block]:
    return find_blocks(text, 0, len(text))


def test_a_file_between_lines_of_text() -> None:
    """The block reaches from ``begin`` to ``end``, its name may have spaces."""
    (block,) = find(b"See below.\r\n\r\n" + FILE + b"\r\nRegards\r\n")
    assert block.name == b"report 1.pdf"
    assert block.start == 14
    assert block.end == 14 + len(FILE) - 2


def test_several_files_are_found_up_to_the_limit() -> None:
    """Each block starts after the one before has ended."""
    assert len(find(FILE * 3)) == 3
    assert len(find(FILE * (MAX_BLOCKS + 5))) == MAX_BLOCKS


def test_a_file_that_never_ends_lasts_to_the_end_of_the_text() -> None:
    """A message that was cut still gives what there is."""
    (block,) = find(b"begin 644 a.bin\r\n" + BODY)
    assert block.end == len(b"begin 644 a.bin\r\n" + BODY)


def test_an_empty_file_is_a_file() -> None:
    """Nothing between ``begin`` and ``end`` is nothing, but it has a name."""
    assert [block.name for block in find(b"begin 644 empty\r\n`\r\nend\r\n")] == [b"empty"]
    assert [block.name for block in find(b"begin 644 empty\r\nend\r\n")] == [b"empty"]


@pytest.mark.parametrize(
    "text",
    [
        b"begin with the end in mind\r\n",
        b"begin 644 words\r\nare not encoded\r\n",
        b"we begin 644 a\r\n" + BODY,
        b"begin 999 a\r\n" + BODY,
        b"begin 644 \r\n" + BODY,
        b"begin 644 a",
    ],
)
def test_words_are_no_files(text: bytes) -> None:
    """``begin`` is an English word; only an encoded line after it makes a file."""
    assert find(text) == []


def test_end_within_the_content_is_passed_over() -> None:
    """Only a line that says ``end`` and nothing else ends a block."""
    (block,) = find(b"begin 644 a\r\n" + BODY + b"endless\r\nend\r\n")
    assert block.end == len(b"begin 644 a\r\n" + BODY + b"endless\r\nend")
