"""### Remove mail from the archive itself

Removes from the archive what an account had, what a person wrote or received, or what is older than some
days: table rows, delivered attachments and search words at once, the messages' objects with a later run of
this DAG, when no other run can count on them any more. What is under a legal hold stays. Nothing is deleted
on a mail server: delete it there first, or the next mirror brings it back.

First a **plan** is made and stored in the archive; then **a person is asked**, who sees counts and space
under Browse > Required Actions; then just that plan is carried out. Who agreed stands in the audit of each
message. The result of `forget` says where the **certificate** is that lists what went.

**A run by hand is a dry run** unless you switch that off: it says what would go, and changes nothing.

**On a schedule**, for keeping mail ten years: copy this file under another `dag_id`, set `schedule` (such as
`"@daily"`), and the defaults of `dry_run` to `False`, of `days` to 3652, and of `ask` to `never`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from mailroom.operators.forget import ArchiveForgetOperator
from mailroom.operators.forget_approval import ArchiveForgetApprovalOperator
from mailroom.operators.form import OPEN_SECTION, optional_text

with DAG(
    dag_id="mail_forget",
    description="Remove an account, a person or old mail from the archive itself",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["mailroom"],
    doc_md=__doc__,
    params={
        "dry_run": Param(
            True,
            type="boolean",
            title="Only say what would go",
            description_md="Switch it off to really remove it from the archive.",
            section=OPEN_SECTION,
        ),
        "person": optional_text(
            title="A person",
            description_md="An address, whole: messages that it wrote or received. Fill in one of the three.",
        ),
        "account": optional_text(
            title="Or an account",
            description_md="Its name in the archive, the id of its connection: all of its places, and "
            "the messages that no other account has.",
        ),
        "days": Param(
            None,
            type=["null", "integer"],
            title="Or what is older than how many days",
            description_md="Counted from when it was archived; 3652 is ten years. What is still on a "
            "server stays.",
            section=OPEN_SECTION,
            minimum=1,
            maximum=36500,
        ),
        "ask": Param(
            "always",
            type="string",
            title="Ask a person first?",
            description_md="The plan is shown under Browse > Required Actions, and nothing goes before "
            "somebody agrees. No answer within a day means no.",
            section="Care",
            enum=["always", "never"],
            values_display={"always": "Always", "never": "Never"},
        ),
        "by_date": Param(
            False,
            type="boolean",
            title="Count from when a message was sent",
            description_md="By its own date, which its sender wrote.",
            section="Care",
        ),
        "grace": Param(
            2,
            type="integer",
            title="Days until objects are deleted",
            description_md="More than the longest run on this archive takes.",
            section="Care",
            minimum=1,
            maximum=365,
        ),
        "archive": optional_text(
            title="Archive",
            description_md="Empty: the one of the configuration, [mailroom] archive_root.",
            section="The archive",
        ),
    },
):
    plan = ArchiveForgetOperator(
        task_id="plan_forget",
        archive="{{ params.archive }}",
        account="{{ params.account }}",
        person="{{ params.person }}",
        older_than="{{ params.days }}",
        by_date="{{ params.by_date }}",
        dry_run=True,
    )

    ask = ArchiveForgetApprovalOperator(
        task_id="ask_person",
        archive="{{ params.archive }}",
        plan_id="{{ ti.xcom_pull(task_ids='plan_forget').get('plan_id') or '' }}",
        ask="{{ 'never' if params.dry_run else params.ask }}",
    )

    forget = ArchiveForgetOperator(
        task_id="forget",
        archive="{{ params.archive }}",
        plan_id="{{ ti.xcom_pull(task_ids='plan_forget').get('plan_id') or '' }}",
        grace="{{ params.grace }}",
        dry_run="{{ params.dry_run }}",
    )

    plan >> ask >> forget
