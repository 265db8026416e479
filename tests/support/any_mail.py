"""Messages by chance: mostly as programs write them, each thing wrong now and then, or damaged on the way.

Belongs here: messages that are to be read, whatever they are. Does not belong here: those that are
known for something (``mail``).
"""

from __future__ import annotations

import base64
import quopri
import random

__all__ = ["MailWriter", "damaged"]

ADDRESSES = [
    "Ana <ana@example.org>", '"Ruiz, Ana" <ANA@Example.org>', "ana@example.org", "Ana", "<ana@example.org>",
    "", "=?utf-8?q?Ana_L=C3=B3pez?= <ana@example.org>", "=?utf-8?b?QW5h?= =?utf-8?b?IFI=?= <a@b.c>",
    "a@b, c@d", "Ana Ruiz <ana@example.org>, \"B\" <b@x.y>,\tc@d.e", "Team: a@b, Bob <c@d>;",
    "undisclosed-recipients:;", "ana@example.org (Ana)", "'ana@example.org' <ana@example.org>",
    "Ana <ana@example.org", "a@b; c@d", "Ana @ home", "=?iso-2022-jp?B?GyRCJDIbKEI=?= <x@y.jp>",
    "=?x-none?q?=E9?= <a@b>", "<mailto:a@b.c>", "Ana &lt;a@b.c&gt;", "ana\\@b <a@b>", "(c) a@b", "\"\" <>",
    "MAILER-DAEMON", "a@b" + ", a@b" * 40,
]  # fmt: skip
SUBJECTS = [
    "Rechnung 7", "", " ", "Re: [list] a  b", "=?utf-8?q?F=C3=BCr?= dich",
    "=?utf-8?b?w7w=?=\t=?utf-8?b?w6k=?=", "=?utf-8?q?a=0Ab=00?=", "=?utf-8?q?=ED=A0=80?=", "=?big5?q?=A4?=",
    "=?utf-8?q?broken", "a ?= =?utf-8?q?b?= c", "=?koi8-r?b?8NLJ18XU?=", "x" * 300,
    "=?utf-8?q?=E2=80=A8_a?=", "=?us-ascii?q?a_b?=", "\ta\tb\t",
]  # fmt: skip
DATES = [
    "Mon, 2 Mar 2026 10:00:00 +0100", "Tue, 03 Mar 2026 10:00:00 -0000", "2 Mar 2026 10:00 GMT", "",
    "yesterday", "Mon, 31 Feb 2026 10:00:00 +0000", "Sat, 28 Dec 9999 23:59:59 -2359",
    "Mon,  2 Mar 2026 10:00:00 +0100 (CET)", "Mon, 2 Mar 2026 10:00:60 +0100", "Mon, 2 Mar 26 10:00:00 EST",
    "Mon, 02 mar 2026 24:00:00 +9999", "1", "Mon, 2 Mar 2026 10:00:00 +0100 (",
    "Mon, 2 Mar 2026 10:00:00 +01001", "Mon, 2 Mar 1899 10:00:00 +0100", "Mon, 2 Mar 2026 10:00:00 +0100 x",
    "mon, 2 Mar 2026 1:00:00 +0100", "Mon, 29 Mar 2026 02:30:00 +0200", "1/2, 2 Mar 2026 10:00:00 +0100",
    "20261124 240000", "24.11.2026 24.00", "24 Nov 2026 24h00", "24(x):00:00 24 Nov 2026",
    "Mon, 2 Mar 2026 10.00.00 +0100", "Mon, 28 Jan 1900 00:00:00 +2359",
]  # fmt: skip
IDENTIFIERS = [
    "<a@b>", "<a@b> <c@d>", "a@b", "", "<a b>", "<a@b>\t<c@d>\t<e@f>", "<a@b", "<>", "Your message of <x@y>",
    "<" + "a" * 1200 + ">", " <a@b> ", "<=?utf-8?q?a?=>", "\"<a@b>\"",
]  # fmt: skip
FIELDS = {
    "From": ADDRESSES, "To": ADDRESSES, "Cc": ADDRESSES, "Sender": ADDRESSES, "Subject": SUBJECTS,
    "Date": DATES, "Message-ID": IDENTIFIERS, "References": IDENTIFIERS, "In-Reply-To": IDENTIFIERS,
    "Received": ["from a by b; Mon, 2 Mar 2026 10:00:00 +0100"], "X-Mailer": ["x", ""],
    "MIME-Version": ["1.0"], "Resent-Date": DATES, "Reply-To": ADDRESSES, "Bcc": ADDRESSES,
    "Content-Language": ["de"],
}  # fmt: skip
USUAL_FIELDS = ("From", "To", "Subject", "Date", "Message-ID")
CHARSETS = [
    "utf-8", "utf-8", "UTF8", "us-ascii", "iso-8859-1", "windows-1252", "iso-8859-15", "koi8-r",
    "iso-2022-jp", "utf-16", "utf-7", "gb2312", "shift_jis", "big5", "x-martian", "unknown-8bit", "cp932",
    "hz-gb-2312", "idna",
]  # fmt: skip
WORDS = [
    "Hello,", "this is the text.", "", "", "  indented", "trailing  ", "\ttab", "mañana 10 €", "日本語",
    "жук",
    "€", "On Mon, 2 Mar 2026, Ana <ana@example.org> wrote:", "> quoted", ">> twice", "-- ", "Ana",
    ">From here", "From x", "-----Original Message-----", "From: Ana", "Sent: Monday", "Subject: x",
    "Am 2.3.2026 schrieb Ana:", "a=b=c", "begin 644 a.txt", "#86)C", "end", "the begin 644",
    "begin 644 a\n#86)C\n`\nend", "=ybegin line=128 size=3 name=a\n\x8b\x8c\x8d\n=yend size=3",
    "=ybegin line=128 size=3 name=a", "-----BEGIN PGP MESSAGE-----",
    "(This file must be converted with BinHex 4.0)", ":#@*\"'&3!!!!!", "\ufeffmark", "a\xa0b\xa0",
    "a\u2028b", "a\x0bb", "a\x0cb", "\x1c", "a\x85b", "\x00", "a\x00b", "\u200b", "\x1b$B", "\x1b(B",
    "x" * 90, "=", "=20", "=C3=", ".", "..", "--", "--b", "--b1--", "-- b", "%PDF-1.4", "PK\x03\x04",
    "JVBERi0xLjQKJVBERi0xLjQK", "+AGE-", "a\rb", "\r", "~{<:~}", "https://example.org/?a=b&amp;c", "\ud7ff",
    "\U0001f3e2", "{\\rtf1 a}", "BEGIN:VCALENDAR", "<html>", "&nbsp;",
]  # fmt: skip
PAGE = [
    "<p>Hello <b>you</b></p>", "<br>", "<br/>\n", "  a   b ", "<!-- x -->", "<!--", "-->",
    "<style>p{}</style>", "<script>", "</script>", "<title>t</title>", "&nbsp;", "&amp;lt;", "&#x41;",
    "&#0;", "&#xD800;", "&copy", "<a href=\"x>y\">z</a>", "<a href='x'>", "<", ">", "< b", "<3",
    "<td>a</td><td>b</td>", "<li>one", "<blockquote>q</blockquote>", "mañana", "€", "<meta charset=utf-8>",
    "<meta http-equiv=x content=\"text/html; charset=iso-8859-1\">", "<meta charset=\"x-none\">", "\xa0",
    "\u2028", "\t", "<pre>\n a\n</pre>", "<svg><p>x</svg>", "<!DOCTYPE html>", "<?xml?>", "<P CLASS=x>",
    "<img src=x>", "On Mon, 2 Mar 2026, Ana &lt;a@b&gt; wrote:<br>", "<hr>", "<div>", "</div>", "\x00",
    "\ufeff", "\x1b", "<\xe9>", "<o:p>",
]  # fmt: skip
TYPES = [
    "text/plain", "text/html", "TEXT/Plain", "text/calendar", "text/enriched", "text/csv",
    "text/rfc822-headers", "text/x-amp-html", "text", "text/", "image/png", "application/pdf",
    "application/octet-stream", "application/json", "application/pkcs7-signature", "application/pkcs7-mime",
    "application/ms-tnef", "application/mac-binhex40", "application/applefile", "message/delivery-status",
    "message/rfc822", "message/external-body", "message/partial", "x", "a/b/c", "\"text/plain\"",
    "text /plain", "multipart/mixed", "audio/x-wav", "text/plain,text/html", "",
]  # fmt: skip
MULTIPARTS = [
    "mixed", "alternative", "related", "mixed", "alternative", "signed", "report", "parallel", "digest",
    "encrypted", "appledouble", "form-data", "x-mixed-replace",
]  # fmt: skip
ENCODINGS = [
    "7bit", "8bit", "quoted-printable", "base64", "QUOTED-PRINTABLE", "Base64", "binary", "quoted-printable",
    "base64", "x-uuencode", "", "x-zip", "quoted-printable; x", "base64 (x)", "8-bit", "7BIT\t",
]  # fmt: skip
NAMES = [
    "a.pdf", "a b.pdf", "=?utf-8?q?a=C3=B1o.pdf?=", "a", "", "x.hqx", "x.p7m", "winmail.dat", "a.txt",
    "../x", "a;b.pdf", "a'b''c.pdf", "a\\\"b.pdf", "año.pdf", "x" * 1200 + ".pdf", "a.eml", ".", " a.pdf ",
    "a,b", "(a).pdf", "%41.pdf",
]  # fmt: skip
PARAMETERS = [
    "format=flowed", "delsp=yes", "x", "=y", "charset", "name", "a=\"b", "a=b c", "a=b (c)",
    "method=REQUEST", "protocol=\"application/pgp-signature\"", "micalg=sha-256", "type=\"text/html\"",
    "report-type=delivery-status", "name*0=a; name*1=.pdf", "filename*0*=utf-8''a; filename*1*=%C3%B1.pdf",
    "name*=utf-8''%C3%B1", "x-a=1", "a='b'", "charset=utf-8", "boundary=zz", "A=B", "smime-type=signed-data",
    "start=\"<a>\"", "charset*=us-ascii'en'utf-8",
]  # fmt: skip
BOUNDARIES = [
    "b", "b1", "b 1", "=_b", "--", "-", "b--", "b\"", "a'b()+_,-./:=?", "0" * 70, "0" * 90, "b.", "b ", " b",
    "----=_Part_1",
]  # fmt: skip
AROUND = [
    b"", b"", b"", b"This is a multi-part message in MIME format.", b"\r\n", b"x\r\n\r\ny", b" ", b"--",
    b"--other\r\n",
]  # fmt: skip
OCTETS = [
    b"%PDF-1.4\n", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"", b"abc", b"a,b\r\n1,2\r\n", b"{}",
    b"begin 644 a\n#86)C\n`\nend\n",
]  # fmt: skip
STRAY = [
    b"=", b"= \r\n", b"=\r\n", b"=\n", b"=\r", b"=3", b"=zz", b"==", b"=3d", b" \r\n", b"*", b"\xff",
    b"\xc3", b"\xa0", b"\r", b"\n", b"\x00", b"\t", b"====", b"QQ==", b" ", b"-", b"_", b"\x1b$B", b"\x85",
    b"\x0c", b"\xef\xbb\xbf", b"=EF=BB=BF", b"=0D", b"=0A", b"=1B", b"=E2=80=A8", b"=00", b"> ", b"--b",
    b"\r\n--b\r\n", b"\r\n--b--\r\n", b"begin 644 a\r\n", b"=62egin 644 a\r\n",
]  # fmt: skip
OF_MAIL = [
    b"=?", b"?=", b"=?utf-8?q?", b"From: ", b"To: ", b"Subject: ", b"Date: ", b"References: ", b"text/html",
    b"Content-Type: ", b"Content-Disposition: attachment; ", b"Content-Transfer-Encoding: base64\r\n",
    b"Content-ID: <a>\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"message/rfc822\r\n\r\n",
    b"multipart/mixed; boundary=b\r\n\r\n", b"filename=", b"filename*=", b"name=", b"charset=utf-16",
    b"charset=utf-7", b"\r\n\r\n", b"\n\n", b"\r\n ", b"\n\t", b"<p>", b"<!--", b"-->", b"<script>", b"&#x",
    b";", b'"', b"\\", b"(", b")", b"''",
]  # fmt: skip


OF_WORDS = [
    "=?utf-8?q?", "=?UTF-8?Q?", "=?utf-8?b?", "=?UTF-8?B?", "=?iso-8859-1?q?", "=?=", "?=", "?= ",
    "?= =?utf-8?q?", "=", "=C3=A9", "=c3", "=20", "_", "a", "Ana", "w6k=", "w6k", "QQ==", "QUJD", "?", " ",
    "  ", "=0A", "=00", "=E2=80=A8", "=3D", "=?utf-8*de?q?", "(", ")", ",", '"', "<a@b>", "@", ".",
    "=EF=BB=BF", "=C2=A0", "=F0=9F=8F=A2", "8J+Pog==", "=\t", "!",
]  # fmt: skip
OF_PAGES = [
    "<", ">", "</", "/>", "<!--", "-->", "--", "!", "?", "&", ";", "&#", "#", "x", "amp", "lt", "nbsp",
    "&nbsp;", "&lt;", "a", "b", "p", "br", "li", "td", "div", "script", "style", "title", "svg", " ", "  ",
    "\n", "\t", '"', "'", "=", "href=", "é", "\xa0", "\u2028", "1", "65", "41", "3", "P", "BR", "&AMP;",
    "&copy", "&hearts;", "&Tab;", "&ensp;", "&zwnj;", "&#8203;", "&#13;", "&#150;", "<p>", "</p>", "<br>",
    "<b>", "</b>", "<o:p>", "<a\nb>", "<p\tclass=a>", "<td>", "</td>", "<h1>", "<tr>", "\x0c", "\x1f",
    "\u3000", "\x85", "\u1680", "\u2003", "\u202f", "\u205f", "\x1c", "\u200b",
]  # fmt: skip
OF_QUOTED = [
    b"=", b"==", b"=3D", b"=3d", b"=0D", b"=0A", b"=0D=0A", b"=20", b"=C3=A9", b"=E9", b"=\r\n", b"= \r\n",
    b"=\n", b"\r\n", b"\n", b"\r", b" ", b"\t", b"a", b"b", b"begin", b" 644 a", b"begin 644 a\r\n",
    b"ybegin line=128 size=3 name=a\r\n", b"yend", b"#86)C", b"end", b"Hello", b"3", b"D", b"f", b"G",
    b"=1B", b"=62", b"=00", b"`\r\n", b"(This file must be converted with BinHex 4.0)", b":", b".", b"> ",
    b"=EF=BB=BF", b"=E2=80=A8", b"=EF", b"\xef\xbb\xbf", b"\xff", b"On 1 June, a@b wrote:\r\n",
    b"-----BEGIN PGP MESSAGE-----",
]  # fmt: skip
OF_PARAMETERS = [
    "text/plain", "text/html", "multipart/mixed", "; ", ";", " ", "charset", "name", "boundary", "=", '"',
    "\\", "(", ")", "'", "*", "*0", "utf-8", "a.pdf", "b", "format=flowed", "charset=utf-8", "name=a.pdf",
    'name="a b.pdf"', "''", "utf-8''a", "%41", ",", "/", ":", "=?utf-8?q?a?=", "filename", "attachment",
    "inline", "\t", "x-a", "A", "1", "<", ">", "@", "?", "[", "]", "-", "é",
]  # fmt: skip


class MailWriter:
    """Writes messages by chance: mostly as programs do it, and each thing wrong now and then."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.line_end = chance.choice([b"\r\n"] * 6 + [b"\n"] * 3 + [b"\r"])
        self.oddity = chance.choice([0.0, 0.0, 0.01, 0.02, 0.05, 0.2])
        self.variety = chance.choice([0.05, 0.1, 0.3, 0.7])

    def odd(self) -> bool:
        """Whether something is to be wrong here."""
        return self.chance.random() < self.oddity

    def end(self) -> bytes:
        """Return a line end, seldom another than everywhere."""
        return self.chance.choice([b"\r\n", b"\n", b"\r", b"\r\r\n", b""]) if self.odd() else self.line_end

    def message(self, depth: int = 0) -> bytes:
        """Return a whole message, which may be within another."""
        chance = self.chance
        names = list(USUAL_FIELDS) if not self.odd() else []
        names += chance.choices(list(FIELDS), k=chance.choice([0, 0, 1, 2, 4]))
        if not self.odd():
            names = list(dict.fromkeys(names))
        chance.shuffle(names)
        return b"".join(self.field(name, self.said(name)) for name in names) + self.entity(depth)

    def said(self, name: str) -> str:
        """Return what a field of the header says."""
        if self.odd() or (name in ("Subject", "From") and self.chance.random() < 0.1):
            return self.mixture(OF_WORDS)
        return self.value(FIELDS[name])

    def mixture(self, pieces: list[str]) -> str:
        """Return pieces of some syntax in any order."""
        return "".join(self.chance.choices(pieces, k=self.chance.choice([1, 2, 4, 8, 16, 40])))

    def value(self, values: list[str]) -> str:
        """Return one of some values, among the first where nothing is to be odd."""
        return self.chance.choice(values if self.chance.random() < self.variety else values[:2])

    def field(self, name: str, value: str) -> bytes:
        """Return one field, folded in any way."""
        chance = self.chance
        if self.odd():
            name = chance.choice(
                [name.upper(), name.lower(), name + " ", " " + name, "", name.replace("-", "")]
            )
        said = value.encode("utf-8", "surrogateescape") if self.odd() else value.encode("ascii", "replace")
        if chance.random() < 0.2:
            fold = self.end() + chance.choice([b" ", b"\t", b"  ", b" \t", b"\t "])
            said = said.replace(b" ", fold) if chance.random() < 0.5 else said.replace(b" ", fold + b" ", 1)
        if self.odd():
            said += chance.choice(
                [b" ", b"\t", b"\x00", b"\xff", b"\x01", b"\x7f", b"\r\n ", b"\r\n\t\r\n b"]
            )
        colon = chance.choice([b":", b":\t", b":  ", b":\r\n ", b" : ", b""]) if self.odd() else b": "
        return name.encode() + colon + said + self.end()

    def type_field(self, media_type: str, parameters: list[str]) -> bytes:
        """Return a Content-Type."""
        chance = self.chance
        if self.odd():
            parameters = [*parameters, chance.choice(PARAMETERS)]
            chance.shuffle(parameters)
        if self.odd():
            return self.field("Content-Type", media_type + "; " + self.mixture(OF_PARAMETERS))
        between = chance.choice(["; ", "; ", ";", ";\t", " ; ", ";;"] if self.odd() else ["; "])
        return self.field(
            "Content-Type", between.join([media_type, *parameters]) + (";" if self.odd() else "")
        )

    def entity(self, depth: int) -> bytes:
        """Return the fields that say what a part is, a blank line, and what it is."""
        kind = self.chance.random()
        if depth < 4 and kind < (0.5 if depth == 0 else 0.25):
            return self.multipart(depth)
        if depth < 4 and kind < 0.55 and self.odd():
            return self.type_field("message/rfc822", []) + self.end() + self.message(depth + 1)
        return self.text() if kind < 0.85 else self.file()

    def parameter(self, name: str, value: str) -> str:
        """Return a parameter, in quotes or without."""
        if self.chance.random() < 0.5 or not value.isalnum():
            return f'{name}="{value}"' if not self.odd() else f"{name}={value}"
        return f"{name}={value}"

    def multipart(self, depth: int) -> bytes:
        """Return a multipart with its parts."""
        chance = self.chance
        boundary = (
            chance.choice(BOUNDARIES)
            if self.odd()
            else f"b{depth}"
            if chance.random() < 0.5
            else f"=_{depth}"
        )
        said = [self.parameter("boundary", boundary)] if not self.odd() else []
        head = self.type_field(f"multipart/{self.value(MULTIPARTS)}", said)
        if self.odd():
            head += self.field("Content-Transfer-Encoding", self.value(ENCODINGS))
        pieces = [head, self.end(), chance.choice(AROUND)]
        if pieces[-1]:
            pieces.append(self.end())
        line = b"--" + boundary.encode().strip()
        for _ in range(chance.choice([1, 2, 2, 2, 3, 4]) if not self.odd() else chance.choice([0, 6])):
            part = self.entity(depth + 1)
            pieces += [line, b" " if self.odd() else b"", self.end(), part]
            pieces += [b"" if self.odd() else self.end()]
        if not self.odd():
            pieces += [
                line,
                b"--",
                chance.choice([b" ", b"-", b"x", b"\t"]) if self.odd() else b"",
                self.end(),
            ]
        pieces.append(chance.choice(AROUND) if not self.odd() else line + self.end() + b"below")
        return b"".join(pieces)

    def text(self) -> bytes:
        """Return a text."""
        chance = self.chance
        media_type = (
            self.value(["text/plain", "text/html", *TYPES]) if self.odd() else chance.choice(TYPES[:2])
        )
        charset = self.value(CHARSETS)
        pieces = PAGE if "html" in media_type.lower() else WORDS
        if pieces is PAGE and chance.random() < 0.4:
            pieces = OF_PAGES
        chosen = chance.choices(pieces, k=chance.choice([0, 1, 3, 8, 30]))
        text = ("" if pieces is OF_PAGES or (pieces is PAGE and chance.random() < 0.5) else "\n").join(chosen)
        if chance.random() < 0.5:
            text = text.encode("ascii", "ignore").decode()
        try:
            octets = text.encode(charset if not self.odd() else "utf-8", "replace")
        except (LookupError, UnicodeError):
            octets = text.encode()
        octets = octets.replace(b"\n", self.line_end) if b"\0" not in octets else octets
        parameters = [self.parameter("charset", charset)] if chance.random() < 0.9 else []
        head = self.type_field(media_type, parameters) if chance.random() < 0.9 else b""
        return head + self.described(self.odd()) + self.encoded(octets)

    def file(self) -> bytes:
        """Return a file."""
        chance = self.chance
        media_type = self.value(TYPES if self.odd() else TYPES[10:13])
        name = self.value(NAMES)
        head = self.type_field(media_type, [self.parameter("name", name)] if chance.random() < 0.6 else [])
        content = chance.choice(OCTETS) * chance.choice([1, 1, 40])
        return head + self.described(chance.random() < 0.8) + self.encoded(content)

    def described(self, is_file: bool) -> bytes:
        """Return the fields that say how a part is shown and called."""
        chance = self.chance
        fields = b""
        if is_file:
            said = chance.choice(["attachment", "attachment", "inline", "ATTACHMENT", "x", ""])
            name = self.value(NAMES)
            named = self.parameter("filename", name) if chance.random() < 0.8 else chance.choice(PARAMETERS)
            fields += self.field("Content-Disposition", f"{said}; {named}" if chance.random() < 0.8 else said)
        if chance.random() < 0.1 or self.odd():
            fields += self.field("Content-ID", self.value(IDENTIFIERS))
        if self.odd():
            field = chance.choice(["Content-Location", "Content-Description", "Content-Language"])
            fields += self.field(field, chance.choice([*NAMES, "http://a/b.pdf?c", "A text"]))
        return fields

    def encoded(self, octets: bytes) -> bytes:
        """Return content with the field that says how it is encoded, and the blank line between."""
        chance = self.chance
        said = self.value(ENCODINGS)
        name = said.lower()
        if self.odd():
            name = self.value(ENCODINGS).lower()
        if name.startswith("quoted"):
            octets = self.quoted(octets)
        elif name.startswith("base64"):
            octets = base64.encodebytes(octets).replace(b"\n", self.line_end)
        for _ in range(chance.choice([0, 0, 1, 3]) if self.odd() else 0):
            at = chance.randint(0, len(octets))
            octets = octets[:at] + chance.choice(STRAY) + octets[at + chance.choice([0, 0, 1, 3]) :]
        head = self.field("Content-Transfer-Encoding", said) if chance.random() < 0.9 or said != name else b""
        return head + (b"" if self.odd() else self.end()) + octets

    def quoted(self, octets: bytes) -> bytes:
        """Return quoted-printable, with escapes and soft breaks where none need be now and then."""
        chance = self.chance
        if chance.random() < 0.15:
            return b"".join(chance.choices(OF_QUOTED, k=chance.choice([1, 3, 8, 20, 60])))
        lines = quopri.encodestring(octets.replace(b"\r\n", b"\n"))
        if chance.random() < 0.2:
            rate = chance.choice([0.02, 0.1, 0.5])
            escaped = [self.escaped(octet) if chance.random() < rate else b"%c" % octet for octet in lines]
            lines = b"".join(escaped)
        return lines.replace(b"\n", self.line_end)

    def escaped(self, octet: int) -> bytes:
        """Return an octet of quoted-printable that needs no escape with one, or in a line of its own."""
        if octet in b"=\n":
            return b"%c" % octet
        return b"=%02X" % octet if self.chance.random() < 0.7 else b"=\n%c" % octet


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Return a message in which octets were changed, lost, doubled or put in."""
    found = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 3, 6])):
        at = chance.randint(0, len(found))
        length = chance.choice([1, 1, 2, 4, 30, 200])
        kind = chance.randrange(5)
        if kind == 0:
            found[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del found[at : at + length]
        elif kind == 2:
            found[at:at] = chance.choice(STRAY + OF_MAIL)
        elif kind == 3:
            found[at : at + length] = chance.choice(STRAY + OF_MAIL)
        else:
            found[at:at] = found[at : at + length]
    return bytes(found)
