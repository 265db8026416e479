"""Names from mail made safe to be names of files and objects.

Here: one path segment at a time. Not here: whole paths (``destinations``). A name in a mail
is whatever its sender typed: it may climb (``../``), hide, name a device, or read backwards.
People's names for their files survive, emoji and all; what is dangerous or impossible on
any common file system does not.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MAX_SEGMENT_OCTETS", "numbered", "safe_filename", "safe_segment", "split_extension"]

MAX_SEGMENT_OCTETS = 200
"""Longest name in octets of UTF-8: file systems allow 255, and temporary names need room."""

MAX_EXTENSION_OCTETS = 20
"""What is longer after a dot is no extension but text."""

NAMELESS = "attachment"
"""The name of what has none that could be used."""

_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')
"""Separators, and what Windows shares refuse; the colon also separates chained fsspec URLs."""

_DEVICE = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])[ ]*(\..*)?", re.IGNORECASE | re.DOTALL
)
"""Names that are devices on Windows, whatever the extension."""

_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the reading direction: with them ``gpj.exe`` shows as ``exe.jpg``."""

_COMPOUND = re.compile(r"\.tar\.[A-Za-z0-9]{1,5}\Z")
_JOINERS = "\u200d\ufe0f "

EXTENSIONS = {
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "application/json": ".json",
    "application/xml": ".xml",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/xml": ".xml",
}
"""What a nameless part of a media type is called by, for the common ones."""


def safe_filename(name: str, content_type: str = "") -> str:
    """Return a name in mail as one safe path segment; never empty.

    >>> safe_filename("../../etc/passwd"), safe_filename("CON.txt"), safe_filename("Rechnung 📎.pdf ")
    ('_.._etc_passwd', '_CON.txt', 'Rechnung 📎.pdf')
    >>> safe_filename("", "application/pdf")
    'attachment.pdf'
    """
    return safe_segment(name) or NAMELESS + EXTENSIONS.get(content_type.lower(), "")


def safe_segment(text: str) -> str:
    """Return a text as one path segment that is the same on every common store, or an empty text.

    The result is never ``.`` or ``..``, holds no separator and no control character, starts with
    no dot, ends with neither dot nor blank, names no device, and is at most ``MAX_SEGMENT_OCTETS`` long.
    """
    visible = text if text.isascii() and text.isprintable() else _visible(text)
    trimmed = _FORBIDDEN.sub("_", visible).lstrip(". ").rstrip(". ")
    if _DEVICE.fullmatch(trimmed):
        trimmed = "_" + trimmed
    return _shortened(trimmed, MAX_SEGMENT_OCTETS)


def numbered(name: str, turn: int) -> str:
    """Return a file's name for the ``turn``-th that has it; the first keeps it as it is.

    >>> numbered("invoice.pdf", 1), numbered("invoice.pdf", 2), numbered("a.tar.gz", 3)
    ('invoice.pdf', 'invoice-2.pdf', 'a-3.tar.gz')
    """
    if turn < 2:
        return name
    stem, extension = split_extension(name)
    suffix = f"-{turn}{extension}"
    return _cut(stem, MAX_SEGMENT_OCTETS - len(suffix.encode())) + suffix


def split_extension(name: str) -> tuple[str, str]:
    """Return a name's stem and its extension with the dot, or an empty one.

    >>> split_extension("report.final.pdf"), split_extension("a.tar.gz"), split_extension("README")
    (('report.final', '.pdf'), ('a', '.tar.gz'), ('README', ''))
    """
    compound = _COMPOUND.search(name)
    place = compound.start() if compound else name.rfind(".")
    extension = name[place:] if place > 0 else ""
    if len(extension) < 2 or len(extension.encode()) > MAX_EXTENSION_OCTETS or " " in extension:
        return name, ""
    return name[:place], extension


def _visible(text: str) -> str:
    """Return a text composed, and of what people can see."""
    composed = unicodedata.normalize("NFC", _without_surrogates(text))
    return "".join(_shown(character) for character in composed if character not in _BIDIRECTIONAL)


def _without_surrogates(text: str) -> str:
    """Return a text that UTF-8 can say: lone surrogates stand for octets that are no text."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _shown(character: str) -> str:
    """Return a character, or an underscore in place of one that is a control or breaks lines."""
    return "_" if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Co") else character


def _shortened(name: str, limit: int) -> str:
    if len(name.encode()) <= limit:
        return name
    stem, extension = split_extension(name)
    return _cut(stem, limit - len(extension.encode())) + extension


def _cut(text: str, limit: int) -> str:
    """Return the beginning of a text in at most ``limit`` octets, no character cut in half."""
    cut = text.encode()[:limit].decode("utf-8", "ignore")  # only the last, halved character goes
    return text if cut == text else cut.rstrip(_JOINERS + ".")
