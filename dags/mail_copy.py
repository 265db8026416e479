"""### Copy an IMAP account to another one

Adds to the second account what the first one holds and it does not: folders, messages, flags and dates of
arrival. Names take the delimiter and prefix of the new server, and mail that was sent goes to the folder that
the new server has for it. **It only ever adds:** nothing is deleted or overwritten on either side, and what
is there already is not added again, so that a run can be repeated until everybody has moved.

**A run by hand is a dry run** unless you switch that off: it says what would be added, and adds nothing.

**On a schedule:** copy this file under another `dag_id`, set `schedule` (such as `"@hourly"`) and the default
of `dry_run` to `False`; it then keeps the second account in step with new mail of the first.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from mailroom.operators.copy import ImapToImapOperator
from mailroom.operators.form import OPEN_SECTION, folders_field, optional_text, optional_texts

with DAG(
    dag_id="mail_copy",
    description="Copy an IMAP account to another one, or keep a copy of it in step",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mailroom"],
    doc_md=__doc__,
    params={
        "dry_run": Param(
            True,
            type="boolean",
            title="Only say what would be added",
            description_md="Switch it off to really add messages to the second account.",
            section=OPEN_SECTION,
        ),
        "source": Param(
            "imap_default",
            type="string",
            title="From which account?",
            description_md="Id of a connection of type IMAP (Admin > Connections). Nothing changes there.",
            section=OPEN_SECTION,
            minLength=1,
        ),
        "target": Param(
            "imap_target",
            type="string",
            title="To which account?",
            description_md="Id of another connection of type IMAP.",
            section=OPEN_SECTION,
            minLength=1,
        ),
        "folders": folders_field(),
        "exclude": optional_texts(
            title="But not these folders",
            description_md="Names or patterns, one a line: `Trash`, `[Gmail]/All Mail`.",
        ),
        "folder_map": optional_texts(
            title="Folders that get another name",
            description_md="One a line: `Sent Items=Sent`. Their subfolders go with them. Not needed for the "
            "usual ones (sent, drafts, junk, trash, archive) where the servers mark them.",
            section="Where to",
        ),
        "into": optional_text(
            title="Put everything below a folder",
            description_md="Such as `Old mail`. Empty: each folder under its own name.",
            section="Where to",
        ),
        "update_flags": Param(
            False,
            type="boolean",
            title="Bring flags in step too",
            description_md="Messages that are there already get the flags they have at the first account: "
            "read, answered, flagged. Leave it off once somebody works in the second one.",
            section="Care",
        ),
        "read_back": Param(
            "facts",
            type="string",
            title="How closely to look at what was added",
            description_md="Size, date and flags of every message are asked again; bytes too if you like.",
            section="Care",
            enum=["none", "facts", "sample", "all"],
            values_display={
                "none": "Not at all",
                "facts": "Size, date and flags",
                "sample": "Also the bytes of some",
                "all": "Also the bytes of all",
            },
        ),
        "archive": optional_text(
            title="By way of an archive",
            description_md="A path, or a URL such as s3://aws_default@bucket/mail: the first account is "
            "mirrored there, and the second one filled from it. Empty: straight, nothing is kept.",
            section="The archive",
        ),
        "state": optional_text(
            title="Remember what is in step",
            description_md="A folder, or a URL such as s3://aws_default@bucket/state: what both accounts had "
            "is noted there, and the next run compares only what is new. An archive remembers by itself. "
            "Empty: each run compares all messages.",
            section="The archive",
        ),
    },
):
    ImapToImapOperator(
        task_id="copy",
        source_conn_id="{{ params.source }}",
        target_conn_id="{{ params.target }}",
        archive="{{ params.archive }}",
        folders="{{ params.folders }}",
        exclude="{{ params.exclude }}",
        folder_map="{{ params.folder_map }}",
        into="{{ params.into }}",
        update_flags="{{ params.update_flags }}",
        state="{{ params.state }}",
        read_back="{{ params.read_back }}",
        dry_run="{{ params.dry_run }}",
    )
