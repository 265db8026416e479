"""Rich text as Outlook sends it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import index_message
from mailroom.message.rtf import MAX_RTF_OCTETS, decompressed_rtf, rtf_text
from tests.support.mail import make_message
from tests.unit.message.test_tnef import attribute, properties, stream, variable


def stored(document: bytes) -> bytes:
    return struct.pack("<II4s4x", len(document) + 12, len(document), b"MELA") + document


@pytest.mark.parametrize(
    ("compressed", "document"),
    [
        (
            "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0",
            b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n",
        ),
        (
            "1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0",
            b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}",
        ),
    ],
)
def test_examples_of_the_specification(compressed: str, document: bytes) -> None:
    """[MS-OXRTFCP] sections 4.1 and 4.2: references into what was written, also into what they write."""
    assert decompressed_rtf(bytes.fromhex(compressed)) == document


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (rb"{\rtf1\ansi Hello {\b world}\par again\par}", "Hello world\nagain\n"),
        (rb"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
        (rb"{\rtf1 caf\u233?, \u8364 E}", "café, €"),
        (rb"{\rtf1\uc2 \u26085\'93\'fa!}", "日!"),
        (rb"{\rtf1\uc0 \u-10179 \u-8704 !}", "😀!"),
        (rb"{\rtf1{\fonttbl{\f0 A;}{\f1\fcharset128 M;}}\f0 a \f1\'93\'fa\'96\'7b}", "a 日本"),
        (rb"{\rtf1\{a\}\~\\b\tab c\emdash d}", "{a}\xa0\\b\tc—d"),
        (rb"{\rtf1{\*\generator X 1;}{\info{\title T}}{\*\unknown{\b x}} y}", " y"),
        (rb"{\rtf1 a{\pict\pngblip 8950}b}", "ab"),
        (rb"}}}} a {\b", " a "),
        (b"no rich text at all", "no rich text at all"),
    ],
)
def test_words_of_a_document(document: bytes, text: str) -> None:
    """Letters in every form, lines and tabs; what is no text stays out."""
    assert rtf_text(document) == ("text/plain", text)


def test_a_page_within_is_taken_out() -> None:
    """[MS-OXRTFEX]: tags stand in groups of their own; what RTF programs show instead of them stays out."""
    document = (
        rb"{\rtf1\ansi\fromhtml1{\*\htmltag64 <p>}\htmlrtf \par\htmlrtf0 Hi "
        rb"{\*\htmltag84 <b>}\htmlrtf {\b\htmlrtf0 there\htmlrtf }\htmlrtf0{\*\htmltag92 </b>}"
        rb"{\*\mhtmltag4 <img>}{\*\htmltag72 </p>}}"
    )
    assert rtf_text(document) == ("text/html", "<p>Hi <b>there</b></p>")


def test_mail_that_is_rich_text_only_has_a_text() -> None:
    """A winmail.dat with neither plain text nor HTML is read by its rich text; other texts come first."""
    rich = variable(0x102, 0x1009, stored(rb"{\rtf1\ansi Hello\par}"))
    data = stream(attribute(0x9003, properties(rich), level=1))
    head = b"Subject: x\r\nContent-Type: application/ms-tnef\r\n\r\n"
    assert index_message(head + data).text == "Hello"
    plain = variable(0x1E, 0x1000, b"Plain\0")
    assert index_message(head + stream(attribute(0x9003, properties(rich, plain), level=1))).text == "Plain"


def test_rich_text_beside_another_text_is_not_read() -> None:
    """Exchange sends the same words as a part of their own."""
    data = stream(attribute(0x9003, properties(variable(0x102, 0x1009, stored(rb"{\rtf1 Twice}"))), level=1))
    message = make_message(
        message_id="<1@x>", text="Once", attachments=[("winmail.dat", "application/ms-tnef", data)]
    )
    assert index_message(message).text == "Once"


def test_what_a_document_promises_is_bounded() -> None:
    """A stream that refers to itself for ever ends at the limit."""
    bomb = struct.pack("<II4s4x", 0, 0xFFFFFFFF, b"LZFu") + (b"\xff" + b"\x0c\xff" * 8) * 20_000
    assert len(decompressed_rtf(bomb)) <= MAX_RTF_OCTETS + 16 * 17


@given(st.binary(max_size=400))
def test_any_octets_are_read(data: bytes) -> None:
    """Neither step raises, whatever it is given."""
    decompressed_rtf(data)
    decompressed_rtf(struct.pack("<II4s4x", 0, 5000, b"LZFu") + data)
    rtf_text(data)
    rtf_text(b"{\\rtf1\\fromhtml1 " + data)


@given(st.text("\\{}'*u0189fhtmlrg ", max_size=80))
def test_any_marks_are_read(text: str) -> None:
    """Control words and groups in any order give text that can be written."""
    rtf_text(text.encode())[1].encode("utf-8")
