"""Messages on their way in: memory below the limit, a hashed file above it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.client.spool import SPOOL_OCTETS, BodySink
from mailroom.exceptions import StoreUnavailable


def no_spool() -> str:
    raise AssertionError("nothing here is large")


@given(st.lists(st.binary(max_size=20)))
def test_small_message_stays_in_memory(pieces: list[bytes]) -> None:
    """All pieces in their order are one content, and no file is made."""
    sink = BodySink(no_spool)
    for piece in pieces:
        sink.write(piece)
    body = sink.finish()
    assert body.content == b"".join(pieces)
    assert body.octets == len(body.content)
    assert body.path is None


def test_single_piece_is_not_copied() -> None:
    """The usual message is one bytes object from the buffer to the archive."""
    piece = b"x" * 1000
    sink = BodySink(no_spool)
    sink.write(piece)
    assert sink.finish().content is piece


def test_message_exactly_at_the_limit_stays_in_memory() -> None:
    """Only what is larger than SPOOL_OCTETS goes to a file."""
    sink = BodySink(no_spool)
    sink.write(bytes(SPOOL_OCTETS))
    assert sink.finish().octets == SPOOL_OCTETS


def test_large_message_goes_to_a_file(tmp_path: Path) -> None:
    """The file holds every octet, those kept in memory first included; the digest is of all."""
    sink = BodySink(lambda: str(tmp_path / "spool"))
    pieces = [b"a" * 600_000, b"b" * 600_000, b"", b"c" * 100]
    for piece in pieces:
        sink.write(piece)
    body = sink.finish()
    content = b"".join(pieces)
    assert body.path == str(tmp_path / "spool")
    assert (tmp_path / "spool").read_bytes() == content
    assert body.sha256 == hashlib.sha256(content).hexdigest()
    assert (body.octets, body.content) == (len(content), None)


def test_discarded_message_leaves_nothing(tmp_path: Path) -> None:
    """Half a message must never be found in the spool; discarding twice or early is fine."""
    sink = BodySink(lambda: str(tmp_path / "spool"))
    sink.discard()
    sink.write(bytes(SPOOL_OCTETS + 1))
    assert (tmp_path / "spool").exists()
    sink.discard()
    sink.discard()
    assert list(tmp_path.iterdir()) == []


def test_spool_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """The person who runs the worker must know which path it is."""
    sink = BodySink(lambda: str(tmp_path / "no" / "folder"))
    with pytest.raises(StoreUnavailable, match="create it first") as caught:
        sink.write(bytes(SPOOL_OCTETS + 1))
    assert str(tmp_path / "no") in str(caught.value)


def test_full_disk_is_said(tmp_path: Path) -> None:
    """A device without space fails while the message arrives, not later."""
    sink = BodySink(lambda: "/dev/full")
    with pytest.raises(StoreUnavailable, match="under /dev is full; free some space") as caught:
        sink.write(bytes(SPOOL_OCTETS + 1))
    assert caught.value.reason == "full"
