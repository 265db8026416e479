"""Messages made to cost much: all are read, in time that grows with their length only.

Nothing is timed here. A reader that takes quadratic time on one of these takes minutes
instead of a fraction of a second, which nobody overlooks.
"""

from __future__ import annotations

import pytest

from mailroom.message import fingerprint_of_header, index_message

KIB = 1024
HEADER = 300 * KIB
BODY = 2000 * KIB


def field(name: bytes, piece: bytes, *, before: bytes = b"", after: bytes = b"", size: int = HEADER) -> bytes:
    return name + b": " + before + piece * (size // len(piece)) + after + b"\r\n\r\n"


def body(header: bytes, piece: bytes, *, size: int = BODY) -> bytes:
    return header + b"\r\n\r\n" + piece * (size // len(piece))


HTML = b"Content-Type: text/html"
MIXED = b"Content-Type: multipart/mixed; boundary=b"
QUOTED = b"Content-Transfer-Encoding: quoted-printable"
BASE64 = b"Content-Type: a/b\r\nContent-Transfer-Encoding: base64"
SIGNED = b"Content-Type: application/pkcs7-mime\r\n\r\n" + bytes.fromhex(
    "308006092a864886f70d010702a08030800201003100"
)
TEN_DIGITS = b"=?a?q?0123456789?=\r\n "

HOSTILE = {
    "many fields": b"X-Foo: bar\r\n" * (BODY // 12) + b"\r\nbody",
    "a run of CR": field(b"Subject", b"\r", size=BODY),
    "folds": field(b"Subject", b"\n ", size=BODY),
    "CR and space": field(b"Subject", b"\r "),
    "no colon": b"A" * BODY,
    "blank lines": b"From x\r\n" + b"\r\n" * BODY,
    "NUL": b"\0" * BODY,
    "openings of words": field(b"Subject", b"=?a?q?"),
    "words": field(b"Subject", b"=?utf-8?q?a?= "),
    "marks of words": field(b"Subject", b"=?=20"),
    "an endless word": field(b"Subject", b"?=20", before=b"=?u?q?"),
    "words in addresses": field(b"To", b"=?a?q?"),
    "folded words in addresses": field(b"To", TEN_DIGITS),
    "quotes that never end": field(b"To", b'"a\\'),
    "quotes": field(b"To", b'"', before=b'"'),
    "angles": field(b"To", b"<"),
    "angles and quotes": field(b"To", b'<a"'),
    "routes": field(b"To", b"<@a"),
    "comments": field(b"To", b"("),
    "comments and escapes": field(b"To", b"(\\"),
    "at signs": field(b"To", b"@a"),
    "addresses without commas": field(b"To", b"a@b "),
    "blanks in a domain": field(b"From", b"\t", before=b"a. b@c . d", after=b"x"),
    "folds in a domain": field(b"From", b"\r\n ", before=b"a. b@c . d", after=b"x"),
    "no-break spaces in a domain": field(b"From", b"\xc2\xa0", before=b"a. b@c . d", after=b"x"),
    "backslashes in a name": field(b"From", b"\\", after=b"x"),
    "padding in a word": field(b"Subject", b"=", before=b"=?u?b?", size=60 * KIB, after=b"!?="),
    "marks of words below openings": b"Subject: " + b"=?u?q?" * 4000 + b"?=20" * 8000 + b" ?= x\r\n\r\n",
    "folds below a line that is no field": b"no field\r\nSubject: a\r\n" + b" b\r\n" * 200 * KIB + b"\r\n",
    "names": field(b"From", b"a "),
    "names and angles": field(b"From", b"a <b> "),
    "spaces in a date": field(b"Date", b" ", before=b"Mon, "),
    "identifiers": field(b"References", b"<a@b> "),
    "openings of identifiers": field(b"References", b"<a"),
    "parameters": field(b"Content-Type", b';a="', before=b"text/plain"),
    "sections": field(b"Content-Type", b";name*1=a", before=b"text/plain"),
    "escapes": field(b"Content-Type", b'\\"', before=b'text/plain; name="'),
    "semicolons": field(b"Content-Type", b"; ", before=b"text/plain"),
    "spaces in a type": field(b"Content-Type", b" ", before=b"a"),
    "boundaries": body(MIXED, b"--b\r\n\r\nx\r\n"),
    "no boundaries": body(MIXED, b"--bx\r\n"),
    "dashes": body(b"Content-Type: multipart/mixed; boundary=" + b"-" * 60, b"-"),
    "parts with long headers": body(
        MIXED, b"--b\r\nContent-Type: a/b; name=" + b'a="";' * 1500 + b"\r\n\r\n\r\n"
    ),
    "multiparts in multiparts": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000)
    ),
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 5000,
    "comments of HTML": body(HTML, b"<!--"),
    "scripts": body(HTML, b"<script>"),
    "tags that never end": body(HTML, b'<a "'),
    "less than": body(HTML, b"<"),
    "entities": body(HTML, b"&nbsp;"),
    "ampersands": body(HTML, b"&"),
    "meta elements": body(HTML, b"<meta "),
    "files that begin": body(b"", b"begin 644 a\r\n"),
    "files that never end": body(b"", b"begin 644 a\r\n#86)C\r\n"),
    "blanks where files begin": body(b"", b"begin 644 a\r\n" + b" " * 380),
    "short uuencoded lines": body(b"Content-Transfer-Encoding: x-uuencode", b"M\n", size=BODY // 4),
    "padding": body(BASE64, b"=a", size=BODY // 4),
    "stray characters": body(BASE64, b"*a"),
    "spaces in base64": body(BASE64, b"QUJD "),
    "base64 in one line": body(BASE64, b"QUJD") + b"Q",
    "escapes that are none": body(QUOTED, b"="),
    "soft breaks and spaces": body(QUOTED, b"= "),
    "white space": body(b"", b" "),
    "escapes of ISO-2022-JP": body(b"Content-Type: text/plain; charset=iso-2022-jp", b"\x1b$B"),
    "octets in a header": field(b"Subject", b"\xe9\xc3\xa9 "),
    "ASN.1 within ASN.1": SIGNED + b"\x30\x80" * BODY,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messages_are_read(name: str) -> None:
    """Every limit is kept, and what was found until then is the index."""
    found = index_message(HOSTILE[name])
    assert len(found.identity) == 64
    fingerprint_of_header(HOSTILE[name][:HEADER])
