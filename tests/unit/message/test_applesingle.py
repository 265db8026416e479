"""AppleSingle: the file within, by its own name; AppleDouble and damage are left as they are."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import index_message, iter_attachment
from mailroom.message.applesingle import data_fork

FILE = b"%PDF-1.4 of a Macintosh\n"


def apple_file(*entries: tuple[int, bytes], magic: int = 0x00051600) -> bytes:
    """Return a file of these entries, in their order."""
    offset = 26 + 12 * len(entries)
    head = struct.pack(">II16xH", magic, 0x00020000, len(entries))
    for kind, octets in entries:
        head += struct.pack(">III", kind, offset, len(octets))
        offset += len(octets)
    return head + b"".join(octets for _, octets in entries)


def message(octets: bytes, name: str = "") -> bytes:
    said = f'; name="{name}"' if name else ""
    return (
        b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n"
        b"Content-Type: application/applefile%s\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--b--\r\n"
    ) % (said.encode(), base64.encodebytes(octets))


@pytest.mark.parametrize(
    ("real_name", "name"),
    [
        ("Bericht ä.pdf".encode("macintosh"), "Bericht ä.pdf"),
        ("Bericht ä.pdf".encode(), "Bericht ä.pdf"),
        (b"", "stated.pdf"),
    ],
)
def test_the_file_has_its_own_name(real_name: bytes, name: str) -> None:
    """In the charset of old systems or of new ones, else the name of the part; the whole stays as well."""
    content = message(apple_file((3, real_name), (9, b"finder"), (2, b"resources"), (1, FILE)), "stated.pdf")
    whole, file = index_message(content).attachments
    assert (whole.part, whole.filename, whole.detected_type) == ("2", "stated.pdf", "application/applefile")
    assert (file.part, file.filename, file.size) == ("2.as1", name, len(FILE))
    assert file.detected_type == "application/pdf"
    assert b"".join(iter_attachment(content, "2.as1")) == FILE


def test_a_file_without_a_name_is_a_file() -> None:
    """Also where it is text: nothing of it is shown as the message."""
    found = index_message(message(apple_file((1, b"plain words"))))
    assert [one.part for one in found.attachments] == ["2", "2.as1"]
    assert found.text == "hello"


@pytest.mark.parametrize(
    "octets",
    [
        apple_file((3, b"x"), (2, b"resources"), magic=0x00051607),
        apple_file((3, b"x"), (2, b"resources")),
        apple_file((1, b"")),
        apple_file((1, FILE))[:30],
        b"\0\x05\x16\0",
        b"words",
    ],
)
def test_what_has_no_file_in_it_stays_whole(octets: bytes) -> None:
    """AppleDouble has its file in another part."""
    assert [one.part for one in index_message(message(octets)).attachments] == ["2"]


def test_a_cut_file_is_better_than_none() -> None:
    """As for everything else that is damaged."""
    found = data_fork(apple_file((1, FILE))[:-4])
    assert found is not None
    assert found.end - found.start == len(FILE) - 4


@given(st.binary(max_size=200))
def test_no_octets_are_too_odd(rest: bytes) -> None:
    """What it says lies within what is there."""
    octets = b"\0\x05\x16\0" + rest
    found = data_fork(octets)
    assert found is None or 0 <= found.start < found.end <= len(octets)
