"""Leaves decoded once: size, checksum, digest, text."""

from __future__ import annotations

import base64
import hashlib
import tracemalloc

import pytest

from mailroom.message.contents import Content, read_content
from mailroom.message.defects import Defect, Defects
from mailroom.message.octets import WINDOW_OCTETS
from mailroom.message.structure import parse_structure
from mailroom.message.text import MAX_TEXT_CHARACTERS


def read(header: str, body: bytes, hint: str | None = None) -> tuple[Content, Defects]:
    defects: Defects = set()
    content = header.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body
    part = parse_structure(content, defects)
    return read_content(part, defects, with_checksum=True, with_text=True, hint=hint), defects


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


LONG = ("línea con acentos\n" * (WINDOW_OCTETS // 8)).rstrip()


def test_size_and_checksum_are_of_the_decoded_octets() -> None:
    """What a client would save is what is counted and hashed."""
    data = bytes(range(256))
    found, _ = read(
        "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64", base64.encodebytes(data)
    )
    assert (found.size, found.sha256, found.text) == (256, sha256(data), "")


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "utf-16", "us-ascii", "gb18030"])
@pytest.mark.parametrize("text", ["línea\nsegunda", LONG], ids=["short", "long"])
def test_text_has_one_digest_whatever_it_is_encoded_in(text: str, charset: str) -> None:
    """Charset, line ends, trailing blank lines and transfer encoding leave the digest of text alone."""
    plain, _ = read("Content-Type: text/plain; charset=utf-8", text.replace("\n", "\r\n").encode())
    if charset == "us-ascii":
        other, _ = read("Content-Type: text/plain; charset=us-ascii", text.encode() + b"\n\n")
    else:
        header = f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64"
        other, _ = read(header, base64.encodebytes((text + "\r\n\r\n").encode(charset)))
    assert other.digest == plain.digest
    assert other.sha256 != plain.sha256
    assert other.text.rstrip() == plain.text == text[:MAX_TEXT_CHARACTERS]


def test_long_text_with_line_ends_on_the_edges_of_windows() -> None:
    """A CR at the end of one window and a LF at the start of the next are one line end."""
    body = (b"x" * 15 + b"\r\n") * (WINDOW_OCTETS // 5)
    long, _ = read("Content-Type: text/csv", body)
    same, _ = read("Content-Type: text/csv", body.replace(b"\r\n", b"\n"))
    other, _ = read("Content-Type: text/csv", body.replace(b"\r\n", b"\r"))
    assert long.digest == same.digest == other.digest
    assert long.sha256 == sha256(body)


def test_other_content_keeps_its_line_ends() -> None:
    """A file that is no text is identified by its octets."""
    one, _ = read("Content-Type: application/zip", b"PK\r\n")
    two, _ = read("Content-Type: application/zip", b"PK\n")
    assert one.digest != two.digest
    assert one.digest == hashlib.sha256(b"PK\r\n").digest()


@pytest.mark.parametrize("size", [0, 3, 2 * WINDOW_OCTETS])
def test_nothing_but_white_space_identifies_nothing(size: int) -> None:
    """Empty text has no digest, so a server may leave it out."""
    assert read("Content-Type: text/plain", b"\r\n" * size)[0].digest == b""
    assert read("Content-Type: application/zip", b"")[0].digest == b""


def test_html_without_a_label_is_read_by_its_own() -> None:
    """The meta element counts where the header says nothing."""
    page = '<meta charset="koi8-r"><p>Привет</p>'
    assert read("Content-Type: text/html", page.encode("koi8-r"))[0].text == page
    long = page + "x" * WINDOW_OCTETS
    assert read("Content-Type: text/html", long.encode("koi8-r"))[0].text == long


@pytest.mark.parametrize("filler", ["", "x" * 2 * WINDOW_OCTETS], ids=["short", "long"])
def test_unlabelled_text_is_read_by_the_hint_or_as_it_looks(filler: str) -> None:
    """Octets beyond ASCII with no label are UTF-8, else the hint, else windows-1252."""
    assert read("Content-Type: text/plain", ("é" + filler).encode())[0].text == "é" + filler
    assert read("Content-Type: text/plain", ("é" + filler).encode("cp1252"))[0].text == "é" + filler
    assert read("X: y", ("Ж" + filler).encode("koi8-r"), hint="koi8-r")[0].text == "Ж" + filler


def test_a_byte_order_mark_is_no_text() -> None:
    """Windows editors put one before text in UTF-8."""
    assert read("X: y", b"\xef\xbb\xbfhello")[0].text == "hello"
    assert read("X: y", b"\xef\xbb\xbf" + b"x" * WINDOW_OCTETS)[0].text == "x" * WINDOW_OCTETS


def test_text_beyond_the_limit_is_cut_but_hashed_whole() -> None:
    """The digest is of all of it, the text only of so much."""
    body = b"0123456789abcdef" * (MAX_TEXT_CHARACTERS // 16 + 100)
    found, defects = read("X: y", body)
    assert found.text == body[:MAX_TEXT_CHARACTERS].decode()
    assert found.digest == hashlib.sha256(body).digest()
    assert defects == {Defect.TEXT_TOO_LONG}


def test_long_text_without_a_label_is_read_in_its_script() -> None:
    """By the same rules as short text: a script that is not Latin is told by its letters."""
    text = "Договор поставки и счёт на оплату\n" * (WINDOW_OCTETS // 20)
    found, _ = read("Content-Type: text/plain", text.encode("cp1251"))
    assert found.text.startswith("Договор поставки")


def test_a_wrong_label_of_base64_is_noted() -> None:
    """Words under a base64 label are kept as words."""
    found, defects = read("Content-Transfer-Encoding: base64", b"These are plain words.\r\n")
    assert found.text == "These are plain words.\n"
    assert defects == {Defect.ENCODING_WRONG}


def test_a_large_attachment_costs_little_memory() -> None:
    """Content is read in windows: memory does not grow with it."""
    body = base64.encodebytes(bytes(8 * 1024 * 1024))
    content = b"Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body
    part = parse_structure(content, set())
    tracemalloc.start()
    try:
        found = read_content(part, set(), with_checksum=True, with_text=False, hint=None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.size == 8 * 1024 * 1024
    assert peak < 6 * WINDOW_OCTETS
