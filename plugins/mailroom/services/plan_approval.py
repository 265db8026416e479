"""Whether a plan needs somebody's consent, and what somebody said.

Here: the gate before a plan is carried out, and what ``operators.retention_approval`` asks for. Not here:
when consent is needed (``policy.approvals``), the text (``plan_markdown``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mailroom.archive import Archive
from mailroom.archive.ledgers import has_plan_in_state, plan_consents
from mailroom.exceptions import ConfigurationError
from mailroom.ledger import PlanState
from mailroom.model import RunContext
from mailroom.policy.approvals import ApprovalRule, why_to_ask
from mailroom.services.deleting.retention_plan import Plan, load_plan, settle_plan

__all__ = ["Consent", "record_answer", "require_consent", "why_to_ask_about"]

Consent = Callable[[Plan, str], str | None]
"""Asks somebody about a plan, who is told why; returns who agreed, or None where nobody did."""


def why_to_ask_about(archive: Archive, plan: Plan, *, first_run: bool = False) -> str | None:
    """Return why somebody has to be asked about a plan, by its own policy; None where nobody has.

    :param first_run: whether somebody is asked before the account's first deletion, whatever the policy says.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    rule = plan.policy.approval
    if first_run:
        rule = replace(rule or ApprovalRule(), first_run=True)
    if rule is None:
        return None
    counts = archive.live_counts(plan.account)
    live = sum(counts.values()) or len(archive.maildrop_state(plan.account).live_uidls())
    return why_to_ask(
        rule,
        messages=plan.messages,
        live=live,
        is_first=not has_plan_in_state(archive, plan.account, PlanState.EXECUTED, least_messages=1),
        means_spared=_means_spared(archive, plan),
    )


def _means_spared(archive: Archive, plan: Plan) -> bool:
    """Return whether a plan means what was spared of an earlier one, and nobody agreed to as a whole since.

    Messages are known by their digests, so that one is known in another folder as well.
    """
    consents = plan_consents(archive, plan.account)
    consents.pop(plan.plan_id, None)
    spared = {plan_id for plan_id, days in consents.items() if days is not None}
    undecided = set(_digests(plan)) if spared else set()
    for plan_id in reversed(consents):
        if not spared or not undecided:
            return False
        earlier = load_plan(archive, plan.account, plan_id)
        if earlier.state is not PlanState.REFUSED:
            meant = undecided.intersection(_digests(earlier))
            if meant and plan_id in spared:
                return True
            undecided -= meant
        spared.discard(plan_id)
    return False


def _digests(plan: Plan) -> Iterator[str]:
    return (digest for part in plan.parts for digest in part.digests if digest)


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
