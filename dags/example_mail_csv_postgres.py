"""### Example: CSV attachments into PostgreSQL

Takes the CSV attachments of archived mail that are new since this task last looked, and loads their lines
into a table in PostgreSQL, all fields as text in one JSON object, with the message and part they came from.
Each file is a transaction of its own, and replaces what a killed run had loaded of it: every line is there
once. It reads the archive, not the server: run it after a fetch or a mirror.

It needs `pip install 'airflow-mailroom[postgres]'` and a connection of type Postgres.

**On a schedule:** copy this file under another `dag_id`, and set
`schedule=[mailbox_asset("imap_default")]` (from `mailroom.operators.assets`) to run it whenever that
account brought something new.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from mailroom.operators.form import OPEN_SECTION, archive_field, optional_text

TABLE = """
CREATE TABLE IF NOT EXISTS mail_lines (
    message_sha256 text, part text, line bigint, sender text, filename text, fields jsonb,
    PRIMARY KEY (message_sha256, part, line)
)
"""


def connected(conn_id: str) -> Any:  # Any: the driver is loaded in the task only
    """Return a connection to the database that Airflow's connection names."""
    import psycopg
    from airflow.sdk import BaseHook

    by = BaseHook.get_connection(conn_id)
    named = {"host": by.host, "port": by.port, "user": by.login, "password": by.password}
    options = {"dbname": by.schema, "sslmode": by.extra_dejson.get("sslmode")}
    return psycopg.connect(**{name: value for name, value in (named | options).items() if value})


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines of a CSV file as JSON objects, whatever separates their fields."""
    import csv
    import io
    import json

    lines = io.StringIO(text.replace("\0", ""), newline="")  # PostgreSQL holds it in no text
    delimiter = max(",;\t|", key=lines.readline().count)
    lines.seek(0)
    for row in csv.DictReader(lines, delimiter=delimiter, restkey="more"):
        yield json.dumps(row)


with DAG(
    dag_id="example_mail_csv_postgres",
    description="CSV attachments of archived mail into PostgreSQL, each once",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mailroom", "example"],
    doc_md=__doc__,
    params={
        "warehouse": Param(
            "postgres_default",
            type="string",
            title="Which database?",
            description_md="Id of a connection of type Postgres; the table `mail_lines` is made where it is "
            "not there.",
            section=OPEN_SECTION,
            minLength=1,
        ),
        "name": Param(
            "*.csv",
            type="string",
            title="Which attachments?",
            description_md="A pattern of the file name.",
            section=OPEN_SECTION,
        ),
        "sender": optional_text(
            title="From",
            description_md="A pattern of the address, such as `*@shop.example`. Empty: anybody.",
        ),
        "account": optional_text(
            title="Of which account?",
            description_md="Id of the mail connection. Empty: all accounts in the archive.",
            examples=["imap_default", "pop3_default"],
        ),
        "archive": archive_field(),
    },
):

    @task
    def load() -> dict[str, int]:
        """Load each new file in a transaction of its own; what a killed run loaded is replaced."""
        from mailroom.operators.new_mail import new_attachments

        params = get_current_context()["params"]
        words = {word: params[word] for word in ("name", "sender") if params[word]}
        lines = 0
        with (
            connected(params["warehouse"]) as warehouse,
            new_attachments(params["archive"], account=params["account"], **words) as found,
        ):
            warehouse.execute(TABLE)
            warehouse.commit()
            for attachment in found:
                with warehouse.transaction(), warehouse.cursor() as cursor:
                    cursor.execute(
                        "DELETE FROM mail_lines WHERE (message_sha256, part) = (%s, %s)", attachment.key
                    )
                    with cursor.copy("COPY mail_lines FROM STDIN") as copy:
                        for number, fields in enumerate(lines_of(attachment.read_text()), 1):
                            names = (attachment.sender, attachment.filename)
                            copy.write_row((*attachment.key, number, *names, fields))
                            lines += 1
        return {"files": len(found.taken), "lines": lines}

    load()
