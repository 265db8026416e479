"""Files of old Macintoshes in BinHex 4.0."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import index_message, iter_attachment
from mailroom.message.binhex import MAX_BINHEX_OCTETS, binhex_decoded_chunks, find_blocks
from tests.support.old_encodings import binhexed

NAME = "Résumé.txt".encode("mac-roman")
HEAD = b"From: ana@example.org\r\nSubject: Report\r\n"


def decoded(text: bytes) -> bytes:
    (block,) = find_blocks(text, 0, len(text))
    return b"".join(binhex_decoded_chunks(text, block.start, block.end))


@given(st.lists(st.tuples(st.sampled_from(b"\x90\0a\xff:"), st.integers(1, 600))), st.binary(max_size=40_000))
def test_what_was_encoded_comes_back(runs: list[tuple[int, int]], data: bytes) -> None:
    """Runs of any length, of 0x90 as well, and windows that end anywhere; the resource fork stays out."""
    content = b"".join(bytes([octet]) * times for octet, times in runs) + data
    assert decoded(b"See below.\r\n" + binhexed(NAME, content, b"resources")) == content


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Type: application/mac-binhex40; name=x.hqx\r\n",
        b"Content-Type: application/octet-stream; name=x.HQX\r\n",
    ],
)
@pytest.mark.parametrize("is_encoded", [False, True])
def test_a_part_is_a_file_with_a_file_in_it(fields: bytes, is_encoded: bool) -> None:
    """The part is kept as it is, and what it holds comes after it, by the name that the Macintosh gave it."""
    body = binhexed(NAME, b"content" * 9)
    if is_encoded:
        fields, body = fields + b"Content-Transfer-Encoding: base64\r\n", base64.encodebytes(body)
    message = HEAD + fields + b"\r\n" + body
    outer, inner = index_message(message).attachments
    assert (outer.part, outer.filename.lower()) == ("1", "x.hqx")
    assert (inner.part, inner.filename, inner.size) == ("1.hqx1", "Résumé.txt", 63)
    assert b"".join(iter_attachment(message, "1.hqx1")) == b"content" * 9


def test_a_file_in_a_text_becomes_an_attachment() -> None:
    """The text around it stays."""
    message = HEAD + b"\r\nSee below.\r\n\r\n" + binhexed(NAME, b"content") + b"\r\nRegards\r\n"
    found = index_message(message)
    assert [(a.part, a.filename, a.size) for a in found.attachments] == [("1.hqx1", "Résumé.txt", 7)]
    assert found.text == "See below.\nRegards"


def test_what_is_in_a_file_does_not_change_who_the_message_is() -> None:
    """Its octets count once, as those of a winmail.dat do."""
    message = HEAD + b"Content-Type: application/mac-binhex40\r\n\r\n" + binhexed(NAME, b"content")
    without = message.replace(b"mac-binhex40", b"octet-stream")
    assert index_message(message).identity == index_message(without).identity


@pytest.mark.parametrize(
    "text",
    [
        b"(This file must be converted with BinHex 4.0)",
        b"(This file must be converted with BinHex 4.0)\r\n\r\n:",
        b"(This file must be converted with BinHex 4.0)\r\n\r\nand so on\r\n",
        b"(This file must be converted with BinHex 4.0)\r\n\r\n:!!!!:",
    ],
)
def test_words_about_binhex_are_words(text: bytes) -> None:
    """Without a head that can be read there is no file."""
    assert find_blocks(text, 0, len(text)) == []


def test_a_file_that_was_cut_is_read_as_far_as_it_goes() -> None:
    """What is there is better than nothing."""
    text = binhexed(NAME, bytes(range(256)) * 20)
    cut = text[: len(text) // 2]
    assert bytes(range(256)) * 20 != decoded(cut)
    assert (bytes(range(256)) * 20).startswith(decoded(cut))


def test_no_more_comes_out_than_was_promised() -> None:
    """A bomb of runs ends at the length that its head states, and at the limit, in pieces of bounded size."""
    text = binhexed(NAME, b"a" * 3_000_000)
    (block,) = find_blocks(text, 0, len(text))
    sizes = [len(chunk) for chunk in binhex_decoded_chunks(text, block.start, block.end)]
    assert sum(sizes) == 3_000_000 < MAX_BINHEX_OCTETS
    assert max(sizes) < 1024 * 1024 + 64 * 1024
