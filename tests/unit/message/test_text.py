"""Readable text, from HTML and from the right parts."""

from __future__ import annotations

import pytest

from mailroom.message.parts import Part
from mailroom.message.structure import parse_structure
from mailroom.message.text import MAX_HTML_CHARACTERS, body_parts, charset_of_html, readable_html


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<br>two<BR/>three", "one\ntwo\nthree"),
        ("<div>one</div><div>two</div>", "one\n\ntwo".replace("\n\n", "\n\n")),
        ("a\r\n   b\tc", "a b c"),
        ("<b>bo</b>ld", "bold"),
        ("<ul><li>one<li>two</ul>", "- one\n- two"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a\tb\n\nc"),
        ("caf&eacute; &lt;b&gt; &amp;&nbsp;&#8364; &#x20AC;", "café <b> & € €"),
        ("<style>p{}</style><script>alert('<b>')</script>x", "x"),
        ("<STYLE>p{}</Style>x", "x"),
        ("<head><title>no</title></head><body>yes</body>", "yes"),
        ("<!-- no -->yes<!--no<b>no</b>-->!", "yes!"),
        ("<!--[if mso]><p>no</p><![endif]-->yes", "yes"),
        ("<!--[if !mso]><!-->yes<!--<![endif]-->", "yes"),
        ("<!DOCTYPE html><?xml version='1.0'?>yes", "yes"),
        ('<a href="http://x/?a>b">link</a>', "link"),
        ('<img alt="never ends>after', "after"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("a <3 b", "a <3 b"),
        ("<p>never closed", "never closed"),
        ("<a", ""),
        ("x<", "x<"),
        ("</p>x</>y", "xy"),
        ("&#xD800;&#0;&unknown;", "\ufffd\ufffd&unknown;"),
    ],
)
def test_pages_become_lines(page: str, text: str) -> None:
    """Words stay, markup goes; what is not shown is left out; entities are undone once."""
    assert readable_html(page) == text


def test_no_more_than_two_line_ends_in_a_row() -> None:
    """Empty layout does not become empty lines."""
    assert readable_html("a" + "<p>&nbsp;</p>" * 50 + "b") == "a\n\nb"


def test_a_page_beyond_the_limit_is_cut() -> None:
    """Only so much HTML is read."""
    assert len(readable_html("x" * (MAX_HTML_CHARACTERS + 10))) == MAX_HTML_CHARACTERS


@pytest.mark.parametrize(
    ("page", "charset"),
    [
        (b'<meta charset="koi8-r">', "koi8-r"),
        (b"<META http-equiv=Content-Type content='text/html; charset = windows-1251'>", "windows-1251"),
        (b"<html><head><meta charset=utf-8 />", "utf-8"),
        (b"<p>charset=utf-8</p>", None),
        (b" " * 4000 + b'<meta charset="koi8-r">', None),
    ],
)
def test_the_charset_a_page_claims(page: bytes, charset: str | None) -> None:
    """A meta element among the first octets names the charset where the header does not."""
    assert charset_of_html(page) == charset


def chosen(text: str) -> list[str]:
    root: Part = parse_structure(text.replace("\n", "\r\n").encode(), set())
    is_body = {id(leaf): leaf.media_type in ("text/plain", "text/html") for leaf in root.leaves()}
    return [part.path for part in body_parts(root, is_body)]


PLAIN, HTML, IMAGE = "\n\nplain", "Content-Type: text/html\n\nhtml", "Content-Type: image/png\n\nimage"


def multipart(kind: str, boundary: str, *parts: str) -> str:
    body = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary={boundary}\n\n{body}--{boundary}--\n"


@pytest.mark.parametrize(
    ("message", "paths"),
    [
        (multipart("alternative", "a", PLAIN, HTML), ["1"]),
        (multipart("alternative", "a", HTML, PLAIN), ["2"]),
        (multipart("alternative", "a", HTML, IMAGE), ["1"]),
        (multipart("alternative", "a", IMAGE), []),
        (multipart("alternative", "a", PLAIN, multipart("related", "r", HTML, IMAGE)), ["1"]),
        (multipart("mixed", "m", multipart("alternative", "a", PLAIN, HTML), IMAGE, PLAIN), ["1.1", "3"]),
        (multipart("mixed", "m", HTML, PLAIN), ["1", "2"]),
        (multipart("mixed", "m", PLAIN, "Content-Type: message/rfc822\n\nSubject: x\n\ninner"), ["1"]),
    ],
)
def test_the_parts_that_are_the_message(message: str, paths: list[str]) -> None:
    """Plain text is preferred among alternatives, other parts all count, attached messages do not."""
    assert chosen(message) == paths
