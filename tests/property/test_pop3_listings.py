"""Properties of the listings' parsers: round trips, and garbage gives only one error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.exceptions import RemoteProtocolError
from mailroom.protocol.pop3_listing import (
    parse_capabilities,
    parse_drop_listing,
    parse_scan_listing,
    parse_unique_ids,
)

numbers = st.integers(1, 10**10 - 1)
unique_ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=70)
garbage = st.lists(st.sampled_from([b"\r\n", b"1 ", b"2", b" ", b"\n"]) | st.binary(max_size=10)).map(
    b"".join
)


@given(st.dictionaries(numbers, st.integers(0, 10**18)))
def test_scan_listing_comes_back_whole(sizes: dict[int, int]) -> None:
    """Every number and size a server lists is returned."""
    block = b"".join(b"%d %d\r\n" % pair for pair in sizes.items())
    assert parse_scan_listing(block) == sizes


@given(st.dictionaries(numbers, unique_ids))
def test_unique_ids_come_back_whole(ids: dict[int, str]) -> None:
    """Every number and unique id a server lists is returned."""
    block = b"".join(b"%d %s\r\n" % (number, unique_id.encode()) for number, unique_id in ids.items())
    assert parse_unique_ids(block) == ids


@pytest.mark.parametrize("parse", [parse_scan_listing, parse_unique_ids, parse_capabilities])
@given(block=garbage)
def test_garbage_gives_only_remote_protocol_error(parse: Callable[[bytes], object], block: bytes) -> None:
    """Any octets give a result or RemoteProtocolError."""
    with contextlib.suppress(RemoteProtocolError):
        parse(block)


@given(st.text())
def test_garbage_for_stat_gives_only_remote_protocol_error(text: str) -> None:
    """Any text gives two numbers or RemoteProtocolError."""
    try:
        count, octets = parse_drop_listing(text)
    except RemoteProtocolError:
        return
    assert count >= 0
    assert octets >= 0
