"""Messages for tests: ordinary ones by Python's ``email``, awkward ones octet by octet.

Everything returned is bytes as they travel: CRLF line ends, unless a message is awkward
on purpose.
"""

from __future__ import annotations

import email.policy
import email.utils
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage

__all__ = ["AWKWARD", "make_message", "message_of_size"]

DEFAULT_DATE = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)


def make_message(
    *,
    subject: str | None = "A subject",
    sender: str = "Ana López <ana@example.org>",
    to: str | Sequence[str] = "Bob <bob@example.com>",
    cc: str | Sequence[str] = (),
    date: datetime | None = DEFAULT_DATE,
    message_id: str | None = None,
    text: str = "Hello,\nthis is the text.\n",
    html: str | None = None,
    attachments: Sequence[tuple[str, str, bytes]] = (),
    inline: Sequence[tuple[str, str, bytes]] = (),
    charset: str = "utf-8",
    headers: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Return one well-formed message with CRLF line ends, the same for the same arguments.

    :param date: aware; None leaves the Date header out.
    :param message_id: with angle brackets; made from the other arguments where None, left out where empty.
    :param attachments: file name, content type and content of each.
    :param inline: likewise, but with ``Content-Disposition: inline`` and a Content-ID.
    """
    message = EmailMessage(policy=email.policy.SMTP)
    seed = hashlib.sha256(
        repr((subject, sender, to, date, text, html, charset, attachments)).encode()
    ).hexdigest()
    if message_id is None:
        message_id = f"<{seed[:24]}@mail.example.org>"
    named = {"From": sender, "To": _joined(to), "Cc": _joined(cc), "Subject": subject}
    for name, value in named.items():
        if value:
            message[name] = value
    if date is not None:
        message["Date"] = email.utils.format_datetime(date)
    if message_id:
        message["Message-ID"] = message_id
    for name, value in headers:
        message[name] = value
    message.set_content(text, charset=charset)
    if html is not None:
        message.add_alternative(html, subtype="html", charset=charset)
    body = message.get_payload()[1] if html is not None else message  # type: ignore[index]
    for number, (name, content_type, content) in enumerate(inline):
        kind, _, subtype = content_type.partition("/")
        body.add_related(  # type: ignore[union-attr]
            content,
            maintype=kind,
            subtype=subtype,
            filename=name,
            disposition="inline",
            cid=f"<part{number}@x>",
        )
    for name, content_type, content in attachments:
        kind, _, subtype = content_type.partition("/")
        message.add_attachment(content, maintype=kind, subtype=subtype, filename=name)
    _settle_boundaries(message, seed)
    return message.as_bytes()


def message_of_size(octets: int, *, seed: str = "0") -> bytes:
    """Return a plain message of exactly ``octets`` octets (at least 200), fast and the same for a seed."""
    head = (
        f"From: Size <size@example.org>\r\nTo: bob@example.com\r\nSubject: {octets} octets\r\n"
        f"Message-ID: <size-{octets}-{seed}@example.org>\r\nDate: Wed, 04 Mar 2026 10:30:00 +0000\r\n\r\n"
    ).encode()
    line = hashlib.sha256(seed.encode()).hexdigest().encode() + b"\r\n"
    body = line * ((octets - len(head)) // len(line) + 1)
    return (head + body)[: octets - 2] + b"\r\n"


def _joined(addresses: str | Sequence[str]) -> str:
    return addresses if isinstance(addresses, str) else ", ".join(addresses)


def _settle_boundaries(message: EmailMessage, seed: str) -> None:
    # The library draws boundaries at random; the same arguments must give the same bytes.
    for number, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_{seed[:20]}_{number}")


_HEAD = b"From: ana@example.org\r\nTo: bob@example.com\r\nDate: Wed, 04 Mar 2026 10:30:00 +0000\r\n"


def _awkward(subject: bytes, rest: bytes) -> bytes:
    """Return a message with an identity of its own, its further headers and body as given."""
    name = hashlib.sha256(subject + rest).hexdigest()[:16].encode()
    return _HEAD + b"Message-ID: <" + name + b"@example.org>\r\nSubject: " + subject + b"\r\n" + rest


_MIXED = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b1"\r\n\r\n'
_PDF = b"Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n"

AWKWARD: dict[str, bytes] = {
    "zero bytes": b"",
    "one newline": b"\r\n",
    "no headers": b"\r\nOnly a body, and nothing above it.\r\n",
    "headers only": _awkward(b"headers only", b""),
    "header without end of line": b"Subject: cut here",
    "body starts at once": b"This is no header line at all\r\nSubject: too late\r\n\r\nbody\r\n",
    "no final newline": _awkward(b"no final newline", b"\r\nthe last line has no end"),
    "bare line feeds": _awkward(b"bare line feeds", b"\r\none\ntwo\r\nthree\n").replace(b"\r\nTo:", b"\nTo:"),
    "bare carriage returns": _awkward(b"bare carriage returns", b"\r\none\rtwo\rthree\r\n"),
    "NUL octets": _awkward(b"NUL octets", b"\r\nbefore\x00after\r\n\x00\x00\r\n"),
    "8-bit headers": _awkward("Café, señor".encode("latin-1"), b"X-Raw: \xff\xfe\xf0\r\n\r\nbody\r\n"),
    "8-bit body without charset": _awkward(b"8-bit body", "\r\nmañana, 10 €\r\n".encode("cp1252")),
    "UTF-8 headers without encoding": _awkward("Façade 🏢 日本".encode(), b"\r\nbody\r\n"),
    "broken encoded word": _awkward(
        b"=?utf-8?B?w7bDvMOk?= =?utf-8?Q?=ZZ?= =?x-unknown?B?////?=", b"\r\nbody\r\n"
    ),
    "unknown charset": _awkward(
        b"unknown charset", b"Content-Type: text/plain; charset=x-martian\r\n\r\n\xc0\xc1\xc2\r\n"
    ),
    "broken base64": _awkward(
        b"broken base64",
        _MIXED
        + b"--b1\r\n"
        + _PDF
        + b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK*!?\r\nJVBERi0x=LjQ\r\n--b1--\r\n",
    ),
    "broken quoted-printable": _awkward(
        b"broken quoted-printable",
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=B3 =XY =\r\n=4\r\n",
    ),
    "unknown transfer encoding": _awkward(
        b"unknown transfer encoding", b"Content-Transfer-Encoding: x-uu-zip\r\n\r\nabc\r\n"
    ),
    "missing boundary": _awkward(
        b"missing boundary",
        b"Content-Type: multipart/mixed\r\n\r\n--b1\r\n" + _PDF + b"\r\nabc\r\n--b1--\r\n",
    ),
    "boundary never closed": _awkward(b"boundary never closed", _MIXED + b"--b1\r\n" + _PDF + b"\r\nabc\r\n"),
    "boundary never used": _awkward(b"boundary never used", _MIXED + b"nothing but a preamble\r\n"),
    "deep nesting": _awkward(
        b"deep nesting",
        b"".join(
            b'Content-Type: multipart/mixed; boundary="n%d"\r\n\r\n--n%d\r\n' % (level, level)
            for level in range(150)
        )
        + b"Content-Type: text/plain\r\n\r\nat the bottom\r\n",
    ),
    "lines of 1,000 and of 20,000 octets": _awkward(
        b"long lines", b"\r\n" + b"x" * 1000 + b"\r\n" + b"y" * 20_000 + b"\r\n"
    ),
    "header of 100,000 octets": _awkward(b"long header", b"X-Long: " + b"z" * 100_000 + b"\r\n\r\nbody\r\n"),
    "lines with only a dot": _awkward(b"dots", b"\r\n.\r\n..\r\n...\r\n.\r\n"),
    "lines that start with a dot": _awkward(b"leading dots", b"\r\n.hidden\r\n..twice\r\n. space\r\n.\r\n"),
    "looks like a protocol": _awkward(b"+OK", b"\r\n-ERR no\r\n* 1 FETCH (UID 1)\r\nA1 OK\r\n+OK\r\n)\r\n"),
    "mbox From line": _awkward(b"mbox", b"\r\nFrom ana@example.org Wed Mar  4 10:30:00 2026\r\n>From x\r\n"),
    "duplicate headers": _awkward(b"first", b"Subject: second\r\nMessage-ID: <other@x>\r\n\r\nbody\r\n"),
    "date that is none": b"From: a@example.org\r\nDate: yesterday\r\nSubject: no date\r\n\r\nx\r\n",
    "date out of range": b"From: a@example.org\r\nDate: Fri, 99 Foo 99999 99:99:99 +9999\r\n\r\nbody\r\n",
    "no Message-ID": b"From: a@example.org\r\nDate: 4 Mar 2026 10:30:00 +0000\r\nSubject: x\r\n\r\n\r\n",
    "attachment name with a path": _awkward(
        b"path",
        _MIXED
        + b"--b1\r\nContent-Type: text/plain\r\n"
        + b'Content-Disposition: attachment; filename="../../etc/passwd"\r\n\r\nroot\r\n--b1--\r\n',
    ),
    "attachment name 8-bit": _awkward(
        b"8-bit name",
        _MIXED
        + b"--b1\r\nContent-Type: text/plain\r\n"
        + 'Content-Disposition: attachment; filename="a\u00f1o.txt"\r\n\r\nx\r\n--b1--\r\n'.encode("latin-1"),
    ),
    "attachment name with NUL and newline": _awkward(
        b"control characters",
        _MIXED
        + b"--b1\r\nContent-Disposition: attachment; "
        + b"filename*=utf-8''a%00b%0D%0Ac%2F..%2Fd.txt\r\n\r\nx\r\n--b1--\r\n",
    ),
    "attached message": _awkward(
        b"attached message",
        _MIXED
        + b"--b1\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=m.eml\r\n\r\n"
        + b"Subject: inner\r\n\r\ninner body\r\n--b1--\r\n",
    ),
}
"""Messages that break readers, by what is wrong with them."""
