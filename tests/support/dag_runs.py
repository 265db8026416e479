"""Run a DAG of this repository by ``dag.test()``, and say what became of its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.support.airflow_home import REPOSITORY

__all__ = ["DagRunResult", "make_database", "run_dag"]


@dataclass(frozen=True, kw_only=True)
class DagRunResult:
    """How a run ended.

    :param states: state of each task.
    :param results: what each task returned, for those that returned anything.
    :param tries: how often each task was tried.
    """

    state: str
    states: dict[str, str]
    results: dict[str, Any]
    tries: dict[str, int]


def make_database() -> None:
    """Make the metadata database in the throwaway home."""
    from airflow.utils.db import initdb

    initdb()


def run_dag(dag_id: str, conf: Mapping[str, Any]) -> DagRunResult:
    """Run a DAG in this process with a filled form."""
    # Airflow reads its home when it is imported, so it is imported late.
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=REPOSITORY / "dags" / f"{dag_id}.py", bundle_name="dags-folder")
    assert bag.import_errors == {}
    dag = bag.dags[dag_id]
    for task in dag.tasks:
        task.retry_delay = timedelta(seconds=1)
    run = dag.test(run_conf=dict(conf))
    tasks = run.get_task_instances()
    return DagRunResult(
        state=str(run.state),
        states={ti.task_id: str(ti.state) for ti in tasks},
        results={ti.task_id: ti.xcom_pull(task_ids=ti.task_id) for ti in tasks},
        tries={ti.task_id: ti.try_number for ti in tasks},
    )
