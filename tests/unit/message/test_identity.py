"""Who a message is, before and after a server has rewritten it."""

from __future__ import annotations

import pytest

from mailroom.message import fingerprint_of_header, index_message
from mailroom.model import Fingerprint

BASE = (
    "Message-ID: <one@example.org>\r\n"
    "Date: Tue, 24 Nov 2026 15:06:55 +0100\r\n"
    "From: =?utf-8?Q?Jos=C3=A9?= <jose@example.org>\r\n"
    "Subject: =?utf-8?Q?Factura_n=C3=BAmero_1?= de noviembre\r\n"
    "MIME-Version: 1.0\r\n"
)
PLAIN = (
    BASE
    + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nmañana\r\nhoy\r\n"
)


def identity(message: str) -> str:
    return index_message(message.encode()).identity


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "Message-ID:",
            "Received: from a by b; Tue, 24 Nov 2026 15:06:55 +0100\r\nX-Spam: no\r\nMessage-ID:",
        ),
        ("MIME-Version", "To: a@x\r\nDelivered-To: b@x\r\nMIME-Version"),
        ("Subject: ", "Subject:\r\n "),
        ("de noviembre", "de\r\n\tnoviembre"),
        ("=?utf-8?Q?Factura_n=C3=BAmero_1?=", "=?utf-8?B?RmFjdHVyYSBuw7ptZXJvIDE=?="),
        ("=?utf-8?Q?Factura_n=C3=BAmero_1?=", "=?utf-8?Q?Factura_n?= =?utf-8?Q?=C3=BAmero_1?="),
        ("=?utf-8?Q?Factura_n=C3=BAmero_1?=", "Factura número 1"),
        ("=?utf-8?Q?Factura_n=C3=BAmero_1?= de", "=?iso-8859-1?Q?Factura_n=FAmero_1_de?="),
        ("=?utf-8?Q?Jos=C3=A9?=", '"José"'),
        ("jose@example.org", "Jose@Example.ORG"),
        ("15:06:55 +0100", "14:06:55 +0000"),
        ("15:06:55 +0100", "15:06:55 +0100 (CET)"),
        ("Message-ID: ", "Message-Id:\r\n "),
        ("charset=utf-8", 'charset="UTF-8"; format=flowed'),
        ("8bit\r\n\r\nmañana\r\nhoy", "quoted-printable\r\n\r\nma=C3=B1ana\r\nh=\r\noy"),
        ("8bit\r\n\r\nmañana\r\nhoy", "base64\r\n\r\nbWHDsWFuYQpob3k="),
        ("8bit\r\n\r\nmañana\r\nhoy", "base64\r\n\r\nbWHDsWFuYQ0KaG95DQo="),
        (
            "utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nmañana",
            "iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nma=F1ana",
        ),
        ("hoy\r\n", "hoy"),
        ("hoy\r\n", "hoy\r\n\r\n"),
    ],
)
def test_what_servers_rewrite_does_not_change_an_identity(before: str, after: str) -> None:
    """Folding, added fields, other encodings of words and parts, line ends: the same message."""
    assert before in PLAIN
    assert identity(PLAIN.replace(before, after)) == identity(PLAIN)
    assert identity(PLAIN.replace("\r\n", "\n")) == identity(PLAIN)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<one@", "<two@"),
        ("15:06:55", "15:06:56"),
        ("jose@", "josefa@"),
        ("noviembre", "diciembre"),
        ("mañana", "manana"),
        ("hoy", "hoy\r\ny ayer"),
    ],
)
def test_another_message_has_another_identity(before: str, after: str) -> None:
    """Each of the four fields counts, and so does the text."""
    assert identity(PLAIN.replace(before, after)) != identity(PLAIN)


MULTIPART = (
    BASE + "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n"
    "--b\r\nContent-Type: application/zip; name=a.zip\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nUEsDBA==\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n"
    "--b--\r\n"
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("boundary=b", "boundary=b; charset=x"),
        ("mixed; boundary=b\r\n\r\n", "mixed; boundary=b\r\n\r\na preamble\r\n"),
        ("name=a.zip", "name*=utf-8''a.zip"),
        ("UEsDBA==", "UEsD\r\nBA=="),
        ("--b\r\nContent-Type: message", "--b\r\n\r\n\r\n--b\r\nContent-Type: message"),
    ],
)
def test_what_is_around_the_parts_does_not_count(before: str, after: str) -> None:
    """Boundaries, preambles, forms of names and empty parts may change."""
    assert before in MULTIPART
    assert identity(MULTIPART.replace(before, after)) == identity(MULTIPART)


@pytest.mark.parametrize(
    ("before", "after"), [("UEsDBA==", "UEsDBQ=="), ("inner", "other"), ("\r\ntext", "\r\nwords")]
)
def test_the_content_of_every_part_counts(before: str, after: str) -> None:
    """An attachment of other octets makes another message, even within an attached message."""
    assert identity(MULTIPART.replace(before, after)) != identity(MULTIPART)


def test_a_fingerprint_is_of_normal_form() -> None:
    """The same header in two forms gives equal fingerprints."""
    found = fingerprint_of_header(BASE.encode())
    assert found == Fingerprint(
        message_id="<one@example.org>",
        date="2026-11-24T14:06:55+00:00",
        sender="jose@example.org",
        subject="Factura número 1 de noviembre",
    )
    folded = BASE.replace("de noviembre", "de\r\n\tnoviembre").replace("\r\n", "\n")
    assert fingerprint_of_header(folded.encode()) == found
    assert fingerprint_of_header(PLAIN.encode()) == found


def test_a_fingerprint_of_what_is_missing_is_none() -> None:
    """Missing and empty fields are the same; a date that cannot be read stays as it stands."""
    assert fingerprint_of_header(b"") == Fingerprint()
    assert fingerprint_of_header(b"Subject: \r\nFrom:\r\nDate:\r\nMessage-ID:\r\n\r\n") == Fingerprint()
    assert fingerprint_of_header(b"Date: some  day\r\nFrom: nobody\r\n") == Fingerprint(
        date="some day", sender="nobody"
    )


def test_a_fingerprint_reads_no_body() -> None:
    """Fields below the blank line are text."""
    assert fingerprint_of_header(b"From: a@x\r\n\r\nSubject: no\r\n") == Fingerprint(sender="a@x")


def test_fingerprints_can_be_written_as_utf8() -> None:
    """Raw octets in any field come out as characters."""
    found = fingerprint_of_header(
        b"Message-ID: <\xff@x>\r\nSubject: \xe9\r\nFrom: \xe9 <\xe9@x>\r\nDate: \xe9\r\n"
    )
    for value in (found.message_id, found.subject, found.sender, found.date):
        assert value is not None
        value.encode("utf-8")


@pytest.mark.parametrize(
    ("dates", "known"),
    [
        (["24:00:00"], "f3afdec65d4be024ed919a1078e9f025e28ea5f92983bef07187724eb7f04911"),
        (["24:00:00", "10:00:00"], "723303949c086b7734a9927515ef090a90ee42e98ddb4850d9b8eb0cc3190f52"),
        (["\u0662\u0664:00:00"], "a424cebd49f556c6e0e2e886bc4e47dde7d65f0066776db92c43cee4df38c0fb"),
    ],
)
def test_a_day_that_ends_at_24_is_read_and_identified_as_in_older_archives(
    dates: list[str], known: str
) -> None:
    """Identities were given before 24:00 could be read; a message must not become a second one."""
    fields = "".join(f"Date: Tue, 24 Nov 2026 {time} +0000\r\n" for time in dates)
    found = index_message(f"From: a@b.c\r\n{fields}Subject: x\r\nMessage-ID: <1@x>\r\n\r\nhello\r\n".encode())
    assert str(found.date) == "2026-11-25 00:00:00+00:00"
    assert found.identity == known
