"""### Example: CSV attachments into a table

Takes the CSV attachments of archived mail that are new since this task last looked, and loads their lines
into a table in DuckDB, all fields as text, with the message and part they came from. It reads the archive,
not the server: run it after a fetch or a mirror. Run it again and nothing is added but what came since.

**On a schedule:** copy this file under another `dag_id`, give `database` a default, and set
`schedule=[mailbox_asset("imap_default")]` (from `mailroom.operators.assets`) to run it whenever that
account brought something new.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, get_current_context, task

from mailroom.operators.form import OPEN_SECTION, archive_field, optional_text

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
        import tempfile

        import duckdb

        from mailroom.operators.new_mail import new_attachments

        params = get_current_context()["params"]
        words = {word: params[word] for word in ("name", "sender") if params[word]}
        with (
            duckdb.connect(params["database"]) as database,
            new_attachments(params["archive"], account=params["account"], **words) as found,
        ):
            database.execute(
                "CREATE TABLE IF NOT EXISTS lines (message_sha256 VARCHAR, part VARCHAR, sender VARCHAR, "
                "filename VARCHAR, line BIGINT, fields JSON)"
            )
            for attachment in found:
                with tempfile.NamedTemporaryFile(suffix=".csv") as file:
                    file.writelines(attachment.chunks())
                    file.flush()
                    database.begin()
                    database.execute(
                        "DELETE FROM lines WHERE (message_sha256, part) = (?, ?)", attachment.key
                    )
                    database.execute(
                        "INSERT INTO lines SELECT ?, ?, ?, ?, row_number() OVER (), to_json(csv) "
                        "FROM read_csv(?, all_varchar = true) AS csv",
                        [*attachment.key, attachment.sender, attachment.filename, file.name],
                    )
                    database.commit()
            (total,) = database.execute("SELECT count(*) FROM lines").fetchall()[0]
        return {"files": len(found.taken), "lines": total}

    load()
