"""Believable mail for two accounts of a small tile workshop, the same on every run of a day.

Everything follows from ``today``: nothing is drawn from a clock or at random. Dates reach
back over five years, because retention without old mail shows nothing.
"""

from __future__ import annotations

import itertools
import random
from datetime import UTC, date, datetime, time, timedelta

from demo.documents import Invoice, invoice_pdf, money, price_list_xlsx, statement_xlsx
from demo.letters import ARTICLES, LETTERS, NEWSLETTERS, PEOPLE, REPLIES, SUPPLIERS
from tests.support.mail import make_message
from tests.support.maildir import Stored

__all__ = ["IMAP_USER", "POP3_USER", "imap_account", "pop3_account", "pop3_arrivals"]

IMAP_USER = "ana@ceramicaruiz.example"
POP3_USER = "pedidos@ceramicaruiz.example"

ANA = f"Ana Ruiz <{IMAP_USER}>"
ORDERS = f"Pedidos Cerámica Ruiz <{POP3_USER}>"
COMPANY = "Cerámica Ruiz"

SPANISH_MONTHS = (
    *("enero", "febrero", "marzo", "abril", "mayo", "junio"),
    *("julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
)
ENGLISH_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63f8cfc0f01f"
    "00050001ff56c72f0d0000000049454e44ae426082"
)
"""The smallest PNG: the logo in a newsletter, which is no attachment to a person."""


def imap_account(today: date) -> dict[str, list[Stored]]:
    """Return the messages of Ana's account by folder, oldest first."""
    draw = random.Random("imap")
    invoices = _invoices(today)
    inbox = [_letter(draw, day, ANA) for day in _days(draw, today, count=44, years=4)]
    inbox += [_newsletter(draw, day) for day in _days(draw, today, count=10, years=2)]
    inbox += [_eight_bit(today - timedelta(days=900)), _price_list(today - timedelta(days=30))]
    return {
        "INBOX": _sorted(inbox),
        "Sent": _sorted([_reply(draw, day) for day in _days(draw, today, count=30, years=4)]),
        "Archive": _sorted([_letter(draw, day, ANA) for day in _days(draw, today, count=28, years=5)]),
        "Facturas/2026": _sorted([*map(_invoice_mail, invoices), _statement(invoices)]),
        "Trash": _sorted([_newsletter(draw, day) for day in _days(draw, today, count=14, years=3)]),
    }


def pop3_account(today: date) -> list[Stored]:
    """Return the orders that wait in the POP3 account, oldest first."""
    draw = random.Random("pop3")
    days = _days(draw, today - timedelta(days=1), count=34, years=1)
    mail = [_letter(draw, day, ORDERS) for day in days]
    buyer = "Hotel Miramar S.A."
    for number, day in enumerate(days[::9], 1):
        invoice = Invoice(number=f"P-{number:03}", seller=COMPANY, buyer=buyer, day=day, lines=_lines(draw))
        mail.append(_invoice_mail(invoice, sender=PEOPLE[7], recipient=ORDERS, word="Pedido"))
    return _sorted(mail)


def pop3_arrivals(today: date) -> list[Stored]:
    """Return what comes into the POP3 account while the demonstration runs."""
    draw = random.Random("arrivals")
    return [_letter(draw, today, ORDERS) for _ in range(3)]


def _days(draw: random.Random, today: date, *, count: int, years: int) -> list[date]:
    """Return days from ``years`` ago until yesterday, evenly spread with some chance in it."""
    step = (years * 365 - 2) / count
    return [
        today - timedelta(days=1 + round(step * number + draw.random() * step)) for number in range(count)
    ]


def _sorted(messages: list[Stored]) -> list[Stored]:
    return sorted(messages, key=lambda message: message.internal_date or datetime.min.replace(tzinfo=UTC))


def _stored(draw: random.Random, content: bytes, moment: datetime) -> Stored:
    chance = draw.random()
    flags: tuple[str, ...] = ("\\Seen",) if chance < 0.8 else ()
    if chance < 0.3:
        flags += ("\\Answered",)
    if 0.30 < chance < 0.36:
        flags += ("\\Flagged",)
    return Stored(content=content, flags=flags, internal_date=moment + timedelta(seconds=7))


def _moment(draw: random.Random, day: date) -> datetime:
    return datetime.combine(day, time(draw.randrange(7, 20), draw.randrange(60), draw.randrange(60)), UTC)


def _words(day: date, template: str, *, name: str = "", number: int = 0) -> str:
    spanish = any(letter in template for letter in "áéíóúñ¿¡º") or " de " in template
    month = (SPANISH_MONTHS if spanish else ENGLISH_MONTHS)[day.month - 1]
    return template.format(n=number, name=name, article=ARTICLES[number % 5][0], month=month)


def _letter(draw: random.Random, day: date, recipient: str) -> Stored:
    subject, text = draw.choice(LETTERS)
    sender = draw.choice(PEOPLE)
    number, moment = draw.randrange(12, 480), _moment(draw, day)
    name = sender.split("<")[0].strip()
    content = make_message(
        subject=_words(day, subject, number=number),
        sender=sender,
        to=recipient,
        date=moment,
        text=_words(day, text, name=name, number=number),
    )
    return _stored(draw, content, moment)


def _reply(draw: random.Random, day: date) -> Stored:
    subject, text = draw.choice(REPLIES)
    number, moment = draw.randrange(12, 480), _moment(draw, day)
    content = make_message(
        subject=_words(day, subject, number=number),
        sender=ANA,
        to=draw.choice(PEOPLE),
        date=moment,
        text=_words(day, text, number=number),
    )
    return Stored(content=content, flags=("\\Seen",), internal_date=moment)


def _newsletter(draw: random.Random, day: date) -> Stored:
    sender, subject, text = draw.choice(NEWSLETTERS)
    moment = _moment(draw, day)
    html = f'<html><body><img src="cid:part0@x" alt=""><p>{text.strip()}</p></body></html>\n'
    content = make_message(
        subject=_words(day, subject),
        sender=sender,
        to=ANA,
        date=moment,
        text=text,
        html=html,
        inline=[("logo.png", "image/png", PIXEL)],
        headers=[("List-Unsubscribe", "<https://news.example/unsubscribe>")],
    )
    return _stored(draw, content, moment)


def _lines(draw: random.Random) -> tuple[tuple[int, str, float], ...]:
    return tuple((draw.randrange(1, 40), name, price) for name, price in draw.sample(ARTICLES, 3))


def _invoices(today: date) -> list[Invoice]:
    """Return this year's invoices: of 2026, as the folder says, and none from the future."""
    draw = random.Random("invoices")
    end = max(min(today, date(2026, 12, 20)), date(2026, 1, 20))
    start = date(2026, 1, 8)
    found = []
    suppliers = itertools.cycle(SUPPLIERS)
    for number in range(22):
        seller, _, spanish = next(suppliers)
        day = start + (end - start) * number // 22
        found.append(
            Invoice(
                number=f"2026-{number + 101}",
                seller=seller,
                buyer=COMPANY,
                day=day,
                lines=_lines(draw),
                spanish=spanish,
            )
        )
    return found


def _invoice_mail(
    invoice: Invoice, *, sender: str | None = None, recipient: str = ANA, word: str = "Factura"
) -> Stored:
    spanish = invoice.spanish
    address = next((mail for name, mail, _ in SUPPLIERS if name == invoice.seller), "")
    moment = datetime.combine(invoice.day, time(9, 30), UTC)
    total = money(invoice.total, spanish=spanish)
    text = (
        f"Adjuntamos {word.lower()} {invoice.number} por {total}.\n\nGracias por su confianza.\n"
        if spanish
        else f"Please find attached invoice {invoice.number} over {total}.\n\nThank you for your business.\n"
    )
    name = f"{word if spanish else 'Invoice'} {invoice.number}.pdf"
    content = make_message(
        subject=f"{word if spanish else 'Invoice'} {invoice.number}",
        sender=sender or f"{invoice.seller} <{address}>",
        to=recipient,
        date=moment,
        text=text,
        attachments=[(name, "application/pdf", invoice_pdf(invoice))],
    )
    return Stored(content=content, flags=("\\Seen",), internal_date=moment)


XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _statement(invoices: list[Invoice]) -> Stored:
    """Return the accountant's list with a name that needs care: accents, spaces and a slash."""
    day = invoices[-1].day
    moment = datetime.combine(day, time(18, 0), UTC)
    content = make_message(
        subject="Relación de facturas: falta alguna?",
        sender="Gestoría Peris <gestoria@peris.example>",
        to=ANA,
        date=moment,
        text="Hola, Ana:\n\nTe paso la relación. Dime si falta alguna antes del día 20.\n\nVicent Peris\n",
        attachments=[
            ("Relación 2026/T4 – año.xlsx", XLSX, statement_xlsx(day, invoices)),
            ("Factura duplicada.pdf", "application/pdf", invoice_pdf(invoices[0])),
        ],
    )
    return Stored(content=content, flags=("\\Seen", "\\Flagged"), internal_date=moment)


def _price_list(day: date) -> Stored:
    moment = datetime.combine(day, time(11, 5), UTC)
    content = make_message(
        subject="New price list",
        sender="Clay & Colour Ltd <sales@clay-colour.example>",
        to=ANA,
        date=moment,
        text="Dear customer,\n\nour new prices are attached; they hold from the first of next month.\n",
        attachments=[("Price list.xlsx", XLSX, price_list_xlsx(day, list(ARTICLES)))],
    )
    return Stored(content=content, internal_date=moment)


def _eight_bit(day: date) -> Stored:
    """Return a message as old programs sent them: raw Latin-1 in header and text, nothing declared."""
    moment = datetime.combine(day, time(8, 15), UTC)
    lines = (
        "From: Fábrica de Hornos Muñoz <taller@hornos-munoz.example>",
        f"To: {IMAP_USER}",
        "Subject: Revisión del horno: mañana a las ocho",
        f"Date: {moment:%a, %d %b %Y %H:%M:%S} +0000",
        "Message-ID: <revision-horno@hornos-munoz.example>",
        "",
        "Señora Ruiz: mañana pasará el técnico. Avísenos si no puede.",
        "",
    )
    return Stored(content="\r\n".join(lines).encode("latin-1"), flags=("\\Seen",), internal_date=moment)
