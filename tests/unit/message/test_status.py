"""Flags in headers of an mbox file's messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message.mbox import status_headers
from mailroom.message.status import flags_of_status


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (b"Status: RO\nX-Status: AF\n", ("\\Answered", "\\Flagged", "\\Seen")),
        (b"Status: O\n", ()),
        (
            b"X-Mozilla-Status: 1003\nX-Mozilla-Keys: $label1 work    \n",
            ("$Forwarded", "$label1", "\\Answered", "\\Seen", "work"),
        ),
        (b"Status: Delayed for a reason that is long\n", ()),
        (b"X-Mozilla-Status: zzzz\n", ()),
        (b"Subject: x\n", ()),
    ],
)
def test_flags_are_those_of_the_program_that_wrote_them(header: bytes, flags: tuple[str, ...]) -> None:
    """Old mbox programs and Thunderbird have headers of their own; a sentence is no flag."""
    content = header + b"\nStatus: R\n"
    assert flags_of_status(content, 0, len(content)) == flags


FLAGS = st.sets(
    st.sampled_from(["\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen", "work", "$Junk"])
)


@given(FLAGS)
def test_what_an_export_wrote_is_read(flags: set[str]) -> None:
    """Flags come back from an mbox that was exported with them."""
    content = status_headers(flags) + b"\n"
    assert flags_of_status(content, 0, len(content)) == tuple(sorted(flags))
