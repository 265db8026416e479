"""Files and text inside winmail.dat, as Outlook and Exchange pack them.

Belongs here: walking the attributes of a TNEF stream ([MS-OXTNEF] section 2.1) and the MAPI
properties within (section 2.1.3.3) to names and contents. Does not belong here: where such a
stream comes from (``structure``), and reading rich text (``rtf``). Nothing else is copied: contents are
offsets into the stream, and one walk sees each octet once. A stream that is cut or damaged yields what
stands before.

    stream = signature key *(level id length data checksum)
    properties = count *(type id [name] [count] value)
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

from mailroom.message.charsets import decode_text
from mailroom.message.rtf import decompressed_rtf, rtf_text

__all__ = ["MAX_TNEF_OCTETS", "Packed", "unpack_tnef"]

MAX_TNEF_OCTETS = 32 * 1024 * 1024
"""Larger streams are not looked into, for they are held in memory; they stay one file. Octets."""

MAX_FILES = 1000
"""How many files of one stream are taken out."""

MAX_PROPERTIES = 100_000
"""How many properties of one stream are read; a stream with that many was made to cost time."""

_SIGNATURE = b"\x78\x9f\x3e\x22"
_LEVEL_ATTACHMENT = 2
_ATTRIBUTE = struct.Struct("<BHHI")
_CHECKSUM_OCTETS = 2
_NEW_ATTACHMENT, _DATA, _TITLE, _PROPERTIES = 0x9002, 0x800F, 0x8010, 0x9005
_BODY, _MESSAGE_PROPERTIES, _CODE_PAGE = 0x800C, 0x9003, 0x9007

_FIXED = {0x00: 0, 0x01: 0, 0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4,
          0x14: 8, 0x40: 8, 0x48: 16}  # fmt: skip
_OBJECT, _STRING, _UNICODE, _BINARY = 0x0D, 0x1E, 0x1F, 0x102
_VARIABLE = (_OBJECT, _STRING, _UNICODE, _BINARY)
_MANY = 0x1000
_NAMED = 0x8000
_LONG_NAME, _SHORT_NAME, _SHOWN_NAME, _CONTENT, _MEDIA_TYPE = 0x3707, 0x3704, 0x3001, 0x3701, 0x370E
_TEXT, _HTML, _RICH_TEXT, _TEXT_CODE_PAGE = 0x1000, 0x1013, 0x1009, 0x3FDE
_ABOUT_TEXT = (_TEXT, _HTML, _RICH_TEXT, _TEXT_CODE_PAGE)
_MESSAGE_INTERFACE = b"\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"
_INTERFACE_OCTETS = 16


class Packed(NamedTuple):
    """One file, or the text, of a stream: offsets into it.

    :param media_type: as the sender's program stated it, or empty; ``application/ms-tnef`` for a
        message within the message, which is such a stream itself.
    :param charset: of a text, or empty.
    :param content: what the offsets are into, where that is not the stream: text that was compressed.
    """

    name: str
    media_type: str
    start: int
    end: int
    charset: str = ""
    content: bytes | None = None


class _Value(NamedTuple):
    property: int
    kind: int
    start: int
    end: int


class _File:
    """What is known of one file while its attributes are read."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.media_type = ""
        self.content: tuple[int, int] | None = None

    def packed(self) -> Packed | None:
        """Return the file, or None where it has no content."""
        if self.content is None:
            return None
        ranked = (_LONG_NAME, _SHORT_NAME, _TITLE, _SHOWN_NAME)
        name = next((self.names[which] for which in ranked if self.names.get(which)), "")
        return Packed(name, self.media_type, *self.content)


def unpack_tnef(data: bytes) -> tuple[list[Packed], list[Packed]]:
    """Return the files of a stream, and its texts; never raises.

    Texts are plain and HTML where it has them, else what its rich text says.
    """
    if not data.startswith(_SIGNATURE):
        return [], []
    walk = _Walk(data)
    with contextlib.suppress(struct.error):  # the stream is cut: what came before stands
        walk.run()
    files = [packed for file in walk.files if (packed := file.packed()) is not None]
    return files, walk.texts or _rich_texts(data, walk.rich_text)


def _rich_texts(data: bytes, rich_text: _Value | None) -> list[Packed]:
    document = decompressed_rtf(data[rich_text.start : rich_text.end]) if rich_text is not None else b""
    media_type, text = rtf_text(document)
    content = text.encode("utf-8", "replace")
    return [Packed("", media_type, 0, len(content), "utf-8", content)] if text.strip() else []


class _Walk:
    """One walk over a stream."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.files: list[_File] = []
        self.texts: list[Packed] = []
        self.rich_text: _Value | None = None
        self.code_page = "cp1252"
        self.properties_left = MAX_PROPERTIES

    def run(self) -> None:
        at = len(_SIGNATURE) + 2
        while at + _ATTRIBUTE.size <= len(self.data) and len(self.files) <= MAX_FILES:
            level, name, _, length = _ATTRIBUTE.unpack_from(self.data, at)
            start = at + _ATTRIBUTE.size
            end = min(len(self.data), start + length)
            if level == _LEVEL_ATTACHMENT:
                self._file_attribute(name, start, end)
            elif level == 1:
                self._message_attribute(name, start, end)
            else:
                return  # what follows the last attribute is no stream
            at = start + length + _CHECKSUM_OCTETS

    def _file_attribute(self, name: int, start: int, end: int) -> None:
        if name == _NEW_ATTACHMENT or not self.files:
            self.files.append(_File())
        file = self.files[-1]
        if name == _DATA:
            file.content = (start, end)
        elif name == _TITLE:
            file.names[_TITLE] = self._string(start, end)
        elif name == _PROPERTIES:
            for value in self._properties(start, end):
                self._file_property(file, value)

    def _file_property(self, file: _File, value: _Value) -> None:
        if value.property in (_LONG_NAME, _SHORT_NAME, _SHOWN_NAME):
            file.names[value.property] = self._text(value)
        elif value.property == _MEDIA_TYPE:
            file.media_type = self._text(value).lower()
        elif value.property == _CONTENT:
            start = value.start
            if value.kind == _OBJECT:
                if self.data.startswith(_MESSAGE_INTERFACE, start):
                    file.media_type = "application/ms-tnef"
                start = min(value.end, start + _INTERFACE_OCTETS)
            file.content = (start, value.end)

    def _message_attribute(self, name: int, start: int, end: int) -> None:
        if name == _CODE_PAGE and end - start >= 4:
            self.code_page = f"cp{struct.unpack_from('<I', self.data, start)[0]}"
        elif name == _BODY:
            self.texts.append(Packed("", "text/plain", start, self._without_nul(start, end), self.code_page))
        elif name == _MESSAGE_PROPERTIES:
            self._message_texts([one for one in self._properties(start, end) if one.property in _ABOUT_TEXT])

    def _message_texts(self, values: list[_Value]) -> None:
        code_page = self.code_page
        for value in values:
            if value.property == _TEXT_CODE_PAGE and value.end - value.start >= 4:
                number = struct.unpack_from("<I", self.data, value.start)[0]
                code_page = "utf-8" if number == 65001 else f"cp{number}"
        for value in values:
            if value.property == _RICH_TEXT:
                self.rich_text = value
            if value.property not in (_TEXT, _HTML):
                continue
            is_html = value.property == _HTML
            charset = "utf-16-le" if value.kind == _UNICODE else code_page if is_html else self.code_page
            end = value.end if value.kind == _UNICODE else self._without_nul(value.start, value.end)
            media_type = "text/html" if is_html else "text/plain"
            self.texts.append(Packed("", media_type, value.start, end, charset))

    def _properties(self, at: int, end: int) -> Iterator[_Value]:
        """Yield the properties of a list, of one with many values the first."""
        (count,) = struct.unpack_from("<I", self.data, at)
        at += 4
        while count > 0 and at + 4 <= end and self.properties_left > 0:
            count -= 1
            self.properties_left -= 1
            kind, name = struct.unpack_from("<HH", self.data, at)
            at = self._after_name(at + 4) if name >= _NAMED else at + 4
            values = 1
            if kind & _MANY or kind in _VARIABLE:
                (values,) = struct.unpack_from("<I", self.data, at)
                at += 4
            kind &= ~_MANY
            if kind in _FIXED:
                yield _Value(name, kind, at, min(end, at + _FIXED[kind]))
                at += _FIXED[kind] * values
            elif kind in _VARIABLE:
                for number in range(values):
                    if at >= end or self.properties_left <= 0:
                        return
                    self.properties_left -= 1
                    (length,) = struct.unpack_from("<I", self.data, at)
                    if number == 0:
                        yield _Value(name, kind, at + 4, min(end, at + 4 + length))
                    at += 4 + length + -length % 4
            else:
                return  # its length cannot be known

    def _after_name(self, at: int) -> int:
        """Return what follows the name of a named property: a GUID, and a number or a text."""
        (kind,) = struct.unpack_from("<I", self.data, at + 16)
        (number,) = struct.unpack_from("<I", self.data, at + 20)
        return at + 24 if kind == 0 else at + 24 + int(number) + -int(number) % 4

    def _text(self, value: _Value) -> str:
        if value.kind == _UNICODE:
            raw = self.data[value.start : value.end]
            return raw.decode("utf-16-le", "replace").rstrip("\0")
        return self._string(value.start, value.end)

    def _string(self, start: int, end: int) -> str:
        return decode_text(self.data[start:end].rstrip(b"\0"), self.code_page)

    def _without_nul(self, start: int, end: int) -> int:
        return start + len(self.data[start:end].rstrip(b"\0"))
