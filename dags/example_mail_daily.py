"""### Example: a run for each day of mail

Airflow starts a run of this DAG for each day that has new mail, with the day as its partition; mail that
comes late makes a run of its day again, and the run replaces what it had written of that day. Here that
is a row for each sender in a table in DuckDB: how many messages, how large.

**On a schedule:** it has one. Add this line to the DAG that fetches or mirrors the account, after that task:
`MailPartitionsOperator(task_id="tell_days", account="imap_default", by="day")` (from
`mailroom.operators.partitions`). For another account copy this file under another `dag_id`. By hand, give a
day as the partition key.
"""

from __future__ import annotations

from datetime import date, timedelta

from airflow.sdk import DAG, PartitionedAssetTimetable, get_current_context, task

from mailroom.operators.assets import mailbox_partitions
from mailroom.operators.form import archive_field, optional_text

ACCOUNT = "imap_default"
with DAG(
    dag_id="example_mail_daily",
    description="Who wrote how much, a run for each day that has new mail",
    schedule=PartitionedAssetTimetable(assets=mailbox_partitions(ACCOUNT, by="day")),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mailroom", "example"],
    doc_md=__doc__,
    params={
        "database": optional_text(
            title="Where is the table?",
            description_md="Path of a DuckDB database, which is made where it is not there. Empty: "
            "nothing is written, only counted.",
            examples=["/data/mail.duckdb"],
        ),
        "archive": archive_field(),
    },
):

    @task
    def count_senders() -> dict[str, int]:
        """Replace the rows of the run's day, in one transaction."""
        import duckdb

        from mailroom.hooks.archive import archive_of_named_account
        from mailroom.tables import connect

        context = get_current_context()
        day = date.fromisoformat(str(context["partition_key"]))
        params = context["params"]
        with duckdb.connect(params["database"] or ":memory:") as database:
            connect(archive_of_named_account(ACCOUNT, params["archive"]), database)
            database.execute(
                "CREATE TABLE IF NOT EXISTS senders "
                "(day DATE, sender VARCHAR, messages BIGINT, octets BIGINT)"
            )
            database.begin()
            database.execute("DELETE FROM senders WHERE day = ?", [day])
            database.execute(
                "INSERT INTO senders SELECT ?, from_address, count(*), sum(size) FROM messages "
                "WHERE date >= ? AND date < ? AND sha256 IN (SELECT sha256 FROM locations WHERE account = ?) "
                "GROUP BY from_address",
                [day, day, day + timedelta(days=1), ACCOUNT],
            )
            database.commit()
            counts = database.execute("SELECT count(*), sum(messages) FROM senders WHERE day = ?", [day])
            senders, messages = counts.fetchall()[0]
        return {"senders": senders, "messages": messages or 0}

    count_senders()
