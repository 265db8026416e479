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

from mailroom.operators.imap import ImapMirrorOperator

OPEN_SECTION = "Run Parameters"
"""Airflow shows the fields of this section unfolded; all others are folded until somebody opens them."""

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
        "connection": Param(
            "imap_default",
            type="string",
            title="Account",
            description_md="Id of a connection of type IMAP, from Admin > Connections.",
            section=OPEN_SECTION,
            examples=["imap_default"],
            minLength=1,
        ),
        "folders": Param(
            ["*"],
            type="array",
            items={"type": "string"},
            title="Folders",
            description_md="Names or patterns, one a line: `INBOX`, `Invoices/*`. `*` is every folder.",
            section=OPEN_SECTION,
            minItems=1,
        ),
        "exclude": Param(
            [],
            type=["null", "array"],
            items={"type": "string"},
            title="But not these folders",
            description_md="Names or patterns, one a line: Trash, Junk.",
            section=OPEN_SECTION,
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
        "since": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Received since",
            description_md="Only messages the server received on this day or later. Empty: all.",
            section="A first run over many years",
        ),
        "until": Param(
            None,
            type=["null", "string"],
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
        "max_gone": Param(
            0.25,
            type="number",
            title="Stop where more than this share is gone",
            description_md="If so much of the account has vanished within seven days or four runs, the run "
            "stops and asks, as the server may have lost it. 1 allows everything.",
            section="Care",
            minimum=0,
            maximum=1,
        ),
        "windowed": Param(
            [],
            type=["null", "array"],
            items={"type": "string"},
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
        "archive": Param(
            None,
            type=["null", "string"],
            title="Archive",
            description_md="A path, or a URL such as s3://aws_default@bucket/mail. Empty: the one that the "
            "connection names, else the one of the configuration, [mailroom] archive_root.",
            section="The archive",
        ),
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
