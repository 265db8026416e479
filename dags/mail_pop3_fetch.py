"""### Fetch a POP3 inbox

Downloads what is new in the inbox of a POP3 account, keeps it in the archive, and then leaves the
server as you say: a copy stays, none stays, or it stays for some days. A message leaves the server
only after its exact bytes are safe in the archive.

POP3 shows the inbox only, and on servers that share their marks with IMAP, reading by POP3 marks
mail as read. `mail_ingest` with IMAP offers the same three ways and marks nothing.

**On a schedule:** copy this file under another `dag_id`, set `schedule` (such as `"@hourly"`), and
change the defaults of the questions to your answers. `max_active_runs=1` keeps two runs from one
account: most POP3 servers let in one at a time.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from mailroom.operators.form import OPEN_SECTION, archive_field, copy_on_server_field, days_field
from mailroom.operators.pop3 import Pop3FetchOperator

with DAG(
    dag_id="mail_pop3_fetch",
    description="Fetch a POP3 inbox: leave a copy on the server, none, or one for some days",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mailroom"],
    doc_md=__doc__,
    params={
        "copy_on_server": copy_on_server_field(),
        "days": days_field(),
        "connection": Param(
            "pop3_default",
            type="string",
            title="Account",
            description_md="Id of a connection of type POP3, from Admin > Connections. "
            "**Reading by POP3 marks mail as read** on servers that share this mark with IMAP.",
            section=OPEN_SECTION,
            examples=["pop3_default"],
            minLength=1,
        ),
        "archive": archive_field(),
    },
):
    Pop3FetchOperator(
        task_id="fetch",
        pop3_conn_id="{{ params.connection }}",
        archive="{{ params.archive }}",
        leave_on_server="{{ params.copy_on_server != 'none' }}",
        delete_after="{{ params.days if params.copy_on_server == 'days' else None }}",
    )
