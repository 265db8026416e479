"""Line ends changed, and only where that can be undone."""

from __future__ import annotations

import mmap
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message.line_ends import can_have_line_feeds, has_crlf, with_crlf, with_line_feeds
from mailroom.message.octets import WINDOW_OCTETS, count


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x"]), max_size=40))
def test_what_can_have_line_feeds_comes_back(pieces: list[bytes]) -> None:
    """CRLF to LF and back gives the same octets for every message that may be changed."""
    content = b"".join(pieces)
    if not can_have_line_feeds(content):
        return
    changed = b"".join(with_line_feeds(content, 0, len(content)))
    assert not has_crlf(changed, 0, len(changed))
    assert b"".join(with_crlf([changed])) == content


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\r\r\n", b"\n", b"a\r\n\n"])
def test_what_could_not_be_put_back_is_told(content: bytes) -> None:
    """A bare LF, or a CR too many, is found wherever it stands."""
    assert not can_have_line_feeds(content)


@pytest.mark.parametrize("shift", range(3))
def test_windows_split_no_line_end(shift: int) -> None:
    """A CR at the end of a window belongs to the LF that begins the next one, in a mapped file too."""
    content = b"x" * (WINDOW_OCTETS - shift) + b"\r\n" + b"y" * 10 + b"\r\n"
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert can_have_line_feeds(mapped)
            assert b"".join(with_line_feeds(mapped, 0, len(mapped))) == content.replace(b"\r\n", b"\n")
            assert count(mapped, b"\n") == 2
