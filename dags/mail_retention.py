"""### Delete old mail from the server

Deletes from the server the messages that are older than some days, but only those whose exact bytes
are in the archive and were verified there. Flagged messages stay unless you say otherwise. Run it
after a fetch or a mirror; it works for POP3 and IMAP, as the connection says.

First `preview_days` says **what the days mean**, by each thing they can count from. Then a **plan** is
made and stored in the archive; then, if you like, **a person is asked**, each time or before an account's
first deletion only, who sees it under Browse > Required Actions; then just that plan is carried out, and
nothing beyond it. Where the plan finds something wrong (a damaged copy, an incomplete folder), the run ends
there and nothing is deleted.

**A run by hand is a dry run** unless you switch that off: it says what would go, and changes nothing.

**On a schedule:** copy this file under another `dag_id`, set `schedule` (such as `"@daily"`), set the
default of `dry_run` to `False`, and change the other defaults to your answers.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from mailroom.operators.form import OPEN_SECTION, archive_field, optional_texts
from mailroom.operators.retention import MailRetentionOperator
from mailroom.operators.retention_approval import MailRetentionApprovalOperator
from mailroom.operators.retention_preview import MailRetentionPreviewOperator

with DAG(
    dag_id="mail_retention",
    description="Delete from the server what is old, archived and verified",
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
            title="Only say what would go",
            description_md="Switch it off to really delete on the server.",
            section=OPEN_SECTION,
        ),
        "days": Param(
            365,
            type="integer",
            title="Older than how many days?",
            description_md="0: everything that is archived.",
            section=OPEN_SECTION,
            minimum=0,
            maximum=36500,
        ),
        "basis": Param(
            "default",
            type="string",
            title="Counted from when?",
            description_md="What suits the folder: when a message reached the mailbox; in trash and junk, "
            "when it came there, as it keeps its day of arrival when it is moved; by POP3, when it was first "
            "archived.",
            section=OPEN_SECTION,
            enum=["default", "internal", "archived", "saved", "date", "seen"],
            values_display={
                "default": "What suits the folder",
                "internal": "When it reached the mailbox",
                "archived": "When it was first archived",
                "saved": "When it came into its folder",
                "date": "When it was sent (as it says itself)",
                "seen": "When it was known to be read",
            },
        ),
        "connection": Param(
            "imap_default",
            type="string",
            title="Account",
            description_md="Id of a connection of type IMAP or POP3, from Admin > Connections.",
            section=OPEN_SECTION,
            examples=["imap_default", "pop3_default"],
            minLength=1,
        ),
        "folders": Param(
            ["*"],
            type="array",
            items={"type": "string"},
            title="Folders",
            description_md="Names or patterns, one a line: `INBOX`, `Trash`. `*` is every folder. "
            "POP3 has the inbox only: leave it as it is.",
            section=OPEN_SECTION,
            minItems=1,
        ),
        "exclude": optional_texts(
            title="But not these folders",
            description_md="Names or patterns, one a line: `Contracts/*`.",
        ),
        "policy": Param(
            None,
            type=["null", "string"],
            format="multiline",
            title="Several rules",
            description_md="A policy in YAML or JSON, or the path of one: other times for trash, junk and "
            "senders, and what must be kept. It says itself how old, from when, and in which folders: leave "
            "those answers as they are. Folders to leave alone, the trash, and the share of a folder hold "
            "beside it.",
            section="A policy",
        ),
        "include_flagged": Param(
            False,
            type="boolean",
            title="Flagged messages too",
            description_md="Flagged (starred) messages stay on the server unless this is on.",
            section="Care",
        ),
        "to_trash": Param(
            False,
            type="boolean",
            title="Into the trash, not away for good",
            description_md="By IMAP: messages are moved into the server's trash, where its own rules apply.",
            section="Care",
        ),
        "mark_seen": Param(
            False,
            type="boolean",
            title="Mark unread messages as read first",
            description_md="By IMAP: some servers tell the sender of a message that was deleted unread.",
            section="Care",
        ),
        "max_fraction": Param(
            0.25,
            type="number",
            title="At most this share of a folder in one run",
            description_md="The oldest go first. 0.25: a quarter, so that a first run does not take all "
            "years at once. 1: all of it.",
            section="Care",
            exclusiveMinimum=0,
            maximum=1,
        ),
        "allow_incomplete": Param(
            False,
            type="boolean",
            title="Also in folders that are not complete",
            description_md="A folder of which the archive does not hold everything is left alone unless this "
            "is on: one that no mirror has read to its end, or with a message that the server does not "
            "deliver.",
            section="Care",
        ),
        "ask": Param(
            "policy",
            type="string",
            title="Ask a person first?",
            description_md="The plan is shown under Browse > Required Actions, and nothing goes before "
            "somebody agrees. No answer within a day means no.",
            section="Care",
            enum=["policy", "first", "always", "never"],
            values_display={
                "policy": "Where the policy says so",
                "first": "The first time, and where the policy says so",
                "always": "Always",
                "never": "Nobody; where the policy wants somebody asked, nothing is deleted",
            },
        ),
        "show_messages": Param(
            False,
            type="boolean",
            title="Show subjects and senders to who is asked",
            description_md="Airflow keeps the text for whoever may read this DAG. Otherwise counts, folders "
            "and space are shown.",
            section="Care",
        ),
        "copies": optional_texts(
            title="Second archives",
            description_md="Paths or URLs, one a line, as `mailroom replicate` fills them: only what each of "
            "them holds as well is deleted.",
            section="Proof",
        ),
        "proof": Param(
            "policy",
            type="string",
            title="How is the archived copy proved?",
            description_md="Before a message goes, in each archive.",
            section="Proof",
            enum=["policy", "read", "head"],
            values_display={
                "policy": "As the policy says, else read back",
                "read": "Read back whole, and its checksum compared",
                "head": "By the checksum that the store keeps, and a sample read back",
            },
        ),
        "refetch": Param(
            False,
            type="boolean",
            title="Fetch each message once more and compare it whole",
            description_md="Otherwise the server is asked for size, date and header.",
            section="Proof",
        ),
        "archive": archive_field(),
    },
):
    preview = MailRetentionPreviewOperator(
        task_id="preview_days",
        conn_id="{{ params.connection }}",
        archive="{{ params.archive }}",
        older_than="{{ None if params.policy else params.days }}",
        folders="{{ params.folders }}",
        exclude="{{ params.exclude }}",
        include_flagged="{{ params.include_flagged }}",
    )

    plan = MailRetentionOperator(
        task_id="plan_old",
        conn_id="{{ params.connection }}",
        archive="{{ params.archive }}",
        older_than="{{ None if params.policy else params.days }}",
        policy="{{ params.policy }}",
        basis="{{ None if params.basis == 'default' else params.basis }}",
        folders="{{ params.folders }}",
        exclude="{{ params.exclude }}",
        include_flagged="{{ params.include_flagged }}",
        to_trash="{{ params.to_trash }}",
        mark_seen="{{ params.mark_seen }}",
        dry_run=True,
        max_fraction="{{ params.max_fraction }}",
        allow_incomplete="{{ params.allow_incomplete }}",
        copies="{{ params.copies }}",
        proof="{{ None if params.proof == 'policy' else params.proof }}",
        refetch="{{ params.refetch }}",
    )

    ask = MailRetentionApprovalOperator(
        task_id="ask_person",
        conn_id="{{ params.connection }}",
        archive="{{ params.archive }}",
        plan_id="{{ ti.xcom_pull(task_ids='plan_old')['plan_id'] }}",
        ask="{{ 'never' if params.dry_run else params.ask }}",
        show_messages="{{ params.show_messages }}",
    )

    delete = MailRetentionOperator(
        task_id="delete_old",
        conn_id="{{ params.connection }}",
        archive="{{ params.archive }}",
        plan_id="{{ ti.xcom_pull(task_ids='plan_old')['plan_id'] or '' }}",
        dry_run="{{ params.dry_run }}",
        copies="{{ params.copies }}",
    )

    preview >> plan >> ask >> delete
