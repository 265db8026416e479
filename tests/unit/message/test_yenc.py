"""Files in yEnc within the text of a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import index_message, iter_attachment
from mailroom.message.octets import WINDOW_OCTETS
from mailroom.message.yenc import find_blocks, yenc_decoded_chunks
from tests.support.old_encodings import yencoded

HEAD = b"From: ana@example.org\r\nSubject: Report\r\n\r\n"


def decoded(text: bytes) -> list[bytes]:
    return [
        b"".join(yenc_decoded_chunks(text, block.start, block.end))
        for block in find_blocks(text, 0, len(text))
    ]


@given(st.binary(max_size=3000))
def test_what_was_encoded_comes_back(data: bytes) -> None:
    """Octets that had to be escaped among them."""
    assert decoded(yencoded(b"a.bin", data)) == [data]


@pytest.mark.parametrize("before", [b"", b"x"])
def test_an_escape_may_be_cut_in_two_between_windows(before: bytes) -> None:
    """Where every octet is escaped, one of two places to begin at has the cut within an escape."""
    data = before + b"\x13" * WINDOW_OCTETS
    assert decoded(yencoded(b"a.bin", data)) == [data]


def test_files_in_a_text_become_attachments() -> None:
    """Each by its name, and the text around them stays."""
    message = HEAD + b"One:\r\n" + yencoded(b'"a b.bin"', b"\0=\xff") + b"Two:\r\n" + yencoded(b"c.bin", b"x")
    found = index_message(message)
    assert [(a.part, a.filename) for a in found.attachments] == [("1.yenc1", "a b.bin"), ("1.yenc2", "c.bin")]
    assert b"".join(iter_attachment(message, "1.yenc1")) == b"\0=\xff"
    assert found.text == "One:\nTwo:"


def test_a_part_of_a_file_is_a_file() -> None:
    """The line that says which part it is does not get into it."""
    text = yencoded(b"a.bin", b"abc").replace(b"a.bin\r\n", b"a.bin\r\n=ypart begin=1 end=3\r\n")
    assert decoded(text) == [b"abc"]


def test_a_file_that_never_ends_lasts_to_the_end_of_the_text() -> None:
    """A message that was cut still gives what there is."""
    text = yencoded(b"a.bin", b"abc")
    assert decoded(text[: text.index(b"\r\n=yend")]) == [b"abc"]


def test_words_about_yenc_are_words() -> None:
    """A line that states neither length nor name begins no file."""
    assert find_blocks(b"=ybegin is how it starts\r\nabc\r\n=yend size=3\r\n", 0, 60) == []


def test_a_file_within_another_is_part_of_it() -> None:
    """What one block holds is not looked into for others."""
    text = yencoded(b"a.bin", b"x").replace(b"\r\n=yend", b"\r\nbegin 644 b\r\n#86)C\r\n`\r\nend\r\n=yend")
    assert [a.part for a in index_message(HEAD + text).attachments] == ["1.yenc1"]
