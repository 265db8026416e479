"""APPEND as it goes over the wire, and what a completion says of UIDs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.protocol.imap_append import (
    message_head,
    parse_append_uids,
    parse_flags,
    parse_personal_namespace,
)
from mailroom.protocol.imap_dates import format_date_time, parse_internal_date

DATE = datetime(1994, 2, 7, 21, 52, 25, tzinfo=UTC)


def test_head_says_flags_date_and_octets() -> None:
    """The order is that of the grammar (RFC 3501 section 6.3.11)."""
    assert message_head(310, ["\\Seen", "$Work"], DATE, waits=True) == (
        b' (\\Seen $Work) " 7-Feb-1994 21:52:25 +0000" {310}\r\n'
    )


def test_what_is_not_known_is_left_out() -> None:
    """No empty list of flags, no made-up date."""
    assert message_head(5, [], None, waits=False) == b" {5+}\r\n"


def test_nul_travels_in_a_literal8() -> None:
    """BINARY (RFC 3516)."""
    assert message_head(5, [], None, waits=False, is_binary=True) == b" ~{5+}\r\n"


@pytest.mark.parametrize(
    ("text", "messages", "uids"),
    [
        (b"[APPENDUID 38505 3955] APPEND completed", 1, [3955]),
        (b"[appenduid 38505 3955:3957] done", 3, [3955, 3956, 3957]),
        (b"[APPENDUID 1 7,9] done", 2, [7, 9]),
        (b"[APPENDUID 1 7] done", 2, None),
        (b"[APPENDUID 1 :] done", 1, None),
        (b"done", 1, None),
    ],
)
def test_uids_are_believed_only_where_there_is_one_a_message(
    text: bytes, messages: int, uids: list[int] | None
) -> None:
    """RFC 4315 section 3; anything else is as if the server had said nothing."""
    assert parse_append_uids(text, messages) == uids


def test_flags_are_compared_in_small_letters() -> None:
    """Flags have no case (RFC 9051 section 2.3.2)."""
    assert parse_flags(b"(\\SEEN $Work \\*)") == {"\\seen", "$work", "\\*"}
    assert parse_flags(b"()") == frozenset()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'(("" "/")) NIL NIL', (b"", "/")),
        (b'(("INBOX." ".")("x." ".")) (("user." ".")) NIL', (b"INBOX.", ".")),
        (b'(("" "\\\\")) NIL NIL', (b"", "\\")),
        (b'(("" NIL)) NIL NIL', (b"", None)),
        (b"NIL NIL NIL", None),
        (b"", None),
    ],
)
def test_personal_namespace_is_the_first_one(text: bytes, found: tuple[bytes, str | None] | None) -> None:
    """RFC 2342 section 5."""
    assert parse_personal_namespace(text) == found


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones()))
def test_date_survives_the_way_there_and_back(moment: datetime) -> None:
    """To the second, whatever the zone it was in."""
    found = parse_internal_date(format_date_time(moment).encode())
    assert found == moment.astimezone(UTC).replace(microsecond=0)
