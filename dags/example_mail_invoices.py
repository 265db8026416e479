"""### Example: invoices from mail to a bucket to a table

Brings the archive in step with an account, delivers the PDF attachments that are new to a bucket or folder,
each once, and adds a row for each to a table in DuckDB: who sent it, when, where it lies. Run it
again and nothing is added but what came since.

**On a schedule:** copy this file under another `dag_id`, give `destination` and `database` defaults,
and set `schedule="@hourly"`. For another warehouse change the last task only: it reads the table
`deliveries` of the archive, and what it inserts is keyed by message and part.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from mailroom.operators.attachments import AttachmentsToObjectStorageOperator
from mailroom.operators.form import OPEN_SECTION, archive_field, optional_text
from mailroom.operators.imap import ImapMirrorOperator

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

        from mailroom.hooks.archive import archive_of_named_account
        from mailroom.tables import connect

        params = get_current_context()["params"]
        with duckdb.connect(params["database"]) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS invoices (message_sha256 VARCHAR, part VARCHAR, sender VARCHAR, "
                "subject VARCHAR, sent TIMESTAMPTZ, filename VARCHAR, location VARCHAR, octets BIGINT, "
                "sha256 VARCHAR, PRIMARY KEY (message_sha256, part))"
            )
            connect(archive_of_named_account(params["connection"], params["archive"]), database)
            (added,) = database.execute(
                "INSERT OR IGNORE INTO invoices SELECT message_sha256, part, sender, subject, date, "
                "filename, destination || '/' || path, size, sha256 FROM deliveries WHERE destination = ?",
                [delivered["destination"]],
            ).fetchall()[0]
            (total,) = database.execute("SELECT count(*) FROM invoices").fetchall()[0]
        return {"added": added, "total": total}

    mirror >> deliver
    load(deliver.output)  # type: ignore[arg-type] # Airflow hands over what it stands for
