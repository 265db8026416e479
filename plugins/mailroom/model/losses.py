"""What runs recorded as gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["RunLoss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLoss:
    """How many messages one run recorded as gone.

    :param is_allowed: whether a person allowed any loss for it.
    """

    started: datetime
    ended: datetime
    lost: int
    is_allowed: bool = False
