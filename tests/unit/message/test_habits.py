"""Whole messages with the habits of the programs that wrote them, and what a reader sees.

Written for these tests; each is named after the habit. One table, because the habits
meet in the same three answers: subject, sender, and attachments with their content.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import pytest

from mailroom.message import index_message, iter_attachment

PDF = b"%PDF-1.4 \x00\x01\xff and more octets of a report"
B64 = base64.encodebytes(PDF).replace(b"\n", b"\r\n").decode()
ZIP = b"PK\x03\x04" + bytes(range(40))


@dataclass(frozen=True, kw_only=True)
class Habit:
    """A message, with LF for CRLF and Latin-1 for octets, and what should come of it."""

    message: str
    subject: str = "Report"
    sender: str = "Ana <ana@example.org>"
    files: dict[str, bytes] = field(default_factory=lambda: {"report.pdf": PDF})
    text: str = "See below."
    charset: str = "latin-1"


HEAD = "From: Ana <ana@example.org>\nSubject: Report\nMIME-Version: 1.0\n"
MIXED = 'Content-Type: multipart/mixed; boundary="b1"\n\n'
TEXT = "--b1\nContent-Type: text/plain; charset=utf-8\n\nSee below.\n"
ENCODED = f"Content-Transfer-Encoding: base64\n\n{B64}\n--b1--\n"


def attached(fields: str) -> str:
    return f"{HEAD}{MIXED}{TEXT}--b1\n{fields}\n{ENCODED}"


NAMED = (
    'Content-Type: application/pdf; name="report.pdf"\nContent-Disposition: attachment; filename="report.pdf"'
)


def subjected(subject: str) -> str:
    return attached(NAMED).replace("Subject: Report", f"Subject: {subject}")


def sent_by(sender: str) -> str:
    return attached(NAMED).replace("From: Ana <ana@example.org>", f"From: {sender}")


ACCENTS = {"año.pdf": PDF}

HABITS = {
    "by the rules": Habit(message=attached(NAMED)),
    "Outlook: folded with tabs": Habit(
        message=attached(NAMED.replace("; ", ";\n\t")).replace("Subject: Report", "Subject:\n\tReport")
    ),
    "Outlook Express: raw octets in names": Habit(
        message=attached('Content-Type: application/pdf;\n\tname="a\xf1o.pdf"'),
        files=ACCENTS,
    ),
    "Gmail: both forms": Habit(
        message=attached(
            'Content-Type: application/pdf; name="=?UTF-8?Q?a=C3=B1o=2Epdf?="\n'
            "Content-Disposition: attachment; filename*=UTF-8''a%C3%B1o.pdf\nX-Attachment-Id: f_1"
        ),
        files=ACCENTS,
    ),
    "Apple Mail: continued and encoded": Habit(
        message=attached(
            "Content-Disposition: inline;\n\tfilename*0*=utf-8''a%C3;\n\t"
            "filename*1*=%B1o;\n\tfilename*2=.pdf\n"
            "Content-Type: application/pdf;\n\tx-unix-mode=0644"
        ),
        files=ACCENTS,
    ),
    "Thunderbird: continued encoded word": Habit(
        message=attached(
            'Content-Type: application/pdf;\n name="=?UTF-8?B?YcOx?=\n =?UTF-8?B?by5wZGY=?="\n'
            "Content-Disposition: attachment"
        ),
        files=ACCENTS,
    ),
    "Lotus Notes: one name lost its characters": Habit(
        message=attached(
            'Content-Type: application/pdf;\n\tname="=?ISO-8859-1?Q?a=F1o=2Epdf?="\n'
            'Content-Disposition: attachment; filename="a?o.pdf"'
        ),
        files=ACCENTS,
    ),
    "PHP: no quotes": Habit(
        message=attached("Content-Type: application/pdf; name=report 1 (final).pdf"),
        files={"report 1 (final).pdf": PDF},
    ),
    "PHP: LF in the header of a CRLF message": Habit(
        message=attached(NAMED).replace("Subject: Report\n", "Subject: Report\r\r\n")
    ),
    "a report generator: no semicolon": Habit(
        message=attached('Content-Type: application/pdf name="report.pdf"\nContent-Disposition: attachment')
    ),
    "a report generator: lost indentation": Habit(
        message=attached('Content-Type: application/pdf;\nname="report.pdf"')
    ),
    "a report generator: no type": Habit(
        message=attached('Content-Disposition: attachment; filename="report.pdf"')
    ),
    "a scanner: no disposition": Habit(message=attached('Content-Type: application/pdf; name="report.pdf"')),
    "a scanner: no name": Habit(
        message=attached("Content-Type: application/pdf"), files={"attachment-1.pdf": PDF}
    ),
    "a gateway: a malformed line": Habit(
        message=attached(NAMED).replace("Subject: Report\n", "X scanned by us\nSubject: Report\n")
    ),
    "a gateway: an mbox line": Habit(
        message="From ana@example.org Tue Nov 24 14:06:55 2026\n" + attached(NAMED)
    ),
    "a gateway: text below the base64": Habit(
        message=attached(NAMED).replace("\n--b1--", "Scanned by Example Gateway, all is well.\n--b1--")
    ),
    "a gateway: no final boundary": Habit(message=attached(NAMED).replace("\n--b1--\n", "")),
    "a gateway: padding in every block": Habit(
        message=attached(NAMED).replace(
            B64, "".join(base64.b64encode(PDF[at : at + 10]).decode() + "\n" for at in range(0, len(PDF), 10))
        )
    ),
    "a gateway: no padding": Habit(message=attached(NAMED).replace(B64, B64.rstrip("=\r\n"))),
    "a phone: 12-hour clock and no zone": Habit(
        message=attached(NAMED).replace("Subject", "Date: 11/24/2026 2:06:55 PM\nSubject")
    ),
    "a phone: encoded words without spaces": Habit(
        message=subjected("=?utf-8?B?w5FhbmTDug==?==?utf-8?B?IMOxYW5kw7o=?="),
        subject="Ñandú ñandú",
    ),
    "a newsletter: split in a character": Habit(
        message=subjected("=?UTF-8?B?w5FhbmTD?=\n =?UTF-8?B?ug==?="),
        subject="Ñandú",
    ),
    "a newsletter: spaces in an encoded word": Habit(
        message=subjected("=?utf-8?Q?=C3=91and=C3=BA come home?="),
        subject="Ñandú come home",
    ),
    "a shop: raw UTF-8": Habit(
        message=subjected("Ñandú").replace("From: Ana", "From: Añá"),
        subject="Ñandú",
        sender="Añá <ana@example.org>",
        charset="utf-8",
    ),
    "a shop: raw windows-1252": Habit(message=subjected("\xd1and\xfa \x80"), subject="Ñandú €"),
    "a shop: Latin label over UTF-8": Habit(
        message=subjected("=?iso-8859-1?Q?=C3=91and=C3=BA?="),
        subject="Ñandú",
    ),
    "a company: comma in the name": Habit(
        message=attached(NAMED).replace("From: Ana", "From: López, Ana"),
        sender="López, Ana <ana@example.org>",
        charset="utf-8",
    ),
    "a company: quoted encoded word": Habit(
        message=attached(NAMED).replace("From: Ana", 'From: "=?utf-8?Q?L=C3=B3pez,_Ana?="'),
        sender="López, Ana <ana@example.org>",
    ),
    "a script: name in a comment": Habit(message=sent_by("ana@example.org (Ana)")),
    "a script: no brackets": Habit(message=sent_by("Ana ana@example.org")),
    "a script: no From": Habit(message=attached(NAMED).replace("From:", "Sender:")),
    "a script: multipart without a boundary": Habit(message=attached(NAMED).replace('; boundary="b1"', "")),
    "a script: the boundary has another name": Habit(message=attached(NAMED).replace('"b1"', '"b2"')),
    "a script: no blank line before the text": Habit(
        message=HEAD + "Content-Type: text/plain\nSee below.", files={}
    ),
    "a script: nothing but an attachment": Habit(
        message=f"{HEAD}{NAMED}\n{ENCODED}".replace("\n--b1--", ""), text=""
    ),
    "a mailing list: a digest": Habit(
        message=f"{HEAD}Content-Type: multipart/digest; boundary=b1\n\n"
        "--b1\n\nSubject: One\n\nfirst\n--b1--\n",
        files={"One.eml": b"Subject: One\r\n\r\nfirst"},
        text="",
    ),
    "an old mail program: uuencode": Habit(
        message=HEAD + "\nSee below.\n\nbegin 644 data.zip\n"
        'L4$L#!  ! @,$!08\'" D*"PP-#@\\0$1(3%!46%Q@9&AL<\'1X?("$B(R0E)B<\nend\n',
        files={"data.zip": ZIP},
    ),
    "an old mail program: X-UUENCODE part": Habit(
        message=f"{HEAD}{MIXED}{TEXT}--b1\nContent-Type: application/zip; name=data.zip\n"
        "Content-Transfer-Encoding: X-uuencode\n\nbegin 644 data.zip\n"
        'L4$L#!  ! @,$!08\'" D*"PP-#@\\0$1(3%!46%Q@9&AL<\'1X?("$B(R0E)B<\n`\nend\n--b1--\n',
        files={"data.zip": ZIP},
    ),
    "a Japanese program: raw ISO-2022-JP": Habit(
        message=subjected("\x1b$B$3$s$K$A$O\x1b(B"), subject="こんにちは"
    ),
    "a Chinese program: GBK under a GB2312 label": Habit(
        message=subjected("=?gb2312?B?6UbPxMjr?="),
        subject="镕夏入",
    ),
    "a report generator: the type in quotes": Habit(
        message=attached('Content-Type: "application/pdf"; name="report.pdf"')
    ),
    "a report generator: a tab in the type": Habit(
        message=attached('Content-Type: application/\tpdf; name="report.pdf"')
    ),
    "a gateway: a second Content-Type above the first": Habit(
        message=attached(NAMED).replace("MIME-Version", "Content-Type: text/plain\nMIME-Version", 1)
    ),
    "a report generator: a name and no type at all": Habit(
        message=attached('Content-Type: ; name="report.pdf"')
    ),
    "a report generator: inner and outer have one boundary": Habit(
        message=f"{HEAD}{MIXED}--b1\n{MIXED.replace('mixed', 'alternative')}{TEXT}--b1--\n"
        f"--b1\n{NAMED}\n{ENCODED}"
    ),
    "a report generator: a space at the end of the boundary": Habit(
        message=attached(NAMED.replace("application/pdf", "text/x-report"))
        .replace('"b1"', '"b1 "')
        .replace("--b1\n", "--b1 \n")
        .replace(ENCODED, "\nplain\n--b1 --\n"),
        files={"report.pdf": b"plain"},
    ),
    "a scanner: no name and a type of its own": Habit(
        message=attached("Content-Type: application/x-scan\nContent-Disposition: attachment"),
        files={"attachment-1.pdf": PDF},
    ),
    "a gateway: 7bit written above base64": Habit(
        message=attached(f"{NAMED}\nContent-Transfer-Encoding: 7bit"),
    ),
    "a web shop: a PDF that it calls plain text": Habit(
        message=attached('Content-Type: text/plain; name="report.pdf"'),
    ),
    "an old mail program: uuencode, quoted by a gateway": Habit(
        message=f"{HEAD}Content-Transfer-Encoding: quoted-printable\n\nSee bel=\now.\n"
        "begin 644 a=\n.txt\n#86)C\n`\nend\n",
        files={"a.txt": b"abc"},
    ),
    "an old Japanese program: raw ISO-2022-JP in names": Habit(
        message=sent_by("\x1b$B@A5a=q\x1b(B <a@example.org>"), sender="請求書 <a@example.org>"
    ),
    "a Russian program: the charset of the text": Habit(
        message=subjected("Отчёт").replace("utf-8", "koi8-r"),
        subject="Отчёт",
        charset="koi8-r",
    ),
}


@pytest.mark.parametrize("name", HABITS)
def test_a_reader_sees_what_was_meant(name: str) -> None:
    """Subject, sender, text and every file are what the person at the other end meant."""
    habit = HABITS[name]
    content = habit.message.replace("\n", "\r\n").replace("\r\r\n\r\n", "\r\r\n").encode(habit.charset)
    found = index_message(content)
    assert found.subject == habit.subject
    assert found.sender == habit.sender
    files = {a.filename: b"".join(iter_attachment(content, a.part)) for a in found.attachments}
    assert files == habit.files
    assert found.text == habit.text


@pytest.mark.parametrize("name", HABITS)
def test_bare_line_feeds_change_nothing(name: str) -> None:
    """A program that forgets the CR is understood as well."""
    habit = HABITS[name]
    found = index_message(habit.message.encode(habit.charset))
    assert (found.subject, found.sender, found.text) == (habit.subject, habit.sender, habit.text)
    assert [a.filename for a in found.attachments] == list(habit.files)


ENCRYPTED = {
    "S/MIME": "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\n\nMIAG",
    "S/MIME that does not say": "Content-Type: application/x-pkcs7-mime; name=smime.p7m\n\nMIAG",
    "PGP/MIME": "Content-Type: multipart/encrypted; protocol=application/pgp-encrypted; boundary=b1\n\n"
    "--b1\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b1\n"
    "Content-Type: application/octet-stream; name=encrypted.asc\n\n"
    "-----BEGIN PGP MESSAGE-----\n--b1--\n",
    "PGP in the text": "\n-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----\n",
}


@pytest.mark.parametrize("name", ENCRYPTED)
def test_what_is_encrypted_is_kept_and_said(name: str) -> None:
    """Nothing is taken out of it, and a column says why."""
    found = index_message((HEAD + ENCRYPTED[name]).replace("\n", "\r\n").encode())
    assert "encrypted" in found.defects
    assert len(found.attachments) == {"PGP/MIME": 2, "PGP in the text": 0}.get(name, 1)


def test_certificates_are_not_encrypted() -> None:
    """Other S/MIME content is a file like any."""
    message = f"{HEAD}Content-Type: application/pkcs7-mime; smime-type=certs-only; name=smime.p7c\n\nMIAG"
    assert "encrypted" not in index_message(message.encode()).defects
