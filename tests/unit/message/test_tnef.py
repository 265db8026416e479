"""What Outlook packs in a winmail.dat."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.message import index_message, iter_attachment
from mailroom.message.tnef import unpack_tnef
from tests.support.mail import make_message

INTERFACE = b"\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"
OTHER_INTERFACE = b"\x0b\0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"


def attribute(name: int, data: bytes, level: int = 2, kind: int = 6) -> bytes:
    return struct.pack("<BHHI", level, name, kind, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def properties(*values: bytes) -> bytes:
    return struct.pack("<I", len(values)) + b"".join(values)


def text(name: int, value: str) -> bytes:
    return variable(0x1F, name, (value + "\0").encode("utf-16-le"))


def variable(kind: int, name: int, data: bytes) -> bytes:
    return struct.pack("<HHII", kind, name, 1, len(data)) + data + b"\0" * (-len(data) % 4)


def stream(*attributes: bytes, code_page: int = 1252) -> bytes:
    head = b"\x78\x9f\x3e\x22\x01\x00" + attribute(0x9007, struct.pack("<II", code_page, 0), level=1)
    return head + b"".join(attributes)


NEW = attribute(0x9002, b"\0" * 14)
FILE = NEW + attribute(0x8010, b"SHORT~1.TXT\0") + attribute(0x800F, b"content\0\0")


def files(data: bytes) -> list[tuple[str, bytes]]:
    return [(packed.name, data[packed.start : packed.end]) for packed in unpack_tnef(data)[0]]


def packed_message(data: bytes, **values: str) -> bytes:
    given = {"filename": "winmail.dat", "content_type": "application/ms-tnef"} | values
    parts = [(given["filename"], given["content_type"], data)]
    return make_message(message_id="<1@x>", attachments=parts)


def test_long_name_is_the_name() -> None:
    """The title is short and in capitals; NULs at the end of content are content."""
    data = stream(FILE, attribute(0x9005, properties(text(0x3707, "a long name – ß.txt"))))
    assert files(data) == [("a long name – ß.txt", b"content\0\0")]


def test_name_may_follow_the_content() -> None:
    """Programs write attributes in any order."""
    data = stream(NEW, attribute(0x800F, b"x"), attribute(0x8010, b"A.BAT\0"), FILE)
    assert files(data) == [("A.BAT", b"x"), ("SHORT~1.TXT", b"content\0\0")]


def test_names_are_in_the_code_page_of_the_stream() -> None:
    """Old Outlook knew no Unicode."""
    title = attribute(0x8010, "Счёт.doc\0".encode("cp1251"))
    assert files(stream(NEW, title, attribute(0x800F, b"x"), code_page=1251)) == [("Счёт.doc", b"x")]


def test_content_may_be_a_property() -> None:
    """With its media type beside it."""
    data = stream(
        NEW,
        attribute(
            0x9005,
            properties(
                struct.pack("<HHI", 0x0003, 0x3705, 1),
                struct.pack("<HHHH", 0x0002, 0x1234, 7, 0),
                struct.pack("<HH", 0x0002 | 0x8000 ^ 0x8000, 0x8001)
                + b"g" * 16
                + struct.pack("<IIHH", 0, 5, 1, 0),
                struct.pack("<HH", 0x0003, 0x8002)
                + b"g" * 16
                + struct.pack("<II", 1, 6)
                + b"a\0b\0\0\0\0\0"
                + struct.pack("<I", 9),
                struct.pack("<HHI", 0x1003, 0x2000, 2) + struct.pack("<II", 1, 2),
                variable(0x1E, 0x370E, b"image/PNG\0"),
                variable(0x102, 0x3701, b"\x89PNG\0\0\0"),
                text(0x3001, "shown.png"),
            ),
        ),
    )
    (packed,), _ = unpack_tnef(data)
    assert (packed.name, packed.media_type) == ("shown.png", "image/png")
    assert data[packed.start : packed.end] == b"\x89PNG\0\0\0"


def test_objects_begin_after_their_interface() -> None:
    """An OLE object is its octets; a message is a stream of its own, whose files are found too."""
    inner = stream(FILE)
    data = stream(
        NEW,
        attribute(0x9005, properties(variable(0x0D, 0x3701, OTHER_INTERFACE + b"\xd0\xcf"))),
        NEW,
        attribute(0x9005, properties(text(0x3001, "Fwd"), variable(0x0D, 0x3701, INTERFACE + inner))),
    )
    assert files(data) == [("", b"\xd0\xcf"), ("Fwd", inner)]
    message = packed_message(data)
    found = index_message(message).attachments
    assert [(one.part, one.filename) for one in found] == [
        ("2", "winmail.dat"),
        ("2.tnef1", "attachment-2.bin"),
        ("2.tnef2", "Fwd"),
        ("2.tnef2.tnef1", "SHORT~1.TXT"),
    ]
    assert b"".join(iter_attachment(message, "2.tnef2.tnef1")) == b"content\0\0"


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"content_type": "application/vnd.ms-tnef", "filename": "x"},
        {"content_type": "application/octet-stream"},
        {"content_type": "application/octet-stream", "filename": "WIN.DAT"},
    ],
)
def test_it_is_known_by_type_or_name(named: dict[str, str]) -> None:
    """The file itself is kept, and what is in it is found."""
    message = packed_message(stream(FILE), **named)
    found = index_message(message)
    assert [one.part for one in found.attachments] == ["2", "2.tnef1"]
    assert found.attachments[1].detected_type == "application/octet-stream"
    assert b"".join(iter_attachment(message, "2.tnef1")) == b"content\0\0"


def test_what_is_packed_does_not_change_who_a_message_is() -> None:
    """Mail that was archived before files were taken out is still the same mail."""
    found = index_message(packed_message(stream(FILE)))
    other = index_message(packed_message(stream(FILE), content_type="application/zip", filename="x.zip"))
    assert found.identity == other.identity


def test_text_of_a_message_that_is_one_stream_is_its_text() -> None:
    """Exchange sends such mail; beside another text it would be the same once more."""
    page = "<p>Grüße</p>".encode("cp1252")
    data = stream(
        attribute(0x9003, properties(variable(0x102, 0x1013, page + b"\0"), text(0x1000, "other")), level=1),
        FILE,
    )
    head = b"From: a@b.c\r\nContent-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    found = index_message(head + base64.encodebytes(data))
    assert found.text == "Grüße"
    assert [one.filename for one in found.attachments][1:] == ["SHORT~1.TXT"]
    assert index_message(packed_message(data)).text == "Hello,\nthis is the text."


def test_plain_body_attribute_is_a_text() -> None:
    """The oldest programs write it so."""
    _, texts = unpack_tnef(stream(attribute(0x800C, b"plain\0", level=1)))
    assert [(one.media_type, one.charset) for one in texts] == [("text/plain", "cp1252")]


def test_any_cut_is_survived() -> None:
    """What stands before the cut is found."""
    whole = stream(
        FILE, FILE, attribute(0x9005, properties(text(0x3707, "n"), variable(0x102, 0x3701, b"x")))
    )
    for length in range(len(whole)):
        files(whole[:length])
    assert len(files(whole + b"garbage after the end")) == 2


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_damage_is_survived(octets: bytes, at: int) -> None:
    """No octets break it, and no length leads out of the stream."""
    whole = stream(FILE, attribute(0x9005, properties(text(0x3707, "n"), variable(0x102, 0x3701, b"x"))))
    data = whole[:at] + octets + whole[at + len(octets) :]
    found, texts = unpack_tnef(data)
    assert all(0 <= one.start <= len(data) and one.end <= len(data) for one in [*found, *texts])
    index_message(packed_message(data))


def test_stream_of_nothing_but_files_ends_at_the_limit() -> None:
    """Half a million empty files are no more than the limit allows."""
    data = stream() + NEW * 200_000
    assert len(files(data)) == 0
    message = packed_message(stream() + (NEW + attribute(0x800F, b"")) * 5_000)
    assert len(index_message(message).attachments) <= 1002


def test_what_is_no_stream_stays_a_file() -> None:
    """A name proves nothing."""
    found = index_message(packed_message(b"%PDF-1.4"))
    assert [one.part for one in found.attachments] == ["2"]


def test_streams_made_to_cost_time_are_read_as_far_as_the_limits_go() -> None:
    """Millions of properties, and streams in streams without end."""
    many = struct.pack("<I", 0xFFFFFFFF) + struct.pack("<HH", 0, 0x1000) * 200_000
    assert files(stream(NEW, attribute(0x9005, many), FILE)) == [("SHORT~1.TXT", b"content\0\0")]
    inner = stream(FILE)
    for _ in range(10):
        inner = stream(NEW, attribute(0x9005, properties(variable(0x0D, 0x3701, INTERFACE + inner))))
    found = index_message(packed_message(inner))
    assert len(found.attachments) == 5
    assert "nested too deep" in found.defects
