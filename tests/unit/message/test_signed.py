"""Content taken out of S/MIME signatures."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from mailroom.message import index_message, iter_attachment
from mailroom.message.signed import signed_content
from tests.support.mail import make_message

SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
ENVELOPED_DATA = bytes.fromhex("06092a864886f70d010703")
DATA = bytes.fromhex("06092a864886f70d010701")
CONTENT = b"Content-Type: text/plain\r\n\r\nsigned words\r\n"


def der(tag: int, *values: bytes) -> bytes:
    body = b"".join(values)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes(4, "big").lstrip(b"\0")
    return bytes([tag, 0x80 | len(length)]) + length + body


def ber(tag: int, *values: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(values) + b"\0\0"


def signature(content: bytes, *, kind: bytes = SIGNED_DATA) -> bytes:
    algorithms = der(0x31, der(0x30, bytes.fromhex("0609608648016503040201")))
    signed = der(0x30, b"\x02\x01\x01", algorithms, der(0x30, DATA, content), der(0x31))
    return der(0x30, kind, der(0xA0, signed))


def test_content_of_definite_length() -> None:
    """DER, as Outlook writes it, short and long."""
    assert signed_content(signature(der(0xA0, der(0x04, CONTENT)))) == CONTENT
    assert signed_content(signature(der(0xA0, der(0x04, CONTENT * 5000)))) == CONTENT * 5000


def test_content_in_pieces_of_indefinite_length() -> None:
    """BER, as OpenSSL streams it: an octet string made of many."""
    pieces = [der(0x04, CONTENT[at : at + 10]) for at in range(0, len(CONTENT), 10)]
    body = ber(0x30, DATA, ber(0xA0, ber(0x24, *pieces)))
    algorithms = ber(0x31, ber(0x30, bytes.fromhex("0609608648016503040201")))
    signed = ber(0x30, b"\x02\x01\x01", algorithms, body, der(0x31))
    assert signed_content(ber(0x30, SIGNED_DATA, ber(0xA0, signed))) == CONTENT


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no ASN.1 at all",
        signature(b""),
        signature(der(0xA0)),
        signature(der(0xA0, der(0x02, b"\x01"))),
        signature(der(0xA0, der(0x04, CONTENT)), kind=ENVELOPED_DATA),
        b"\x04\x02" + SIGNED_DATA,
        der(0x30, SIGNED_DATA),
        der(0x30, SIGNED_DATA, der(0xA0, b"\x30\x89" + b"\xff" * 9)),
    ],
    ids=["empty", "text", "no content", "empty content", "integer", "encrypted", "odd", "cut", "length"],
)
def test_what_holds_no_content_gives_none(data: bytes) -> None:
    """Detached and encrypted ones, and what is no signature, give nothing and raise nothing."""
    assert signed_content(data) is None


def test_any_cut_is_survived() -> None:
    """A signature that was cut gives nothing, or the part of the content that is there."""
    whole = signature(der(0xA0, der(0x04, CONTENT)))
    for end in range(len(whole)):
        found = signed_content(whole[:end])
        assert found is None or CONTENT.startswith(found)


def pem(data: bytes) -> bytes:
    """Return the textual form of RFC 7468 section 9."""
    return b"-----BEGIN PKCS7-----\n" + base64.encodebytes(data) + b"-----END PKCS7-----\n"


INVOICE = b"<?xml version='1.0'?>\n<FatturaElettronica>7</FatturaElettronica>"


@pytest.mark.parametrize("content_type", ["application/pkcs7-mime", "application/octet-stream"])
@pytest.mark.parametrize("wrapped", [bytes, base64.encodebytes, pem])
def test_signed_file_is_found_beside_its_signature(
    content_type: str, wrapped: Callable[[bytes], bytes]
) -> None:
    """An Italian invoice is a file in a signature, which some programs write in base64 once more."""
    data = wrapped(signature(der(0xA0, der(0x04, INVOICE))))
    message = make_message(attachments=[("IT01234_7.xml.p7m", content_type, data)])
    found = index_message(message)
    assert [(one.part, one.filename, one.content_type) for one in found.attachments] == [
        ("2", "IT01234_7.xml.p7m", content_type),
        ("2.1", "IT01234_7.xml", "application/xml"),
    ]
    assert b"".join(iter_attachment(message, "2.1")) == INVOICE
    assert b"".join(iter_attachment(message, "2")) == data
    assert found.text == "Hello,\nthis is the text."
    assert "encrypted" not in found.defects


@pytest.mark.parametrize("content_type", ["application/pkcs7-mime", "application/octet-stream"])
def test_signed_message_is_read_by_its_type_or_name(content_type: str) -> None:
    """Exchange forgets the type at times."""
    data = signature(der(0xA0, der(0x04, make_message(attachments=[("a.pdf", "application/pdf", b"%PDF")]))))
    head = f"From: a@b.c\r\nContent-Type: {content_type}; name=smime.p7m\r\nContent-Transfer-Encoding: base64"
    found = index_message(head.encode() + b"\r\n\r\n" + base64.encodebytes(data))
    assert [one.filename for one in found.attachments] == ["smime.p7m", "a.pdf"]
    assert found.text == "Hello,\nthis is the text."


def test_file_with_the_name_of_a_signature_alone_stays_a_file() -> None:
    """Whatever is in it."""
    message = make_message(attachments=[("a.xml.p7m", "application/octet-stream", b"<xml>")])
    assert [one.part for one in index_message(message).attachments] == ["2"]
