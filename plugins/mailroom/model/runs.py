"""Runs: who runs what, on which account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["RunContext"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Who runs what on which account; becomes a row of ``runs``.

    :param what: ``fetch``, ``mirror``, ``retention``, ``attachments``, ``import``.
    :param who: DAG, task and try, or ``command line``.
    """

    run_id: str
    what: str
    account: str
    started: datetime
    who: str
