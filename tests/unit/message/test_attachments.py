"""Which parts are attachments, and their names."""

from __future__ import annotations

import pytest

from mailroom.message import index_message
from mailroom.message.attachments import MAX_NAME_CHARACTERS, Disposition, describe, made_up_name
from mailroom.message.parts import Part
from mailroom.message.structure import parse_structure


def only_part(header: str, body: str = "x") -> Part:
    return parse_structure(
        f"{header}\n\n{body}".replace("\n", "\r\n").encode("utf-8", "surrogateescape"), set()
    )


def name_of(header: str) -> str:
    return describe(only_part(header)).name


@pytest.mark.parametrize(
    ("header", "is_attachment", "is_body", "disposition"),
    [
        ("Content-Type: text/plain", False, True, None),
        ("Content-Type: text/html; charset=utf-8", False, True, None),
        ("Content-Type: text/plain\nContent-Disposition: inline", False, True, "inline"),
        ("Content-Type: text/plain\nContent-Disposition: attachment", True, False, "attachment"),
        ("Content-Type: text/plain\nContent-Disposition: inline; filename=a.txt", True, True, "inline"),
        ("Content-Type: text/plain; name=a.txt", True, True, None),
        ("Content-Type: text/plain\nContent-Disposition: x-other; filename=a", True, True, "attachment"),
        ("Content-Type: text/plain\nContent-Disposition: ; filename=a", True, True, None),
        ("Content-Type: text/plain\nContent-Disposition: in-line", False, True, "attachment"),
        ("Content-Type: text/csv", True, False, None),
        ("Content-Type: text/calendar; method=REQUEST", True, False, None),
        ("Content-Type: text/rfc822-headers", True, True, None),
        ("Content-Type: application/pdf", True, False, None),
        ("Content-Type: image/png\nContent-Disposition: inline\nContent-ID: <a>", True, False, "inline"),
        ("Content-Type: message/delivery-status", True, False, None),
        ("Content-Disposition: attachment; filename=a.pdf", True, False, "attachment"),
    ],
)
def test_what_a_part_is_to_a_reader(
    header: str, is_attachment: bool, is_body: bool, disposition: Disposition
) -> None:
    """Attached, named or not text: an attachment; text that is not said to be attached: read as text."""
    found = describe(only_part(header))
    assert (found.is_attachment, found.is_body, found.disposition) == (is_attachment, is_body, disposition)


@pytest.mark.parametrize(
    ("container", "header", "disposition"),
    [
        ("related", "Content-Type: image/png\nContent-ID: <a@b>", "inline"),
        ("related", "Content-Type: image/png", None),
        ("mixed", "Content-Type: image/png\nContent-ID: <a@b>", None),
        (
            "related",
            "Content-Type: image/png\nContent-ID: <a@b>\nContent-Disposition: attachment",
            "attachment",
        ),
    ],
)
def test_images_that_a_page_refers_to_are_inline(
    container: str, header: str, disposition: Disposition
) -> None:
    """A part with a Content-ID beside the page is inline, unless it says otherwise."""
    root = only_part(f"Content-Type: multipart/{container}; boundary=b", f"--b\n{header}\n\nx\n--b--\n")
    assert describe(root.children[0]).disposition == disposition


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Content-Type: a/b; name=t.pdf\nContent-Disposition: attachment; filename=d.pdf", "d.pdf"),
        ("Content-Type: a/b; name=t.pdf\nContent-Disposition: attachment", "t.pdf"),
        ("Content-Type: a/b; name=t.pdf", "t.pdf"),
        ("Content-Type: a/b; filename=t.pdf", "t.pdf"),
        ("Content-Type: a/b\nContent-Disposition: attachment; name=d.pdf", "d.pdf"),
        ('Content-Type: a/b; name=""\nContent-Disposition: attachment; filename=d.pdf', "d.pdf"),
        ('Content-Type: a/b; name=t.pdf\nContent-Disposition: attachment; filename=""', "t.pdf"),
        ("Content-Disposition: inline\nContent-Disposition: attachment; filename=d.pdf", "d.pdf"),
        (
            'Content-Type: a/b; name="=?utf-8?Q?caf=C3=A9.pdf?="\n'
            'Content-Disposition: attachment; filename="caf?.pdf"',
            "café.pdf",
        ),
        (
            "Content-Type: a/b; name*=utf-8''caf%C3%A9.pdf\n"
            'Content-Disposition: attachment; filename="caf_.pdf"',
            "café.pdf",
        ),
        (
            'Content-Type: a/b; name="caf?.pdf"\n'
            "Content-Disposition: attachment; filename*=utf-8''caf%C3%A9.pdf",
            "café.pdf",
        ),
        (
            "Content-Type: a/b;\n\tname=\"=?utf-8?B?Y2Fmw6k=?=\n =?utf-8?B?LnBkZg==?=\"",
            "café.pdf",
        ),
        ("Content-Type: a/b\nContent-Location: photo25.jpg", "photo25.jpg"),
        ("Content-Type: a/b\nContent-Location: http://example.org/p/photo25.jpg?x=1", "photo25.jpg"),
        ("Content-Type: a/b\nContent-Location: http://example.org/", ""),
        ("Content-Type: a/b\nContent-Description: report.pdf", "report.pdf"),
        ("Content-Type: a/b\nContent-Description: the report for you", ""),
        ("Content-Type: a/b; name=../../etc/passwd", "../../etc/passwd"),
        ("Content-Type: a/b; name=\"📄 日本.pdf\"", "📄 日本.pdf"),
        ("Content-Type: a/b", ""),
    ],
)  # fmt: skip
def test_the_name_of_a_part(header: str, name: str) -> None:
    """The best of all the names a part has, decoded and not made safe: that is the path's business."""
    assert name_of(header) == name


def test_a_body_that_is_elsewhere_is_called_as_the_header_within_says() -> None:
    """The part holds a header only; the name of the file is in it (RFC 2046 section 5.2.3)."""
    content = (
        b'Content-Type: message/external-body; access-type=URL; URL="https://example.org/1"\r\n\r\n'
        b"Content-Type: application/pdf; name=report.pdf\r\n\r\n"
    )
    (attachment,) = index_message(content).attachments
    assert (attachment.filename, attachment.content_type) == ("report.pdf", "message/external-body")


def test_a_name_in_raw_octets_is_decoded_by_the_hint() -> None:
    """Octets without a label are read by the charset of the message's text."""
    raw = 'Content-Type: a/b; name="отчёт.pdf"'.encode("koi8-r").decode("utf-8", "surrogateescape")
    assert describe(only_part(raw), "koi8-r").name == "отчёт.pdf"


def test_a_name_beyond_the_limit_keeps_its_extension() -> None:
    """A name without end is cut before its extension."""
    name = name_of(f"Content-Type: a/b; name={'x' * 5000}.pdf")
    assert len(name) == MAX_NAME_CHARACTERS
    assert name.endswith("x.pdf")
    assert len(name_of(f"Content-Type: a/b; name={'x' * 5000}")) == MAX_NAME_CHARACTERS


@pytest.mark.parametrize(
    ("header", "body", "name"),
    [
        ("Content-Type: application/pdf", "x", "attachment-2.pdf"),
        ("Content-Type: text/plain\nContent-Disposition: attachment", "x", "attachment-2.txt"),
        ("Content-Type: application/x-martian", "x", "attachment-2.bin"),
        ("Content-Type: text/calendar", "x", "attachment-2.ics"),
        ("Content-Type: message/rfc822", "Subject: =?utf-8?Q?caf=C3=A9?=\n\nx", "café.eml"),
        ("Content-Type: message/rfc822", "To: a@b\n\nx", "attachment-2.eml"),
        ("Content-Type: message/delivery-status", "x", "attachment-2.txt"),
    ],
)
def test_a_name_is_made_up_from_type_or_subject(header: str, body: str, name: str) -> None:
    """A part without a name is called by its number and type, a message by its subject."""
    assert made_up_name(only_part(header, body), 2) == name
