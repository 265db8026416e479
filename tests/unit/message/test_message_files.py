"""Messages that come as files of a general type."""

from __future__ import annotations

import base64

import pytest

from mailroom.message import index_message, iter_attachment, message_links
from mailroom.message.structure import MAX_NESTED_OCTETS, MAX_PARTS
from tests.support.mail import make_message

INVOICE = b"%PDF-1.7 invoice"
CARRIED = make_message(
    subject="Your invoice",
    text="carried words\nhttps://carried.example/\n",
    attachments=[("invoice.pdf", "application/pdf", INVOICE)],
)


def carrier(
    name: str, content: bytes = CARRIED, *, media_type: str = "application/octet-stream", encoding: str = ""
) -> bytes:
    """Return a message with a text and one file, which is in base64 unless another encoding is said."""
    body = content if encoding else base64.encodebytes(content).replace(b"\n", b"\r\n")
    return b"\r\n".join(
        [
            b"From: Ana <ana@example.org>",
            b"Subject: forwarded",
            b"MIME-Version: 1.0",
            b"Content-Type: multipart/mixed; boundary=outer",
            b"",
            b"--outer",
            b"Content-Type: text/plain",
            b"",
            b"outer words",
            b"--outer",
            f"Content-Type: {media_type}".encode(),
            f"Content-Disposition: attachment; filename={name}".encode()
            if name
            else b"Content-Disposition: attachment",
            f"Content-Transfer-Encoding: {encoding or 'base64'}".encode(),
            b"",
            body.rstrip(b"\r\n"),
            b"--outer--",
            b"",
        ]
    )


@pytest.mark.parametrize(
    ("name", "media_type", "encoding"),
    [
        ("mail.eml", "application/octet-stream", ""),
        ("mail.eml", "application/octet-stream", "7bit"),
        ('"Your invoice 7.EML"', "application/x-download", ""),
        ('"=?utf-8?q?f=C3=BCr_dich=2Eeml?="', "application/octet-stream", ""),
        ("utf-8''f%C3%BCr.eml", "application/force-download", ""),
        ('"Your invoice"', "application/octet-stream", ""),
        ("", "application/octet-stream", "8bit"),
    ],
)
def test_files_in_a_message_that_came_as_a_file_are_found(name: str, media_type: str, encoding: str) -> None:
    """The message is a file, and what is attached to it has rows of its own, as in message/rfc822."""
    message = carrier(name, media_type=media_type, encoding=encoding)
    if name.startswith("utf-8''"):
        message = message.replace(b"filename=", b"filename*=")
    found = index_message(message)
    assert [(one.part, one.content_type) for one in found.attachments] == [
        ("2", media_type),
        ("2.2", "application/pdf"),
    ]
    assert found.attachments[1].filename == "invoice.pdf"
    assert b"".join(iter_attachment(message, "2.2")) == INVOICE
    assert b"".join(iter_attachment(message, "2")).rstrip() == CARRIED.rstrip()
    assert found.text == "outer words"
    assert found.subject == "forwarded"


def test_a_message_without_parts_in_a_file_is_not_shown_as_text() -> None:
    """Its words are in the file, and are no words of the message around it."""
    message = carrier("mail.eml", make_message(text="carried words"))
    found = index_message(message)
    assert [one.part for one in found.attachments] == ["2"]
    assert found.text == "outer words"


def test_links_in_a_message_that_came_as_a_file_are_found() -> None:
    """A reader follows them as those of any forwarded message."""
    assert [(one.part, one.host) for one in message_links(carrier("mail.eml"))] == [
        ("2.1", "carried.example")
    ]


def test_whoever_attaches_a_message_is_who_they_were_before_it_was_looked_into() -> None:
    """Identities of older archives hold: a file counts by its own octets, whatever is in it."""
    opened, closed = index_message(carrier("mail.eml")), index_message(carrier("mail.bin"))
    assert (len(opened.attachments), len(closed.attachments)) == (2, 1)
    assert opened.identity == closed.identity


def test_the_charset_of_a_message_in_a_file_decodes_no_field_around_it() -> None:
    """A subject in bare octets is read as before, and so the identity is as before."""
    carried = make_message(text="привет", charset="koi8-r")
    messages = [
        carrier(name, carried).replace(b"Subject: forwarded", b"Subject: \xf0\xd2\xc9\xd7\xc5\xd4")
        for name in ("mail.eml", "mail.bin")
    ]
    opened, closed = map(index_message, messages)
    assert opened.subject == closed.subject
    assert opened.identity == closed.identity


def test_parts_within_a_file_leave_the_limit_of_those_around_it_alone() -> None:
    """What stands below the file is found, however many parts are in it."""
    inner = b"--b\r\n\r\nx\r\n" * (MAX_PARTS + 10)
    many = b"From: a@b.c\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + inner
    last = b"--outer\r\nContent-Type: application/pdf; name=last.pdf\r\n\r\n%PDF\r\n--outer--"
    message = carrier("mail.eml", many).replace(b"--outer--", last)
    found = index_message(message)
    assert (found.attachments[0].part, found.attachments[-1].filename) == ("2", "last.pdf")
    assert "too many parts" in found.defects


def test_files_in_files_are_looked_into_as_deep_as_messages_in_messages() -> None:
    """Numbers go on below each file, and one limit holds for all."""
    message = CARRIED
    for _ in range(3):
        message = carrier("mail.eml", message)
    assert [one.part for one in index_message(message).attachments] == [
        "2",
        "2.2",
        "2.2.2",
        "2.2.2.2",
    ]
    for _ in range(120):
        message = carrier("mail.eml", message, encoding="7bit").replace(b"outer", f"o{len(message)}".encode())
    found = index_message(message)
    assert found.attachments[-1].part.count(".") < 110
    assert "nested too deep" in found.defects


def test_a_message_in_a_file_above_the_limit_is_a_file_only() -> None:
    """It is decoded in memory to look into it."""
    large = CARRIED + b"x" * MAX_NESTED_OCTETS
    found = index_message(carrier("mail.eml", large))
    assert [(one.part, one.size) for one in found.attachments] == [
        ("2", len(large)),
    ]
    assert "nested message too large to look into" in found.defects


WEB_PAGE = b"From: <Saved by Blink>\r\nSnapshot-Content-Location: https://a.example/\r\nDate: x\r\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mail.eml", INVOICE),
        ("mail.eml", b"to: do\r\nthis: that\r\n\r\n"),
        ("mail.eml", b""),
        ("mail.txt", CARRIED),
        ("page.mht", CARRIED),
        ("page", WEB_PAGE + CARRIED),
        ("all", b"From ana@example.org Mon Nov 23 10:00:00 2026\r\n" + CARRIED),
        ("config", b"from: here\r\nto: there\r\n\r\n"),
        ("data.json", b'{"from":1,"date":2}'),
    ],
)
def test_what_is_no_message_beyond_doubt_stays_a_file(name: str, content: bytes) -> None:
    """A name that says something else is believed, and so is content that is no mail that was sent."""
    found = index_message(carrier(name, content))
    assert [one.part for one in found.attachments] == ["2"]


def test_a_mail_as_a_file_may_begin_with_an_mbox_line() -> None:
    """As programs on Unix save one."""
    content = b"From ana@example.org Mon Nov 23 10:00:00 2026\r\n" + CARRIED
    assert [one.part for one in index_message(carrier("mail.eml", content)).attachments] == ["2", "2.2"]


def test_a_mail_that_is_nothing_but_such_a_file_is_looked_into() -> None:
    """A gateway that archives sends one mail as the whole content of another."""
    head = b"From: a@b.c\r\nSubject: outer\r\nContent-Type: application/octet-stream; name=mail.eml\r\n\r\n"
    found = index_message(head + CARRIED)
    assert [one.part for one in found.attachments] == ["1", "1.2"]
    assert (found.subject, found.text) == ("outer", "")
