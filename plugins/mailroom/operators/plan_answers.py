"""What somebody answered about a plan, as Airflow hands it over and as the archive remembers it.

Here: the one reading of both for every operator that asks. Not here: the questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    from mailroom.services.deleting.retention_plan import Settled

__all__ = ["NOBODY", "answer_before", "answer_in"]

NOBODY = "nobody, no answer came in time"


def answer_in(event: Mapping[str, Any], approve: str) -> tuple[bool, str]:
    """Return whether somebody agreed, and who answered.

    :param event: what Airflow says of the answer; ``approve`` is the option that means yes.
    """
    user = event.get("responded_by_user") or {}
    return event["chosen_options"] == [approve], str(user.get("name") or user.get("id") or NOBODY)


def answer_before(plan: Settled, asking: ApprovalOperator) -> dict[str, Any] | None:
    """Return the answer that a plan has already, as Airflow would say it; None where it has none.

    A scheduler that hears of the answer before it has noticed that the task waits takes the task for lost
    and tries it again (a busy one, or a quick person); who has answered is not asked once more.

    :raises ConfigurationError: if the plan was carried out.
    """
    from mailroom.ledger import PlanState
    from mailroom.services.deleting.retention_plan import refuse_if_over

    options = {PlanState.APPROVED: asking.APPROVE, PlanState.REFUSED: asking.REJECT}
    if plan.state not in options:
        refuse_if_over(plan)
        return None
    asking.log.info("Plan %s was answered by %s already: nobody is asked again", plan.plan_id, plan.by)
    return {
        "chosen_options": [options[plan.state]],
        "params_input": {},
        "responded_at": plan.at,
        "responded_by_user": {"id": plan.by, "name": plan.by},
    }
