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

from mailroom.message.parts import Part

__all__ = [
    "BODY_TYPES",
    "BREAKS",
    "HIDDEN",
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

BODY_TYPES = frozenset(
    f"text/{kind}"
    for kind in ("plain", "html", "enriched", "richtext", "rfc822-headers", "x-amp-html", "watch-html")
)
"""Types that are part of the message itself unless they are named or said to be attached."""

HIDDEN = frozenset(("script", "style", "title", "template", "svg"))
_PARAGRAPH_TAGS = "blockquote h1 h2 h3 h4 h5 h6 p pre table ul ol dl hr"
_LINE_TAGS = (
    "address article aside body center dd div dt fieldset figure footer form header html li main nav option "
    "section tbody tfoot thead tr br"
)
BREAKS = {
    slash + name: lines
    for lines, names in (("\n\n", _PARAGRAPH_TAGS), ("\n", _LINE_TAGS))
    for name in names.split()
    for slash in ("", "/")
}
BREAKS |= {"li": "\n- ", "td": "\t", "th": "\t"}
_INLINE_TAGS = "a b em font i img span strong u"
BREAKS |= {slash + name: "" for name in _INLINE_TAGS.split() for slash in ("", "/")}
_TAG = re.compile(r"(/?[a-zA-Z][a-zA-Z0-9]*+)[^>\"]*+(?:\"[^\"]*+\"[^>\"]*+)*+>")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,4}=\s{0,4}[\"']?\s{0,4}([\w.:-]{1,64})", re.I)


def body_parts(part: Part, is_body: Mapping[int, bool]) -> list[Part]:
    """Return the leaves whose text is the message, in order.

    :param is_body: by ``id`` of a leaf, whether it holds readable text; of alternatives that
        do, plain text is preferred.
    """
    if part.is_signed:
        return body_parts(part.children[0], is_body)
    if part.is_bundle:  # of a winmail.dat that is a whole message, the first text; of one in a file, none
        return [child for child in part.children if is_body.get(id(child)) and not child.is_in_file][:1]
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
    text, *tags = _single_spaced(page[:MAX_HTML_CHARACTERS]).split("<")
    pieces = [text]
    hidden = ""  # the end tag of what is not shown; "-->" in a comment
    for tag in tags:
        head, mark, text = tag.partition(">")
        if mark and not hidden and (lines := BREAKS.get(head) or _break_at(head)) is not None:
            pieces.append(lines)
            pieces.append(text)
            continue
        found = _TAG.match(tag)
        if found is not None and not hidden:
            name = found[1].lower()
            if name in BREAKS:
                pieces.append(BREAKS[name])
            elif name in HIDDEN:
                hidden = "/" + name
                continue
            pieces.append(tag[found.end() :])
        elif hidden == "-->" or (not hidden and tag.startswith("!--")):
            _, mark, text = tag.partition("-->")
            hidden = "" if mark else "-->"
            pieces.append(text)
        elif not hidden:
            pieces.append(_after_odd_tag(tag))
        elif found is not None and found[1].lower() == hidden:
            hidden = ""
            pieces.append(tag[found.end() :])
    return _tidy(html.unescape("".join(pieces)))


def _single_spaced(page: str) -> str:
    """Return a page with one space for each run of white space, and none around it."""
    plain = page.replace("\n", " ")
    # Of all white space only the space is printable; splitting into words is for pages that need it.
    if "  " in plain or not plain.isprintable():
        return " ".join(plain.split())
    return plain.strip(" ")


def _break_at(head: str) -> str | None:
    """Return the lines that a tag begins, by what is before its first ``>``; None where that is unclear."""
    if head.count('"') % 2:
        return None  # that ``>`` is part of a value
    return BREAKS.get(head.partition(" ")[0])


def _after_odd_tag(tag: str) -> str:
    """Return what follows a declaration or a tag with a quote that never ends; a bare ``<`` is text."""
    if not tag[:1].isalpha() and tag[:1] not in ("!", "?", "/"):
        return "<" + tag
    return tag.partition(">")[2]


def _tidy(text: str) -> str:
    """Strip lines, and leave one blank line where there are several."""
    if "\t" in text:
        text = text.replace("\t ", "\t")
    lines = [line.strip(" \t") for line in text.replace("\xa0", " ").split("\n")]
    kept = [line for line, above in zip(lines, ["", *lines], strict=False) if line or above]
    return "\n".join(kept).strip()


def joined(texts: Iterable[str]) -> str:
    """Return the texts of several parts as one."""
    return "\n\n".join(text for text in texts if text)
