"""Rich text as Outlook sends it, made readable: as HTML where it holds a page, else as plain text.

Belongs here: undoing its compression ([MS-OXRTFCP]), the page that stands within
([MS-OXRTFEX]), and the words of any other RTF 1.9 document. Does not belong here: where such
text comes from (``tnef``), and how it looks. Every step is linear, and nothing raises.

    document = group;  group = "{" *(control-word / control-symbol / text / group) "}"
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from mailroom.message.charsets import decode_text

__all__ = ["MAX_RTF_OCTETS", "decompressed_rtf", "rtf_text"]

MAX_RTF_OCTETS = 4 * 1024 * 1024
"""How much of a document is read, decompressed. Octets."""

MAX_GROUPS_DEEP = 500
"""How deep groups may be nested; what is deeper is read as if it were not."""

_HEAD = struct.Struct("<II4s4x")
_COMPRESSED, _STORED = b"LZFu", b"MELA"
_WINDOW = 4096
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
    b"\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_TOKEN = re.compile(
    r"\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-z])|([{}])|[\r\n\0]+|([^\\{}\r\n\0]+)", re.S
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SKIPPED = frozenset(
    ["fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "objdata", "header", "footer", "headerl",
     "headerr", "footerl", "footerr", "fldinst", "listtable", "listoverridetable"]
)  # fmt: skip
_WRITTEN = {
    "par": "\n", "line": "\n", "sect": "\n", "page": "\n", "row": "\n", "tab": "\t", "cell": "\t",
    "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c", "rdblquote": "\u201d", "bullet": "\u2022",
    "endash": "\u2013", "emdash": "\u2014", "emspace": " ", "enspace": " ",
}  # fmt: skip
_SYMBOLS = {"~": "\xa0", "_": "-", "\\": "\\", "{": "{", "}": "}", "\n": "\n", "\r": "\n"}
_CODE_PAGES = {
    128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "big5", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip


class _Group(NamedTuple):
    """What holds within a group and ends with it.

    :param skipped: characters that stand after each ``\\u`` for programs that do not know it.
    """

    destination: str = ""
    is_hidden: bool = False
    is_replaced: bool = False
    font: int = 0
    skipped: int = 1


def decompressed_rtf(data: bytes) -> bytes:
    """Return a document, as far as it can be decompressed; empty where it is none."""
    if len(data) < _HEAD.size:
        return b""
    _, octets, kind = _HEAD.unpack_from(data)
    limit = min(octets, MAX_RTF_OCTETS)
    if kind == _STORED:
        return data[_HEAD.size : _HEAD.size + limit]
    return _decompressed(data, limit) if kind == _COMPRESSED else b""


def _decompressed(data: bytes, limit: int) -> bytes:
    """Copy literals, and references into the last 4,096 octets: 12 bits where, 4 bits how many."""
    written = bytearray(_DICTIONARY)
    start = len(written)
    stop = start + limit
    at = _HEAD.size
    while at < len(data) and len(written) < stop:
        control = data[at]
        at += 1
        for bit in range(8):
            if not control >> bit & 1:
                written += data[at : at + 1]
                at += 1
                continue
            if at + 2 > len(data):
                return bytes(written[start:stop])
            token = data[at] << 8 | data[at + 1]
            at += 2
            distance = (len(written) - (token >> 4)) % _WINDOW
            if distance == 0:  # a reference to where writing goes on: the end
                return bytes(written[start:stop])
            length = (token & 0xF) + 2
            begin = len(written) - distance
            piece = bytes(written[begin : begin + length]) if begin >= 0 else bytes(length)
            written += (piece * (length // len(piece) + 1))[:length]
    return bytes(written[start:stop])


def rtf_text(document: bytes) -> tuple[str, str]:
    """Return the media type, ``text/html`` or ``text/plain``, and the text of a document; never raises."""
    reader = _Reader()
    reader.read(document[:MAX_RTF_OCTETS].decode("latin-1"))
    text = "".join(reader.pieces)
    if _SURROGATE.search(text) is not None:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return ("text/html" if reader.is_page else "text/plain"), text


class _Reader:
    """One walk over a document."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.is_page = False
        self.code_page = "cp1252"
        self.code_pages: dict[int, str] = {}
        self.group = _Group()
        self.groups: list[_Group] = []
        self.to_skip = 0
        self.octets = bytearray()

    def read(self, document: str) -> None:
        for token in _TOKEN.finditer(document):
            word, number, octet, symbol, brace, text = token.groups()
            if octet:
                self._octet(int(octet, 16))
            elif text:
                self._text(text)
            elif word:
                self._flush()
                self._word(word, int(number) if number else None)
            elif symbol:
                self._symbol(symbol)
            elif brace:
                self._brace(brace)
        self._flush()

    def _brace(self, brace: str) -> None:
        self._flush()
        self.to_skip = 0
        if brace == "{":
            if len(self.groups) < MAX_GROUPS_DEEP:
                self.groups.append(self.group)
        elif self.groups:
            self.group = self.groups.pop()

    def _octet(self, octet: int) -> None:
        if self.to_skip > 0:
            self.to_skip -= 1
        else:
            self.octets.append(octet)

    def _flush(self) -> None:
        if self.octets:
            octets, self.octets = bytes(self.octets), bytearray()
            self._write(decode_text(octets, self.code_pages.get(self.group.font, self.code_page)))

    def _text(self, text: str) -> None:
        if self.to_skip > 0:
            text, self.to_skip = text[self.to_skip :], max(0, self.to_skip - len(text))
        if text.isascii():
            self._flush()
            self._write(text)
        else:
            self.octets += text.encode("latin-1")

    def _symbol(self, symbol: str) -> None:
        self._flush()
        if symbol == "*":
            self.group = self.group._replace(destination="*")
        elif symbol in _SYMBOLS:
            self._write(_SYMBOLS[symbol])

    def _write(self, text: str) -> None:
        group = self.group
        if not group.is_hidden and not group.is_replaced:
            self.pieces.append(text)

    def _word(self, word: str, number: int | None) -> None:
        group = self.group
        if group.destination == "*":
            is_tag = word == "htmltag"
            self.group = group._replace(
                destination=word, is_hidden=not is_tag, is_replaced=group.is_replaced and not is_tag
            )
        elif word in _SKIPPED:
            self.group = group._replace(destination=word, is_hidden=True)
        elif word in _WRITTEN:
            self._write(_WRITTEN[word])
        elif number is None:
            if word == "htmlrtf":
                self.group = group._replace(is_replaced=True)
        else:
            self._number(word, number)

    def _number(self, word: str, number: int) -> None:
        group = self.group
        if word == "u":
            self._write(chr(number & 0xFFFF))  # a character beyond 16 bits comes in two halves
            self.to_skip = group.skipped
        elif word == "uc":
            self.group = group._replace(skipped=max(0, min(number, 10)))
        elif word == "f":
            self.group = group._replace(font=number)
        elif word == "fcharset" and number in _CODE_PAGES:
            self.code_pages[group.font] = _CODE_PAGES[number]
        elif word == "ansicpg":
            self.code_page = "utf-8" if number == 65001 else f"cp{number}"
        elif word == "fromhtml":
            self.is_page = number == 1
        elif word == "htmlrtf":
            self.group = group._replace(is_replaced=number != 0)
