"""### Mail in, attachments out, old mail away

One run reads an account into the archive, delivers attachments if you say where to, and then leaves
the server as you say: a copy stays, none stays, or it stays for some days.

| | IMAP | POP3 |
| --- | --- | --- |
| folders | the inbox, or every folder | the inbox |
| marks mail as read | no | yes, on servers that share the mark with IMAP |
| a copy stays, none stays, or for some days | yes | yes |

A message leaves the server only after its exact bytes are safe in the archive. By IMAP, flagged
messages stay in any case.

**On a schedule:** copy this file under another `dag_id`, set `schedule` (such as `"@hourly"`), and
change the defaults of the questions to your answers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Context, Param
from airflow.sdk.exceptions import AirflowSkipException

from mailroom.operators.attachments import AttachmentsToObjectStorageOperator
from mailroom.operators.form import (
    OPEN_SECTION,
    archive_field,
    copy_on_server_field,
    days_field,
    optional_text,
)
from mailroom.operators.imap import ImapMirrorOperator
from mailroom.operators.pop3 import Pop3FetchOperator
from mailroom.operators.retention import MailRetentionOperator


def skip_unless(holds: Callable[[dict[str, Any]], Any], reason: str) -> Callable[[Context], None]:
    """Return what skips a task unless the answers ask for it."""

    def check(context: Context) -> None:
        if not holds(context["params"]):
            raise AirflowSkipException(reason)

    return check


ARCHIVE = "{{ params.archive }}"
FOLDERS = "{{ 'INBOX' if params.scope == 'inbox' else '*' }}"

with DAG(
    dag_id="mail_ingest",
    description="Read an account into the archive, deliver attachments, keep or delete on the server",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mailroom"],
    doc_md=__doc__,
    params={
        "copy_on_server": copy_on_server_field(),
        "days": days_field(),
        "scope": Param(
            "inbox",
            type="string",
            title="Only the inbox, or every folder?",
            description_md="What you said above holds for every folder that is read, for sent mail too. "
            "POP3 shows the inbox only.",
            section=OPEN_SECTION,
            enum=["inbox", "all"],
            values_display={"inbox": "Only the inbox", "all": "Every folder (by IMAP)"},
        ),
        "protocol": Param(
            "imap",
            type="string",
            title="By IMAP or by POP3?",
            description_md="All answers above can be had by IMAP, and **reading by IMAP marks nothing as "
            "read**. Reading by POP3 marks mail as read on servers that share this mark with IMAP.",
            section=OPEN_SECTION,
            enum=["imap", "pop3"],
            values_display={"imap": "IMAP: marks nothing as read", "pop3": "POP3: may mark mail as read"},
        ),
        "connection": Param(
            "imap_default",
            type="string",
            title="Account",
            description_md="Id of the connection to the account, of the type chosen above, from "
            "Admin > Connections.",
            section=OPEN_SECTION,
            examples=["imap_default", "pop3_default"],
            minLength=1,
        ),
        "destination": optional_text(
            title="Where shall attachments go?",
            description_md="A path, or a URL such as s3://aws_default@bucket/invoices. "
            "Empty: they stay in the archive only.",
            section="Attachments",
        ),
        "attachment_name": optional_text(
            title="Which attachments?",
            description_md="A pattern of the file name, such as `*.pdf`. Empty: all.",
            section="Attachments",
        ),
        "archive": archive_field(),
    },
):
    fetch = Pop3FetchOperator(
        task_id="fetch_by_pop3",
        pre_execute=skip_unless(lambda p: p["protocol"] == "pop3", "The account is read by IMAP."),
        pop3_conn_id="{{ params.connection }}",
        archive=ARCHIVE,
        leave_on_server="{{ params.copy_on_server != 'none' }}",
        delete_after="{{ params.days if params.copy_on_server == 'days' else None }}",
        folders=FOLDERS,
    )
    mirror = ImapMirrorOperator(
        task_id="mirror_by_imap",
        pre_execute=skip_unless(lambda p: p["protocol"] == "imap", "The account is read by POP3."),
        imap_conn_id="{{ params.connection }}",
        archive=ARCHIVE,
        folders=FOLDERS,
    )
    deliver = AttachmentsToObjectStorageOperator(
        task_id="deliver_attachments",
        pre_execute=skip_unless(
            lambda p: p["destination"], "No destination: attachments stay in the archive."
        ),
        trigger_rule="none_failed_min_one_success",
        destination="{{ params.destination }}",
        archive=ARCHIVE,
        account="{{ params.connection }}",
        name="{{ params.attachment_name }}",
    )
    # By POP3 the fetch itself deletes, in the session that read; here the same three ways by IMAP.
    delete = MailRetentionOperator(
        task_id="delete_from_server_by_imap",
        pre_execute=skip_unless(
            lambda p: p["protocol"] == "imap" and p["copy_on_server"] != "keep",
            "Nothing is to be deleted by IMAP.",
        ),
        trigger_rule="none_failed",
        conn_id="{{ params.connection }}",
        archive=ARCHIVE,
        older_than="{{ params.days if params.copy_on_server == 'days' else 0 }}",
        basis="archived",
        folders=FOLDERS,
    )
    [fetch, mirror] >> deliver >> delete
