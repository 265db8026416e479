"""Real documents to attach: invoices as PDF, lists as XLSX; the same bytes for the same arguments."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from datetime import UTC, date, datetime

import fpdf
import openpyxl

__all__ = ["Invoice", "invoice_pdf", "price_list_xlsx", "statement_xlsx"]

VAT = 0.21

MIDNIGHT = (0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """One invoice: who sends it, when, and quantity, description and price of each line."""

    number: str
    seller: str
    buyer: str
    day: date
    lines: tuple[tuple[int, str, float], ...]
    spanish: bool = True

    @property
    def net(self) -> float:
        """The sum of all lines before tax."""
        return sum(quantity * price for quantity, _, price in self.lines)

    @property
    def total(self) -> float:
        """What has to be paid."""
        return round(self.net * (1 + VAT), 2)


def money(amount: float, *, spanish: bool) -> str:
    """Return an amount as the country writes it."""
    text = f"{amount:,.2f}"
    return text.translate(str.maketrans(",.", ".,")) + " EUR" if spanish else f"EUR {text}"


def invoice_pdf(invoice: Invoice) -> bytes:
    """Return the invoice as a page of A4."""
    words = (
        ("Factura", "Fecha", "Cliente", "Base imponible", "IVA 21 %", "Total")
        if invoice.spanish
        else ("Invoice", "Date", "Customer", "Net", "VAT 21 %", "Total")
    )
    page = fpdf.FPDF()
    page.set_creation_date(datetime(*invoice.day.timetuple()[:3], 9, 0, tzinfo=UTC))
    page.set_title(f"{words[0]} {invoice.number}")
    page.add_page()
    page.set_font("Helvetica", "B", 18)
    page.cell(0, 12, invoice.seller, new_x="LMARGIN", new_y="NEXT")
    page.set_font("Helvetica", size=11)
    head = (
        (words[0], invoice.number),
        (words[1], f"{invoice.day:%d/%m/%Y}" if invoice.spanish else invoice.day.isoformat()),
        (words[2], invoice.buyer),
    )
    for name, value in head:
        page.cell(0, 7, f"{name}: {value}", new_x="LMARGIN", new_y="NEXT")
    page.ln(6)
    for quantity, description, price in invoice.lines:
        page.cell(20, 8, str(quantity), border=1)
        page.cell(110, 8, description, border=1)
        amount = money(quantity * price, spanish=invoice.spanish)
        page.cell(50, 8, amount, border=1, align="R", new_x="LMARGIN", new_y="NEXT")
    page.ln(4)
    tax = invoice.total - invoice.net
    for name, sum_of in zip(words[3:], (invoice.net, tax, invoice.total), strict=True):
        text = f"{name}: {money(sum_of, spanish=invoice.spanish)}"
        page.cell(180, 8, text, align="R", new_x="LMARGIN", new_y="NEXT")
    return bytes(page.output())


def statement_xlsx(day: date, invoices: list[Invoice]) -> bytes:
    """Return a sheet that lists invoices with their totals."""
    rows: list[list[object]] = [["Factura", "Fecha", "Proveedor", "Base", "Total"]]
    rows += [[i.number, i.day, i.seller, round(i.net, 2), i.total] for i in invoices]
    return _sheet("Facturas", day, rows)


def price_list_xlsx(day: date, articles: list[tuple[str, float]]) -> bytes:
    """Return a sheet of articles and prices."""
    return _sheet("Prices", day, [["Article", "EUR/m2"], *([name, price] for name, price in articles)])


def _sheet(title: str, day: date, rows: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    sheet.column_dimensions["A"].width = 18
    sheet.column_dimensions["C"].width = 32
    written = io.BytesIO()
    book.save(written)
    return _dated(written.getvalue(), day)


def _dated(content: bytes, day: date) -> bytes:
    """Return the workbook as if it had been saved on ``day``: openpyxl writes the time it is now."""
    stamp = f"{day.isoformat()}T09:00:00Z".encode()
    settled = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(settled, "w") as target:
        for name in source.namelist():
            member = source.read(name)
            if name == "docProps/core.xml":
                member = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp, member)
            info = zipfile.ZipInfo(name, (day.year, day.month, day.day, *MIDNIGHT))
            target.writestr(info, member, zipfile.ZIP_DEFLATED)
    return settled.getvalue()
