"""An mbox file taken apart, whichever of its variants it is."""

from __future__ import annotations

import mmap
import tempfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message.line_ends import has_crlf, with_crlf
from mailroom.message.mbox import mbox_entry
from mailroom.message.mbox_reader import delivered_at, is_mbox, split_mbox, unquoted
from mailroom.message.octets import Buffer

WHEN = datetime(2026, 3, 4, 9, 5, tzinfo=UTC)
FROM = b"From a@example.org Wed Mar  4 09:05:00 2026\n"


def messages(content: Buffer) -> list[bytes]:
    return [b"".join(unquoted(content, message)) for message in split_mbox(content)]


PIECES = st.lists(
    st.sampled_from([b"From ", b">", b"\r\n", b"\n", b"x", b"Content-Length: 3\r\n", b"Subject: a\r\n", FROM])
)


@given(st.lists(PIECES.map(b"".join), min_size=1, max_size=5))
def test_what_was_written_is_read(contents: list[bytes]) -> None:
    """Every message comes back from an mboxrd, whatever stands in it, but for a missing last line end."""
    written = b"".join(b"".join(mbox_entry(content, WHEN)) for content in contents)
    back = []
    for message in messages(written):
        keeps = has_crlf(message, 0, len(message))
        back.append(message if keeps else b"".join(with_crlf([message])))
    assert len(back) == len(contents)
    for one, content in zip(back, contents, strict=True):
        if b"\r\n" not in content and b"\n" in content:
            content = content.replace(b"\n", b"\r\n")  # had no CRLF, and got it
        assert one in (content, content + b"\n", content + b"\r\n")


@given(st.binary(max_size=300))
def test_anything_can_be_looked_at(content: bytes) -> None:
    """What is no mbox holds no message or some; never an error, never an octet outside."""
    for message in split_mbox(FROM + content):
        assert 0 <= message.at < message.start <= max(message.start, message.end)
        assert message.end <= len(FROM + content)
    list(split_mbox(content))


def test_messages_begin_without_a_blank_line_too() -> None:
    """Some programs write none; a line that only says From begins nothing."""
    content = FROM + b"A: 1\n\nFrom here to there\nFrom 9:30 to 10:30 we meet\n" + FROM + b"B: 1\n\nx\n"
    assert messages(content) == [b"A: 1\n\nFrom here to there\nFrom 9:30 to 10:30 we meet\n", b"B: 1\n\nx\n"]


def test_lines_from_windows_are_understood() -> None:
    """With CRLF throughout, the blank line between messages has it too."""
    content = (FROM + b"A: 1\n\nx\n\n" + FROM + b"B: 1\n\n>From y\n\n").replace(b"\n", b"\r\n")
    assert messages(content) == [b"A: 1\r\n\r\nx\r\n", b"B: 1\r\n\r\nFrom y\r\n"]


def test_content_length_that_fits_is_believed() -> None:
    """In mboxcl2 nothing is quoted, and a length says where the next message begins."""
    body = b">From x\n" + FROM + b"y\n"
    content = FROM + b"Content-Length: %d\n\n" % len(body) + body + b"\n" + FROM + b"B: 1\n\n"
    assert messages(content) == [b"Content-Length: %d\n\n" % len(body) + body, b"B: 1\n"]


def test_content_length_of_a_quoted_file_is_believed_too() -> None:
    """In mboxcl lines are quoted all the same, and that is undone."""
    body = b">From x\ny\n"
    content = FROM + b"Content-Length: %d\n\n" % len(body) + body + b"\n" + FROM + b"B: 1\n\n"
    assert messages(content)[0].endswith(b"\nFrom x\ny\n")


@pytest.mark.parametrize("length", [b"1", b"7", b"99999999", b"-1", b"many", b"9" * 30])
def test_content_length_that_lies_is_not(length: bytes) -> None:
    """A header that came by mail decides nothing."""
    content = FROM + b"Content-Length: " + length + b"\n\nbody one\n\n" + FROM + b"B: 1\n\n"
    assert [message[-9:] for message in messages(content)] == [b"body one\n", b"B: 1\n"]


def test_lines_without_a_date_are_taken_where_the_file_has_only_such() -> None:
    """An old program that wrote no dates; prose in a message still begins nothing."""
    content = b"From nobody\nA: 1\n\nFrom\nFrom me to you\n\nFrom nobody\nB: 1\n\n"
    assert messages(content) == [b"A: 1\n\nFrom\nFrom me to you\n", b"B: 1\n"]


def test_a_mapped_file_is_read_like_octets(tmp_path: object) -> None:
    """Large files are mapped, and windows cut no start of a message."""
    contents = [b"A: %d\r\n\r\n" % n + b"From z\r\n" + b"x" * 70_000 + b"\r\n" for n in range(20)]
    with tempfile.TemporaryFile() as file:
        for content in contents:
            for piece in mbox_entry(content, WHEN):
                file.write(piece)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert [message.replace(b"\n", b"\r\n") for message in messages(mapped)] == contents


@pytest.mark.parametrize(
    ("line", "when"),
    [
        (b"From a@b Wed Mar  4 09:05:00 2026", WHEN),
        (b"From a@b Wed Mar  4 09:05 2026", WHEN),
        (b"From - Wed Mar 04 09:05:00 2026", WHEN),
        (b"From 17@xxx Wed Mar 04 10:05:00 +0100 2026", WHEN),
        (b"From a@b Wed Mar  4 09:05:00 GMT 2026", WHEN),
        (b"From a@b Wed Mar  4 04:05:00 2026 -0500", WHEN),
        (b"From a@b Wed Feb 31 04:05:00 2026", None),
        (b"From nobody", None),
    ],
)
def test_dates_of_many_programs_are_read(line: bytes, when: datetime | None) -> None:
    """Each writes its own; what is no date is none."""
    assert delivered_at(line) == when


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (FROM, True),
        (b"From nobody\nA: 1\n", True),
        (b"From: a@b\n", False),
        (b"", False),
        (b"From here on we will not go any further\n", False),
    ],
)
def test_an_mbox_is_told_by_its_first_line(head: bytes, answer: bool) -> None:
    """A header or a letter that begins with the word is no mbox."""
    assert is_mbox(head) is answer
