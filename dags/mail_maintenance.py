"""### Maintenance of the archive

Keeps the tables of an archive quick to query after many small runs: joins small files, shortens the
logs, and deletes what neither a running task nor a reader can need. No mail and no row changes, and
everything else may go on meanwhile. Ordinary runs do the same in small doses.

**On a schedule:** copy this file under another `dag_id` and give it `schedule="@weekly"`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from mailroom.operators.form import OPEN_SECTION, optional_text
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
        dry_run="{{ params.dry_run }}",
    )
