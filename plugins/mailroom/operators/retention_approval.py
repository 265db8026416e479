"""Ask a person before a plan of deletion is carried out.

Airflow's human-in-the-loop shows the plan under Browse > Required Actions, and the task waits
without a worker slot. No answer in time means no.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.definitions.param import ParamsDict  # a public name that its type stub leaves out

from mailroom.hooks.archive import archive_of_account
from mailroom.hooks.errors import airflow_errors
from mailroom.operators.arguments import as_choice, as_flag, as_text, required_text
from mailroom.operators.plan_answers import answer_before, answer_in
from mailroom.operators.run import run_context, utc_now

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

__all__ = ["MailRetentionApprovalOperator"]

ASK = ("policy", "first", "always", "never")
"""When somebody is asked: as the plan's policy says, at the first deletion as well, always, or never."""

LEAST_DAYS = "least_days"
"""The field in which whoever is asked can make the plan smaller.

Not ``days``: the answer that a DAG's own form has under a name stands in a task's field of that name.
"""


class MailRetentionApprovalOperator(ApprovalOperator):
    """Show a plan of deletion to a person, and go on only where they agree.

    The answer, and who gave it, is recorded with the plan; the audit of each deletion names them.
    Whoever agrees may raise the number of days: what is younger stays, also where the plan is carried out
    later or once more. Where nobody has to be asked, or somebody has answered about that plan already, the
    task is done at once. No is not a failure: what comes after is skipped. ``never`` asks nobody here; a
    policy that wants somebody asked is still obeyed, and ``MailRetentionOperator`` then refuses the plan.

    :param conn_id: the connection that the plan is for.
    :param archive: root of the archive; by default the one the connection or the configuration names.
    :param plan_id: the plan, as ``MailRetentionOperator(dry_run=True)`` returned it; empty where nothing
        is due.
    :param ask: ``policy`` (where the plan's policy says so), ``first`` (also where no plan has deleted
        anything in the account before), ``always`` or ``never``.
    :param show_messages: whether subjects and senders are shown. Airflow keeps them for whoever may read
        the DAG, so by default there are counts, folders and space only.
    :param response_timeout: how long to wait for an answer; after that it is no.
    """

    template_fields: Collection[str] = (
        *ApprovalOperator.template_fields,
        "conn_id",
        "archive",
        "plan_id",
        "ask",
        "show_messages",
    )
    ui_color = "#fce8e6"

    def __init__(
        self,
        *,
        conn_id: str,
        plan_id: str | None,
        archive: str | ObjectStoragePath | None = None,
        ask: str = "policy",
        show_messages: bool | str = False,
        response_timeout: timedelta = timedelta(days=1),
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        kwargs = {"subject": "Delete old mail?", "defaults": self.REJECT, **kwargs}
        fields = ParamsDict({LEAST_DAYS: _days_field()})
        fields.update(kwargs.pop("params", None) or {})
        super().__init__(response_timeout=response_timeout, params=fields, **kwargs)
        self.conn_id = conn_id
        self.plan_id = plan_id
        self.archive = archive
        self.ask = ask
        self.show_messages = show_messages

    def execute(self, context: Context) -> Any:  # Any: as the parent has it
        """Ask, where somebody has to be asked.

        :raises AirflowFailException: an argument is wrong, or there is no such plan.
        :raises AirflowException: the archive cannot be read.
        """
        from mailroom.services.deleting.plan_markdown import plan_in_markdown
        from mailroom.services.deleting.retention_plan import load_plan
        from mailroom.services.plan_approval import why_to_ask_about

        with airflow_errors():
            plan_id = as_text("plan_id", self.plan_id)
            ask = as_choice("ask", self.ask, ASK) or "policy"
            if plan_id is None or ask == "never":
                self.log.info("Nobody has to be asked")
                return None
            account, archive = self._place()
            plan = load_plan(archive, account, plan_id)
            if (earlier := answer_before(plan, self)) is not None:
                return super().execute_complete(context, earlier)
            first_run = ask == "first"
            why = "you said so" if ask == "always" else why_to_ask_about(archive, plan, first_run=first_run)
            if why is None:
                self.log.info("Nobody has to be asked about plan %s by its policy", plan_id)
                return None
            self.log.info("Asking about plan %s of %d messages: %s", plan_id, plan.messages, why)
            shows = as_flag("show_messages", self.show_messages)
            self.subject = f"Delete {plan.messages:,} messages of {account} on the server?"
            self.body = plan_in_markdown(plan, archive if shows else None)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:  # Any: as the parent has it
        """Record the answer, and go on or not.

        :raises AirflowFailException: the plan is over meanwhile.
        :raises AirflowException: the archive cannot be written.
        """
        from mailroom.services.plan_approval import record_answer

        if "error" not in event:
            with airflow_errors():
                account, archive = self._place()
                is_yes, by = answer_in(event, self.APPROVE)
                least_days = (event.get("params_input") or {}).get(LEAST_DAYS)
                record_answer(
                    archive,
                    account,
                    required_text("plan_id", self.plan_id),
                    is_yes=is_yes,
                    by=by,
                    at=utc_now(),
                    least_age=timedelta(days=least_days) if least_days else None,
                    run_id=run_context(context, what="retention", account=account).run_id,
                )
        return super().execute_complete(context, event)

    def _place(self) -> tuple[str, Any]:  # Any: the archive, which is not imported at parse
        account = required_text("conn_id", self.conn_id)
        return account, archive_of_account(account, as_text("archive", self.archive))


def _days_field() -> Param:
    return Param(
        0,
        source="task",  # Airflow shows a task's own fields only
        type="integer",
        title="Only what is older than so many days (0: all of the plan)",
        description_md="A larger number deletes less; nothing deletes more.",
        minimum=0,
        maximum=36500,
    )
