"""One execution of an operator: who runs, how it is stopped, how its report becomes a result.

What all operators share, as functions and one small value, so that none inherits from another.
"""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

from airflow.sdk.exceptions import AirflowException

from mailroom.model import Announced, RunContext

if TYPE_CHECKING:
    import logging

    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from mailroom.services.progress import Progress

__all__ = ["Report", "StopSwitch", "conclude", "log_progress", "run_context", "task_name", "utc_now"]

MAX_FAILURES_NAMED = 3
"""How many failures the sentence of a failed task names; all of them are in its log."""


class Report(Protocol):
    """What every service returns."""

    @property
    def failures(self) -> tuple[str, ...]:
        """Return one sentence for each thing that did not work."""

    @property
    def interrupted(self) -> bool:
        """Return whether the service was asked to stop before it was done."""

    def summary(self) -> dict[str, Any]:
        """Return what was done as a small JSON object."""


class StopSwitch:
    """Hands Airflow's ``on_kill`` on to the service at work.

    The event is made when work begins: operators are copied and pickled, events cannot be.
    """

    def __init__(self) -> None:
        self._event: threading.Event | None = None
        self._is_pressed = False

    def arm(self) -> threading.Event:
        """Return the event the service watches; already set if the task was killed before."""
        self._event = threading.Event()
        if self._is_pressed:
            self._event.set()
        return self._event

    def press(self) -> None:
        """Ask the service to finish the batch in hand and return."""
        self._is_pressed = True
        if self._event is not None:
            self._event.set()


def utc_now() -> datetime:
    """Return the time now; services take it as their clock."""
    return datetime.now(UTC)


def log_progress(log: Logger) -> Progress:
    """Return what a service reports its progress to: the task's log."""
    from mailroom.services.progress import LogProgress

    # Airflow's logger is structlog's, which takes the same calls as the standard one.
    return LogProgress(cast("logging.Logger", log))


def run_context(
    context: Context, *, what: str, account: str, announces: Announced = Announced.NOTHING
) -> RunContext:
    """Return who runs what: the DAG, task and try of an Airflow context, and whoever triggered it.

    :param what: ``fetch``, ``mirror``, ``retention``, ``attachments``, ``export`` or ``import``.
    :param announces: what the operator makes an asset event of, by ``missed``.
    """
    ti = context.get("ti")
    if ti is None:
        run_id, who = uuid.uuid4().hex, "operator outside of a DAG run"
    else:
        place = f"{ti.dag_id}/{ti.run_id}/{ti.task_id}"
        mapped = f"[{ti.map_index}]" if ti.map_index is not None and ti.map_index >= 0 else ""
        run_id = f"{place}{mapped}#{ti.try_number}"
        who = f"DAG {ti.dag_id}, task {ti.task_id}{mapped}, try {ti.try_number}"
        somebody = getattr(context.get("dag_run"), "triggering_user_name", None)
        who += f", triggered by {somebody}" if somebody else ""
    return RunContext(
        run_id=run_id, what=what, account=account, started=utc_now(), who=who, announces=announces
    )


def task_name(context: Context) -> str:
    """Return ``dag_id/task_id`` of the running task, whatever run it is in; empty outside of one."""
    ti = context.get("ti")
    return "" if ti is None else f"{ti.dag_id}/{ti.task_id}"


def conclude(report: Report, run: RunContext, log: Logger) -> dict[str, Any]:
    """Count metrics and return the summary for XCom, or fail with one sentence.

    :raises AirflowException: something failed, or the run was stopped; what was committed
        stays, and the next run or try goes on from there.
    """
    summary = report.summary()
    is_well = not (report.failures or report.interrupted)
    # Lists and tables are for the XCom, which a task that fails has not.
    told = {
        name: value for name, value in summary.items() if not (is_well and isinstance(value, (dict, list)))
    }
    log.info("%s: %s", f"{run.what} of {run.account}" if run.account else run.what, told)
    _count(run, summary)
    if not getattr(report, "are_warnings_logged", False):
        for warning in getattr(report, "warnings", ()):
            log.warning("%s", warning)
    for failure in report.failures:
        log.error("%s", failure)
    if report.failures:
        named = " ".join(report.failures[:MAX_FAILURES_NAMED])
        more = len(report.failures) - MAX_FAILURES_NAMED
        rest = f" And {more:,} more, see the log." if more > 0 else ""
        raise AirflowException(f"{named}{rest}")
    if report.interrupted:
        raise AirflowException(
            f"The {run.what} of {run.account} was stopped before its end; what is committed stays, "
            "and the next run goes on from there."
        )
    return summary


def _count(run: RunContext, summary: dict[str, Any]) -> None:
    """Count what was done, as ``mailroom.<what>.<name>`` with the account as tag."""
    from airflow.sdk.observability import stats

    for name, value in summary.items():
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            stats.incr(f"mailroom.{run.what}.{name}", value, tags={"account": run.account})
