"""The links in a message's texts, as they stand; nothing is ever fetched.

Belongs here: ``href`` and its words in HTML, addresses in plain text. Does not belong here:
whether a link is good, and making one safe to show. HTML is cut at ``<a`` by hand, for the
reasons that ``text`` gives; what is looked at of each link is bounded.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from mailroom.message.attachments import describe
from mailroom.message.contents import read_content
from mailroom.message.identity import printable
from mailroom.message.octets import Buffer, in_memory
from mailroom.message.structure import parse_structure
from mailroom.message.text import MAX_HTML_CHARACTERS

__all__ = ["MAX_LINKS", "Link", "message_links"]

MAX_LINKS = 2000
"""How many links of one message are kept."""

MAX_TAGS = 10_000
"""How many tags are looked at for them."""

MAX_HREF_CHARACTERS = 4096
"""Longer ones are cut; browsers go no further than some thousands. Characters."""

MAX_WORDS_CHARACTERS = 500
"""How much of a link's words is kept. Characters."""

_LOOKED_AT = 8000
_TAG = re.compile(r"<(?:a|area)\s", re.I)
_HREF = re.compile(
    r"[^>]{0,2000}?\bhref\s{0,9}=\s{0,9}(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"']++))[^>]*+>?", re.I
)
_END = re.compile(r"</?a\b", re.I)
_ANY_TAG = re.compile(r"<[^>]*+>?")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]+")
_ADDRESS = re.compile(
    r"\b(?:https?|ftp)://[^\s<>\"'\\^`{|}\x00-\x20]++|\bwww\.[\w-]++\.[^\s<>\"'\\^`{|}]++", re.I
)
_AFTER = ".,;:!?'*_~>"
_MOST_AFTER = 20
_PAIRS = {")": "(", "]": "["}
_WITHIN = ("#", "cid:", "mid:", "about:")


class Link(NamedTuple):
    """One link.

    :param part: the part it stands in, as IMAP numbers it.
    :param source: ``html`` or ``plain``.
    :param href: where it leads, absolute or not; white space and controls are taken out, as browsers do.
    :param text: the words that a reader sees, which may say anything.
    :param host: the host a browser asks, in lower case, of international names the ASCII form; or empty.
    """

    part: str
    source: Literal["html", "plain"]
    href: str
    text: str
    host: str


def message_links(content: Buffer) -> list[Link]:
    """Return the links of a message's texts in their order; never raises."""
    found: list[Link] = []
    root = parse_structure(in_memory(content), set())
    for leaf in root.leaves():
        if leaf.media_type not in ("text/html", "text/plain") or not describe(leaf).is_body:
            continue
        text = read_content(leaf, set(), with_checksum=False, with_text=True, hint=None).text
        is_html = leaf.media_type == "text/html"
        for href, words in _in_html(text) if is_html else _in_plain(text):
            if len(found) >= MAX_LINKS:
                return found
            host = _host(href)
            found.append(Link(leaf.path, "html" if is_html else "plain", href, words, host))
    return found


def _in_html(page: str) -> Iterator[tuple[str, str]]:
    page = page[:MAX_HTML_CHARACTERS]
    for tag in itertools.islice(_TAG.finditer(page), MAX_TAGS):
        piece = page[tag.end() - 1 : tag.end() + _LOOKED_AT]
        found = _HREF.match(piece)
        if found is None:
            continue
        raw = html.unescape(found[1] or found[2] or found[3] or "")
        href = printable(re.sub(r"[\t\r\n]+", "", raw).strip())[:MAX_HREF_CHARACTERS]
        if not href or href.lower().startswith(_WITHIN):
            continue
        end = _END.search(piece, found.end())
        words = html.unescape(_ANY_TAG.sub(" ", piece[found.end() : end.start() if end else found.end()]))
        yield href, printable(_SPACE.sub(" ", words).strip())[:MAX_WORDS_CHARACTERS]


def _in_plain(text: str) -> Iterator[tuple[str, str]]:
    for found in _ADDRESS.finditer(text):
        href = printable(found[0][:MAX_HREF_CHARACTERS])
        for _ in range(_MOST_AFTER):
            if href and (href[-1] in _AFTER or _closes_nothing(href)):
                href = href[:-1]
        yield href, href


def _closes_nothing(href: str) -> bool:
    """Whether the last bracket belongs to the sentence around an address."""
    opening = _PAIRS.get(href[-1])
    return opening is not None and href.count(href[-1]) > href.count(opening)


def _host(href: str) -> str:
    """Return where a browser goes: backslashes are slashes, and it does without slashes at all (WHATWG)."""
    from ada_url import URL

    without_scheme = href.startswith(("//", "\\\\", "/\\", "\\/")) or href.lower().startswith("www.")
    with contextlib.suppress(ValueError):
        return printable(URL(f"https:{href}" if without_scheme else href).hostname)
    return ""  # it leads nowhere, or within its own page
