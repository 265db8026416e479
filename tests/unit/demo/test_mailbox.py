"""The demonstration's mail: believable, and the same on every run of a day."""

from __future__ import annotations

import email
import email.policy
import io
import zipfile
from datetime import UTC, date, datetime, timedelta

import openpyxl
import pytest

from demo.documents import Invoice, invoice_pdf, price_list_xlsx, statement_xlsx
from demo.mailbox import imap_account, pop3_account, pop3_arrivals

TODAY = date(2026, 11, 20)


def test_the_same_day_gives_the_same_octets() -> None:
    """Whoever runs it twice sees the same story, down to checksums."""
    assert imap_account(TODAY) == imap_account(TODAY)
    assert pop3_account(TODAY) == pop3_account(TODAY)


def test_folders_are_those_of_a_person() -> None:
    """Every kind of folder is there, one of them below another."""
    assert set(imap_account(TODAY)) == {"INBOX", "Sent", "Archive", "Facturas/2026", "Trash"}


@pytest.mark.parametrize("today", [date(2026, 1, 2), TODAY, date(2028, 2, 29)])
def test_dates_are_old_and_new_and_never_to_come(today: date) -> None:
    """Retention needs mail of several years, whenever the demonstration runs."""
    inbox = imap_account(today)["INBOX"]
    dates = [message.internal_date for message in inbox]
    end = datetime(today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=1)
    assert all(moment is not None and moment < end for moment in dates)
    assert sum(moment < end - timedelta(days=730) for moment in dates if moment) > 10
    assert dates == sorted(dates, key=lambda moment: moment or end)


def test_messages_are_distinct() -> None:
    """What the tables count is what was laid down."""
    mail = [message.content for folder in imap_account(TODAY).values() for message in folder]
    mail += [message.content for message in pop3_account(TODAY) + pop3_arrivals(TODAY)]
    assert len(set(mail)) == len(mail)
    assert 120 <= len(mail) <= 200


def test_attachments_are_real_documents() -> None:
    """A person can open them."""
    kinds = set()
    for message in imap_account(TODAY)["Facturas/2026"]:
        parsed = email.message_from_bytes(message.content, policy=email.policy.default)
        for part in parsed.iter_attachments():
            content = part.get_content()
            name = str(part.get_filename())
            kinds.add(name.rpartition(".")[2])
            if name.endswith(".pdf"):
                assert content.startswith(b"%PDF-")
            else:
                assert openpyxl.load_workbook(io.BytesIO(content)).active is not None
    assert kinds == {"pdf", "xlsx"}


def test_one_message_has_8_bit_headers() -> None:
    """Old programs sent Latin-1 as it is, and such mail is still around."""
    raw = [m.content for m in imap_account(TODAY)["INBOX"] if not m.content.isascii()]
    assert any(b"Subject: Revisi\xf3n" in content for content in raw)


def test_documents_do_not_carry_the_time_they_were_made() -> None:
    """The same invoice is the same PDF, and a sheet is dated by its content."""
    invoice = Invoice(number="1", seller="Seller", buyer="Buyer", day=TODAY, lines=((2, "Tile", 3.5),))
    assert invoice.total == 8.47
    assert invoice_pdf(invoice) == invoice_pdf(invoice)
    for content in (statement_xlsx(TODAY, [invoice]), price_list_xlsx(TODAY, [("Tile", 3.5)])):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert {info.date_time[:3] for info in archive.infolist()} == {(2026, 11, 20)}
            assert b"2026-11-20T09:00:00Z" in archive.read("docProps/core.xml")
