"""The compiled reader answers what the careful reader answers, or leaves the message to it."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailroom.message.index import index_carefully
from tests.property.test_message_index import WHOLE
from tests.support.any_mail import MailWriter, damaged
from tests.support.mail import make_message

index_plain = pytest.importorskip(
    "mailroom.message.compiled.plain", reason="there is no compiled reader"
).index_plain


def check(content: bytes) -> bool:
    """Assert that both readers agree, and return whether the compiled one answered."""
    found = index_plain(content)
    if found is None:
        return False
    careful = index_carefully(content)
    assert found == careful
    assert type(found) is type(careful)
    return True


@settings(max_examples=1000)
@given(st.integers(0, 2**32))
def test_messages_of_every_kind_are_read_alike(seed: int) -> None:
    """Headers folded oddly, charsets, multiparts, encodings, HTML: one answer, or none."""
    check(MailWriter(random.Random(seed)).message())


@settings(max_examples=1000)
@given(st.integers(0, 2**32))
def test_damaged_messages_are_read_alike(seed: int) -> None:
    """Octets changed, lost, doubled and put in."""
    chance = random.Random(seed)
    content = chance.choice(WHOLE) if chance.random() < 0.2 else MailWriter(chance).message()
    check(damaged(content, chance))


@given(st.binary(max_size=500))
def test_any_octets_are_read_alike(content: bytes) -> None:
    """Octets that are no message are for the careful reader, and nothing raises."""
    check(content)
    check(b"From: a@b\r\nSubject: x\r\n\r\n" + content)
    check(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + content)


LONG = {
    "Subject": ["a ", "=?utf-8?q?a?= ", "(a) "],
    "From": ["a@b, ", "=?utf-8?q?a?= "],
    "To": ["<a@b> "],
    "References": ["<a@b> ", "a"],
    "In-Reply-To": ["<a", "a"],
    "Message-ID": ["<a@b> "],
    "Date": ["Mon, 2 Mar 2026 10:00:00 +0100 (a) "],
    "Content-Type": ["text/plain; a=b; ", "text/plain; name=a", "text/plain; charset=utf-8; "],
    "Content-Disposition": ["attachment; a=b; ", "attachment; filename=a"],
    "Content-Transfer-Encoding": ["base64 ", "7bit; "],
}


@pytest.mark.parametrize("name", LONG)
def test_values_of_any_length_are_read_alike(name: str) -> None:
    """What is cut at a limit is cut there by both."""
    for piece, length in itertools.product(
        LONG[name], [70, 90, 210, 1100, 2100, 16_400, 65_530, 65_600, 530_000]
    ):
        for end in ("", "=?utf-8?q?b?=", "; charset=koi8-r", "; name=b.pdf"):
            value = piece * (length // len(piece)) + end
            check(f"X-Mailer: x\r\n{name}: {value}\r\n\r\nHello\r\n".encode())


EVERYDAY = {
    "a plain text": make_message(),
    "an answer": make_message(
        text="Yes.\n\nOn Mon, Ana <ana@example.org> wrote:\n> Paid?\n",
        headers=[("In-Reply-To", "<a@b>"), ("References", "<x@y> <a@b>")],
    ),
    "a text in quoted-printable": make_message(text="Mañana vamos al café.\n" * 9, subject="Mañana"),
    "a text in base64": make_message(text="日本語の手紙です。\n" * 9, subject="日本語"),
    "Latin 1": make_message(text="Mañana vamos al café.\n" * 9, charset="iso-8859-1"),
    "text and page": make_message(html="<p>Hello, <b>this</b> is the text.</p>"),
    "a page with a picture": make_message(
        html="<p><img src='cid:part0@x'></p>", inline=[("a.png", "image/png", b"\x89PNG")]
    ),
    "a file": make_message(attachments=[("factura 7.pdf", "application/pdf", b"%PDF-1.4" * 99)]),
    "several files": make_message(
        html="<p>Hi</p>",
        attachments=[("año.pdf", "application/pdf", b"%PDF"), ("a.csv", "text/csv", b"a,b\r\n1,2\r\n")],
    ),
    "bare line feeds": make_message(html="<p>Hi</p>").replace(b"\r\n", b"\n"),
    "a notification": (
        b"Received: from a\r\n\tby b; Wed, 4 Mar 2026 10:30:00 +0000\r\n"
        b"From: Shop <no-reply@shop.example>\r\nTo: ana@example.org\r\n"
        b"Subject: =?UTF-8?Q?Your_order_=E2=9C=94?=\r\n =?UTF-8?Q?_is_on_its_way?=\r\n"
        b"Date: Wed, 4 Mar 2026 10:30:00 +0000 (UTC)\r\nMessage-ID: <1@shop.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/alternative;\r\n\tboundary="----=_Part_1.2"\r\n\r\n------=_Part_1.2\r\n'
        b"Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"It is on its way =E2=9C=94=\r\n.\r\n------=_Part_1.2\r\nContent-Type: text/html; charset=UTF-8\r\n"
        b'Content-Transfer-Encoding: quoted-printable\r\n\r\n<p class=3D"a">It is on its way</p>\r\n'
        b"------=_Part_1.2--\r\n"
    ),
}


@pytest.mark.parametrize("kind", EVERYDAY)
def test_everyday_messages_are_read_by_compiled_code(kind: str) -> None:
    """What most mail is like is not left to the careful reader."""
    assert check(EVERYDAY[kind])


def test_much_of_what_is_compared_is_plain() -> None:
    """Comparing says something only where both readers answer."""
    chance = random.Random(1)
    answered = sum(check(MailWriter(chance).message()) for _ in range(300))
    assert answered > 100
