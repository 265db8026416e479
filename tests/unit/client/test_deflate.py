"""The two deflated streams of a connection: any cut, any measure, bounded memory, the server's faults."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.client.deflate import Deflater, Inflater
from mailroom.exceptions import RemoteProtocolError


def taken(inflater: Inflater, limit: int) -> bytes:
    """Take all there is, a measure at a time."""
    found = b""
    while data := inflater.take(limit):
        assert len(data) <= limit
        found += data
    return found


@given(
    st.lists(st.binary(max_size=40) | st.integers(1, 3000).map(lambda n: b"ab" * n), max_size=8),
    st.integers(1, 50),
    st.integers(1, 5000),
)
def test_what_is_deflated_comes_out_as_it_was(sent: list[bytes], cut: int, limit: int) -> None:
    """However the network cuts it, and however little is taken at once; and all of it, at each flush."""
    deflater, inflater = Deflater(), Inflater("h:1")
    for data in sent:
        packed = deflater.deflate(data)
        found = b""
        for start in range(0, len(packed), cut):
            inflater.feed(packed[start : start + cut])
            found += taken(inflater, limit)
        assert found == data


def test_a_bomb_is_taken_in_bounded_pieces() -> None:
    """A thousandth of what comes out is held, whoever packed it."""
    packed = Deflater().deflate(bytes(64 * 1024 * 1024))
    inflater = Inflater("h:1")
    inflater.feed(packed)
    count = 0
    tracemalloc.start()
    while data := inflater.take(256 * 1024):
        count += len(data)
        del data
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 64 * 1024 * 1024
    assert peak < 2 * 1024 * 1024


def test_nothing_comes_before_anything_was_fed() -> None:
    """An empty answer means that the network must be asked."""
    assert Inflater("h:1").take(10) == b""


def test_what_is_not_deflated_is_the_servers_fault() -> None:
    """It says who, and what to set."""
    inflater = Inflater("mail.example:143")
    inflater.feed(b"\xff\xff\xff")
    with pytest.raises(RemoteProtocolError, match=r"mail\.example:143.*set compress to never") as caught:
        inflater.take(100)
    assert caught.value.received == b""


@pytest.mark.parametrize("cut", [1, 100])
def test_what_follows_the_end_of_the_stream_is_found(cut: int) -> None:
    """A stream that was ended has no more to say; what comes then would be read as something else."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = stream.compress(b"* OK\r\n") + stream.flush()
    inflater = Inflater("h:1")
    for start in range(0, len(packed), cut):
        inflater.feed(packed[start : start + cut])
        taken(inflater, 100)
    inflater.feed(b"* OK\r\n")
    with pytest.raises(RemoteProtocolError):
        inflater.take(100)


def test_what_came_with_the_end_is_found_after_what_was_before_it() -> None:
    """The last octets of the stream are given out first."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    inflater = Inflater("h:1")
    inflater.feed(stream.compress(b"* OK\r\n") + stream.flush() + b"* OK\r\n")
    assert inflater.take(100) == b"* OK\r\n"
    with pytest.raises(RemoteProtocolError):
        inflater.take(100)
