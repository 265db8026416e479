"""What all operators share: who runs, how it stops, how a report becomes a result."""

from __future__ import annotations

import contextlib
import copy
import logging
import pickle
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from mailroom.model import RunContext
from mailroom.operators.run import StopSwitch, conclude, log_progress, run_context, utc_now
from mailroom.services.mirroring.mirror_report import MirrorReport

LOG = cast(Any, logging.getLogger("test.run"))
RUN = RunContext(run_id="r", what="fetch", account="office", started=utc_now(), who="test")


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report as services make them."""

    counts: dict[str, Any] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    interrupted: bool = False
    warnings: tuple[str, ...] = ()

    def summary(self) -> dict[str, Any]:
        return self.counts


def ti(map_index: int = -1) -> Any:
    return SimpleNamespace(dag_id="d", task_id="t", run_id="manual__1", map_index=map_index, try_number=2)


def test_context_tells_dag_task_and_try() -> None:
    """The archive's log of runs says who it was."""
    run = run_context(cast(Any, {"ti": ti()}), what="mirror", account="office")
    assert (run.run_id, run.who) == ("d/manual__1/t#2", "DAG d, task t, try 2")
    assert (run.what, run.account) == ("mirror", "office")
    assert run.started.tzinfo is not None


def test_who_triggered_a_run_by_hand_is_told() -> None:
    """Whoever asks who deleted a message wants a person's name; a scheduled run has none."""
    runs = (SimpleNamespace(triggering_user_name=name) for name in ("eva", None))
    by_hand, scheduled = (
        run_context(cast(Any, {"ti": ti(), "dag_run": run}), what="fetch", account="a") for run in runs
    )
    assert (by_hand.who, scheduled.who) == (
        "DAG d, task t, try 2, triggered by eva",
        "DAG d, task t, try 2",
    )


def test_mapped_tasks_are_runs_of_their_own() -> None:
    """Two accounts mapped over one task must not share a run."""
    one, two = (run_context(cast(Any, {"ti": ti(n)}), what="fetch", account="a") for n in (0, 1))
    assert one.run_id != two.run_id


def test_operator_called_by_hand_has_a_run_of_its_own() -> None:
    """In a notebook or test there is no task instance."""
    assert run_context(cast(Any, {}), what="fetch", account="a").run_id


def test_stop_reaches_the_event_that_is_armed() -> None:
    """Killing the task ends the service at the next batch."""
    stop = StopSwitch()
    event = stop.arm()
    assert not event.is_set()
    stop.press()
    assert event.is_set()


def test_stop_before_the_work_begins_is_not_lost() -> None:
    """A task killed while it renders its templates must not begin to delete."""
    stop = StopSwitch()
    stop.press()
    assert stop.arm().is_set()


def test_switch_is_copied_and_pickled_as_operators_are() -> None:
    """Airflow copies operators before it runs them."""
    for twin in (copy.deepcopy(StopSwitch()), pickle.loads(pickle.dumps(StopSwitch()))):
        assert not twin.arm().is_set()


def test_summary_is_the_result() -> None:
    """XCom gets counts, and what the service says they are."""
    assert conclude(Report(counts={"added": 3}), RUN, LOG) == {"added": 3}


@pytest.mark.parametrize("failures", [(), ("Message 1 was refused.",)])
def test_lists_are_in_the_log_where_there_is_no_xcom(
    caplog: pytest.LogCaptureFixture, failures: tuple[str, ...]
) -> None:
    """The log of a task that went well is for people; one that failed leaves nothing but its log."""
    caplog.set_level(logging.INFO)
    counts = {"deleted": 3, "folders": [{"folder": "INBOX"}]}
    with pytest.raises(AirflowException) if failures else contextlib.nullcontext():
        conclude(Report(counts=counts, failures=failures), RUN, LOG)
    assert ("'deleted': 3" in caplog.text, "INBOX" in caplog.text) == (True, bool(failures))


def test_failures_fail_the_task_in_one_sentence_each() -> None:
    """What did not work is named, a long list is cut, and a retry may mend it."""
    failures = tuple(f"Message {n} was refused." for n in range(5))
    with pytest.raises(AirflowException) as caught:
        conclude(Report(failures=failures), RUN, LOG)
    assert not isinstance(caught.value, AirflowFailException)
    assert "Message 0 was refused." in str(caught.value)
    assert "Message 3" not in str(caught.value)
    assert "And 2 more" in str(caught.value)


def test_every_failure_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The sentence is short, the log is whole."""
    failures = tuple(f"Message {n} was refused." for n in range(5))
    with pytest.raises(AirflowException):
        conclude(Report(failures=failures), RUN, LOG)
    assert [f for f in failures if f not in caplog.text] == []


def test_warnings_are_in_the_log_of_a_success(caplog: pytest.LogCaptureFixture) -> None:
    """What was odd, but stopped nothing, is said."""
    conclude(Report(warnings=("Folder Trash is numbered anew.",)), RUN, LOG)
    assert "numbered anew" in caplog.text


def test_warnings_that_a_service_logged_are_not_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    """A mirror says each when it finds it; a task's log has it once."""
    report = MirrorReport(account="office", warnings=("Folder Trash is numbered anew.",))
    conclude(report, RUN, LOG)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []


def test_interrupted_run_says_that_it_can_go_on() -> None:
    """A stopped task is not a success: the next try goes on."""
    with pytest.raises(AirflowException, match="stopped before its end"):
        conclude(Report(interrupted=True), RUN, LOG)


def test_progress_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The task's own log shows how far it is."""
    caplog.set_level(logging.INFO)
    progress = log_progress(LOG)
    progress.start("INBOX", 2, None)
    progress.advance(2, 100)
    progress.finish()
    assert "INBOX: 2 of 2 messages" in caplog.text
