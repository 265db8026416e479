"""An mbox file taken apart into messages, whichever of its variants it is.

Belongs here: where messages begin and end, and undoing the quoting. Does not belong here: flags
(``status``), files. Nothing in an mbox says which variant it is, so it is told message by message:

- a line that begins with ``From ``, and holds a month, a time and a year, begins a message (as mutt
  and Dovecot have it, with or without a blank line before); where the first such line of a file
  holds no date, any that is one or two words and follows a blank line;
- a ``Content-Length`` is believed where the next message, or the end, is where it says (mboxcl);
- a message in which lines begin with ``From `` in spite of that was not quoted (mboxcl2);
- in all others one ``>`` is taken off lines that match ``^>+From `` (mboxrd; mboxo, which quotes
  ``From `` only, comes out right as well but for text that had ``>From `` from the start).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from mailroom.message.mbox import FROM, start_of_quotable
from mailroom.message.octets import Buffer, find, occurrences, windows

__all__ = ["MboxMessage", "delivered_at", "is_mbox", "split_mbox", "unquoted"]

MAX_FROM_LINE_OCTETS = 1000
"""A longer line begins no message. Octets."""

HEADER_OCTETS = 64 * 1024
"""How far a message's Content-Length is looked for. Octets."""

_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_MONTH = rb"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DATED = re.compile(
    rb"From (?=.*\b" + _MONTH + rb")(?=.*\b\d{1,2}:\d\d)(?=.*\b(?:19|20)\d\d\b).*", re.IGNORECASE
)
_UNDATED = re.compile(rb"From(?: [^\s]+){1,2}[ \t\r]*")
_DATE = re.compile(
    rb"\b(?P<month>" + _MONTH + rb")[a-z]*[ ]+(?P<day>\d{1,2})[ ]+(?P<hour>\d{1,2}):(?P<minute>\d\d)"
    rb"(?::(?P<second>\d\d))?(?:[ ]+(?P<zone>[+-]\d{4})|[ ]+[A-Z]{2,5})?[ ]+(?P<year>(?:19|20)\d\d)"
    rb"(?:[ ]+(?P<later>[+-]\d{4}))?",
    re.IGNORECASE,
)
_CONTENT_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_BLANK = re.compile(rb"\n\r?\n")
_ONLY_LINE_ENDS = re.compile(rb"[\r\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class MboxMessage:
    """One message of an mbox file.

    :param at: where its ``From_`` line begins; a name for it as long as the file only grows.
    :param start: where the message begins, after that line.
    :param end: where it ends; the blank line that follows is not part of it.
    :param is_quoted: whether lines that begin with ``From `` were quoted.
    """

    at: int
    start: int
    end: int
    from_line: bytes
    is_quoted: bool


def is_mbox(head: bytes) -> bool:
    """Return whether a file that begins like this is an mbox.

    >>> is_mbox(b"From a@b Wed Mar  4 09:05:00 2026\\nSubject: x\\n"), is_mbox(b"From: a@b\\n")
    (True, False)
    """
    line = head.partition(b"\n")[0]
    return _DATED.match(line) is not None or _UNDATED.fullmatch(line) is not None


def split_mbox(content: Buffer) -> Iterator[MboxMessage]:
    """Yield the messages of an mbox file in their order; nothing where it is none."""
    size = len(content)
    if content[: len(FROM)] != FROM:
        return
    is_dated = _DATED.match(_line_at(content, 0)) is not None
    at = 0
    while at < size:
        line = _line_at(content, at)
        feed = find(content, b"\n", at, size)
        start = size if feed < 0 else feed + 1
        stated = _stated_end(content, start, is_dated=is_dated)
        following = _next_from(content, start if stated is None else stated, is_dated=is_dated)
        end = _without_blank_line(content, start, following)
        if stated is not None and stated <= following:
            end = stated
        is_quoted = stated is None or not _has_from_lines(content, start, end)
        yield MboxMessage(at=at, start=start, end=end, from_line=line, is_quoted=is_quoted)
        at = following


def unquoted(content: Buffer, message: MboxMessage) -> Iterator[bytes]:
    """Yield the octets of a message with its quoting undone; line ends as they stand."""
    at = message.start
    if message.is_quoted:
        for found in occurrences(content, FROM, message.start, message.end):
            line = start_of_quotable(content, found, message.start)
            if line is not None and line < found:
                yield from windows(content, at, line)
                at = line + 1
    yield from windows(content, at, message.end)


def delivered_at(from_line: bytes) -> datetime | None:
    """Return the time of delivery that a ``From_`` line states, in UTC unless it says otherwise.

    >>> delivered_at(b"From 1234@xxx Wed Mar 04 10:05:00 +0100 2026").isoformat()
    '2026-03-04T09:05:00+00:00'
    """
    found = _DATE.search(from_line)
    if found is None:
        return None
    parts = {name: int(found[name] or 0) for name in ("day", "hour", "minute", "second", "year")}
    zone = found["zone"] or found["later"] or b"+0000"
    text = (
        f"{parts['year']:04}-{_MONTHS.index(found['month'].lower()) + 1:02}-{parts['day']:02}"
        f"T{parts['hour']:02}:{parts['minute']:02}:{parts['second']:02}{zone.decode('ascii')}"
    )
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _line_at(content: Buffer, at: int) -> bytes:
    head = content[at : at + MAX_FROM_LINE_OCTETS]
    return head.partition(b"\n")[0]


def _next_from(content: Buffer, start: int, *, is_dated: bool) -> int:
    """Return where the next message begins at or after ``start``, which begins a line, or the end."""
    size = len(content)
    at = start
    while at < size:
        if content[at : at + len(FROM)] == FROM and _begins(content, at, is_dated=is_dated):
            return at
        feed = find(content, b"\n" + FROM, at, size)
        if feed < 0:
            return size
        at = feed + 1
        if _begins(content, at, is_dated=is_dated):
            return at
        at += len(FROM)
    return size


def _begins(content: Buffer, at: int, *, is_dated: bool) -> bool:
    line = _line_at(content, at)
    if is_dated:
        return len(line) < MAX_FROM_LINE_OCTETS and _DATED.match(line) is not None
    before = content[max(0, at - 3) : at]
    return _UNDATED.fullmatch(line) is not None and _BLANK.search(b"\n" * (at < 2) + before) is not None


def _stated_end(content: Buffer, start: int, *, is_dated: bool) -> int | None:
    """Return where a message ends by its Content-Length, if the next one or the end follows there."""
    head = content[start : start + HEADER_OCTETS]
    blank = re.match(rb"\r?\n", head) or _BLANK.search(head)
    if blank is None:
        return None
    found = _CONTENT_LENGTH.search(head, 0, blank.end())
    if found is None:
        return None
    end = start + blank.end() + int(found[1])
    if end > len(content):
        return None
    after = content[end : end + 16]
    gap = _ONLY_LINE_ENDS.match(after)
    at = end + (gap.end() if gap is not None else 0)
    if at > end:
        if after.count(b"\n", 0, at - end) > 1:
            return None  # one blank line stands between messages; the others belong to the message
        return end if at >= len(content) or _begins_here(content, at, is_dated=is_dated) else None
    if _without_blank_line(content, start, end) < end:
        return None  # the blank line between messages was not counted by whoever wrote the length
    if at >= len(content):
        return end
    return end if content[end - 1 : end] == b"\n" and _begins_here(content, end, is_dated=is_dated) else None


def _begins_here(content: Buffer, at: int, *, is_dated: bool) -> bool:
    return content[at : at + len(FROM)] == FROM and _begins(content, at, is_dated=is_dated)


def _without_blank_line(content: Buffer, start: int, end: int) -> int:
    """Return the end of a message without the blank line between it and the next."""
    tail = content[max(start, end - 4) : end]
    if tail.endswith(b"\r\n\r\n"):
        return end - 2
    if tail.endswith((b"\n\n", b"\r\n\n")) or (tail == b"\n" and end - 1 == start):
        return end - 1
    return end - 2 if tail == b"\r\n" and end - 2 == start else end


def _has_from_lines(content: Buffer, start: int, end: int) -> bool:
    return any(
        start_of_quotable(content, found, start) == found for found in occurrences(content, FROM, start, end)
    )
