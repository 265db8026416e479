"""Content transfer encodings undone in bounded chunks, as mail clients recover them.

Belongs here: base64, quoted-printable and uuencode (RFC 2045 section 6 and the Unix
program), damaged ones too: padding in the middle or none at all, stray characters, text
that a gateway put below the base64, soft line breaks with white space after them. Does
not belong here: what the decoded octets are, and the encodings of ``yenc`` and ``binhex``.
"""

from __future__ import annotations

import binascii
import enum
import functools
import re
from collections.abc import Iterator

import pybase64

from mailroom.message.binhex import binhex_decoded_chunks
from mailroom.message.octets import WINDOW_OCTETS, Buffer, windows
from mailroom.message.spaced_blocks import block_width, is_in_blocks
from mailroom.message.yenc import yenc_decoded_chunks

__all__ = [
    "Encoding",
    "content_range",
    "decode",
    "decoded_chunks",
    "encoding_of",
    "is_base64",
    "uu_decoded_chunks",
]

_TAIL_OCTETS = 4096
"""How far from the end text below base64 is looked for. Octets."""

_HEAD_OCTETS = 512
"""How much is looked at to see whether it is base64 at all. Octets."""

_WORDS_IN_HEAD = 25
"""One space in so many octets makes words; base64 has none, or one a line of 76, unless it is in blocks."""

_FIRST_OCTETS = 64
"""How much is looked at first for anything that is no base64. Octets."""

_SHORT_LINE_OCTETS = 16
"""A first line below this says too little; the rest of the head is looked at too. Octets."""

_FEW_OCTETS = 1024
"""Less base64 than this is decoded one way, for there is nothing to gain by another. Octets."""

_LONG_LINE_OCTETS = 1000
"""Base64 in longer lines is not taken apart by lines. Octets."""

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_BASE64_OR_LINE_END = _BASE64 + b"\r\n"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))
_PADDING = re.compile(rb"=+")
_SOFT_BREAK_WITH_SPACE = re.compile(rb"=[ \t]++(?=\r?\n)")
# What a2b_qp does not undo as mail clients do, or what leaves an escape when a soft break is taken out.
_ODD_ESCAPE = re.compile(rb"=(?:[ \t]|\r(?!\n)|.?=)", re.S)
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_NOT_URL_SAFE = re.compile(rb"[^A-Za-z0-9_=\r\n-]|^(?:--|__)|-{5}|_{5}", re.M)
_LONG_RUN = re.compile(rb"[A-Za-z0-9+/]{48}")
_SHORT_BLOCK = re.compile(rb"[A-Za-z0-9+/]*(?:[a-z][A-Z]|[0-9+/=])[A-Za-z0-9+/]*={0,2}")
"""A few octets encoded, and no word: there is a digit, padding, or a capital after a small letter."""
_FULL_LINE = re.compile(rb"^[A-Za-z0-9+/]{40,}={0,2}\r?$", re.M)
_ODD_LINE = re.compile(rb"^[A-Za-z0-9+/=]*+[^A-Za-z0-9+/=\r\n][^\r\n]*+", re.M)


class Encoding(enum.Enum):
    """How content is encoded; ``IDENTITY`` is 7bit, 8bit, binary, and whatever nobody knows.

    yEnc and BinHex are never said to be one; they are found in content.
    """

    IDENTITY = "identity"
    BASE64 = "base64"
    QUOTED_PRINTABLE = "quoted-printable"
    UUENCODE = "uuencode"
    YENC = "yenc"
    BINHEX = "binhex"


_NAMES = {
    name: encoding
    for encoding, names in {
        Encoding.IDENTITY: ",7bit,8bit,binary,7bits,8bits,none,plain,raw,usascii,utf8",
        Encoding.BASE64: "base64,xbase64,b64,b,base64mime",
        Encoding.QUOTED_PRINTABLE: "quotedprintable,quotedprintible,printable,qp,q",
        Encoding.UUENCODE: "xuuencode,uuencode,uuencoded,xuue,uue,xuu,xuuencoded",
    }.items()
    for name in names.split(",")
}


@functools.lru_cache(maxsize=256)
def _encoding_of(value: str) -> Encoding | None:
    name = re.split(r"[;,(]", value, maxsplit=1)[0].lower()
    words = name.split() or [""]
    return _NAMES.get(_squeezed(name)) or _NAMES.get(_squeezed(words[0]))


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name)


def encoding_of(value: str) -> Encoding | None:
    """Return the encoding that a Content-Transfer-Encoding names, or None for one that nobody knows."""
    return _encoding_of(value) if len(value) < 80 else None


def decode(data: bytes, encoding: Encoding) -> bytes:
    """Return small content decoded."""
    if encoding is Encoding.IDENTITY:
        return data
    if encoding is Encoding.QUOTED_PRINTABLE and len(data) <= WINDOW_OCTETS:
        return _decode_quoted(data)
    return b"".join(decoded_chunks(data, 0, len(data), encoding))


def decoded_chunks(buffer: Buffer, start: int, end: int, encoding: Encoding) -> Iterator[bytes]:
    """Yield decoded content in chunks of at most ``WINDOW_OCTETS``, or a little more."""
    if encoding is Encoding.IDENTITY:
        return windows(buffer, start, end)
    if encoding is Encoding.BASE64 and is_base64(buffer, start, end):
        if _is_url_safe(buffer, start, end):
            return _base64_chunks(buffer, start, end, _URL_SAFE)
        return _base64_chunks(buffer, *content_range(buffer, start, end))
    if encoding is Encoding.QUOTED_PRINTABLE:
        return _quoted_chunks(buffer, start, end)
    decoder = _OTHER_DECODERS.get(encoding, windows)
    return decoder(buffer, start, end)


def is_base64(buffer: Buffer, start: int, end: int) -> bool:
    """Whether content that is said to be base64 may be it: words with spaces between are text."""
    head = buffer[start : min(end, start + _HEAD_OCTETS)].strip()
    if _WORDS_IN_HEAD * head.count(b" ") <= len(head):
        return True
    lines = [line.strip() for line in head.splitlines()]
    first = lines[0]
    if len(first) < _SHORT_LINE_OCTETS:
        if not any(lines[1:2]) and len(first) % 4 == 0 and _SHORT_BLOCK.fullmatch(first) is not None:
            return True
        first = b"".join(lines)
    if _WORDS_IN_HEAD * first.count(b" ") <= len(first) or _block_width(buffer, start, end):
        return True
    return _below_text(buffer, start, end) > start


def _block_width(buffer: Buffer, start: int, end: int) -> int:
    """Return how long the blocks of base64 are that are apart, in octets, or 0 where they are not."""
    stop = min(end, start + _HEAD_OCTETS)
    return block_width(buffer[start:stop], is_whole=stop == end)


def _is_url_safe(buffer: Buffer, start: int, end: int) -> bool:
    """Whether base64 is written in the alphabet for URLs (RFC 4648 section 5), which no mail should be.

    The first sextet that both alphabets write differently tells; zeros and text may have none for long.
    """
    head = buffer[start : min(end, start + _HEAD_OCTETS)]
    if b"+" in head or b"/" in head:
        return False
    at = start
    for window in windows(buffer, start, end):
        marks = [found for mark in (b"+", b"/", b"-", b"_") if (found := window.find(mark)) >= 0]
        if marks:
            first = min(marks)
            around = buffer[max(start, at + first - _HEAD_OCTETS) : min(end, at + first + _HEAD_OCTETS)]
            return window[first] in b"-_" and _NOT_URL_SAFE.search(around) is None
        at += len(window)
    return False


def content_range(buffer: Buffer, start: int, end: int) -> tuple[int, int]:
    """Return where base64 starts and ends: without text that a gateway or a list put above or below it.

    RFC 2045 has stray characters ignored, so one or two in a line are; whole lines of
    words would be decoded into rubbish at the end of a file.
    """
    start = _below_text(buffer, start, end)
    tail_at = max(start, end - _TAIL_OCTETS)
    tail = buffer[tail_at:end]
    if not tail.translate(None, _BASE64_OR_LINE_END):
        return start, end
    width = _block_width(buffer, start, end)
    for line in _ODD_LINE.finditer(tail):
        stop = tail_at + line.start()
        if width and is_in_blocks(line.group(), width):
            continue
        if _is_text(line.group().strip()) and _is_complete(buffer, start, stop):
            return (start, end) if _FULL_LINE.search(tail, line.end()) is not None else (start, stop)
    return start, end


def _below_text(buffer: Buffer, start: int, end: int) -> int:
    """Return where the first full line of base64 below some text is, or ``start`` where there is none."""
    head = buffer[start : min(end, start + _HEAD_OCTETS)]
    if not head[:_FIRST_OCTETS].translate(None, _BASE64_OR_LINE_END):
        return start
    full = _FULL_LINE.search(head)
    if full is None or not any(map(_is_text, head[: full.start()].splitlines())):
        return start
    return start + full.start()


def _is_text(line: bytes) -> bool:
    if _LONG_RUN.search(line) is not None:  # encoded, with a mark or so before it
        return False
    spaces = line.count(b" ")
    strange = len(line.translate(None, _BASE64)) - spaces
    return strange > 4 or spaces > 1 or (strange > 0 and spaces > 0) or line.startswith(b"--")


def _is_complete(buffer: Buffer, start: int, stop: int) -> bool:
    """Whether base64 may end here: after padding, above a blank line, or with a whole quantum."""
    before = buffer[max(start, stop - 80) : stop]
    if before.rstrip().endswith(b"=") or before.endswith((b"\n\n", b"\n\r\n")):
        return True
    return sum(len(window.translate(None, _NOT_BASE64)) for window in windows(buffer, start, stop)) % 4 == 0


def _base64_chunks(buffer: Buffer, start: int, end: int, alphabet: bytes | None = None) -> Iterator[bytes]:
    rest = b""
    for window in windows(buffer, start, end):
        if alphabet is not None:
            window = window.translate(alphabet)
        data = rest + window if rest else window
        padding = data.find(b"=")
        # whole lines above the padding are decoded as they are; the careful way costs ten times as much
        cut = data.rfind(b"\n", 0, padding if padding >= 0 else len(data)) + 1
        if padding < 0 and not cut:
            cut = len(data)
        at = 0
        if cut:
            regular, at = _decode_regular_lines(data, cut)
            if at:
                yield regular
            try:
                if at < cut:
                    yield pybase64.b64decode(data[at:cut])
                at = cut
            except binascii.Error:  # lines of odd lengths: the careful way below
                cut = 0
        if cut and padding < 0:
            rest = data[cut:]
            continue
        decoded, rest = _decode_segments(data[at:])
        yield decoded
    if rest:
        yield _decode_last(rest.translate(None, _NOT_BASE64))


def _decode_regular_lines(data: bytes, end: int) -> tuple[bytes, int]:
    """Decode the first lines as far as they are equally long and clean; return that, and where they end.

    Line ends are taken out by stride: to look for each takes longer than to decode what is
    between them. Where there is any doubt, nothing is decoded, and 0 is returned.
    """
    stride = data.find(b"\n", 0, _LONG_LINE_OCTETS) + 1
    width = stride - (2 if data[stride - 2 : stride] == b"\r\n" else 1)
    if end < _FEW_OCTETS or width < 4 or width % 4:
        return b"", 0
    ends = data[stride - 1 : end : stride]
    lines = len(ends)
    if ends != b"\n" * lines:
        lines -= len(ends.lstrip(b"\n"))
    text = bytearray(memoryview(data)[: lines * stride])
    if width < stride - 1:
        if text[width::stride] != b"\r" * lines:
            return b"", 0
        del text[width::stride]
    del text[width :: width + 1]
    try:
        return pybase64.b64decode(text, validate=True), lines * stride
    except binascii.Error:  # strange characters
        return b"", 0


def _decode_segments(data: bytes) -> tuple[bytes, bytes]:
    """Decode all but an unfinished quantum; padding may stand between blocks encoded one by one."""
    *padded, last = _PADDING.split(data.translate(None, _NOT_BASE64))
    cut = len(last) - len(last) % 4
    return b"".join([*map(_decode_last, padded), binascii.a2b_base64(last[:cut])]), last[cut:]


def _decode_last(text: bytes) -> bytes:
    spare = len(text) % 4
    if spare == 1:  # six bits are no octet
        text, spare = text[:-1], 0
    return binascii.a2b_base64(text + b"=" * (-spare % 4))


def _quoted_chunks(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    rest = b""
    at = start
    for window in windows(buffer, start, end):
        at += len(window)
        data = rest + window if rest else window
        cut = len(data)
        if at < end:
            # an escape or a soft break must not be cut in two: end at a line end, or before the last "="
            cut = data.rfind(b"\n") + 1 or _before_escape(data)
        rest = data[cut:]
        yield _decode_quoted(data[:cut] if rest else data)


def _before_escape(data: bytes) -> int:
    at = data.rfind(b"=", max(1, len(data) - 80))
    return at if at > 0 else len(data)


def _decode_quoted(data: bytes) -> bytes:
    if b"=" not in data:
        return data
    if _ODD_ESCAPE.search(data) is None:
        return binascii.a2b_qp(data)
    return _decode_oddly_quoted(data)


def _decode_oddly_quoted(data: bytes) -> bytes:
    if b"= " in data or b"=\t" in data:
        data = _SOFT_BREAK_WITH_SPACE.sub(b"=", data)
    if b"=\r" in data:  # the C function would drop a line after a bare CR
        data = data.replace(b"=\r\n", b"").replace(b"=\r", b"")
    return binascii.a2b_qp(data)


def uu_decoded_chunks(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Yield uuencoded content; a ``begin`` line is passed over, an ``end`` line ends it."""
    rest = b""
    at = start
    pieces: list[bytes] = []
    for window in windows(buffer, start, end):
        at += len(window)
        lines = (rest + window).splitlines(keepends=True)
        rest = b"" if at >= end or lines[-1].endswith(b"\n") else lines.pop()
        for line in lines:
            if line.rstrip() == b"end":
                yield b"".join(pieces)
                return
            pieces.append(_decode_uu_line(line.rstrip(b"\r\n")))
        yield b"".join(pieces)
        pieces = []


def _decode_uu_line(line: bytes) -> bytes:
    if line.startswith(b"begin ") or not line.strip():
        return b""
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        pass
    length = (line[0] - 32) & 63
    try:  # encoders that leave rubbish after a line; its first octet says how long it is
        return binascii.a2b_uu(line[: 1 + (length * 4 + 2) // 3].ljust(1 + (length + 2) // 3 * 4, b" "))
    except binascii.Error:
        return b""


_OTHER_DECODERS = {
    Encoding.UUENCODE: uu_decoded_chunks,
    Encoding.YENC: yenc_decoded_chunks,
    Encoding.BINHEX: binhex_decoded_chunks,
}
