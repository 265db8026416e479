"""Messages as entries of an mbox file, in the ``mboxrd`` variant, whose quoting can be undone.

Belongs here: the ``From_`` line, quoting, line ends, and the headers in which mbox programs keep
flags. Does not belong here: taking an mbox apart (``mbox_reader``), files. There is one standard
for the media type (RFC 4155) and several habits; ``mboxrd`` quotes every line that matches
``^>*From `` by one more ``>``, so that taking one off each gives back what was there.

An mbox file has the line ends of Unix (``line_ends``). What it cannot say is that a message ends
without a line end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from mailroom.message.line_ends import can_have_line_feeds, with_line_feeds
from mailroom.message.octets import Buffer, occurrences, windows

__all__ = [
    "FROM",
    "UNKNOWN_SENDER",
    "envelope_sender",
    "mbox_entry",
    "start_of_quotable",
    "status_headers",
]

FROM = b"From "

UNKNOWN_SENDER = "MAILER-DAEMON"
"""What stands in a ``From_`` line where nobody knows who sent a message."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RETURN_PATH = re.compile(rb"^return-path:[ \t]*<([^<>\r\n]{1,300})>", re.IGNORECASE | re.MULTILINE)
_AUTHOR = re.compile(
    rb"^(?:from|sender):(?:[^\r\n]|\r?\n[ \t]){0,600}?([!-;=?A-~]{1,100}@[!-;=?A-~]{1,200})",
    re.IGNORECASE | re.MULTILINE,
)
_HEADER_END = re.compile(rb"^\r?\n|\n\r?\n")

HEADER_OCTETS = 64 * 1024
"""How far into a message its sender and the end of its header are looked for. Octets."""


def mbox_entry(content: Buffer, when: datetime, headers: bytes = b"") -> Iterator[bytes]:
    """Yield one message as it stands in an mbox file: ``From_`` line, quoted lines, a blank line.

    :param when: when the message was delivered.
    :param headers: lines, each ended by LF, to add at the end of the message's own headers.
    """
    yield from_line(envelope_sender(content[:HEADER_OCTETS]), when)
    size = len(content)
    split = _end_of_headers(content) if headers else 0
    keeps_ends = not can_have_line_feeds(content)
    if split:
        yield from _body(content, 0, split, keeps_ends=keeps_ends)
    if headers:
        if split and content[split - 1 : split] != b"\n":
            yield b"\n"
        yield headers
    yield from _body(content, split, size, keeps_ends=keeps_ends)
    yield b"\n" if not size or content[size - 1 : size] == b"\n" else b"\n\n"


def from_line(sender: str, when: datetime) -> bytes:
    """Return a ``From_`` line: sender and time of delivery in UTC, as ``asctime`` writes it.

    >>> from_line("ana@example.org", datetime(2026, 3, 4, 9, 5, tzinfo=UTC))
    b'From ana@example.org Wed Mar  4 09:05:00 2026\\n'
    """
    moment = when.astimezone(UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"From {sender} {day} {month} {moment.day:2} {moment:%H:%M:%S} {moment.year:04}\n".encode("ascii")


def envelope_sender(head: bytes) -> str:
    """Return the address a message came from: its Return-Path, else its author; one word of ASCII.

    >>> envelope_sender(b"Return-Path: <a@example.org>\\r\\nFrom: B <b@example.org>\\r\\n\\r\\n")
    'a@example.org'
    """
    end = _HEADER_END.search(head)
    header = head if end is None else head[: end.end()]
    found = _RETURN_PATH.search(header) or _AUTHOR.search(header)
    sender = b"" if found is None else found[1]
    return sender.decode("ascii") if re.fullmatch(rb"[!-~]+", sender) else UNKNOWN_SENDER


def status_headers(flags: Iterable[str]) -> bytes:
    """Return flags as mbox programs read them: ``Status``, ``X-Status`` and ``X-Keywords`` lines.

    >>> status_headers(["\\\\Seen", "\\\\Flagged", "work"])
    b'Status: RO\\nX-Status: F\\nX-Keywords: work\\n'
    """
    lower = {flag.lower(): flag for flag in flags}
    letters = {"\\answered": "A", "\\deleted": "D", "\\flagged": "F", "\\draft": "T"}
    status = "RO" if "\\seen" in lower else "O"
    special = "".join(letter for flag, letter in letters.items() if flag in lower)
    keywords = " ".join(sorted(flag for flag in lower.values() if not flag.startswith("\\")))
    lines = [f"Status: {status}"]
    lines += [f"X-Status: {special}"] if special else []
    lines += [f"X-Keywords: {re.sub(r'[^!-~ ]', '_', keywords)}"] if keywords else []
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def start_of_quotable(content: Buffer, at: int, least: int) -> int | None:
    """Return where the line begins that has nothing but ``>`` before ``at``, or None.

    :param at: where ``From `` stands.
    :param least: where the message begins, which begins a line.
    """
    start = at
    while start > least and content[start - 1 : start] == b">":
        start -= 1
    return start if start == least or content[start - 1 : start] == b"\n" else None


def _body(content: Buffer, start: int, end: int, *, keeps_ends: bool) -> Iterator[bytes]:
    """Yield a part of a message that begins a line, quoted."""
    at = start
    for found in occurrences(content, FROM, start, end):
        line = start_of_quotable(content, found, start)
        if line is not None:
            yield from _lines(content, at, line, keeps_ends=keeps_ends)
            yield b">"
            at = line
    yield from _lines(content, at, end, keeps_ends=keeps_ends)


def _lines(content: Buffer, start: int, end: int, *, keeps_ends: bool) -> Iterator[bytes]:
    return windows(content, start, end) if keeps_ends else with_line_feeds(content, start, end)


def _end_of_headers(content: Buffer) -> int:
    """Return where the blank line stands that ends a message's header, or where the message ends."""
    head = content[:HEADER_OCTETS]
    if head[:1] == b"\n" or head[:2] == b"\r\n":
        return 0
    end = re.search(rb"\n(?=\r?\n)", head)
    return len(content) if end is None else end.end()
