"""Line ends: CRLF as mail travels, LF as programs on Unix keep it in files; both ways.

Belongs here: telling which a message has, and changing them in pieces of bounded size. A message
all of whose lines end with CRLF may be kept with LF, and one that has no CRLF at all is given
back with CRLF, as an IMAP server would. A message that has both is left as it stands, always:
which of its line ends were of which kind could not be told afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailroom.message.octets import WINDOW_OCTETS, Buffer, find, windows

__all__ = ["can_have_line_feeds", "has_crlf", "with_crlf", "with_line_feeds"]


def can_have_line_feeds(content: Buffer) -> bool:
    """Return whether CRLF can be put back everywhere once it was made LF: no LF without CR, none with two."""
    return not _has_bare_line_feed(content) and find(content, b"\r\r\n", 0, len(content)) < 0


def has_crlf(content: Buffer, start: int, end: int) -> bool:
    """Return whether any line of a part of a buffer ends with CRLF."""
    return find(content, b"\r\n", start, end) >= 0


def with_line_feeds(content: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Yield a part of a message with LF in place of each CRLF."""
    while start < end:
        stop = min(end, start + WINDOW_OCTETS)
        if stop < end and content[stop - 1 : stop] == b"\r":
            stop += 1  # a CR is looked at together with what follows it
        yield content[start:stop].replace(b"\r\n", b"\n")
        start = stop


def with_crlf(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a message that has no CRLF with CRLF in place of each LF."""
    for piece in pieces:
        yield piece.replace(b"\n", b"\r\n")


def _has_bare_line_feed(content: Buffer) -> bool:
    before = b""
    for window in windows(content, 0, len(content)):
        feeds, pairs = window.count(b"\n"), window.count(b"\r\n")
        if feeds != pairs + (before == b"\r" and window.startswith(b"\n")):
            return True
        before = window[-1:]
    return False
