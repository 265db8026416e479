"""What a plan found that a person has to look at, in sentences for the report.

Here: messages that answer differently than they were archived, and archived copies that are not whole.
Both stay on the server. Not here: the plan (``policy.deletion``).
"""

from __future__ import annotations

from mailroom.policy.deletion import Decision, DeletionPlan, Keep

__all__ = ["alarms_of"]

MAX_NAMED = 5
"""How many messages a sentence names."""


def alarms_of(plan: DeletionPlan, folder: str, account: str) -> list[str]:
    """Return a sentence for each kind of doubt about messages of one folder."""
    found = []
    differing = plan.kept_for(Keep.DIFFERS)
    if differing:
        named = ", ".join(f"{_name(d)} ({d.difference} differs)" for d in differing[:MAX_NAMED])
        found.append(
            f"{_messages(differing)} in folder {folder!r} of {account} answered differently than what was "
            f"archived and stayed: {named}{_more(differing)}; mirror or fetch again, and look at them."
        )
    damaged = plan.kept_for(Keep.NOT_VERIFIED)
    if damaged:
        named = ", ".join(str(d.candidate.row.sha256) for d in damaged[:MAX_NAMED])
        found.append(
            f"{_messages(damaged)} in folder {folder!r} of {account} stayed, for the archived copy is "
            f"missing or damaged: {named}{_more(damaged)}; mailroom check --read --repair fetches it again."
        )
    return found


def _messages(decisions: tuple[Decision, ...]) -> str:
    return "1 message" if len(decisions) == 1 else f"{len(decisions):,} messages"


def _more(decisions: tuple[Decision, ...]) -> str:
    return f" and {len(decisions) - MAX_NAMED:,} more" if len(decisions) > MAX_NAMED else ""


def _name(decision: Decision) -> str:
    row = decision.candidate.row
    return f"UID {row.uid}" if row.uid is not None else f"UIDL {row.uidl!r}"
