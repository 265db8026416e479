"""Messages that cost little to send and were made to cost much: steps and memory are bounded.

Steps are calls, of our functions and of the interpreter's; they are counted, not timed, so that a
busy machine changes nothing.
"""

from __future__ import annotations

import base64
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import MessageIndex, index_message
from mailroom.message.structure import MAX_PARTS
from tests.property.test_message_index import FRAGMENTS
from tests.support.old_encodings import binhexed
from tests.unit.message.test_hostile import HOSTILE

STEPS_PER_OCTET = 60
"""The most of all hostile messages is 44: an address of an octet in brackets of two."""

STEPS_TO_BEGIN = 20_000
MIB = 1024 * 1024


class TooManyStepsError(Exception):
    """Raised in the middle of a reader that does not end in time."""


def index_in_steps(content: bytes) -> MessageIndex:
    left = STEPS_TO_BEGIN + STEPS_PER_OCTET * len(content)

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise TooManyStepsError

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        return index_message(content)
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("name", HOSTILE)
def test_steps_grow_with_the_length_only(name: str) -> None:
    """A bound for each octet holds for every hostile message."""
    index_in_steps(HOSTILE[name][:60_000])


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40), st.integers(1, 200))
def test_steps_are_bounded_for_any_mixture(pieces: list[bytes], times: int) -> None:
    """Also where a mixture of what mail is made of comes again and again."""
    index_in_steps((b"".join(pieces) * times)[:20_000])


def nested(levels: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(levels)
    )


def encoded(levels: int) -> bytes:
    content = b"Subject: innermost\r\n\r\ntext"
    for _ in range(levels):
        head = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        content = head + base64.encodebytes(content)
    return content


MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"

BOMBS: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "a header of 10 MB in one field": (
        lambda: b"Subject: " + b"a" * 10_000_000 + b"\r\n\r\nx",
        "header too long",
    ),
    "a header of 10 MB in many fields": (lambda: b"X-A: b\r\n" * 1_250_000 + b"\r\nx", "header too long"),
    "a million parts": (lambda: MIXED + b"--b\r\n\r\n" * 1_000_000, "too many parts"),
    "many files": (lambda: MIXED + b"--b\r\nContent-Type: a/b\r\n\r\n" * 300_000, "too many parts"),
    "multiparts nested without end": (lambda: nested(20_000), "nested too deep"),
    "messages encoded in messages": (lambda: encoded(20), None),
    "encoded words": (lambda: b"Subject: " + b"=?utf-8?q?=41?= " * 60_000 + b"\r\n\r\n", None),
    "encoded words in encoded words": (
        lambda: b"Subject: =?utf-8?q?" + b"=3D=3Futf-8=3Fq=3F" * 50_000 + b"?=\r\n\r\n",
        None,
    ),
    "addresses": (lambda: b"To: " + b"a@b, " * 200_000 + b"\r\n\r\n", "too many addresses"),
    "runs in BinHex": (
        lambda: b"Content-Type: application/mac-binhex40\r\n\r\n" + binhexed(b"a", b"x" * 3_000_000),
        None,
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_within_limits(name: str) -> None:
    """What is beyond a limit is not read, a defect says so, and memory stays near the message's own size."""
    build, defect = BOMBS[name]
    content = build()
    tracemalloc.start()
    try:
        found = index_message(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * MIB + 3 * len(content)
    assert len(found.attachments) <= MAX_PARTS
    assert defect is None or defect in found.defects
