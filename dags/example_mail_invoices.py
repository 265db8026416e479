"""### Example: invoices from mail to a bucket to a table

Brings the archive in step with an account, delivers the PDF attachments that are new to a bucket or folder,
each once, reads them, and adds a row for each to a table in DuckDB: number, day and total of the invoice, who
sent it, when, where it lies. Run it again and nothing is added but what came since. What a PDF does not say
is empty; the words it is found by are at the top of this file: add those of your suppliers.

It needs `pip install 'airflow-mailroom[pdf,sql]'`.

**On a schedule:** copy this file under another `dag_id`, give `destination` and `database` defaults,
and set `schedule="@hourly"`. For another warehouse change the last task only: it reads the table
`deliveries` of the archive, and what it inserts is keyed by message and part.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from mailroom.operators.attachments import AttachmentsToObjectStorageOperator
from mailroom.operators.form import OPEN_SECTION, archive_field, optional_text
from mailroom.operators.imap import ImapMirrorOperator

TABLE = """
CREATE TABLE IF NOT EXISTS invoices (
    message_sha256 VARCHAR, part VARCHAR, sender VARCHAR, subject VARCHAR, sent TIMESTAMPTZ, filename VARCHAR,
    octets BIGINT, sha256 VARCHAR, location VARCHAR, number VARCHAR, day DATE, total DECIMAL(18, 2),
    PRIMARY KEY (message_sha256, part)
)
"""

NEW = """
SELECT message_sha256, part, sender, subject, date, filename, size, sha256, path FROM deliveries AS d
WHERE destination = ? AND quarantine IS NULL
    AND NOT EXISTS (FROM invoices AS i WHERE (i.message_sha256, i.part) = (d.message_sha256, d.part))
"""

NUMBER = r"(?i)\b(?:invoice|factura|facture|fattura|rechnung)[ .:#nNoOrRº°-]*\s*([A-Z0-9][\w./-]*\d[\w/-]*)"
DAY = r"\b(\d{4})-(\d\d)-(\d\d)\b|\b(\d\d?)[./](\d\d?)[./](\d{4})\b"
TOTAL = r"(?i)\b(?:total|gesamt\w*|totale)\b[^\d\n]{0,20}(\d[\d.,' ]*\d)"
"""What an invoice says of itself; of several totals the last one counts. Add what yours say."""


def read_invoice(pdf: bytes) -> tuple[str | None, date | None, Decimal | None]:
    """Return number, day and total of an invoice, as far as its words say them."""
    import io
    import logging

    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages[:3])
    except (PyPdfError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        logging.getLogger(__name__).warning("A PDF cannot be read: %s", error)
        return None, None, None
    number, day, totals = re.search(NUMBER, text), re.search(DAY, text), re.findall(TOTAL, text)
    return number and number[1], day and day_of(day), amount_of(totals[-1]) if totals else None


def day_of(found: re.Match[str]) -> date | None:
    """Return a day written as 2026-03-04 or, as in most of Europe, 04/03/2026."""
    year, month, day = found.group(1, 2, 3) if found[1] else found.group(6, 5, 4)
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def amount_of(text: str) -> Decimal:
    """Return an amount, whichever of comma and point its country sets before the cents."""
    whole, _, cents = re.sub(r"[.,](?=\d{1,2}$)", "|", text).partition("|")
    return Decimal(f"{re.sub(r'[^0-9]', '', whole)}.{cents or 0}")


with DAG(
    dag_id="example_mail_invoices",
    description="Invoices from mail to a bucket to a table, each once",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mailroom", "example"],
    doc_md=__doc__,
    params={
        "connection": Param(
            "imap_default",
            type="string",
            title="Which account?",
            description_md="Id of a connection of type IMAP.",
            section=OPEN_SECTION,
            minLength=1,
        ),
        "destination": Param(
            type="string",
            title="Where do the invoices go?",
            description_md="A path, or a URL such as s3://aws_default@bucket/invoices.",
            section=OPEN_SECTION,
            examples=["s3://aws_default@bucket/invoices"],
            minLength=1,
        ),
        "database": Param(
            type="string",
            title="And their table?",
            description_md="Path of a DuckDB database, which is made where it is not there.",
            section=OPEN_SECTION,
            examples=["/data/invoices.duckdb"],
            minLength=1,
        ),
        "name": Param(
            "*.pdf",
            type="string",
            title="Which attachments?",
            description_md="A pattern of the file name.",
            section="Which attachments",
        ),
        "sender": optional_text(
            title="From",
            description_md="A pattern of the address, such as `*@supplier.example`. Empty: anybody.",
            section="Which attachments",
        ),
        "archive": archive_field(),
    },
):
    mirror = ImapMirrorOperator(
        task_id="mirror", imap_conn_id="{{ params.connection }}", archive="{{ params.archive }}"
    )
    deliver = AttachmentsToObjectStorageOperator(
        task_id="deliver",
        archive="{{ params.archive }}",
        account="{{ params.connection }}",
        destination="{{ params.destination }}",
        name="{{ params.name }}",
        sender="{{ params.sender }}",
        template="{date:%Y/%m}/{sender_domain}/{message}/{filename}",
        manifest="jsonl",
    )

    @task
    def load(delivered: dict[str, Any]) -> dict[str, int]:
        """Add what lies at the destination to the table; what is there already stays as it is."""
        import duckdb
        from airflow.sdk import ObjectStoragePath

        from mailroom.hooks.archive import archive_of_named_account
        from mailroom.tables import connect

        params = get_current_context()["params"]
        place, added = ObjectStoragePath(params["destination"]), 0
        with duckdb.connect(params["database"]) as database:
            database.execute(TABLE)
            connect(archive_of_named_account(params["connection"], params["archive"]), database)
            new = database.execute(NEW, [delivered["destination"]]).fetchall()
            for *mail, path in new:
                number, day, total = read_invoice((place / path).read_bytes())
                row = [*mail, f"{delivered['destination']}/{path}", number, day, total]
                database.execute(f"INSERT INTO invoices VALUES ({', '.join('?' * len(row))})", row)
                added += 1
            (total,) = database.execute("SELECT count(*) FROM invoices").fetchall()[0]
        return {"added": added, "total": total}

    mirror >> deliver
    load(deliver.output)  # type: ignore[arg-type] # Airflow hands over what it stands for
