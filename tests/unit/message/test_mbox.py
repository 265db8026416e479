"""Messages as entries of an mbox."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message.mbox import envelope_sender, mbox_entry, status_headers

WHEN = datetime(2026, 3, 4, 9, 5, tzinfo=UTC)


def entry(content: bytes, headers: bytes = b"") -> bytes:
    return b"".join(mbox_entry(content, WHEN, headers))


def test_entry_is_from_line_message_and_blank_line() -> None:
    """Sender and moment of delivery come first, in UTC; lines end with LF."""
    content = b"Return-Path: <bounce@example.org>\r\nFrom: a@example.org\r\n\r\nHi\r\n"
    assert entry(content) == (
        b"From bounce@example.org Wed Mar  4 09:05:00 2026\n"
        b"Return-Path: <bounce@example.org>\nFrom: a@example.org\n\nHi\n\n"
    )


def test_every_from_line_is_quoted_once_more() -> None:
    """Quoted ones too, so that taking one off gives back each; a word within a line is none."""
    body = entry(b"\r\nFrom a\r\n>From b\r\n>>From c\r\n> From d\r\nx From e\r\nFrom: f\r\n").split(b"\n", 1)[
        1
    ]
    assert body == b"\n>From a\n>>From b\n>>>From c\n> From d\nx From e\nFrom: f\n\n"


def test_missing_line_end_is_added() -> None:
    """Else the next From_ line would be part of this message."""
    assert entry(b"\r\nno end").endswith(b"\nno end\n\n")


@pytest.mark.parametrize("content", [b"\r\na\nb\r\n", b"\r\na\r\r\nb\r\n", b"\na\n"])
def test_line_ends_that_could_not_be_put_back_stay(content: bytes) -> None:
    """A bare LF or a doubled CR would be lost by guessing."""
    assert entry(content).split(b"\n", 1)[1] == content + b"\n"


@pytest.mark.parametrize(
    ("head", "sender"),
    [
        (b"From: Ana <ana@example.org>\r\n\r\n", "ana@example.org"),
        (b"From: =?utf-8?Q?a?=\r\n <b@example.org>\r\n\r\n", "b@example.org"),
        (b"Return-Path: <>\r\nFrom: c@example.org\r\n\r\n", "c@example.org"),
        (b"Return-Path: <two words@x>\r\n\r\n", "MAILER-DAEMON"),
        (b"Subject: x\r\n\r\nFrom: body@example.org\r\n", "MAILER-DAEMON"),
        (b"Return-Path: <\xc3\xa1@x>\r\n\r\n", "MAILER-DAEMON"),
        (b"", "MAILER-DAEMON"),
    ],
)
def test_sender_is_one_word_or_nobody(head: bytes, sender: str) -> None:
    """What stands in a From_ line separates messages, so nothing in a mail may break it."""
    assert envelope_sender(head) == sender


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"A: 1\r\n\r\nbody\r\n", b"A: 1\nStatus: O\n\nbody\n\n"),
        (b"\r\nbody\r\n", b"Status: O\n\nbody\n\n"),
        (b"A: 1\r\n", b"A: 1\nStatus: O\n\n"),
        (b"A: 1", b"A: 1\nStatus: O\n\n"),
    ],
)
def test_headers_are_added_at_the_end_of_the_header(content: bytes, told: bytes) -> None:
    """A message without a body, or without a header, gets them where they are read."""
    assert entry(content, status_headers([])).split(b"\n", 1)[1] in (told, told + b"\n")


@given(st.lists(st.sampled_from([b"From ", b">", b"\r\n", b"x", b"F", b"From"]), max_size=60))
def test_quoting_can_be_undone(pieces: list[bytes]) -> None:
    """Taking one mark off each line that matches gives the message, and none of its lines is a start."""
    content = b"".join(pieces) + b"\r\n"
    body = entry(content).partition(b"\n")[2]
    assert not re.search(rb"(?m)^From ", body)
    assert re.sub(rb"(?m)^>(>*From )", rb"\1", body)[:-1].replace(b"\n", b"\r\n") == content
