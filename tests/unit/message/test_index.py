"""Whole messages read into what tables hold."""

from __future__ import annotations

import base64
import binascii
import hashlib
import mmap
import pickle
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroom.exceptions import MailroomError
from mailroom.message import AttachmentIndex, MessageIndex, index_message, iter_attachment
from mailroom.message.addresses import MAX_ADDRESSES
from mailroom.message.index import MAX_REFERENCES
from mailroom.message.octets import WINDOW_OCTETS
from mailroom.message.text import MAX_TEXT_CHARACTERS
from tests.support.mail import AWKWARD, make_message
from tests.unit.message.test_signed import der, signature


def index(text: str) -> MessageIndex:
    return index_message(text.replace("\n", "\r\n").encode("utf-8", "surrogateescape"))


def content_of(message: bytes, attachment: AttachmentIndex) -> bytes:
    return b"".join(iter_attachment(message, attachment.part))


def names(found: MessageIndex) -> list[tuple[str, str]]:
    return [(attachment.part, attachment.filename) for attachment in found.attachments]


def test_an_ordinary_message() -> None:
    """Everything that tables hold of a well-formed message is found."""
    pdf = b"%PDF-1.4 \x00\xff"
    message = make_message(
        subject="Factura número 7",
        sender="Ana López <Ana@Example.org>",
        to=["Bob <bob@example.com>", "eva@example.com"],
        cc="Zoë <zoe@example.net>",
        message_id="<7@example.org>",
        text="Hola,\nadjunto la factura.\n",
        html="<p>Hola</p>",
        attachments=[("factura número 7.pdf", "application/pdf", pdf)],
        headers=[("In-Reply-To", "<6@example.org>"), ("References", "<5@example.org> <6@example.org>")],
    )
    found = index_message(message)
    assert found == MessageIndex(
        message_id="<7@example.org>",
        date=datetime(2026, 3, 4, 10, 30, tzinfo=UTC),
        date_source="header",
        sender="Ana López <ana@example.org>",
        sender_address="ana@example.org",
        to=("Bob <bob@example.com>", "eva@example.com"),
        cc=("Zoë <zoe@example.net>",),
        subject="Factura número 7",
        in_reply_to="<6@example.org>",
        references=("<5@example.org>", "<6@example.org>"),
        text="Hola,\nadjunto la factura.",
        reply=None,
        attachments=(
            AttachmentIndex(
                part="2",
                filename="factura número 7.pdf",
                content_type="application/pdf",
                disposition="attachment",
                size=len(pdf),
                sha256=hashlib.sha256(pdf).hexdigest(),
                detected_type="application/pdf",
            ),
        ),
        defects=(),
        identity=found.identity,
    )
    assert content_of(message, found.attachments[0]) == pdf


def test_an_empty_message() -> None:
    """Nothing gives nothing, and no defect."""
    assert index_message(b"") == MessageIndex(
        message_id=None,
        date=None,
        date_source=None,
        sender="",
        sender_address="",
        to=(),
        cc=(),
        subject="",
        in_reply_to=None,
        references=(),
        text="",
        reply=None,
        attachments=(),
        defects=(),
        identity=index_message(b"\r\n").identity,
    )


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_messages_are_read(name: str) -> None:
    """Whatever is wrong, every value can be pickled and written as UTF-8, and every attachment read."""
    found = index_message(AWKWARD[name])
    assert pickle.loads(pickle.dumps(found)) == found
    for text in (found.subject, found.sender, found.text, *found.to, *found.defects):
        text.encode("utf-8")
    for attachment in found.attachments:
        attachment.filename.encode("utf-8")
        content = content_of(AWKWARD[name], attachment)
        assert len(content) == attachment.size
        assert hashlib.sha256(content).hexdigest() == attachment.sha256


@pytest.mark.parametrize(
    ("header", "date", "source", "defects"),
    [
        (
            "Date: Tue, 24 Nov 2026 14:06:55 +0000",
            datetime(2026, 11, 24, 14, 6, 55, tzinfo=UTC),
            "header",
            (),
        ),
        ("Subject: x", None, None, ()),
        ("Date:", None, None, ()),
        ("Date: someday", None, None, ("unreadable date",)),
        (
            "Date: someday\nDate: Tue, 24 Nov 2026 14:06:55 +0000",
            datetime(2026, 11, 24, 14, 6, 55, tzinfo=UTC),
            "header",
            (),
        ),
    ],
)
def test_a_date_is_that_of_the_header_or_none(
    header: str, date: datetime | None, source: str | None, defects: tuple[str, ...]
) -> None:
    """A missing or unreadable Date is null; Received lines are not asked."""
    found = index(f"{header}\nReceived: by x; Mon, 2 Mar 2026 10:00:00 +0000\n\nhello")
    assert (found.date, found.date_source, found.defects) == (date, source, defects)


def test_sender_stands_in_for_a_missing_from() -> None:
    """As mail clients do; an identity is of From alone, for servers are asked for no more."""
    found = index("Sender: Ana <Ana@x.org>\n\nhello")
    assert (found.sender, found.sender_address) == ("Ana <ana@x.org>", "ana@x.org")
    assert found.identity == index("\nhello").identity
    assert index("From: b@x.org\nSender: a@x.org\n\n").sender_address == "b@x.org"
    assert index("From: A, B <b@x.org>, c@x.org\n\n").sender == "A, B <b@x.org>, c@x.org"


def test_a_sender_that_is_one_word_is_a_local_mailbox() -> None:
    """Mail on one host names no domain (RFC 822 had it so); names and words in quotes are no mailbox."""
    assert (found := index("From: Root\n\n")).sender_address == "root"
    assert found.sender == "Root"
    assert index("From: /tmp/mail.out\n\n").sender_address == "/tmp/mail.out"
    assert index('From: "nobody"\n\n').sender_address == ""
    assert index("From: Ann Lee\n\n").sender_address == ""
    assert index("From: =?utf-8?Q?nobody?=\n\n").sender_address == ""


def test_recipients_of_all_fields_and_groups() -> None:
    """Repeated fields are joined, groups are opened."""
    found = index("To: a@x\nTo: team: b@x, C <c@x>;\nCc: Undisclosed:;\n\n")
    assert found.to == ("a@x", "b@x", "C <c@x>")
    assert found.cc == ()
    many = index("To: " + ", ".join(f"a{n}@x.org" for n in range(MAX_ADDRESSES + 10)) + "\n\n")
    assert len(many.to) == MAX_ADDRESSES
    assert many.defects == ("too many addresses",)


def test_threading_fields() -> None:
    """In-Reply-To gives one identifier or the words that stand there; References all."""
    found = index("In-Reply-To: Your message of Monday <1@x> <2@x>\nReferences: <a@x>\n <b@x>junk<c@x>\n\n")
    assert found.in_reply_to == "<1@x>"
    assert found.references == ("<a@x>", "<b@x>", "<c@x>")
    assert index("In-Reply-To: your call\nReferences: none\n\n").in_reply_to == "your call"
    assert index("In-Reply-To:\n\n").in_reply_to is None
    assert len(index("References: " + "<a@x> " * (MAX_REFERENCES + 5) + "\n\n").references) == MAX_REFERENCES


def test_headers_without_a_label_are_read_by_the_charset_of_the_text() -> None:
    """Raw octets in subject, names and file names follow the message's own charset."""
    message = (
        'Subject: Привет\nFrom: "Пётр" <p@x.org>\nContent-Type: multipart/mixed; boundary=b\n\n'
        "--b\nContent-Type: text/plain; charset=koi8-r\n\nТекст\n"
        '--b\nContent-Type: application/pdf; name="отчёт.pdf"\n\nx\n--b--\n'
    ).encode("koi8-r")
    found = index_message(message)
    assert found.subject == "Привет"
    assert found.sender == "Пётр <p@x.org>"
    assert found.text == "Текст"
    assert names(found) == [("2", "отчёт.pdf")]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Content-Type: text/plain\n\n one\n two \n\n", "one\n two"),
        ("Content-Type: text/html\n\n<p>one</p>two", "one\n\ntwo"),
        ("Content-Type: text/enriched\n\n<bold>one</bold>", "one"),
        ("Content-Type: text/csv\n\na,b", ""),
        ("Content-Type: text/plain\nContent-Disposition: attachment\n\nx", ""),
        ("Content-Type: application/pdf\n\nx", ""),
    ],
)
def test_the_text_of_a_message(body: str, text: str) -> None:
    """Plain text is kept as it is, HTML is made readable, files give none."""
    assert index(body).text == text


ALTERNATIVE = (
    "Content-Type: multipart/alternative; boundary=a\n\n"
    "--a\n\n{}\n--a\nContent-Type: text/html\n\n<b>page</b>\n--a--\n"
)


def test_plain_text_is_preferred_where_there_is_some() -> None:
    """Of alternatives the plain one is taken unless it is blank; all text of a mixed message counts."""
    assert index(ALTERNATIVE.format("plain")).text == "plain"
    assert index(ALTERNATIVE.format(" \n")).text == "page"
    mixed = "Content-Type: multipart/mixed; boundary=m\n\n--m\n{}\n--m\n\nfooter\n--m--\n"
    assert index(mixed.format(ALTERNATIVE.format("plain"))).text == "plain\n\nfooter"


def test_text_beyond_the_limit_is_cut() -> None:
    """Text is bounded, and that is noted."""
    found = index("Subject: x\n\n" + "word " * MAX_TEXT_CHARACTERS)
    assert len(found.text) == MAX_TEXT_CHARACTERS
    assert found.defects == ("text too long",)


UU = "".join(binascii.b2a_uu(bytes(range(40))).decode() for _ in range(2))


def test_files_uuencoded_in_text_are_attachments() -> None:
    """They are taken out of the text, and read by their own number."""
    message = (
        f"Subject: x\n\nabove\n\nbegin 644 =?utf-8?Q?caf=C3=A9?=.bin\n{UU}`\nend\n"
        f"between\nbegin 600 b.bin\n{UU}end\nbelow\n"
    )
    found = index(message)
    assert found.text == "above\nbetween\nbelow"
    assert names(found) == [("1.uu1", "café.bin"), ("1.uu2", "b.bin")]
    assert {attachment.size for attachment in found.attachments} == {80}
    raw = message.replace("\n", "\r\n").encode()
    assert content_of(raw, found.attachments[1]) == bytes(range(40)) * 2


def test_a_message_within_a_message_is_a_file_and_looked_into() -> None:
    """The attached message, and what is attached to it, are attachments; its text is not the message's."""
    inner = (
        "Subject: inner\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\ninner text\n"
        "--i\nContent-Type: image/png; name=i.png\n\nPNG\n--i--"
    )
    message = (
        "Subject: outer\nContent-Type: multipart/mixed; boundary=o\n\n--o\n\nouter text\n"
        f"--o\nContent-Type: message/rfc822\n\n{inner}\n--o--\n"
    )
    found = index(message)
    assert names(found) == [("2", "inner.eml"), ("2.2", "i.png")]
    assert found.text == "outer text"
    raw = message.replace("\n", "\r\n").encode()
    assert content_of(raw, found.attachments[0]) == inner.replace("\n", "\r\n").encode()


def test_signed_content_is_reached() -> None:
    """Text and files within an opaque S/MIME signature are the message's own; the signature is kept."""
    inside = (
        b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nsigned words\r\n"
        b"--i\r\nContent-Type: application/pdf; name=i.pdf\r\n\r\n%PDF\r\n--i--\r\n"
    )
    blob = signature(der(0xA0, der(0x04, inside)))
    message = (
        b"Subject: x\r\nContent-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(blob)
    )
    found = index_message(message)
    assert found.text == "signed words"
    assert names(found) == [("1", "smime.p7m"), ("1.2", "i.pdf")]
    assert content_of(message, found.attachments[0]) == blob
    assert content_of(message, found.attachments[1]) == b"%PDF"


def test_a_detached_signature_is_kept_beside_its_content() -> None:
    """multipart/signed is a multipart like any other (RFC 1847)."""
    found = index(
        "Content-Type: multipart/signed; boundary=s; protocol=application/pgp-signature\n\n"
        "--s\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\nwords\n"
        "--m\nContent-Type: text/csv; name=a.csv\n\na,b\n"
        "--m--\n--s\nContent-Type: application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----\n--s--\n"
    )
    assert found.text == "words"
    assert names(found) == [("1.2", "a.csv"), ("2", "attachment-2.asc")]


def test_attachments_of_one_name_are_told_apart_by_their_part() -> None:
    """Two files may have one name; their numbers differ."""
    part = "--b\nContent-Type: application/pdf; name=a.pdf\n\n{}\n"
    message = (
        "Content-Type: multipart/mixed; boundary=b\n\n" + part.format("one") + part.format("two") + "--b--\n"
    )
    found = index(message)
    raw = message.replace("\n", "\r\n").encode()
    assert [content_of(raw, attachment) for attachment in found.attachments] == [b"one", b"two"]


def test_an_unknown_charset_is_noted_and_read_through() -> None:
    """Text in a charset that nobody knows is read as it looks."""
    found = index("Content-Type: text/plain; charset=x-martian\n\ncafé")
    assert (found.text, found.defects) == ("café", ("unknown charset",))


def test_a_part_that_is_not_there() -> None:
    """Asking for a part that the message does not have says so."""
    with pytest.raises(MailroomError, match=r"no part '7\.7'"):
        iter_attachment(b"Subject: x\r\n\r\nhello", "7.7")
    with pytest.raises(MailroomError, match=r"no part '1\.uu1'"):
        iter_attachment(b"Subject: x\r\n\r\nhello", "1.uu1")


def large_message(path: Path, octets: int) -> bytes:
    """Write a message with a large attachment, and return the attachment's digest."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        file.write(
            b"Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"--b\r\n\r\nsee below\r\n--b\r\n"
        )
        file.write(b"Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n")
        for number in range(octets // 57_000):
            piece = hashlib.sha256(b"%d" % number).digest() * 1781 + b"12345678"
            digest.update(piece)
            file.write(base64.encodebytes(piece).replace(b"\n", b"\r\n"))
        file.write(b"\r\n--b--\r\n")
    return digest.digest()


def test_a_large_message_is_read_from_its_file_in_windows(tmp_path: Path) -> None:
    """A mapped message of any size costs little memory, and can be closed afterwards."""
    path = tmp_path / "large.eml"
    digest = large_message(path, 12_000_000)
    tracemalloc.start()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            found = index_message(mapped)
            chunks = [hashlib.sha256(chunk).digest() for chunk in iter_attachment(mapped, "2")]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.attachments[0].sha256 == digest.hex()
    assert len(chunks) > 10
    assert peak < 8 * WINDOW_OCTETS
    assert found.text == "see below"
