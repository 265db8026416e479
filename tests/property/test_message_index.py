"""What holds for every message, however broken."""

from __future__ import annotations

import hashlib
import random

from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import MessageIndex, fingerprint_of_header, index_message, iter_attachment
from mailroom.message.addresses import parse_addresses, parse_sender
from mailroom.message.charsets import decode_text
from mailroom.message.dates import parse_date
from mailroom.message.defects import Defect
from mailroom.message.encoded_words import decode_words
from mailroom.message.parameters import parse_parameters
from mailroom.message.signed import signed_content
from mailroom.message.text import readable_html
from mailroom.message.transfer import Encoding, decode
from tests.support.mail import AWKWARD, make_message

WHOLE = [
    make_message(
        subject="Factura número 7",
        html="<p>Hola <b>mundo</b></p>",
        attachments=[("factura número 7.pdf", "application/pdf", b"%PDF" + bytes(range(256)))],
        inline=[("logo.png", "image/png", b"\x89PNG" * 20)],
    ),
    *AWKWARD.values(),
]
FRAGMENTS = [
    b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b";", b'"', b"=", b"=?", b"?=", b"--", b"--b",
    b"--b--", b"<", b">", b"(", b")", b":", b",", b"@", b"\\", b"*", b"'", b"%", b"\xff",
    b"\xc3\xa9", b"\x1b$B", b"=?utf-8?q?", b"=?utf-8?b?", b"From: ", b"To: ", b"Subject: ",
    b"Date: ", b"Message-ID: ", b"References: ", b"Content-Type: ",
    b"Content-Disposition: attachment; ", b"Content-Transfer-Encoding: base64\r\n",
    b"Content-ID: <a>\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n", b"text/html",
    b"multipart/mixed; boundary=b\r\n\r\n", b"multipart/alternative; boundary=b\r\n\r\n",
    b"message/rfc822\r\n\r\n", b"application/pkcs7-mime\r\n\r\n", b"filename=", b"filename*=",
    b"filename*0*=utf-8''", b"name=", b"charset=utf-7", b"charset=iso-2022-jp", b"charset=utf-16",
    b"multipart/encrypted; boundary=b\r\n\r\n", b"application/ms-tnef\r\n\r\n",
    b"\x78\x9f\x3e\x22\1\0", b"\2\2\x90\6\0\0\0\0\0\0\0", b"\2\x0f\x80\6\0\1\0\0\0x\0\0",
    b"begin 644 a\r\n", b"end\r\n", b"#86)C\r\n", b"=ybegin line=128 size=3 name=a\r\n",
    b"\r\n=yend size=3\r\n",
    b"(This file must be converted with BinHex 4.0)\r\n\r\n", b":#@*\"'&3!!!!!", b"\x90",
    b"application/mac-binhex40\r\n\r\n", b"On 1 June, a@b wrote:\r\n", b"> ",
    b"<p>", b"<!--", b"-->", b"<script>", b"&#x",
    b"QUJD", b"=C3", b"Mon, 2 Mar 2026 10:00:00 +0100", b"x",
]  # fmt: skip


def check(content: bytes) -> MessageIndex:
    """Assert what holds for every message."""
    found = index_message(content)
    assert index_message(content) == found
    texts = [
        found.subject,
        found.sender,
        found.sender_address,
        found.text,
        found.reply or "",
        found.identity,
        *found.to,
        *found.cc,
    ]
    texts += [found.message_id or "", found.in_reply_to or "", *found.references]
    for attachment in found.attachments:
        texts += [attachment.filename, attachment.content_type, attachment.part]
        assert attachment.filename
        octets = b"".join(iter_attachment(content, attachment.part))
        assert len(octets) == attachment.size
        assert hashlib.sha256(octets).hexdigest() == attachment.sha256
    for text in texts:
        text.encode("utf-8")
    for line in (found.subject, found.sender, *found.to, *(a.filename for a in found.attachments)):
        assert not set(line) & set("\r\n\0")
    parts = [attachment.part for attachment in found.attachments]
    assert len(set(parts)) == len(parts)
    assert set(found.defects) <= {defect.value for defect in Defect}
    assert (found.date is None) == (found.date_source is None)
    assert len(found.identity) == 64
    return found


@given(st.binary(max_size=2000))
def test_any_octets_are_read(content: bytes) -> None:
    """Nothing raises, everything can be written, and each attachment is what the index says."""
    check(content)
    fingerprint_of_header(content)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=80).map(b"".join))
def test_any_mixture_of_what_mail_is_made_of_is_read(content: bytes) -> None:
    """Fragments of real syntax in any order reach every branch, and none raises."""
    check(content)
    fingerprint_of_header(content)


@given(st.sampled_from(WHOLE), st.randoms(use_true_random=False))
def test_messages_with_damage_are_read(content: bytes, chance: random.Random) -> None:
    """Octets changed, lost, doubled and put in, and the end cut off."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 12)):
        at = chance.randint(0, len(damaged))
        kind = chance.randint(0, 4)
        if kind == 0 and at < len(damaged):
            damaged[at] = chance.randrange(256)
        elif kind == 1:
            del damaged[at : at + chance.randint(1, 30)]
        elif kind == 2:
            damaged[at:at] = chance.choice(FRAGMENTS)
        elif kind == 3:
            damaged[at:at] = damaged[at : at + chance.randint(1, 200)]
        else:
            damaged = damaged[: max(at, len(damaged) // 2)]
    check(bytes(damaged))


@given(st.sampled_from(WHOLE), st.integers(0, 5000))
def test_a_message_cut_anywhere_is_read(content: bytes, length: int) -> None:
    """A connection that broke leaves a beginning, which is a message too."""
    check(content[:length])


@given(st.text(max_size=200))
def test_no_header_value_raises(value: str) -> None:
    """The readers of single values take any text."""
    decode_words(value, "utf-8")
    parse_addresses(value)
    parse_sender(value)
    parse_parameters(value)
    readable_html(value).encode("utf-8", "surrogatepass")
    parse_date(value)


@given(
    st.lists(st.sampled_from([f.decode("utf-8", "surrogateescape") for f in FRAGMENTS]), max_size=40).map(
        "".join
    )
)
def test_no_mixture_of_syntax_raises(value: str) -> None:
    """Neither do they stumble over the marks they look for."""
    decode_words(value, "koi8-r")
    parse_addresses(value)
    parse_sender(value)
    parse_parameters(value)
    readable_html(value)
    parse_date(value)


DATE_PIECES = ["1", "24", "2026", "26", "Nov", "nov.", "Tue,", "14:06", ":55", ".", "/", "-", " ", "PM", "+0100", "GMT", "(", ")", "de"]  # fmt: skip  # noqa: E501


@given(st.lists(st.sampled_from(DATE_PIECES), max_size=15).map("".join))
def test_no_date_raises(value: str) -> None:
    """What looks like a date is one, in UTC, or none."""
    found = parse_date(value)
    assert found is None or found.utcoffset() is not None


@given(st.binary(max_size=300), st.sampled_from(list(Encoding)))
def test_no_content_raises(data: bytes, encoding: Encoding) -> None:
    """Decoders take any octets."""
    decode(data, encoding)


LABELS = st.sampled_from(["utf-8", "utf-7", "utf-16", "iso-2022-jp", "iso-2022-kr", "hz-gb-2312", "gb2312", "big5", "euc-kr", "shift_jis", "euc-jp", "iso-8859-1", "koi8-r", "windows-874", "x-none", "idna", None])  # fmt: skip  # noqa: E501


@given(st.binary(max_size=200), LABELS, LABELS)
def test_no_charset_raises(data: bytes, label: str | None, hint: str | None) -> None:
    """Any octets under any label become text that can be written."""
    decode_text(data, label, hint).encode("utf-8")


@given(st.binary(max_size=200))
def test_no_signature_raises(data: bytes) -> None:
    """Any octets may claim to be a signature."""
    signed_content(bytes.fromhex("308006092a864886f70d010702a0803080020100") + data)
