"""Encoded words in header text, and raw octets that should have been encoded.

Belongs here: RFC 2047 section 2 as programs really write it (characters split across
words, spaces inside, a terminator that is missing, labels that lie, whole words encoded
twice), and 8-bit or ISO-2022-JP octets that stand in a header as they are. Does not
belong here: which field holds text, and parameters (RFC 2231 is ``parameters``).

    encoded-word = "=?" charset "?" encoding "?" encoded-text "?="
"""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

from mailroom.message.charsets import decode_text

__all__ = ["MAX_VALUE_CHARACTERS", "decode_words"]

MAX_VALUE_CHARACTERS = 64 * 1024
"""How much of one header value is decoded; longer ones are cut. Characters."""

_OPENING = re.compile(r"=\?\s{0,4}([^?\s]{0,64}+)\s{0,4}\?\s{0,4}([bBqQ])\s{0,4}\?")
_STILL_TEXT = re.compile(r"[0-9A-Fa-f]{2}[^\s?]*+\?=")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_PADDING = re.compile(r"(?<!=)=++\s*+(?=[A-Za-z0-9+/])")
_CUT_ESCAPE = re.compile(r"=[0-9A-Fa-f]?\Z")
_CONTROLS = re.compile("[\0-\x1f\x7f]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Word(NamedTuple):
    charset: str
    encoding: str
    text: str


def decode_words(value: str, hint: str | None = None) -> str:
    """Return header text as people read it; a pure function that never raises.

    :param value: unfolded, with octets that are not UTF-8 as surrogates.
    :param hint: charset of the message's text, for octets that no label explains.
    """
    if "=?" not in value:
        if value.isascii() and value.isprintable():
            return value
        return _plain(value[:MAX_VALUE_CHARACTERS], hint)
    decoded = _decode(value[:MAX_VALUE_CHARACTERS], hint)
    if "=?" in decoded and "?=" in decoded:
        decoded = _decode(decoded, hint)  # encoded twice, by a program that forwarded it
    return decoded


def _decode(value: str, hint: str | None) -> str:
    pieces: list[str] = []
    words: list[_Word] = []
    last_ends: dict[bool, int] = {}
    at = 0
    while (opening := _OPENING.search(value, at)) is not None:
        between = value[at : opening.start()]
        end, after = _terminator(value, opening.end(), opening[2] in "qQ", last_ends)
        if end < 0:
            break
        if not words or between.strip():
            pieces.append(_join(words, hint))
            words = []
            pieces.append(_plain(between, hint))
        words.append(_Word(opening[1].partition("*")[0], opening[2].lower(), value[opening.end() : end]))
        at = after
    pieces.append(_join(words, hint))
    pieces.append(_plain(value[at:], hint))
    return "".join(pieces).strip()


def _terminator(value: str, start: int, is_quoted: bool, last_ends: dict[bool, int]) -> tuple[int, int]:
    """Return where a word's text ends and where what follows starts, or (-1, -1) where it is no word.

    :param last_ends: where the last end of a word is, kept from one word to the next; nothing is looked
        through from each word again.
    """
    another = _OPENING.search(value, start)
    limit = len(value) if another is None else another.end() + 1
    end = value.find("?=", start, limit)
    while end >= 0 and is_quoted and _STILL_TEXT.match(value, end + 2):
        end = value.find("?=", end + 2, limit)  # "Why?=20Me?=": a question mark, then an octet in hex
    if end >= 0:
        return end, end + 2
    if another is not None:
        if is_quoted not in last_ends:
            last_ends[is_quoted] = _last_end(value, is_quoted)
        if last_ends[is_quoted] >= another.end():  # this one lost its end, and that is one of the next
            return start + len(value[start : another.start()].rstrip(" \t?=")), another.start()
    rest = value[start:]
    if rest and " " not in rest and "\t" not in rest:  # the last word of a value that was cut
        return start + len(rest.rstrip("?")), len(value)
    return -1, -1


def _last_end(value: str, is_quoted: bool) -> int:
    end = value.rfind("?=")
    while end >= 0 and is_quoted and _STILL_TEXT.match(value, end + 2):
        end = value.rfind("?=", 0, end)
    return end


def _join(words: list[_Word], hint: str | None) -> str:
    """Decode adjacent words; those of one charset together, for a character may be split between them."""
    text = ""
    at = 0
    while at < len(words):
        stop = at + 1
        while stop < len(words) and words[stop].charset.lower() == words[at].charset.lower():
            stop += 1
        text += decode_text(_octets(words[at:stop]), words[at].charset, hint)
        at = stop
    return _CONTROLS.sub(" ", text)


def _octets(words: list[_Word]) -> bytes:
    if len(words) > 1 and all(word.encoding == "b" for word in words):
        texts = [_base64_text(word.text) for word in words]
        if any(
            len(text) % 4 and not word.text.endswith("=") for text, word in zip(texts, words, strict=True)
        ) and not all(map(_is_whole, texts)):
            return _decode_base64(b"".join(texts))  # one text was cut into words without regard to its quanta
    elif len(words) > 1 and any(map(_ends_in_escape, words[:-1])):
        return _decode_q("".join([word.text for word in words]))
    return b"".join(
        _decode_word_base64(word.text) if word.encoding == "b" else _decode_q(word.text) for word in words
    )


def _ends_in_escape(word: _Word) -> bool:
    """Whether a word was cut within an escape, whose rest begins the next one."""
    return word.encoding == "q" and _CUT_ESCAPE.search(word.text, len(word.text) - 2) is not None


def _base64_text(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if b"-" in raw or b"_" in raw:
        raw = raw.replace(b"-", b"+").replace(b"_", b"/")
    return _NOT_BASE64.sub(b"", raw)


def _decode_word_base64(text: str) -> bytes:
    """Decode one word, which may hold several texts that were encoded and padded one by one."""
    pieces = _PADDING.split(text.rstrip("= \t")) if "=" in text else [text]
    return b"".join([_decode_base64(_base64_text(piece)) for piece in pieces])


def _decode_base64(text: bytes) -> bytes:
    spare = len(text) % 4
    if spare == 1:  # six bits are no octet
        text, spare = text[:-1], 0
    return binascii.a2b_base64(text + b"=" * (-spare % 4))


def _is_whole(text: bytes) -> bool:
    """Whether base64 that lacks its padding ends where an encoder ends: no bits are left over."""
    spare = len(text) % 4
    return spare == 0 or binascii.b2a_base64(_decode_base64(text), newline=False)[: len(text)] == text


def _decode_q(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if raw.endswith(b"="):  # an escape without its octet; in a body it would be a soft line break
        return binascii.a2b_qp(raw[:-1], header=True) + b"="
    return binascii.a2b_qp(raw, header=True)


def _plain(value: str, hint: str | None) -> str:
    """Return text outside encoded words, its raw octets decoded and its controls made spaces."""
    if not value.isascii():
        if _SURROGATE.search(value) is not None:
            value = decode_text(value.encode("utf-8", "surrogateescape"), None, hint)
    elif "\x1b" in value:
        value = decode_text(value.encode("ascii"), None)
    return _CONTROLS.sub(" ", value)
