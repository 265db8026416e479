"""### Maintenance of the archive

Keeps the tables of an archive quick to query after many small runs: joins small files, shortens the
logs, and deletes what neither a running task nor a reader can need. The tables `threads` and `contacts`
are brought up to date with the mail that came. No mail and no other row changes, and everything else may
go on meanwhile. Ordinary runs do the same in small doses, but for threads and contacts.

**On a schedule:** copy this file under another `dag_id` and give it `schedule="@weekly"`; where other
programs are to see threads and contacts of today, one with `["threads", "contacts"]` as tables and
`schedule=[mailbox_asset("imap_default")]`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from mailroom.operators.form import OPEN_SECTION, optional_text, optional_texts
from mailroom.operators.optimize import ArchiveOptimizeOperator

with DAG(
    dag_id="mail_maintenance",
    description="Keep the tables of the mail archive quick",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mailroom"],
    doc_md=__doc__,
    params={
        "archive": optional_text(
            title="Which archive?",
            description_md="Where the mail is archived. Empty: the archive that the account's connection "
            "names, else the one of the configuration, [mailroom] archive_root.",
            examples=["s3://aws_default@company-mail/archive"],
        ),
        "account": optional_text(
            title="Or of which account?",
            description_md="Id of a mail connection that names its archive. Empty: none.",
            examples=["imap_default", "pop3_default"],
        ),
        "tables": optional_texts(
            title="Only which tables?",
            description_md="One a line, such as threads and contacts. Empty: all of them.",
            section="Which tables",
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Only say how the tables are",
            section=OPEN_SECTION,
        ),
    },
):
    ArchiveOptimizeOperator(
        task_id="optimize",
        archive="{{ params.archive }}",
        account="{{ params.account }}",
        tables="{{ params.tables }}",
        dry_run="{{ params.dry_run }}",
    )
