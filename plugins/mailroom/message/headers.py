"""Header blocks: where one ends, and which fields it has, however it is written.

Belongs here: line ends of every kind (CRLF, bare LF, bare CR, doubled CR), NUL, mbox
``From_`` lines, lines that are no field, folding. Does not belong here: what a field's
value means. RFC 5322 section 2.2; clients read on where a line is malformed, and so do
we: only a blank line ends a header.

A field's value is text in which octets that are not UTF-8 are kept as surrogates
(``surrogateescape``), so that ``encoded_words`` can still decode them by charset.
"""

from __future__ import annotations

import re

from mailroom.message.defects import Defect, Defects
from mailroom.message.octets import Buffer, find

__all__ = ["MAX_HEADER_OCTETS", "Header", "first", "read_header", "skip_envelope", "unfold", "unfolded"]

MAX_HEADER_OCTETS = 1024 * 1024
"""How much of one header block is read; real ones stay below 64 KiB. Octets."""

FIRST_LOOK_OCTETS = 8 * 1024
"""How much is looked through at first for the end of a header; most are shorter. Octets."""

Header = dict[str, list[str]]
"""Values by field name in lower case, in the order they stand; unfolded only when asked for."""

# A field with its continuation lines, or else one line that is none.
_FIELD = re.compile(
    r"([!-9;-~]{1,256}+)[ \t]*+:[ \t]*+([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?+|[^\n]++\n?|\n",
)
_FIELD_LINE = re.compile(r"([!-9;-~]{1,256}+)[ \t]*+:[ \t]*+([^\n]*)")
_FIELD_OCTETS = re.compile(rb"[!-9;-~]{1,256}+[ \t]*+:|[ \t]")
# Fields that no text looks like by accident.
_KNOWN = (
    rb"(?:from|to|cc|bcc|subject|date|sender|reply-to|received|return-path|delivered-to|message-id|in-reply-to"
    rb"|references|mime-version|content-[a-z-]{1,30}|x-[a-z0-9-]{1,60}|dkim-signature|list-[a-z]{1,9})[ \t]*:"
)
_KNOWN_FIELD = re.compile(_KNOWN, re.IGNORECASE)
_PARAMETER_LINE = re.compile(r"[A-Za-z][\w*-]{0,40}\s?=")
# At most a few CRs before a LF: an unbounded run would be searched again from each of them.
_BLANK_LINE = re.compile(rb"\n\r{0,4}\n|\r\r(?!\r{0,4}\n)")
_ENVELOPE = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,64}>?From (?![ \t]*:)[^\r\n]{0,998}(?:\r{0,4}\n|\r)")
_LEADING = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,64}(?=" + _KNOWN + rb")", re.IGNORECASE)
_BEFORE_HEADER = (b">", b" ", b"\t", b"\r", b"\n", b"F", b"\xef")
_FOLD = re.compile(r"\n([ \t]*)")
_CR_RUN = re.compile(r"\r++(\n|\Z|[ \t]|[!-9;-~]{1,64}:)?")


def skip_envelope(buffer: Buffer, start: int, end: int) -> int:
    """Return where the header of a message starts: after an mbox ``From_`` line or stray white space."""
    if buffer[start : start + 1] not in _BEFORE_HEADER:
        return start
    head = buffer[start : min(end, start + 1200)]
    found = _ENVELOPE.match(head) or _LEADING.match(head)
    return start + found.end() if found is not None else start


def read_header(buffer: Buffer, start: int, end: int, defects: Defects) -> tuple[Header, int]:
    """Return the fields of the header block at ``start``, and where the body begins.

    A block without any field is no header: the body begins at ``start`` then.
    """
    window = buffer[start : min(end, start + FIRST_LOOK_OCTETS)]
    length, body = _end_of_header(window)
    if length < 0 and start + len(window) < end:
        window = buffer[start : min(end, start + MAX_HEADER_OCTETS)]
        length, body = _end_of_header(window)
    if length == 0:
        return {}, start + body
    if length < 0:
        return _read_unended(buffer, window, start, end, defects)
    fields = _fields(window[:length], defects)
    if not fields:
        defects.add(Defect.HEADER_MISSING)
        return {}, start
    if (
        end - start - body < 80
        and Defect.HEADER_LINE_MALFORMED in defects
        and not buffer[start + body : end].strip()
    ):
        text_at = _first_malformed(window[:length])
        if text_at >= 0:  # nothing but a blank line follows: the text stands right below the header
            defects.add(Defect.BLANK_LINE_MISSING)
            return fields, start + text_at
    return fields, start + body


def _end_of_header(window: bytes) -> tuple[int, int]:
    """Return the header's length and where the body begins, or (-1, -1) where no blank line is."""
    if window[:1] in (b"\n", b"\r"):
        lead = re.match(rb"\r{0,4}\n|\r", window)
        return 0, lead.end() if lead is not None else 1
    at = window.find(b"\n\r\n") + 1
    if at and window.find(b"\n\n", 0, at) < 0 and window.find(b"\r\r", 0, at) < 0:
        return at, at + 2
    blank = _BLANK_LINE.search(window)
    if blank is None:
        return -1, -1
    return blank.start() + 1, blank.end()


def _read_unended(
    buffer: Buffer, window: bytes, start: int, end: int, defects: Defects
) -> tuple[Header, int]:
    """Read a block with no blank line in sight: cut short, too long, or run into its text."""
    fields = _fields(window, defects)
    if not fields:
        if window.strip():
            defects.add(Defect.HEADER_MISSING)
        return {}, start
    if start + len(window) >= end:
        text_at = _first_malformed(window)
        if text_at < 0:
            return fields, end
        defects.add(Defect.BLANK_LINE_MISSING)
        return fields, start + text_at
    defects.add(Defect.HEADER_TOO_LONG)
    ends = [
        at + len(blank)
        for blank in (b"\r\n\r\n", b"\n\n")
        if (at := find(buffer, blank, start + len(window) - 4, end)) >= 0
    ]
    return fields, min(ends, default=end)


def _first_malformed(block: bytes) -> int:
    """Return where the lines start that are neither fields nor among fields, or -1."""
    at, found = 0, -1
    for line in block.splitlines(keepends=True):
        if found < 0 and line.strip(b"\r\n") and _FIELD_OCTETS.match(line) is None:
            found = at
        elif _KNOWN_FIELD.match(line) is not None:
            found = -1
        at += len(line)
    return found


def _fields(block: bytes, defects: Defects) -> Header:
    text = block.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    if "\r" in text or "\0" in text:
        text = _mend_lines(text)
    fields: Header = {}
    for name, value in _FIELD.findall(text):
        key = name.lower()
        if key in fields:
            fields[key].append(value)
        else:
            fields[key] = [value]
    if "" in fields:
        fields = _fields_among_others(text)
        defects.add(Defect.HEADER_LINE_MALFORMED)
    return fields


def _mend_lines(text: str) -> str:
    """Drop NUL and give lines one kind of end; a bare CR within a line is a line end of its own kind."""
    text = text.replace("\0", "")
    lines = text.rstrip("\r\n")
    if "\n" not in lines.lstrip("\n"):
        return lines.replace("\r", "\n") + "\n"
    return _CR_RUN.sub(_mend_cr, text)


def _mend_cr(run: re.Match[str]) -> str:
    after = run[1]
    if after is None:
        return " "
    return after if after in ("\n", "") else "\n" + after


def _fields_among_others(text: str) -> Header:
    """Read a block that has lines which are no field: those are left out, or mended to their field."""
    found: dict[str, list[list[str]]] = {}
    value: list[str] = []
    for line in text.split("\n"):
        if value and line[:1] in (" ", "\t"):
            value.append(line)
        elif value and value[-1].endswith(";") and _PARAMETER_LINE.match(line):
            value.append(f" {line}")  # a folded parameter that lost its leading space
        elif (field := _FIELD_LINE.match(line)) is not None:
            value = [field[2].rstrip()]
            found.setdefault(field[1].lower(), []).append(value)
        elif not (value and value[-1].endswith((",", ";"))):
            value = []  # what continues a line that is no field belongs to none
    return {name: ["\n".join(lines) for lines in values] for name, values in found.items()}


def unfold(value: str) -> str:
    """Return a field's value on one line, stripped (RFC 5322 section 2.2.3); a tab counts as one space."""
    if "\n" in value:
        value = _FOLD.sub(lambda fold: " " if "\t" in fold[1] else fold[1], value)
    if "\t" in value:
        value = value.replace("\t", " ")
    return value.strip()


def first(header: Header, name: str) -> str:
    """Return the first value of a field that is not empty, unfolded, or an empty string."""
    if name in header:
        for value in header[name]:
            text = unfold(value)
            if text:
                return text
    return ""


def unfolded(header: Header, name: str) -> list[str]:
    """Return all values of a field, unfolded."""
    return [unfold(value) for value in header.get(name, ())]
