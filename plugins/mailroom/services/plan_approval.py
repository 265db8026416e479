"""Whether a plan needs somebody's consent, and what somebody said.

Here: the gate before a plan is carried out, and what ``operators.retention_approval`` asks for. Not here:
when consent is needed (``policy.approvals``), the text (``plan_markdown``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from mailroom.archive import Archive
from mailroom.archive.ledgers import has_plan_in_state
from mailroom.exceptions import ConfigurationError
from mailroom.ledger import PlanState
from mailroom.model import RunContext
from mailroom.policy.approvals import why_to_ask
from mailroom.services.deleting.retention_plan import Plan, load_plan, settle_plan

__all__ = ["Consent", "record_answer", "require_consent", "why_to_ask_about"]

Consent = Callable[[Plan, str], str | None]
"""Asks somebody about a plan, who is told why; returns who agreed, or None where nobody did."""


def why_to_ask_about(archive: Archive, plan: Plan) -> str | None:
    """Return why somebody has to be asked about a plan, by its own policy; None where nobody has.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    if plan.policy.approval is None:
        return None
    counts = archive.live_counts(plan.account)
    live = sum(counts.values()) or len(archive.maildrop_state(plan.account).live_uidls())
    return why_to_ask(
        plan.policy.approval,
        messages=plan.messages,
        live=live,
        is_first=not has_plan_in_state(archive, plan.account, PlanState.EXECUTED),
    )


def require_consent(
    archive: Archive, plan: Plan, run: RunContext, *, consent: Consent | None, now: Callable[[], datetime]
) -> Plan:
    """Return a plan that may be carried out: its policy asks nobody, or somebody has agreed to it.

    :param consent: asks somebody who is there; None where nobody is.
    :raises ConfigurationError: if somebody has to agree, and nobody has.
    :raises StoreUnavailable: if the archive cannot be read or written.
    """
    why = why_to_ask_about(archive, plan) if plan.approved_by is None else None
    if why is None:
        return plan
    by = consent(plan, why) if consent is not None else None
    if by is None:
        raise ConfigurationError(
            f"Nothing was deleted: plan {plan.plan_id} of {plan.messages:,} messages of {plan.account} needs "
            f"somebody's consent, for {why}, and nobody has agreed to it. In Airflow put "
            "MailRetentionApprovalOperator before this task, as the DAG mail_retention does; on the command "
            f'line look at the plan and add: --plan {plan.plan_id} --approve "YOUR NAME".'
        )
    return settle_plan(archive, plan, PlanState.APPROVED, by=by, at=now(), run_id=run.run_id)


def record_answer(
    archive: Archive,
    account: str,
    plan_id: str,
    *,
    is_yes: bool,
    by: str,
    at: datetime,
    run_id: str,
    least_age: timedelta | None = None,
) -> Plan:
    """Record that somebody agreed to a plan, or did not.

    :param least_age: what of it is younger is to stay, as whoever agreed wants.
    :raises ConfigurationError: if there is no such plan, or it is over.
    :raises StoreUnavailable: if the archive cannot be written.
    """
    state = PlanState.APPROVED if is_yes else PlanState.REFUSED
    plan = load_plan(archive, account, plan_id)
    return settle_plan(archive, plan, state, by=by, at=at, run_id=run_id, least_age=least_age)
