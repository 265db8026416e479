"""The tree of parts: boundaries, nesting, numbers, limits."""

from __future__ import annotations

import base64
import mmap
from pathlib import Path

import pytest

from mailroom.message.defects import Defect, Defects
from mailroom.message.octets import WINDOW_OCTETS
from mailroom.message.parts import Part
from mailroom.message.structure import MAX_DEPTH, MAX_NESTED_OCTETS, MAX_PARTS, parse_structure
from mailroom.message.transfer import Encoding


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def parse(content: bytes) -> tuple[Part, Defects]:
    defects: Defects = set()
    return parse_structure(content, defects), defects


def shape(part: Part) -> list[tuple[str, str, bytes]]:
    return [(leaf.path, leaf.media_type, b"".join(leaf.chunks())) for leaf in part.leaves()]


MIXED = 'Subject: x\nContent-Type: multipart/mixed; boundary="b"\n\n'


def test_a_message_that_is_no_multipart_is_part_one() -> None:
    """The only part of a message is number 1 (RFC 9051 section 6.4.5)."""
    root, defects = parse(crlf("Subject: x\n\nhello\n"))
    assert shape(root) == [("1", "text/plain", b"hello\r\n")]
    assert root.encoding is Encoding.IDENTITY
    assert not defects


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"], ids=["CRLF", "LF", "CR"])
def test_parts_end_before_the_line_end_of_the_boundary(end: str) -> None:
    """The line end before a boundary is part of it, preamble and epilogue are no parts (RFC 2046 5.1.1)."""
    text = (
        MIXED
        + "preamble\n--b\n\none\n--b\nContent-Type: TEXT/HTML\n\ntwo\n\n--b--\nepilogue\n--b\n\nno part\n"
    )
    root, defects = parse(text.replace("\n", end).encode())
    assert shape(root) == [
        ("1", "text/plain", b"one"),
        ("2", "text/html", b"two" + end.encode()),
    ]
    assert not defects


def test_doubled_carriage_returns_are_one_line_end() -> None:
    """A gateway that made CRLF of every LF once more has broken no boundary and no header."""
    text = MIXED + "--b\nContent-Type: text/html\n\none\n--b\nContent-Type: a/b\n\ntwo\n--b--\n"
    root, defects = parse(text.replace("\n", "\r\r\n").encode())
    assert [(path, media_type) for path, media_type, _ in shape(root)] == [("1", "text/html"), ("2", "a/b")]
    assert [content.strip() for _, _, content in shape(root)] == [b"one", b"two"]
    assert not defects


def test_a_header_ends_at_its_own_boundary() -> None:
    """Where the blank line is missing, the first part and its header are not lost to the message's own."""
    root, defects = parse(
        crlf("Subject: x\nContent-Type: multipart/mixed; boundary=b\n--b\nContent-Type: a/b\n\none\n--b--\n")
    )
    assert shape(root) == [("1", "a/b", b"one")]
    assert root.header["content-type"] == ["multipart/mixed; boundary=b"]
    assert Defect.BLANK_LINE_MISSING in defects


def test_nested_parts_are_numbered_as_imap_does() -> None:
    """The example of RFC 9051 section 6.4.5: multiparts, and messages within messages."""
    inner = (
        "Subject: inner\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\ni1\n--i\n"
        "Content-Type: application/octet-stream\n\ni2\n--i--"
    )
    deeper = (
        "Content-Type: multipart/mixed; boundary=d\n\n--d\nContent-Type: image/gif\n\nd1\n--d\n"
        f"Content-Type: message/rfc822\n\n{inner}\n--d--"
    )
    root, _ = parse(
        crlf(
            f"{MIXED}--b\n\none\n--b\nContent-Type: application/octet-stream\n\ntwo\n--b\n"
            f"Content-Type: message/rfc822\n\n{inner}\n--b\n{deeper}\n--b--\n"
        )
    )
    assert [leaf.path for leaf in root.leaves()] == [
        "1",
        "2",
        "3",
        "3.1",
        "3.2",
        "4.1",
        "4.2",
        "4.2.1",
        "4.2.2",
    ]
    message = next(leaf for leaf in root.leaves() if leaf.path == "3")
    assert message.is_message
    assert b"".join(message.chunks()) == crlf(inner)


def test_a_nested_message_without_parts_has_one() -> None:
    """The text of an attached plain message is part n.1."""
    root, _ = parse(crlf(f"{MIXED}--b\nContent-Type: message/rfc822\n\nSubject: in\n\nhello\n--b--\n"))
    assert shape(root) == [
        ("1", "message/rfc822", crlf("Subject: in\n\nhello")),
        ("1.1", "text/plain", b"hello"),
    ]


def test_a_nested_message_may_start_with_an_mbox_line() -> None:
    """Forwarding programs leave ``From_`` lines in."""
    root, _ = parse(
        crlf(
            f"{MIXED}--b\nContent-Type: message/rfc822\n\n>From a@x Mon Jan 1\nSubject: in\n\nhello\n--b--\n"
        )
    )
    nested = root.leaves()[0].children[0]
    assert nested.header["subject"] == ["in"]


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_a_nested_message_that_is_encoded_is_looked_into(encoding: str) -> None:
    """RFC 2046 section 5.2.1 forbids it, and programs do it."""
    inner = crlf("Subject: in\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\ncaf=C3=A9\n--i--\n")
    body = base64.encodebytes(inner) if encoding == "base64" else inner.replace(b"=", b"=3D")
    head = f"{MIXED}--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: {encoding}\n\n"
    root, _ = parse(crlf(head) + body + b"\r\n--b--")
    assert [(path, kind) for path, kind, _ in shape(root)] == [("1", "message/rfc822"), ("1.1", "text/plain")]
    assert shape(root)[0][2].rstrip() == inner.rstrip()
    assert shape(root)[1][2] == b"caf=C3=A9"


def test_an_encoded_nested_message_above_the_limit_is_a_file_only() -> None:
    """It is not decoded in memory, and says so."""
    body = b"QUJD" * (MAX_NESTED_OCTETS // 4 + 1)
    root, defects = parse(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body)
    assert root.children == ()
    assert Defect.NESTED_TOO_LARGE in defects


def test_digests_hold_messages() -> None:
    """The default type in a digest is a message (RFC 2046 section 5.1.5)."""
    root, _ = parse(
        crlf("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\nhello\n--b--\n")
    )
    assert [leaf.media_type for leaf in root.leaves()] == ["message/rfc822", "text/plain"]


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ("--b\n\none\n--b\n\ntwo\n", [b"one", b"two\r\n"]),
        ("--b\n\none\n--b\n", [b"one"]),
        ("--b\n\none", [b"one"]),
        ("--b", [b""]),
        ("--b\n\none\n--b\n\n", [b"one"]),
    ],
)
def test_a_missing_final_boundary_ends_with_the_message(body: str, parts: list[bytes]) -> None:
    """The last part lasts as long as there is text; a boundary with nothing below opens none."""
    root, defects = parse(crlf(MIXED + body))
    assert [content for _, _, content in shape(root)] == parts
    assert defects == {Defect.FINAL_BOUNDARY_MISSING}


def test_boundaries_are_whole_lines() -> None:
    """A boundary that begins another one, stands within a line, or has text behind it is none."""
    root, _ = parse(
        crlf(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n"
            "--bb\n\none --b\n--b2\n--b text\n--bb--\n--b  \n\ntwo\n--b--\t\n"
        )
    )
    assert shape(root) == [
        ("1.1", "text/plain", crlf("one --b\n--b2\n--b text")),
        ("2", "text/plain", b"two"),
    ]


def test_text_behind_the_final_boundary_is_passed_over() -> None:
    """It is enough that a line begins with it (RFC 2046 section 5.1.1)."""
    root, _ = parse(crlf(MIXED + "--b\n\none\n--b-- and all below\n\nis no part\n--b--\n"))
    assert [content for _, _, content in shape(root)] == [b"one"]


def test_an_inner_multipart_ends_with_the_outer_boundary() -> None:
    """An inner multipart that is never closed does not swallow the parts after it."""
    root, defects = parse(
        crlf(
            f"{MIXED}--b\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\none\n--b\n\ntwo\n--b--\n"
        )
    )
    assert [(path, content) for path, _, content in shape(root)] == [("1.1", b"one"), ("2", b"two")]
    assert Defect.FINAL_BOUNDARY_MISSING in defects


@pytest.mark.parametrize("declared", ["", '; boundary=""', "; boundary=other"])
def test_a_boundary_that_was_not_told_is_found(declared: str) -> None:
    """The line before the first part's header is the boundary, whatever the header says."""
    root, defects = parse(
        crlf(
            f"Content-Type: multipart/mixed{declared}\n\n--real one\nContent-Type: text/plain\n\none\n"
            "--real one\nContent-Type: image/png\n\ntwo\n--real one--\n"
        )
    )
    assert [content for _, _, content in shape(root)] == [b"one", b"two"]
    assert defects & {Defect.BOUNDARY_PARAMETER_MISSING, Defect.BOUNDARY_NOT_FOUND}


def test_an_empty_boundary_is_one() -> None:
    """A line of two dashes above a part's header counts where no other boundary is there."""
    root, _ = parse(
        crlf('Content-Type: multipart/mixed; boundary=""\n\n--\nContent-Type: image/png\n\none\n----\n')
    )
    assert [content for _, _, content in shape(root)] == [b"one"]


@pytest.mark.parametrize("declared", ["", "; boundary=other"])
def test_a_multipart_without_parts_is_text(declared: str) -> None:
    """Where there is no boundary at all, the body is shown as it is."""
    root, _ = parse(crlf(f"Content-Type: multipart/report{declared}\n\nnothing but text\n-- \nme\n"))
    assert shape(root) == [("1", "text/plain", crlf("nothing but text\n-- \nme\n"))]


def test_a_multipart_that_is_encoded_is_decoded() -> None:
    """A gateway that encoded the whole multipart (RFC 2045 section 6.4 forbids it) hides no part."""
    body = base64.encodebytes(crlf("--b\n\none\n--b--\n")).decode()
    root, _ = parse(
        crlf(f"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n{body}")
    )
    assert [content for _, _, content in shape(root)] == [b"one"]


@pytest.mark.parametrize(
    ("value", "media_type"),
    [
        ("text", "text/plain"),
        ("html", "text/html"),
        ("text/", "text/plain"),
        ("message", "message/rfc822"),
        ("application/pdf name=a.pdf", "application/pdf"),
        ("pdf; name=a.pdf", "application/octet-stream"),
        ("/", "text/plain"),
        ("foo bar baz", "text/plain"),
        ("multipart; boundary=none", "text/plain"),
    ],
)
def test_types_that_are_none(value: str, media_type: str) -> None:
    """What is no media type counts as text (RFC 2045 section 5.2), or as octets where it has a name."""
    assert parse(crlf(f"Content-Type: {value}\n\nx"))[0].media_type == media_type


def test_an_unknown_encoding_is_none() -> None:
    """Content in an encoding that nobody knows is kept as it is, and noted."""
    root, defects = parse(crlf("Content-Transfer-Encoding: base9000\n\nQUJD"))
    assert shape(root)[0][2] == b"QUJD"
    assert defects == {Defect.ENCODING_UNKNOWN}


def nested(levels: int) -> bytes:
    opening = "".join(
        f"Content-Type: multipart/mixed; boundary=n{n}\r\n\r\n--n{n}\r\n" for n in range(levels)
    )
    return (opening + "\r\nat the bottom").encode()


def test_nesting_has_a_limit() -> None:
    """Parts are looked into up to the limit; what is deeper is kept as text."""
    root, defects = parse(nested(MAX_DEPTH - 1))
    assert Defect.NESTED_TOO_DEEP not in defects
    assert shape(root)[0][2] == b"at the bottom"
    root, defects = parse(nested(MAX_DEPTH + 500))
    assert Defect.NESTED_TOO_DEEP in defects
    assert shape(root)[0][2].endswith(b"at the bottom")
    root, defects = parse(b"Content-Type: message/rfc822\r\n\r\n" * (MAX_DEPTH + 500))
    assert Defect.NESTED_TOO_DEEP in defects
    assert len(list(root.leaves())) == MAX_DEPTH + 1


def test_the_number_of_parts_has_a_limit() -> None:
    """Parts beyond the limit are left out, and that is noted."""
    body = b"--b\r\n\r\nx\r\n" * (MAX_PARTS + 50)
    root, defects = parse(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body + b"--b--")
    assert len(root.children) <= MAX_PARTS
    assert len(root.children) > MAX_PARTS - 10
    assert Defect.PARTS_TOO_MANY in defects


def test_a_mapped_message_gives_the_same_tree(tmp_path: Path) -> None:
    """Offsets into a mapped file and into memory are the same, over windows too."""
    filler = b"x" * (WINDOW_OCTETS - 3)
    content = crlf(MIXED) + b"--b\r\n\r\n" + filler + b"\r\n--b\r\n\r\n" + filler + b"\r\n--b--\r\n"
    path = tmp_path / "message"
    path.write_bytes(content)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        defects: Defects = set()
        found = [(leaf.path, leaf.start, leaf.end) for leaf in parse_structure(mapped, defects).leaves()]
    assert found == [(leaf.path, leaf.start, leaf.end) for leaf in parse(content)[0].leaves()]
    assert len(found) == 2
