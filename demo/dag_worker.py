"""The process in which Airflow runs DAGs for the demonstration, one line of JSON at a time.

A request on standard input is ``{"dag": id, "conf": {…}}``; the answer on standard output is
``{"state": …, "results": {task: …}}``. Everything Airflow says goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def main() -> None:
    """Make the database, read the DAGs, then run what is asked until standard input ends."""
    # Airflow and its tasks print to standard output, which belongs to the answers: part them first.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import initdb

    initdb()
    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    print(json.dumps({"dags": sorted(bag.dags), "errors": bag.import_errors}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_run(bag.dags[request["dag"]], request["conf"])), file=answers)


def _run(dag: Any, conf: dict[str, Any]) -> dict[str, Any]:
    for task in dag.tasks:
        # A demonstration that fails should say so now, not after two waits of a minute.
        task.retries = 0
    run = dag.test(run_conf=conf)
    instances = run.get_task_instances()
    return {
        "state": str(run.state),
        "results": {ti.task_id: _result(ti) for ti in instances if str(ti.state) == "success"},
    }


def _result(ti: Any) -> Any:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = XComModel.get_many(
            run_id=ti.run_id, dag_ids=ti.dag_id, task_ids=ti.task_id, key="return_value"
        )
        found = session.scalars(rows).first()
        return XComModel.deserialize_value(found) if found is not None else None


if __name__ == "__main__":
    main()
