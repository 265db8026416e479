"""What content looks like."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import detect_type, index_message
from tests.support.mail import make_message


def zipped(*names: str, stored_first: str = "") -> bytes:
    """Return a zip archive with files of these names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        if stored_first:
            archive.writestr("mimetype", stored_first)
        for name in names:
            archive.writestr(name, b"x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"%PDF-1.4\n", "application/pdf"),
        (b"\r\n\r\n%PDF-1.4\n", "application/pdf"),
        (b"\n%PDF- is how a PDF begins", "text/plain"),
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0..JFIF", "image/jpeg"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF....WEBPVP8 ", "image/webp"),
        (b"RIFF....WAVEfmt ", "audio/wav"),
        (b"BM" + struct.pack("<IHH", 70, 0, 0) + b"6\0\0\0", "image/bmp"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"\xff\xfb\x90\x44", "audio/mpeg"),
        (b"\x1f\x8b\x08\0", "application/gzip"),
        (b"x" * 257 + b"ustar\0", "application/x-tar"),
        (b"MZ\x90\0\3\0", "application/vnd.microsoft.portable-executable"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1..", "application/x-ole-storage"),
        (zipped("a.txt"), "application/zip"),
        (
            zipped("[Content_Types].xml", "word/document.xml"),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (
            zipped("[Content_Types].xml", "xl/workbook.xml"),
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (
            zipped("content.xml", stored_first="application/vnd.oasis.opendocument.text"),
            "application/vnd.oasis.opendocument.text",
        ),
        (zipped(), "application/zip"),
        (b"  <!DOCTYPE html><p>", "text/html"),
        (b"<?xml version='1.0'?><Invoice/>", "application/xml"),
        (b"<?xml version='1.0'?><svg/>", "image/svg+xml"),
        (b'\xef\xbb\xbf{"a": 1}', "application/json"),
        (b"[1, 2]", "application/json"),
        (b"[section]\nkey=1\n", "text/plain"),
        (b"BEGIN:VCALENDAR\r\n", "text/calendar"),
        (b"Received: from a by b\r\nSubject: x\r\n\r\n", "message/rfc822"),
        (b"a;b\n1;2\n", "text/plain"),
        ("grüße\n".encode("cp1252"), "text/plain"),
        ("grüße\n".encode("utf-16"), "text/plain"),
        (b"MZ means something else here", "text/plain"),
        (b"\0\1\2", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_formats_are_told_by_their_first_octets(content: bytes, media_type: str) -> None:
    """Whatever the name says."""
    assert detect_type(content) == media_type


@given(st.binary(max_size=600))
def test_any_content_is_of_some_type(content: bytes) -> None:
    """Nothing breaks it."""
    assert "/" in detect_type(content)


def test_index_says_what_each_attachment_looks_like() -> None:
    """A program called invoice.pdf shows, also among texts and large files."""
    message = make_message(
        attachments=[
            ("invoice.pdf", "application/pdf", b"MZ\x90\0" + bytes(100)),
            ("a.txt", "text/plain", b"%PDF-1.4"),
            ("large.bin", "application/octet-stream", b"PK\3\4" + bytes(2_000_000)),
            ("empty", "application/octet-stream", b""),
        ]
    )
    assert [one.detected_type for one in index_message(message).attachments] == [
        "application/vnd.microsoft.portable-executable",
        "application/pdf",
        "application/zip",
        "application/octet-stream",
    ]
