"""The mail that is measured on: two accounts, the same octets on every machine.

``mixed`` is an ordinary account (short texts, HTML, some attachments), ``small`` is many
short messages. Sizes are drawn from a fixed seed and scaled to a fixed total.
"""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.support.maildir import Stored

__all__ = ["ACCOUNTS", "AccountSpec", "FolderSpec", "messages"]

START = datetime(2012, 1, 1, tzinfo=UTC)

POOL_OCTETS = 6 << 20
"""Random octets that attachments are cut from: enough that no two are alike, few enough to make at once."""

LETTERS = "eeeeaaaaiiioooonnnrrrtttlllsssuuudddcmmpghbfvyé"
"""Letters that words are drawn from, one of them not ASCII."""

LINES = 5_000
"""Lines of words that texts are cut from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSpec:
    """So many messages of so many octets in all."""

    name: str
    count: int
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """One account.

    :param spread: how unequal sizes are (sigma of a log-normal distribution).
    """

    name: str
    spread: float
    folders: tuple[FolderSpec, ...]

    @property
    def count(self) -> int:
        """How many messages it holds."""
        return sum(folder.count for folder in self.folders)

    @property
    def octets(self) -> int:
        """How large it is."""
        return sum(folder.octets for folder in self.folders)

    def part(self, divisor: int) -> AccountSpec:
        """Return the same account with a fraction of its messages."""
        folders = tuple(
            FolderSpec(name=f.name, count=f.count // divisor, octets=f.octets // divisor)
            for f in self.folders
        )
        return AccountSpec(name=self.name, spread=self.spread, folders=folders)


ACCOUNTS = (
    AccountSpec(
        name="mixed",
        spread=1.6,
        folders=(
            FolderSpec(name="INBOX", count=4000, octets=268_000_000),
            FolderSpec(name="Archive", count=1000, octets=74_000_000),
            FolderSpec(name="Projects/2026", count=1000, octets=74_000_000),
            FolderSpec(name="Sent", count=1000, octets=74_000_000),
        ),
    ),
    AccountSpec(
        name="small",
        spread=0.5,
        folders=(FolderSpec(name="INBOX", count=20_000, octets=79_000_000),),
    ),
)


def messages(account: AccountSpec, folder: FolderSpec) -> Iterator[Stored]:
    """Yield the messages of a folder, oldest first."""
    draw = random.Random(f"{account.name}/{folder.name}")
    pools = _Pools(draw)
    for number, octets in enumerate(_sizes(draw, account, folder)):
        moment = START + timedelta(minutes=97 * number)
        identity = f"{number}.{folder.name.replace('/', '.')}.{account.name}"
        content = _message(draw, pools, identity, octets, moment)
        flags = ("\\Seen",) if number % 4 else ()
        yield Stored(content=content, flags=flags, internal_date=moment)


def _sizes(draw: random.Random, account: AccountSpec, folder: FolderSpec) -> list[int]:
    """Return sizes that are as unequal as real ones and come to the folder's total, headers apart."""
    wishes = [draw.lognormvariate(0, account.spread) for _ in range(folder.count)]
    scale = (folder.octets - folder.count * 900) / sum(wishes)
    return [900 + round(wish * scale) for wish in wishes]


class _Pools:
    """Lines that messages are made of: words as they are, HTML in quoted-printable, octets in base64."""

    def __init__(self, draw: random.Random) -> None:
        words = ["".join(draw.choices(LETTERS, k=draw.randint(2, 11))) for _ in range(2000)]
        lines = [" ".join(draw.choices(words, k=10)) for _ in range(LINES)]
        self.text = [line.encode() + b"\r\n" for line in lines]
        self.html = [
            binascii.b2a_qp(
                f'<p style="margin:0 0 1em">{line} &amp; {line[::-1]}</p>'.encode(), istext=True
            ).replace(b"=\n", b"=\r\n")
            + b"\r\n"
            for line in lines
        ]
        self.base64 = base64.encodebytes(draw.randbytes(POOL_OCTETS)).replace(b"\n", b"\r\n")


def _message(draw: random.Random, pools: _Pools, identity: str, octets: int, moment: datetime) -> bytes:
    person = draw.randrange(400)
    subject = f"Message {identity}" if person % 3 else f"=?utf-8?q?Mensaje_n=C2=BA_{identity}?="
    head = (
        f"Return-Path: <person{person}@example.org>\r\n"
        f"Received: from mx.example.org (mx.example.org [192.0.2.{person % 250}])\r\n"
        f"\tby mail.example.com with ESMTPS id {identity}; {moment:%a, %d %b %Y %H:%M:%S} +0000\r\n"
        f"From: =?utf-8?q?Person_{person}?= <person{person}@example.org>\r\n"
        f"To: Ana Ruiz <ana@example.com>\r\nSubject: {subject}\r\n"
        f"Date: {moment:%a, %d %b %Y %H:%M:%S} +0000\r\nMessage-ID: <{identity}@example.org>\r\n"
        "MIME-Version: 1.0\r\n"
    ).encode()
    if octets < 12_000:
        return head + _writing(draw, pools, identity, octets - len(head))
    boundary = f"=_mixed_{identity}"
    name = f"document {identity}.pdf"
    first = f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n--{boundary}\r\n'.encode()
    attachment = (
        f'\r\n--{boundary}\r\nContent-Type: application/pdf; name="{name}"\r\n'
        f'Content-Disposition: attachment; filename="{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    ).encode()
    end = f"--{boundary}--\r\n".encode()
    start = head + first + _writing(draw, pools, identity, 2_000) + attachment
    return start + _cut(draw, pools.base64, octets - len(start) - len(end)) + end


def _writing(draw: random.Random, pools: _Pools, identity: str, octets: int) -> bytes:
    """Return what a person reads: of ten messages four are plain, four both plain and HTML, two HTML only."""
    hello = f"Hello Ana,\r\n\r\nthis is message {identity}.\r\n\r\n".encode()
    plain = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + hello
    html = (
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"<html><body>\r\n"
    )
    kind = draw.random()
    if kind < 0.4:
        return plain + _lines(draw, pools.text, octets - len(plain))
    if kind < 0.6:
        return html + _lines(draw, pools.html, octets - len(html) - 16) + b"</body></html>\r\n"
    line = f"--=_both_{identity}".encode()
    start = f'Content-Type: multipart/alternative; boundary="=_both_{identity}"\r\n\r\n'.encode() + line
    rest = octets - len(start) - len(plain) - len(html) - 2 * len(line) - 28
    return b"\r\n".join(
        [
            start,
            plain + _lines(draw, pools.text, rest // 4),
            line,
            html + _lines(draw, pools.html, rest - rest // 4) + b"</body></html>",
            line + b"--\r\n",
        ]
    )


def _lines(draw: random.Random, pool: list[bytes], octets: int) -> bytes:
    """Return lines of the pool that follow each other, about so many octets."""
    first = draw.randrange(len(pool))
    found: list[bytes] = []
    while octets > 0:
        found.append(pool[first % len(pool)])
        octets -= len(found[-1])
        first += 1
    return b"".join(found)


def _cut(draw: random.Random, pool: bytes, octets: int) -> bytes:
    """Return whole lines of the pool, about so many octets, from a place of its own."""
    line = 78
    count = max(1, octets // line)
    pieces = []
    while count > 0:
        first = draw.randrange(len(pool) // line - 1)
        taken = min(count, len(pool) // line - 1 - first)
        pieces.append(pool[first * line : (first + taken) * line])
        count -= taken
    return b"".join(pieces)
