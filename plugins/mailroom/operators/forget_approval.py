"""Ask a person before mail is removed from the archive itself, as retention asks before it deletes.

Airflow's human-in-the-loop shows the plan under Browse > Required Actions, and the task waits
without a worker slot. No answer in time means no.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

from mailroom.hooks.archive import archive_root, open_archive
from mailroom.hooks.errors import airflow_errors
from mailroom.operators.arguments import as_choice, as_text, required_text
from mailroom.operators.plan_answers import answer_before, answer_in
from mailroom.operators.run import run_context, utc_now

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

__all__ = ["ArchiveForgetApprovalOperator"]

ASK = ("always", "never")
"""When somebody is asked."""


class ArchiveForgetApprovalOperator(ApprovalOperator):
    """Show a plan to forget to a person, and go on only where they agree.

    They see how many messages, how much space, and between which days; no subject, no address. The answer,
    and who gave it, is recorded with the plan; the audit of each message and the certificate name them.
    Where nothing is to go, the task succeeds at once. No is not a failure: what comes after is skipped.

    :param plan_id: the plan, as ``ArchiveForgetOperator(dry_run=True)`` returned it; empty where nothing
        is to go.
    :param archive: root of the archive; by default the configured one.
    :param ask: ``always`` or ``never``.
    :param response_timeout: how long to wait for an answer; after that it is no.
    """

    template_fields: Collection[str] = (*ApprovalOperator.template_fields, "archive", "plan_id", "ask")
    ui_color = "#fce8e6"

    def __init__(
        self,
        *,
        plan_id: str | None,
        archive: str | ObjectStoragePath | None = None,
        ask: str = "always",
        response_timeout: timedelta = timedelta(days=1),
        **kwargs: Any,  # Any: the arguments every Airflow operator takes
    ) -> None:
        kwargs = {"subject": "Remove mail from the archive?", "defaults": self.REJECT, **kwargs}
        super().__init__(response_timeout=response_timeout, **kwargs)
        self.plan_id = plan_id
        self.archive = archive
        self.ask = ask

    def execute(self, context: Context) -> Any:  # Any: as the parent has it
        """Ask, where something is to go.

        :raises AirflowFailException: an argument is wrong, or there is no such plan.
        :raises AirflowException: the archive cannot be read.
        """
        from mailroom.services.forgetting.certificate import plan_to_forget_in_markdown
        from mailroom.services.forgetting.forget_plan import load_forget_plan

        with airflow_errors():
            plan_id = as_text("plan_id", self.plan_id)
            if plan_id is None or as_choice("ask", self.ask, ASK) == "never":
                self.log.info("Nobody has to be asked")
                return None
            plan = load_forget_plan(self._archive(), plan_id)
            if (earlier := answer_before(plan, self)) is not None:
                return super().execute_complete(context, earlier)
            self.log.info("Asking about plan %s of %d messages", plan_id, plan.messages)
            self.subject = f"Remove {plan.messages:,} messages from the archive for good?"
            self.body = plan_to_forget_in_markdown(plan)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:  # Any: as the parent has it
        """Record the answer, and go on or not.

        :raises AirflowFailException: the plan is over meanwhile.
        :raises AirflowException: the archive cannot be written.
        """
        from mailroom.services.forget import answer_plan

        if "error" not in event:
            with airflow_errors():
                is_yes, by = answer_in(event, self.APPROVE)
                answer_plan(
                    self._archive(),
                    required_text("plan_id", self.plan_id),
                    is_yes=is_yes,
                    by=by,
                    at=utc_now(),
                    run_id=run_context(context, what="forget", account="").run_id,
                )
        return super().execute_complete(context, event)

    def _archive(self) -> Any:  # Any: the archive, which is not imported at parse
        return open_archive(archive_root(as_text("archive", self.archive)))
