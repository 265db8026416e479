"""### Bring archived mail back onto an IMAP account

Adds to an account what the archive holds and the account does not: all of it, some folders, the messages
that a query means, or the account as it was on a day. Folders, flags and dates of arrival come back with the
bytes. **It only ever adds:** nothing on the server is deleted or overwritten, and what is there already is
not added again, so that a run can be repeated.

**A run by hand is a dry run** unless you switch that off: it says what would be added, and adds nothing.

**On a schedule:** copy this file under another `dag_id`, set `schedule` (such as `"@daily"`) and the default
of `dry_run` to `False`; it then keeps a second account in step with what is archived of the first.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from mailroom.operators.form import OPEN_SECTION, archive_field, folders_field, optional_text, optional_texts
from mailroom.operators.restore import ImapRestoreOperator

with DAG(
    dag_id="mail_restore",
    description="Bring archived mail back onto an IMAP account",
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
            description_md="Switch it off to really add messages on the server.",
            section=OPEN_SECTION,
        ),
        "connection": Param(
            "imap_default",
            type="string",
            title="Onto which account?",
            description_md="Id of a connection of type IMAP, from Admin > Connections.",
            section=OPEN_SECTION,
            minLength=1,
        ),
        "account": optional_text(
            title="Whose mail?",
            description_md="The archived account, by the id of its connection. Empty: the same account, or "
            "the only one that the archive has.",
        ),
        "folders": folders_field(),
        "exclude": optional_texts(
            title="But not these folders",
            description_md="Names or patterns, one a line: `Trash`, `Junk`.",
        ),
        "as_of": optional_text(
            title="As it was when?",
            description_md="A day such as `2026-01-31` (its end, UTC), or a moment. Empty: as last seen.",
        ),
        "query": optional_text(
            title="Only messages that say",
            description_md="Words of subject, author or recipient, or `from:ana after:2024-01-31 larger:1M`. "
            "Empty: all.",
            section="A part of it",
        ),
        "messages": optional_texts(
            title="Only these messages",
            description_md="Their SHA-256, one a line, wherever they are or were last.",
            section="A part of it",
        ),
        "run": optional_text(
            title="Only what a run deleted",
            description_md="The `run_id` in the result of a retention or fetch.",
            section="A part of it",
        ),
        "folder_map": optional_texts(
            title="Folders that get another name",
            description_md="One a line: `Sent Items=Sent`. Their subfolders go with them. Not needed for the "
            "usual ones (sent, drafts, junk, trash, archive) where the servers mark them.",
            section="Where to",
        ),
        "into": optional_text(
            title="Put everything below a folder",
            description_md="Such as `Old mail`. Empty: each folder where it was.",
            section="Where to",
        ),
        "update_flags": Param(
            False,
            type="boolean",
            title="Bring flags in step too",
            description_md="Messages that are there already get the flags they have in the archive: read, "
            "answered, flagged. What somebody changed since is lost.",
            section="Care",
        ),
        "with_deleted": Param(
            False,
            type="boolean",
            title="What retention deleted too",
            description_md="What was deleted on the server to free room stays away unless this is on.",
            section="A part of it",
        ),
        "archive": archive_field(),
    },
):
    ImapRestoreOperator(
        task_id="restore",
        imap_conn_id="{{ params.connection }}",
        account="{{ params.account }}",
        archive="{{ params.archive }}",
        folders="{{ params.folders }}",
        exclude="{{ params.exclude }}",
        as_of="{{ params.as_of }}",
        query="{{ params.query }}",
        messages="{{ params.messages }}",
        deleted_in_run="{{ params.run }}",
        folder_map="{{ params.folder_map }}",
        into="{{ params.into }}",
        update_flags="{{ params.update_flags }}",
        with_deleted="{{ params.with_deleted }}",
        dry_run="{{ params.dry_run }}",
    )
