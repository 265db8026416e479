"""### Mirror an IMAP account

Brings the archive in step with an IMAP account: every folder, new messages, flags, moves and
deletions. Nothing changes on the server, not even what counts as read, unless you say that changes
asked for in the archive are to be done there. What the server loses stays in the archive, with the
fact that it is gone.

**On a schedule:** copy this file under another `dag_id`, set `schedule` (such as `"@hourly"`), and
change the defaults to your answers. A run with nothing new takes seconds and writes nothing.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from mailroom.operators.form import (
    OPEN_SECTION,
    archive_field,
    folders_field,
    imap_account_field,
    max_gone_field,
    optional_text,
    optional_texts,
)
from mailroom.operators.imap import ImapMirrorOperator

with DAG(
    dag_id="mail_imap_mirror",
    description="Bring the archive in step with the folders of an IMAP account",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mailroom"],
    doc_md=__doc__,
    params={
        "connection": imap_account_field(),
        "folders": folders_field(),
        "exclude": optional_texts(
            title="But not these folders",
            description_md="Names or patterns, one a line: Trash, Junk.",
        ),
        "other_namespaces": Param(
            False,
            type="boolean",
            title="Shared folders too",
            description_md="Folders that others share with this account.",
            section=OPEN_SECTION,
        ),
        "all_drafts": Param(
            False,
            type="boolean",
            title="Every state of a draft",
            description_md="Mail programs store a draft anew every minute. Without this only the newest "
            "state of each is archived.",
            section="Care",
        ),
        "order": Param(
            "oldest",
            type="string",
            title="Which mail comes first?",
            description_md="For a first run over many years, the newest first is of use sooner.",
            section="A first run over many years",
            enum=["oldest", "newest"],
            values_display={"oldest": "The oldest", "newest": "The newest"},
        ),
        "since": optional_text(
            format="date",
            title="Received since",
            description_md="Only messages the server received on this day or later. Empty: all.",
            section="A first run over many years",
        ),
        "until": optional_text(
            format="date",
            title="Received before",
            description_md="Only messages the server received before this day. Empty: all.",
            section="A first run over many years",
        ),
        "larger_than_mb": Param(
            None,
            type=["null", "number"],
            title="Larger than (MB)",
            description_md="Only messages larger than this, to save the large ones first. Empty: all.",
            section="A first run over many years",
            minimum=0,
        ),
        "max_gone": max_gone_field(),
        "windowed": optional_texts(
            title="Folders that show a part only",
            description_md="Some servers show no more than the newest messages of a folder to IMAP. Where "
            "the mirror does not see that by itself, name them here, one a line: what they do not list is "
            "then never taken for gone.",
            section="Care",
        ),
        "connections": Param(
            4,
            type="integer",
            title="Connections",
            description_md="How many may be open at once. More than one are opened only where the server is "
            "far away and there is much to fetch, and given up where it refuses them.",
            section="Care",
            minimum=1,
            maximum=32,
        ),
        "two_way": Param(
            False,
            type="boolean",
            title="Do on the server what was asked for in the archive",
            description_md="Flags, moves, deletions and new messages that wait (`mailroom flag`, `move`, "
            "`delete`, `append`, or `Archive.changes` in a task) are done first. Off: nothing changes there.",
            section="Both directions",
        ),
        "archive": archive_field(),
    },
):
    ImapMirrorOperator(
        task_id="mirror",
        imap_conn_id="{{ params.connection }}",
        archive="{{ params.archive }}",
        folders="{{ params.folders }}",
        exclude="{{ params.exclude }}",
        since="{{ params.since }}",
        until="{{ params.until }}",
        larger_than="{{ params.larger_than_mb ~ 'M' if params.larger_than_mb else None }}",
        order="{{ params.order }}",
        other_namespaces="{{ params.other_namespaces }}",
        max_gone="{{ params.max_gone }}",
        windowed="{{ params.windowed }}",
        all_drafts="{{ params.all_drafts }}",
        connections="{{ params.connections }}",
        two_way="{{ params.two_way }}",
    )
