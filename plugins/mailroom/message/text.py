"""The readable text of a message: plain text where there is some, else HTML made readable.

Belongs here: choosing the parts that are the message itself, and turning HTML into
lines. Does not belong here: HTML that is shown as HTML (the web pages make that safe),
and decoding (``contents``).

HTML is cut at ``<`` by hand: the standard library's parser takes quadratic time on some
broken pages (CPython issue 135462), and a tree is not needed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping

from mailroom.message.structure import Part

__all__ = [
    "MAX_HTML_CHARACTERS",
    "MAX_TEXT_CHARACTERS",
    "body_parts",
    "charset_of_html",
    "joined",
    "readable_html",
]

MAX_TEXT_CHARACTERS = 1024 * 1024
"""How much text of one message is kept; the raw message has the rest. Characters."""

MAX_HTML_CHARACTERS = 2 * 1024 * 1024
"""How much HTML is read for it. Characters."""

BODY_TYPES = frozenset(("text/plain", "text/html", "text/enriched", "text/richtext", "text/rfc822-headers", "text/x-amp-html", "text/watch-html"))  # fmt: skip  # noqa: E501
"""Types that are part of the message itself unless they are named or said to be attached."""

_HIDDEN = frozenset(("script", "style", "title", "template", "noscript", "svg"))
_PARAGRAPHS = frozenset(
    ("blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "p", "pre", "table", "ul", "ol", "dl", "hr")
)
_BLOCK_TAGS = (
    "address article aside body center dd div dt fieldset figure footer form header html li main nav option "
    "section tbody tfoot thead tr br"
)
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_TAG_NAME = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]*)")
_SPACES = re.compile(r"[ \t\r\n\f\v]+")
_BLANK_LINES = re.compile(r"\n{3,}")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,4}=\s{0,4}[\"']?\s{0,4}([\w.:-]{1,64})", re.I)


def body_parts(part: Part, is_body: Mapping[int, bool]) -> list[Part]:
    """Return the leaves whose text is the message, in order.

    :param is_body: by ``id`` of a leaf, whether it holds readable text; of alternatives that
        do, plain text is preferred.
    """
    if part.is_signed:
        return body_parts(part.children[0], is_body)
    if not part.is_multipart:
        return [part] if is_body.get(id(part)) else []
    if part.media_type != "multipart/alternative":
        return [leaf for child in part.children for leaf in body_parts(child, is_body)]
    choices = [found for child in part.children if (found := body_parts(child, is_body))]
    plain = (choice for choice in choices if any(leaf.media_type == "text/plain" for leaf in choice))
    return next(plain, choices[-1] if choices else [])


def charset_of_html(data: bytes) -> str | None:
    """Return the charset that a page claims for itself in its first octets."""
    found = _META_CHARSET.search(data[:2048])
    return found[1].decode("ascii", "replace") if found is not None else None


def readable_html(page: str) -> str:
    """Return the words of an HTML page in lines, as a reader would see them; linear in its length."""
    pieces: list[str] = []
    hidden = ""
    in_comment = False
    before, *tags = page[:MAX_HTML_CHARACTERS].split("<")
    _append(pieces, before)
    for tag in tags:
        if in_comment or tag.startswith("!--"):
            _, mark, text = tag.partition("-->")
            in_comment = not mark
            _append(pieces, text if mark and not hidden else "")
            continue
        name = _name(tag)
        if hidden:
            if name != hidden or tag[0] != "/":
                continue
            hidden = ""
        elif name in _HIDDEN and tag[0] != "/":
            hidden = name
            continue
        if not name and tag[:1] not in ("!", "?", "/"):
            pieces.append("<" + tag)  # a bare "<" in the text
            continue
        _append_tag(pieces, name, is_closing=tag[0] == "/")
        _append(pieces, _after_tag(tag))
    return _tidy(html.unescape("".join(pieces)))


def _name(tag: str) -> str:
    found = _TAG_NAME.match(tag)
    return found[1].lower() if found is not None else ""


def _append(pieces: list[str], text: str) -> None:
    if text:
        pieces.append(_SPACES.sub(" ", text))


def _append_tag(pieces: list[str], name: str, *, is_closing: bool) -> None:
    if name in _PARAGRAPHS:
        pieces.append("\n\n")
    elif name in _BLOCKS:
        pieces.append("\n- " if name == "li" and not is_closing else "\n")
    elif name in ("td", "th") and not is_closing:
        pieces.append("\t")


def _after_tag(tag: str) -> str:
    """Return what follows a tag; a ``>`` within a quoted attribute does not end it."""
    inside, mark, text = tag.partition(">")
    if inside.count('"') % 2 and (quote := text.find('"')) >= 0:
        _, mark, text = text[quote:].partition(">")
    return text if mark else ""


def _tidy(text: str) -> str:
    lines = text.replace("\t ", "\t").replace("\xa0", " ").split("\n")
    return _BLANK_LINES.sub("\n\n", "\n".join([line.strip(" \t") for line in lines])).strip()


def joined(texts: Iterable[str]) -> str:
    """Return the texts of several parts as one."""
    return "\n\n".join(text for text in texts if text)
