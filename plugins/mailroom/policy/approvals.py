"""When a plan of deletion needs a person's consent.

Here: the question. Not here: asking it (``operators``), what the plan looks like to people
(``services.plan_markdown``).
"""

from __future__ import annotations

from dataclasses import dataclass

from mailroom.exceptions import ConfigurationError

__all__ = ["ApprovalRule", "why_to_ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """What a policy says of asking somebody first.

    Whatever it says, messages that somebody spared of an earlier plan go by another consent only.

    :param first_run: ask where no plan has deleted anything in the account before.
    :param over_messages: ask where the plan means more messages than this.
    :param over_fraction: ask where it means more than this share of the account's messages.
    :raises ConfigurationError: if a value makes no sense.
    """

    first_run: bool = False
    over_messages: int | None = None
    over_fraction: float | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.over_fraction is not None and not 0 < self.over_fraction <= 1:
            raise ConfigurationError(
                f"over_fraction must be above 0 and at most 1 (all messages), not {self.over_fraction!r}."
            )


def why_to_ask(
    rule: ApprovalRule | None, *, messages: int, live: int, is_first: bool, means_spared: bool = False
) -> str | None:
    """Return why somebody has to be asked about a plan, or None.

    :param messages: how many it means; ``live`` how many the account has.
    :param is_first: whether no plan has deleted anything in the account before.
    :param means_spared: whether it means messages of a plan that somebody agreed to in part only.

    >>> why_to_ask(ApprovalRule(over_messages=100), messages=101, live=500, is_first=False)
    'it means more than 100 messages'
    """
    if rule is None or not messages:
        return None
    if rule.first_run and is_first:
        return "it is the first of this account"
    if means_spared:
        return "it means messages that were spared when somebody agreed to an earlier plan"
    if rule.over_messages is not None and messages > rule.over_messages:
        return f"it means more than {rule.over_messages:,} messages"
    if rule.over_fraction is not None and messages > rule.over_fraction * live:
        return f"it means more than {rule.over_fraction:.0%} of the account"
    return None
