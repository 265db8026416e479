"""Runs: who runs what, on which account."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Announced", "RunContext"]


class Announced(enum.Enum):
    """What others are told of a run's changes to; until they are, the archive holds a note of the run."""

    NOTHING = "nothing"
    MAILBOX = "mailbox"
    DELIVERIES = "deliveries"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Who runs what on which account; becomes a row of ``runs``.

    :param what: ``fetch``, ``mirror``, ``retention``, ``attachments``, ``import``.
    :param who: DAG, task and try, or ``command line``.
    :param announces: what others are told of when the run has ended well.
    """

    run_id: str
    what: str
    account: str
    started: datetime
    who: str
    announces: Announced = Announced.NOTHING
