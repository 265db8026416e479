"""What is left of a message after a server stored it in its own way, and what makes it another one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import bare_digest, origin_of_header

HEADER = (
    "Received: from a.example by b.example with ESMTP id 17; Tue, 24 Nov 2026 15:06:55 +0100\r\n"
    "Message-ID: <one@example.org>\r\n"
    "Date: Tue, 24 Nov 2026 15:06:55 +0100\r\n"
    "From: =?utf-8?Q?Jos=C3=A9?= <jose@example.org>\r\n"
    "To: Ana <ana@example.org>, bob@example.com\r\n"
    "Subject: =?utf-8?Q?Factura_n=C3=BAmero_1?= de noviembre\r\n"
    "MIME-Version: 1.0\r\n\r\n"
)


def origin(header: str) -> str:
    return origin_of_header(header.encode())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bob@example.com", "\r\n\tbob@example.com"),
        ("Ana <", '"Ana" <'),
        ("by b.example with", "by b.example\r\n with"),
        ("=?utf-8?Q?Factura_n=C3=BAmero_1?=", "=?iso-8859-1?B?RmFjdHVyYSBu+m1lcm8gMQ==?="),
        ("MIME-Version", "X-Spam: no\r\nMIME-Version"),
        ("MIME-Version: 1.0\r\n", ""),
        ("\r\n\r\n", "\r\n\r\nany text below it"),
    ],
)
def test_what_servers_rewrite_does_not_count(before: str, after: str) -> None:
    """Folding, quotes, encodings, fields about how it is stored, and the text."""
    assert origin(HEADER.replace(before, after)) == origin(HEADER)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<one@", "<two@"),
        ("15:06:55 +0100\r\nFrom", "15:06:56 +0100\r\nFrom"),
        ("jose@", "josef@"),
        ("bob@", "rob@"),
        ("noviembre", "diciembre"),
        ("id 17", "id 18"),
        ("MIME-Version", "List-Id: <friends.example.org>\r\nMIME-Version"),
        ("Received", "Received: from c by d; Tue, 24 Nov 2026 15:06:57 +0100\r\nReceived"),
    ],
)
def test_another_letter_is_another_one(before: str, after: str) -> None:
    """Also where a broken sender gave both one Message-ID, and where one came over a mailing list."""
    assert origin(HEADER.replace(before, after, 1)) != origin(HEADER)


@pytest.mark.parametrize(
    "after", [b"a\nb\n", b"a\r\r\nb\r\n", b"a\r\nb\r\n\r\n", b"a\0\r\nb\r\n", b"a\x80\nb"]
)
def test_line_ends_and_nul_are_the_servers(after: bytes) -> None:
    """Dovecot writes CRLF for LF, drops doubled CRs and puts 0x80 for NUL."""
    assert bare_digest(after) == bare_digest(b"a\r\nb\r\n")


def test_any_other_octet_counts() -> None:
    """Also in a message of many pieces."""
    large = b"x" * 3_000_000
    assert bare_digest(large + b"1") != bare_digest(large + b"2")


@given(st.binary(max_size=400))
def test_any_octets_have_an_origin(header: bytes) -> None:
    """A server may answer with anything."""
    assert len(origin_of_header(header)) == 64
