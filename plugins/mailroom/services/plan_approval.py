"""Whether a plan needs somebody's consent, and what somebody said.

Here: what ``operators.retention_approval`` asks for. Not here: when consent is needed
(``policy.approvals``), the text (``plan_markdown``).
"""

from __future__ import annotations

from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.ledgers import has_plan_in_state
from mailroom.ledger import PlanState
from mailroom.policy.approvals import why_to_ask
from mailroom.services.deleting.retention_plan import Plan, load_plan, settle_plan

__all__ = ["record_answer", "why_to_ask_about"]


def why_to_ask_about(archive: Archive, plan: Plan) -> str | None:
    """Return why somebody has to be asked about a plan, by its own policy; None where nobody has.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    counts = archive.live_counts(plan.account)
    live = sum(counts.values()) or len(archive.maildrop_state(plan.account).live_uidls())
    return why_to_ask(
        plan.policy.approval,
        messages=plan.messages,
        live=live,
        is_first=not has_plan_in_state(archive, plan.account, PlanState.EXECUTED),
    )


def record_answer(
    archive: Archive, account: str, plan_id: str, *, is_yes: bool, by: str, at: datetime, run_id: str
) -> Plan:
    """Record that somebody agreed to a plan, or did not.

    :raises ConfigurationError: if there is no such plan, or it is over.
    :raises StoreUnavailable: if the archive cannot be written.
    """
    state = PlanState.APPROVED if is_yes else PlanState.REFUSED
    plan = load_plan(archive, account, plan_id)
    return settle_plan(archive, plan, state, by=by, at=at, run_id=run_id)
