"""### Mirror a large IMAP account in lanes

As `mail_imap_mirror`, but the folders are packed by size into lanes, each a task of its own with one
connection, so that a worker or a server that is far away does not hold up the whole account, and each
lane is tried again by itself. The grid names the folders of each lane. At the end one task records for
the whole account what is gone, moved or renamed; it opens only folders that are not yet in step. Each
lane makes the asset events of its folders, that last task the account's, with all counts together.

**On a schedule:** copy this file under another `dag_id`, set `schedule` (such as `"@hourly"`), and
change the defaults to your answers. Each task takes one slot of a pool for its one connection: the
default pool, until `[mailroom] connection_pool` names one with as many slots as the server allows
connections (`airflow pools set mail_connections 10 "Connections to mail servers"`).
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param
from airflow.sdk.configuration import conf

from mailroom.operators.assets import MAILROOM_ALIAS
from mailroom.operators.form import (
    OPEN_SECTION,
    archive_field,
    folders_field,
    imap_account_field,
    max_gone_field,
    optional_texts,
)
from mailroom.operators.imap import ImapMirrorOperator
from mailroom.operators.imap_lanes import ImapLanesOperator

POOL = conf.get("mailroom", "connection_pool", fallback="default_pool")
"""Each task takes one slot of this pool while it is connected."""

with DAG(
    dag_id="mail_imap_mirror_lanes",
    description="Bring the archive in step with a large IMAP account, several folders side by side",
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
        "lanes": Param(
            4,
            type="integer",
            title="Lanes",
            description_md="How many tasks work side by side, with one connection each: no more than the "
            "server allows of one account (often 10; Gmail 15).",
            section="Care",
            minimum=1,
            maximum=32,
        ),
        "max_gone": max_gone_field(),
        "windowed": optional_texts(
            title="Folders that show a part only",
            description_md="Some servers show no more than the newest messages of a folder to IMAP. Where "
            "the mirror does not see that by itself, name them here, one a line: what they do not list is "
            "then never taken for gone.",
            section="Care",
        ),
        "all_drafts": Param(
            False,
            type="boolean",
            title="Every state of a draft",
            description_md="Mail programs store a draft anew every minute. Without this only the newest "
            "state of each is archived.",
            section="Care",
        ),
        "archive": archive_field(),
    },
):
    lanes = ImapLanesOperator(
        task_id="lanes",
        imap_conn_id="{{ params.connection }}",
        archive="{{ params.archive }}",
        folders="{{ params.folders }}",
        exclude="{{ params.exclude }}",
        other_namespaces="{{ params.other_namespaces }}",
        lanes="{{ params.lanes }}",
        pool=POOL,
    )
    mirror = ImapMirrorOperator.partial(
        task_id="mirror",
        imap_conn_id="{{ params.connection }}",
        archive="{{ params.archive }}",
        folders="{{ params.folders }}",
        exclude="{{ params.exclude }}",
        other_namespaces="{{ params.other_namespaces }}",
        max_gone="{{ params.max_gone }}",
        windowed="{{ params.windowed }}",
        all_drafts="{{ params.all_drafts }}",
        connections=1,
        pool=POOL,
        outlets=[MAILROOM_ALIAS],
        map_index_template="{{ task.lane | length }}: {{ (task.lane | join(', ')) | truncate(80) }}",
    ).expand(lane=lanes.output)
    ImapMirrorOperator(
        task_id="whole",
        imap_conn_id="{{ params.connection }}",
        archive="{{ params.archive }}",
        folders="{{ params.folders }}",
        exclude="{{ params.exclude }}",
        other_namespaces="{{ params.other_namespaces }}",
        max_gone="{{ params.max_gone }}",
        windowed="{{ params.windowed }}",
        all_drafts="{{ params.all_drafts }}",
        after_lanes=mirror.output,
        connections=1,
        pool=POOL,
        trigger_rule="all_done",
        outlets=[MAILROOM_ALIAS],
    )
