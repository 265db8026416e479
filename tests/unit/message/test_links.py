"""Links as mail writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import message_links
from mailroom.message.links import MAX_LINKS
from tests.support.mail import make_message

HEAD = b"From: a@b.c\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"


def in_html(page: str) -> list[tuple[str, str, str]]:
    """Return where links lead, their words and hosts."""
    return [(link.href, link.text, link.host) for link in message_links(HEAD + page.encode())]


def in_plain(text: str) -> list[str]:
    """Return where the addresses of a text lead."""
    return [link.href for link in message_links(b"From: a@b.c\r\n\r\n" + text.encode())]


@pytest.mark.parametrize(
    ("page", "links"),
    [
        ('<a class=x href="https://Evil.example/?a=1&amp;b=2" id=y>Your <b>bank</b>\n<i></i></a>',
         [("https://Evil.example/?a=1&b=2", "Your bank", "evil.example")]),
        ("<A HREF='mailto:x@y.example'>mail</A>", [("mailto:x@y.example", "mail", "")]),
        ("<a href=http://c.example/d>never ended <a href=http://e.example>x</a>",
         [("http://c.example/d", "never ended", "c.example"), ("http://e.example", "x", "e.example")]),
        ('<area href="https://f.example/"><abbr href="no">', [("https://f.example/", "", "f.example")]),
        ('<a href="java\n\tscript:alert(1)">x</a>', [("javascript:alert(1)", "x", "")]),
        ('<a href="#top">up</a><a href="cid:1">in</a><a name="x">y</a><a href="">z</a><a href>q</a>', []),
        ('<a href="http://[bad">x</a>', [("http://[bad", "x", "")]),
        ('<a href="//g.example/x">&lt;g&gt;</a>', [("//g.example/x", "<g>", "g.example")]),
    ],
)  # fmt: skip
def test_links_of_a_page(page: str, links: list[tuple[str, str, str]]) -> None:
    """Where it leads and what it says are two things, which is why both are kept."""
    assert in_html(page) == links


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://a.example/b(c). Bye", ["https://a.example/b(c)"]),
        ("(http://a.example/b), <ftp://c.example/d>; www.e.example/f!",
         ["http://a.example/b", "ftp://c.example/d", "www.e.example/f"]),
        ("no link: a.example, x@y.example, http:", []),
    ],
)  # fmt: skip
def test_addresses_in_plain_text(text: str, links: list[str]) -> None:
    """What belongs to the sentence is not of the address."""
    assert in_plain(text) == links


def test_both_texts_of_a_message_are_looked_at() -> None:
    """The two may say different things, and files are not texts."""
    message = make_message(
        text="http://plain.example",
        html='<a href="http://html.example">x</a>',
        attachments=[("a.html", "text/html", b'<a href="http://file.example">x</a>')],
    )
    assert [(link.part, link.source, link.host) for link in message_links(message)] == [
        ("1.1", "plain", "plain.example"),
        ("1.2", "html", "html.example"),
    ]


def test_links_end_at_the_limit() -> None:
    """However many a message has."""
    assert len(in_plain("http://a.example/ " * (MAX_LINKS + 5))) == MAX_LINKS


@given(st.text(alphabet="<a href='\"=x>/:#()&;\n.hwtp", max_size=200))
def test_any_page_is_read(page: str) -> None:
    """Nothing breaks it."""
    in_html(page)
    in_plain(page)


@pytest.mark.parametrize(
    ("href", "host"),
    [
        ("https://evil.example\\@bank.example/", "evil.example"),
        ("https:evil.example", "evil.example"),
        ("https:/\\evil.example/x", "evil.example"),
        ("https://bank.example@evil.example/", "evil.example"),
        ("//Evil.example/x", "evil.example"),
        ("\\\\evil.example\\x", "evil.example"),
        ("www.evil.example", "www.evil.example"),
        ("https://\uff45\uff56\uff49\uff4c.example", "evil.example"),
        ("https://m\u00fcnchen.example:8443/", "xn--mnchen-3ya.example"),
        ("https://0x7f.1/", "127.0.0.1"),
        ("mailto:a@evil.example", ""),
        ("javascript:alert(1)", ""),
        ("offers/today", ""),
        ("https://", ""),
    ],
)
def test_host_is_where_a_browser_goes(href: str, host: str) -> None:
    """Whatever the address looks like to a reader."""
    ((_, _, found),) = in_html(f'<a href="{href}">x</a>')
    assert found == host
