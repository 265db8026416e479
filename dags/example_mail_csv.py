"""### Example: CSV attachments into a table

Takes the CSV attachments of archived mail that are new since this task last looked, and loads their lines
into a table in DuckDB, all fields as text, with the message and part they came from. It reads the archive,
not the server: run it after a fetch or a mirror. Run it again and nothing is added but what came since.
Files in any charset are read; what is no CSV is in the table `rejected`, with the reason.

**On a schedule:** copy this file under another `dag_id`, give `database` a default, and set
`schedule=[mailbox_asset("imap_default")]` (from `mailroom.operators.assets`) to run it whenever that
account brought something new.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from mailroom.operators.form import OPEN_SECTION, archive_field, optional_text

TABLES = """
CREATE TABLE IF NOT EXISTS lines (
    message_sha256 VARCHAR, part VARCHAR, sender VARCHAR, filename VARCHAR, line BIGINT, fields JSON
);
CREATE TABLE IF NOT EXISTS rejected (
    message_sha256 VARCHAR, part VARCHAR, sender VARCHAR, filename VARCHAR, reason VARCHAR
)
"""


def add_lines(database: Any, named: list[str], text: str) -> None:  # Any: DuckDB is loaded in the task only
    """Add the lines of one file, all or none; its first line names the fields.

    :param named: digest of the message, part, sender and name of the file.
    :raises ValueError: where it is no text; ``duckdb.Error``: where it is no CSV.
    """
    import tempfile

    if "\0" in text:
        raise ValueError("It is no text.")
    with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        database.execute(
            "INSERT INTO lines SELECT ?, ?, ?, ?, row_number() OVER (), to_json(csv) "
            "FROM read_csv(?, all_varchar = true, header = true) AS csv",
            [*named, file.name],
        )


with DAG(
    dag_id="example_mail_csv",
    description="CSV attachments of archived mail into a table, each once",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mailroom", "example"],
    doc_md=__doc__,
    params={
        "database": Param(
            type="string",
            title="Where is the table?",
            description_md="Path of a DuckDB database, which is made where it is not there.",
            section=OPEN_SECTION,
            examples=["/data/orders.duckdb"],
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
        import duckdb

        from mailroom.operators.new_mail import new_attachments

        params = get_current_context()["params"]
        words = {word: params[word] for word in ("name", "sender") if params[word]}
        rejected = 0
        with (
            duckdb.connect(params["database"]) as database,
            new_attachments(params["archive"], account=params["account"], **words) as found,
        ):
            database.execute(TABLES)
            for attachment in found:
                database.begin()
                for table in ("lines", "rejected"):
                    database.execute(
                        f"DELETE FROM {table} WHERE (message_sha256, part) = (?, ?)", attachment.key
                    )
                database.commit()
                named = [*attachment.key, attachment.sender, attachment.filename]
                try:
                    add_lines(database, named, attachment.read_text())
                except (duckdb.Error, ValueError) as error:
                    reason = str(error).partition("\n")[0]
                    database.execute("INSERT INTO rejected VALUES (?, ?, ?, ?, ?)", [*named, reason])
                    rejected += 1
            (total,) = database.execute("SELECT count(*) FROM lines").fetchall()[0]
        return {"files": len(found.taken), "lines": total, "rejected": rejected}

    load()
