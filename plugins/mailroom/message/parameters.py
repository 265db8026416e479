"""Values with parameters, such as Content-Type, as mail really writes them.

Belongs here: RFC 2045 section 5.1 and RFC 2231, and their frequent abuses: broken
quoting, names without quotes that hold spaces, parentheses or semicolons, a missing
semicolon, one parameter in two forms. Does not belong here: encoded words inside a
value (RFC 2047 forbids them there; ``encoded_words`` reads them all the same) and what
a parameter means.

    content = value *(";" attribute "=" value)
"""

from __future__ import annotations

import functools
import re
import urllib.parse
from typing import NamedTuple

from mailroom.message.charsets import codec_of, decode_text

__all__ = ["MAX_PARAMETERS", "MAX_VALUE_CHARACTERS", "Parameterised", "lost_characters", "parse_parameters"]

MAX_VALUE_CHARACTERS = 16 * 1024
"""How much of one value is read; a file name of 255 characters takes 3 KiB at most. Characters."""

MAX_PARAMETERS = 200
"""How many parameters of one value are read; a long name in sections takes 50."""

_CACHED_CHARACTERS = 200
"""Values up to this length are remembered, for most messages share a few. Characters."""

_SIMPLE = re.compile(
    r"\s*+([^\s;,=\"()]++)\s*+((?:;\s*+[A-Za-z-]++=(?:\"[^\"\\]*+\"|[^\s;\"\\()<>@,:?=\[\]*']++)\s*+)*+);?\s*+\Z"
)
_SIMPLEST = re.compile(r"([^\s;,=\"()]++);\s*+([A-Za-z-]++)=\"([^\"\\]++)\"\s*+\Z")
_SIMPLE_PAIR = re.compile(r";\s*([A-Za-z-]+)=(?:\"([^\"\\]*)\"|([^\s;\"]+))")
_VALUE = re.compile(r"\s*+([^\s;,(\"=]*+)(?![^\s;,(\"]*=)\s*+(?:\([^()]*+\))?")
_ATTRIBUTE = re.compile(
    r"[;,\s]*+([A-Za-z][\w!#$&+.^`{|}~-]*+(?:\*\d{0,4}\*?)?)\s*+(?:\([^()]*+\)\s*+)?(?:=|:(?=\s*+\"))\s*+"
)
_KNOWN = r"(?:file)?name|charset|boundary|size|type|format|delsp|(?:creation|modification|read)-date|x-[\w-]+"
_NEXT = re.compile(
    rf"[;,]\s*[A-Za-z][\w-]*+(?:\*\d{{0,4}}\*?)?\s*+=|\s(?:{_KNOWN})(?:\*\d{{0,4}}\*?)?\s*+=", re.I
)
_NEXT_AFTER_QUOTE = re.compile(r"\"?\s*+(?:[;,(]|\Z|[A-Za-z][\w-]*+(?:\*\d{0,4}\*?)?\s*+=)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.S)
_TOKEN = re.compile(r"[^\s;,(\"]*+")
_BOUNDARY = re.compile(r"[^\s;\"]*+")
"""Boundaries may hold parentheses and commas (RFC 2046 section 5.1.1), and programs forget the quotes."""
_ENCODED_WORD = re.compile(r"=\?[^?\s]*\?[bBqQ]\?[^?]*\?=(?:\s*=\?[^?\s]*\?[bBqQ]\?[^?]*\?=)*")
_NAME = re.compile(r"(.+?)(?:\*(\d{1,4}))?(\*)?\Z")
_EXTENDED = re.compile(r"([\w.:+-]{0,64})'[\w-]{0,16}'\"?(.*)\Z", re.S)
_WITHOUT_LANGUAGE = re.compile(r"([\w.:+-]{2,64})'([^']*)\Z")
_HAS_EXTENSION = re.compile(r"\.\w{1,5}\s*\Z")


class Parameterised(NamedTuple):
    """A value, such as a media type, and its parameters by name in lower case."""

    value: str
    parameters: dict[str, str]


class _Piece(NamedTuple):
    name: str
    section: int | None
    is_extended: bool
    value: str


def parse_parameters(value: str) -> Parameterised:
    """Return a value and its parameters; never raises.

    RFC 2231 forms are decoded; encoded words and raw octets in a parameter stay as they are.
    The result is shared: do not change it.
    """
    if len(value) <= _CACHED_CHARACTERS:
        return _parse_cached(value)
    return _parse(value[:MAX_VALUE_CHARACTERS])


def _parse(value: str) -> Parameterised:
    if (one := _SIMPLEST.match(value)) is not None and "''" not in value:
        return Parameterised(one[1].lower(), {one[2].lower(): one[3]})
    simple = _SIMPLE.match(value)
    if simple is None or "''" in value:
        return _parse_tolerantly(value)
    parameters: dict[str, str] = {}
    if simple[2]:
        for name, quoted, token in _SIMPLE_PAIR.findall(simple[2]):
            name = name.lower()
            parameters[name] = parameters.get(name) or quoted or token
    return Parameterised(simple[1].lower(), parameters)


_parse_cached = functools.lru_cache(maxsize=2048)(_parse)


def _parse_tolerantly(value: str) -> Parameterised:
    main = _VALUE.match(value)
    at = main.end() if main is not None else 0
    pieces: list[_Piece] = []
    while at < len(value) and len(pieces) < MAX_PARAMETERS:
        attribute = _ATTRIBUTE.match(value, at)
        if attribute is None:
            following = _NEXT.search(value, at)
            if following is None:
                break
            at = max(at + 1, following.start())
            continue
        name = attribute[1].lower()
        text, at = _read_value(value, attribute.end(), name)
        pieces.append(_piece(name, text))
    return Parameterised(main[1].lower() if main is not None else "", _assemble(pieces))


def _read_value(value: str, at: int, attribute: str) -> tuple[str, int]:
    """Return one parameter's value, and where reading goes on."""
    if value[at : at + 1] == '"':
        quoted = _QUOTED.match(value, at)
        if quoted is not None and _NEXT_AFTER_QUOTE.match(value, quoted.end()):
            return _unescape(quoted[1]), quoted.end()
        # a quote within, or one that never ends: the value lasts until the next parameter
        stop = _stop(value, at + 1)
        text = value[at + 1 : stop].rstrip(" \t;,")
        text = text[:-1] if text.endswith('"') else text
        return _unescape(text[1:-1] if _QUOTED.fullmatch(text) else text), stop
    word = _ENCODED_WORD.match(value, at) if value.startswith("=?", at) else None
    if "name" not in attribute:
        token = (_TOKEN if attribute != "boundary" else _BOUNDARY).match(value, at)
        return (token[0], max(token.end(), at)) if token is not None else ("", at)
    stop = _stop(value, word.end() if word is not None else at)
    text = value[at:stop].strip().replace('\\"', '"')
    head, semicolon, tail = text.partition(";")
    if semicolon and _HAS_EXTENSION.search(head) and not _HAS_EXTENSION.search(tail):
        text = head
    return text.strip(' \t;"'), stop


def _stop(value: str, at: int) -> int:
    following = _NEXT.search(value, at)
    return following.start() if following is not None else len(value)


def _unescape(text: str) -> str:
    """Undo quoted pairs; a backslash before anything else is a path of Windows."""
    return text.replace('\\"', '"').replace("\\\\", "\\") if "\\" in text else text


def _piece(name: str, text: str) -> _Piece:
    found = _NAME.match(name)
    if found is None:
        return _Piece(name, None, False, text)
    return _Piece(found[1], int(found[2]) if found[2] else None, found[3] is not None, text)


def _assemble(pieces: list[_Piece]) -> dict[str, str]:
    """Join continuations and choose between forms; of two equals the first counts (as clients do)."""
    parameters: dict[str, str] = {}
    continued: dict[str, dict[int, _Piece]] = {}
    extended: dict[str, str] = {}
    for piece in pieces:
        if piece.section is not None:
            continued.setdefault(piece.name, {}).setdefault(piece.section, piece)
        elif piece.is_extended:
            extended.setdefault(piece.name, _decode_extended(piece.value))
        elif piece.value or piece.name not in parameters:
            text = piece.value if not _is_extended_text(piece.value) else _decode_extended(piece.value)
            if not parameters.get(piece.name):
                parameters[piece.name] = text
    for name, sections in continued.items():
        extended.setdefault(name, _decode_continued([sections[number] for number in sorted(sections)]))
    for name, text in extended.items():
        plain = parameters.get(name, "")
        if text and not (plain and lost_characters(text, plain)):
            parameters[name] = text
    return parameters


def _is_extended_text(text: str) -> bool:
    """Whether a plain value was written in the extended form by mistake (``utf-8''a%20b``)."""
    found = _extended(text) if "''" in text and "%" in text else None
    return found is not None and codec_of(found[0]) is not None


def _extended(text: str) -> tuple[str, str] | None:
    """Return the charset and the rest of an extended value, or None where it does not begin with one."""
    found = _EXTENDED.match(text)
    if found is None:
        found = _WITHOUT_LANGUAGE.match(text)
        if found is None or codec_of(found[1]) is None:
            return None
    return found[1], found[2]


def _decode_extended(text: str) -> str:
    found = _extended(text)
    if found is None:
        return text if "=?" in text else decode_text(_percent_decoded(text))
    return decode_text(_percent_decoded(found[1]), found[0])


def _decode_continued(pieces: list[_Piece]) -> str:
    if not any(piece.is_extended for piece in pieces):
        text = "".join(piece.value for piece in pieces)
        return _decode_extended(text) if _is_extended_text(text) else text
    charset: str | None = None
    octets = b""
    for piece in pieces:
        text = piece.value
        if charset is None and piece.is_extended:
            found = _extended(text)
            if found is not None and (piece is pieces[0] or codec_of(found[0]) is not None):
                text = found[1]
            charset = found[0] if found is not None else ""
        octets += _percent_decoded(text) if piece.is_extended else text.encode("utf-8", "surrogateescape")
    return decode_text(octets, charset)


def _percent_decoded(text: str) -> bytes:
    return urllib.parse.unquote_to_bytes(text.encode("utf-8", "surrogateescape"))


def lost_characters(text: str, other: str) -> bool:
    """Whether ``text`` is ``other`` after a program wrote ``?`` or ``_`` for what it could not write."""
    if "\ufffd" in text:
        return "\ufffd" not in other
    if not text.isascii() or other.isascii() or "=?" in other:
        return False
    if "?" in text and "?" not in other:
        return True
    return len(text) == len(other) and all(
        a == b or (a in "_-. " and b > "\x7f") for a, b in zip(text, other, strict=True)
    )
