"""What is planned to be deleted, and what was: rows of ``plans``, ``audit`` and ``holds``.

Here: the values, for every layer. Not here: how they are stored (``archive``), who decides
(``policy``). Apart from ``locations``, which says where messages are, these say who took
them away, by which rule and with whose consent.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from mailroom.model import LocationRow, MailProtocol, RunContext

__all__ = ["AuditAction", "AuditRow", "HoldRow", "HoldState", "PlanRow", "PlanState", "audit_of"]


class AuditAction(enum.Enum):
    """What was done to a message at one place; a closed list."""

    DELETED = "deleted"
    """It was deleted on the server, which confirmed it."""

    MOVED_TO_TRASH = "moved_to_trash"
    """It was moved to the server's trash folder."""

    FORGOTTEN = "forgotten"
    """It was removed from the archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One row of the ``audit`` log: who did what to a message, and why.

    ``seq``, the number of the commit within the account, is filled in by the archive.

    :param octets: size as the server stated it.
    :param rule: the rule that decided, in words.
    :param plan_id: the plan it was part of, see `PlanRow`.
    :param approved_by: who agreed to the plan, where somebody was asked.
    :param who: DAG, task and try, or ``command line``.
    """

    account: str
    protocol: MailProtocol
    folder: str
    action: AuditAction
    who: str
    run_id: str
    at: datetime
    message_sha256: str | None = None
    uid_validity: int | None = None
    uid: int | None = None
    uidl: str | None = None
    octets: int | None = None
    internal_date: datetime | None = None
    rule: str | None = None
    plan_id: str | None = None
    approved_by: str | None = None


class HoldState(enum.Enum):
    """What a row of ``holds`` says; a closed list."""

    PLACED = "placed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """One row of the ``holds`` log: a legal hold was placed or released. ``seq`` is the archive's to fill in.

    What meets all of account, folder, sender and query is held.

    :param account: the account, or ``*`` for every one.
    :param folder: pattern of folder names; None for all. ``sender`` and ``query`` likewise.
    :param until: when it ends by itself; None for never.
    :param grace_days: for how long it is still obeyed after its end or release.
    :param run_id: names this row among those that are sealed; None where an older Mailroom wrote it.
    """

    hold_id: str
    account: str
    reason: str
    grace_days: float
    state: HoldState
    by: str
    at: datetime
    folder: str | None = None
    sender: str | None = None
    query: str | None = None
    until: datetime | None = None
    run_id: str | None = None


class PlanState(enum.Enum):
    """What became of a plan; a closed list."""

    PLANNED = "planned"
    """It was shown, and nothing is done yet."""

    APPROVED = "approved"
    REFUSED = "refused"

    EXECUTED = "executed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One row of the ``plans`` log: one folder and rule of a plan, or what became of the plan.

    A plan that was shown is written as one row a folder and rule, in state ``planned``; each later
    state is one more row, of the whole plan, without folder and rule. A run that plans as it
    goes writes a row a folder and rule when it is done. ``seq`` is filled in by the archive.

    :param created: when the plan was made; its ages are those of that moment.
    :param what: what made it, such as ``retention``.
    :param policy: the rules it was made by, as JSON.
    :param rule: the rule that decided, in words.
    :param octets: what the messages take on the server, as it states it.
    :param uids: by IMAP, the messages as a sequence set (RFC 3501 section 9) under ``uid_validity``.
    :param uidls: by POP3, the messages.
    :param by: who put it in this state.
    :param digests: the SHA-256 of each message, in the order of ``uids`` or ``uidls``; empty in old plans.
    :param least_days: where somebody agreed to a part only: what was younger than so many days stays.
    """

    plan_id: str
    account: str
    created: datetime
    what: str
    state: PlanState
    by: str
    at: datetime
    run_id: str
    policy: str | None = None
    folder: str | None = None
    rule: str | None = None
    messages: int = 0
    octets: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    uid_validity: int | None = None
    uids: str | None = None
    uidls: tuple[str, ...] = ()
    least_days: float | None = None
    digests: tuple[str, ...] = ()


def audit_of(
    row: LocationRow,
    run: RunContext,
    *,
    at: datetime,
    rule: str,
    action: AuditAction = AuditAction.DELETED,
    plan_id: str | None = None,
    approved_by: str | None = None,
) -> AuditRow:
    """Return the audit row of what a run did to a message at its place."""
    return AuditRow(
        account=row.account,
        protocol=row.protocol,
        folder=row.folder,
        action=action,
        who=run.who,
        run_id=run.run_id,
        at=at,
        message_sha256=row.sha256,
        uid_validity=row.uid_validity,
        uid=row.uid,
        uidl=row.uidl,
        octets=row.size,
        internal_date=row.internal_date,
        rule=rule,
        plan_id=plan_id,
        approved_by=approved_by,
    )
