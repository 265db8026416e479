"""Each leaf decoded once: its size, its checksum, what identifies it, its text.

Belongs here: reading the content of one part in bounded chunks. Does not belong here:
which parts are attachments, and what is made of the text.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from mailroom.message.charsets import STATEFUL_CODECS, codec_of, decode_text
from mailroom.message.defects import Defect, Defects
from mailroom.message.detection import UNKNOWN, detect_type
from mailroom.message.guesses import guess_codec
from mailroom.message.octets import WINDOW_OCTETS
from mailroom.message.parts import Part
from mailroom.message.text import MAX_TEXT_CHARACTERS, charset_of_html
from mailroom.message.transfer import Encoding, decode, is_base64

__all__ = ["Content", "charset_of", "is_textual", "read_content"]

_TEXTUAL = frozenset(
    [
        "application/json",
        "application/xml",
        "application/pgp-signature",
        "application/pgp-encrypted",
        "application/pgp-keys",
        "application/ics",
        "application/x-sh",
        "application/javascript",
        "application/xhtml+xml",
    ]
)


class Content(NamedTuple):
    """What one reading of a part's content gave.

    :param size: decoded octets. :param sha256: hex digest of them; empty where nobody asked.
    :param digest: what is the same however the content is encoded; empty for empty content.
    :param text: the decoded text where it was asked for, at most ``MAX_TEXT_CHARACTERS``.
    :param detected: media type the content looks like; None where no checksum was asked for.
    """

    size: int
    sha256: str
    digest: bytes
    text: str = ""
    detected: str | None = None


def is_textual(part: Part) -> bool:
    """Whether line ends of a part may change on the way without its content having changed."""
    return part.media_type.startswith(("text/", "message/")) or part.media_type in _TEXTUAL


def charset_of(part: Part) -> str | None:
    """Return the charset a part claims, or None; what is in a file says nothing of the message around."""
    return None if part.is_in_file else _label_of(part)


def _label_of(part: Part) -> str | None:
    return part.parameters.get("charset") or None


def read_content(
    part: Part, defects: Defects, *, with_checksum: bool, with_text: bool, hint: str | None
) -> Content:
    """Decode a part once and return what is asked for; never raises."""
    if part.encoding is Encoding.BASE64 and not is_base64(part.buffer, part.start, part.end):
        defects.add(Defect.ENCODING_WRONG)
    is_text = is_textual(part) and not part.children
    if not is_text or part.end - part.start > WINDOW_OCTETS:
        return _read_in_chunks(part, defects, is_text=is_text, with_text=with_text, hint=hint)
    data = decode(part.buffer[part.start : part.end], part.encoding)
    text, octets = _decoded(data, part, hint)
    stripped = text.rstrip()
    if octets is None:
        octets = stripped.encode("utf-8", "replace")
    elif len(stripped) < len(text):
        octets = octets[: len(octets) - len(text[len(stripped) :].encode("utf-8"))]
    return Content(
        len(data),
        hashlib.sha256(data).hexdigest() if with_checksum else "",
        hashlib.sha256(octets).digest() if stripped else b"",
        text if with_text else "",
        detect_type(data) if with_checksum else None,
    )


def _decoded(data: bytes, part: Part, hint: str | None) -> tuple[str, bytes | None]:
    """Return a part's text, and its octets in UTF-8 where they are at hand."""
    label = _label_of(part)
    if label is None and part.media_type == "text/html":
        label = charset_of_html(data)
    plain = _plainly_decoded(data, label)
    if plain is not None:
        return plain
    text = decode_text(data, label, hint)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.removeprefix("\ufeff"), None


def _plainly_decoded(data: bytes, label: str | None) -> tuple[str, bytes] | None:
    """Return ASCII or UTF-8 labelled so, with one kind of line end, as text and as octets; else None.

    Octets are split into lines in a third of the time that replacing their ends takes.
    """
    codec = codec_of(label) if label else None
    if codec != "utf-8" and (codec in STATEFUL_CODECS or not data.isascii()):
        return None
    if b"\x1b" in data:
        return None
    if b"\r" in data:
        is_ended = data.endswith((b"\r", b"\n"))
        data = b"\n".join(data.splitlines()) + (b"\n" if is_ended else b"")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8"), data
    except UnicodeDecodeError:
        return None


def _read_in_chunks(
    part: Part, defects: Defects, *, is_text: bool, with_text: bool, hint: str | None
) -> Content:
    checksum = hashlib.sha256()
    size = 0
    normal = _NormalText(part, hint) if is_text else None
    kept: list[str] = []
    characters = 0
    detected = UNKNOWN
    for chunk in part.chunks():
        if not size:
            detected = detect_type(chunk)
        checksum.update(chunk)
        size += len(chunk)
        if normal is None:
            continue
        for text in normal.feed(chunk):
            if with_text and characters < MAX_TEXT_CHARACTERS:
                kept.append(text)
            characters += len(text)
    if normal is None:
        digest = checksum.digest()
        return Content(size, digest.hex(), digest if size else b"", detected=detected)
    for text in normal.finish():
        kept.append(text)
        characters += len(text)
    if with_text and characters > MAX_TEXT_CHARACTERS:
        defects.add(Defect.TEXT_TOO_LONG)
    text = "".join(kept)[:MAX_TEXT_CHARACTERS]
    return Content(size, checksum.hexdigest(), normal.digest(), text, detected)


class _NormalText:
    """Text decoded piece by piece, and the digest of it with one kind of line end and none at its end."""

    def __init__(self, part: Part, hint: str | None) -> None:
        self._part = part
        self._hint = hint
        self._decoder: codecs.IncrementalDecoder | None = None
        self._held_cr = ""
        self._sha256 = hashlib.sha256()
        self._solid = hashlib.sha256()
        self._is_empty = True

    def feed(self, chunk: bytes) -> Iterator[str]:
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder(self._codec(chunk))("replace")
        yield self._add(self._decoder.decode(chunk))

    def finish(self) -> Iterator[str]:
        if self._decoder is not None:
            yield self._add(self._decoder.decode(b"", True) + self._held_cr)

    def digest(self) -> bytes:
        return b"" if self._is_empty else self._solid.digest()

    def _codec(self, chunk: bytes) -> str:
        """Choose by the first chunk, by the same rules as for short text."""
        label = _label_of(self._part)
        if label is None and self._part.media_type == "text/html":
            label = charset_of_html(chunk)
        codec = codec_of(label) if label else None
        is_labelled = codec is not None
        if codec is None and self._hint:
            codec = codec_of(self._hint)
        if codec not in (None, "cp1252"):
            return codec or "utf-8"
        try:
            chunk[: len(chunk) - 4].decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start >= len(chunk) - 8:
                return "utf-8"
            return (guess_codec(chunk) if not is_labelled else None) or "cp1252"
        return "utf-8"

    def _add(self, text: str) -> str:
        text = (self._held_cr + text).replace("\r\n", "\n")
        self._held_cr = "\r" if text.endswith("\r") else ""
        text = (
            text.removesuffix("\r").replace("\r", "\n").removeprefix("\ufeff" if self._is_empty else "\n\0")
        )
        stripped = text.rstrip()
        if stripped:
            self._is_empty = False
            self._sha256.update(stripped.encode("utf-8", "replace"))
            self._solid = self._sha256.copy()
        self._sha256.update(text[len(stripped) :].encode("utf-8", "replace"))
        return text
