"""Asking the person at the terminal before a plan of deletion is carried out.

Here: the question, and who answered. Not here: when somebody has to be asked (``services.plan_approval``).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mailroom.cli.engine import user
from mailroom.cli.phrases import messages, octets_in_words
from mailroom.cli.plan_table import plan_table
from mailroom.cli.wording import plain

if TYPE_CHECKING:
    from mailroom.services.deleting.retention_plan import Plan

__all__ = ["ask_on_terminal"]


def ask_on_terminal(plan: Plan, why: str) -> str | None:
    """Show a plan to whoever sits at the terminal; return who said yes, or None where nobody is or did."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    size = octets_in_words(plan.octets)
    lines = [
        f"The policy asks somebody before this plan is carried out, for {why}.",
        *plan_table([part.summary() for part in plan.parts]),
        f"Delete these {messages(plan.messages)} ({size}) of {plan.account} on the server? Type yes: ",
    ]
    print("\n".join(plain(line) for line in lines), end="", file=sys.stderr, flush=True)
    return user("somebody at a terminal") if sys.stdin.readline().strip().casefold() == "yes" else None
