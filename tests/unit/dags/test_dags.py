"""The DAGs: light to parse, wiring only, and forms that explain themselves."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, Param, PartitionedAssetTimetable
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from mailroom.exceptions import ConfigurationError
from mailroom.model import MailProtocol
from mailroom.policy.retention import Basis
from tests.support.airflow_home import REPOSITORY

FILES = sorted((REPOSITORY / "dags").glob("*.py"))
NAMES = [
    "example_mail_csv",
    "example_mail_csv_postgres",
    "example_mail_daily",
    "example_mail_invoices",
    "mail_attachments",
    "mail_copy",
    "mail_forget",
    "mail_imap_mirror",
    "mail_imap_mirror_lanes",
    "mail_ingest",
    "mail_maintenance",
    "mail_pop3_fetch",
    "mail_restore",
    "mail_retention",
]

HEAVY = {
    "deltalake",
    "pyarrow",
    "numpy",
    "imapclient",
    "pandas",
    "s3fs",
    "botocore",
    "aiobotocore",
    "duckdb",
    "psycopg",
}


def dag_of(path: Path) -> DAG:
    """Return the one DAG of a file, as Airflow's own parser finds it."""
    bag = DagBag(dag_folder=path, bundle_name="dags-folder")
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    return dag


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def dag(request: pytest.FixtureRequest) -> DAG:
    return dag_of(request.param)


@pytest.fixture
def ingest() -> DAG:
    return dag_of(REPOSITORY / "dags" / "mail_ingest.py")


def params_of(dag: DAG) -> dict[str, Param]:
    return {name: dag.params.get_param(name) for name in dag.params}


def rendered(dag: DAG, task_id: str, answers: dict[str, Any]) -> Any:
    """Return a task with its templates rendered from the form's defaults and some answers."""
    defaults = {name: param.value for name, param in params_of(dag).items()}
    task = dag.get_task(task_id).prepare_for_execution()
    task.render_template_fields({"params": defaults | answers})
    return task


def test_each_file_is_one_dag_of_its_name() -> None:
    """The folder's listing is its table of contents."""
    assert [path.stem for path in FILES] == NAMES
    assert [dag_of(path).dag_id for path in FILES] == NAMES


def test_lanes_take_one_slot_and_one_connection_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the pool that the configuration names; without one, of the pool that everybody has."""
    path = REPOSITORY / "dags" / "mail_imap_mirror_lanes.py"
    assert {task.pool for task in dag_of(path).tasks} == {"default_pool"}
    monkeypatch.setenv("AIRFLOW__MAILROOM__CONNECTION_POOL", "mail_connections")
    lanes = dag_of(path)
    assert {(task.pool, task.pool_slots) for task in lanes.tasks} == {("mail_connections", 1)}
    mirrors = [task for task in lanes.tasks if task.task_id in ("mirror", "whole")]
    assert {getattr(task, "connections", None) or task.partial_kwargs["connections"] for task in mirrors} == {
        1
    }


def test_parsing_loads_no_engine() -> None:
    """Airflow parses the files again and again, in processes that fork afterwards."""
    code = (
        "import importlib.util, json, sys\n"
        "for n, path in enumerate(sys.argv[1:]):\n"
        "    spec = importlib.util.spec_from_file_location(f'd{n}', path)\n"
        "    spec.loader.exec_module(importlib.util.module_from_spec(spec))\n"
        "ours = ('mailroom.services', 'mailroom.archive', 'mailroom.client', 'mailroom.message')\n"
        "print(json.dumps([m for m in sys.modules if m.startswith(ours) or m in set(json.loads(%r))]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code % json.dumps(sorted(HEAVY)), *map(str, FILES)],
        capture_output=True,
        text=True,
        check=True,
    )
    # Airflow's own handlers of asset URIs load botocore, as soon as any DAG names an asset.
    assert set(json.loads(ran.stdout.splitlines()[-1])) <= {"botocore"}


@pytest.mark.parametrize(
    "path", [path for path in FILES if not path.stem.startswith("example_")], ids=lambda path: path.stem
)
def test_files_hold_wiring_only(path: Path) -> None:
    """No logic in a DAG file: no loops, no classes, no error handling; but examples show tasks."""
    forbidden = (ast.For, ast.While, ast.Try, ast.ClassDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text())
    assert [type(node).__name__ for node in ast.walk(tree) if isinstance(node, forbidden)] == []


def test_dag_is_made_for_hand_and_schedule(dag: DAG) -> None:
    """One run at a time, no catching up, nothing runs until somebody says so, and the file says how."""
    if dag.dag_id == "example_mail_daily":  # a run for a partition is made by nothing else
        assert isinstance(dag.schedule, PartitionedAssetTimetable)
    else:
        assert dag.schedule is None
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert "mailroom" in dag.tags
    assert dag.doc_md
    assert "On a schedule" in dag.doc_md
    assert all(task.retries == 2 for task in dag.tasks)


def test_dag_can_be_serialized(dag: DAG) -> None:
    """The scheduler sees the serialized form only."""
    assert DagSerialization.to_dict(dag)["dag"]["dag_id"] == dag.dag_id


def test_form_explains_itself(dag: DAG) -> None:
    """Every field has a title and a section, and a choice says what each word means."""
    for name, param in params_of(dag).items():
        assert param.schema.get("title"), name
        assert param.schema.get("section"), name
        assert param.schema.get("description_md") or param.schema["type"] == "boolean", name
        if "enum" in param.schema:
            assert set(param.schema["values_display"]) == set(param.schema["enum"]), name
        if param.schema["type"] in ("integer", "number"):
            assert "maximum" in param.schema, name


def test_form_needs_no_answer_but_a_destination(dag: DAG) -> None:
    """Defaults are valid, so that a run by hand and a schedule work without any answer."""
    needed = {
        "mail_attachments": {"destination": "/srv/in"},
        "example_mail_csv": {"database": "/srv/csv.duckdb"},
        "example_mail_invoices": {"destination": "/srv/in", "database": "/srv/invoices.duckdb"},
    }
    answers = needed.get(dag.dag_id, {})
    for name, param in params_of(dag).items():
        param.resolve(answers[name]) if name in answers else param.resolve()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("days", 0), ("days", "many"), ("copy_on_server", "perhaps"), ("scope", "some"), ("connection", "")],
)
def test_form_refuses_what_makes_no_sense(ingest: DAG, name: str, wrong: object) -> None:
    """Wrong answers are refused when the run is triggered, not in the middle of it."""
    with pytest.raises(ParamValidationError):
        params_of(ingest)[name].resolve(wrong)


def test_ingest_asks_the_three_questions_first(ingest: DAG) -> None:
    """People choose by what they want, in these words, before any option name."""
    titles = [param.schema["title"] for param in params_of(ingest).values()]
    assert titles[:3] == [
        "Do you want a copy to stay on the server?",
        "For how many days?",
        "Only the inbox, or every folder?",
    ]


@pytest.mark.parametrize("name", ["mail_ingest", "mail_pop3_fetch"])
def test_form_says_that_pop3_marks_mail_as_read(name: str) -> None:
    """A person who chooses POP3 knows before the first run."""
    dag = dag_of(REPOSITORY / "dags" / f"{name}.py")
    texts = " ".join(p.schema.get("description_md", "") for p in params_of(dag).values())
    assert "Reading by POP3 marks mail as read" in texts
    assert dag.doc_md
    assert "IMAP" in dag.doc_md


def test_nothing_is_deleted_unless_somebody_answers_so(dag: DAG) -> None:
    """Triggering any DAG with its form untouched leaves the server as it is."""
    defaults = {name: param.value for name, param in params_of(dag).items()}
    assert defaults.get("copy_on_server", "keep") == "keep"
    assert defaults.get("dry_run", True) is True or dag.dag_id in ("mail_attachments", "mail_maintenance")


@pytest.mark.parametrize("name", ["mail_ingest", "mail_pop3_fetch"])
@pytest.mark.parametrize(
    ("answers", "leave", "after"),
    [
        ({"copy_on_server": "keep", "days": 7}, "True", "None"),
        ({"copy_on_server": "days", "days": 7}, "True", "7"),
        ({"copy_on_server": "none", "days": 7}, "False", "None"),
    ],
)
def test_answers_become_the_pop3_modes(name: str, answers: dict[str, Any], leave: str, after: str) -> None:
    """Three answers, three modes, and the days count for one of them only."""
    dag = dag_of(REPOSITORY / "dags" / f"{name}.py")
    task = rendered(dag, "fetch" if name == "mail_pop3_fetch" else "fetch_by_pop3", answers)
    assert (task.leave_on_server, task.delete_after) == (leave, after)


@pytest.mark.parametrize(
    ("answers", "older_than"),
    [({"copy_on_server": "days", "days": 7}, "7"), ({"copy_on_server": "none", "days": 7}, "0")],
)
def test_answers_become_the_same_modes_by_imap(ingest: DAG, answers: dict[str, Any], older_than: str) -> None:
    """Mirror, then delete what is archived, counted as POP3 counts: from when it was first archived."""
    task = rendered(ingest, "delete_from_server_by_imap", answers)
    assert (task.older_than, task.basis, task.dry_run) == (older_than, "archived", False)


@pytest.mark.parametrize(("scope", "folders"), [("inbox", "INBOX"), ("all", "*")])
def test_scope_holds_for_reading_and_deleting(ingest: DAG, scope: str, folders: str) -> None:
    """What is not read is not deleted, and POP3 gets to refuse what it cannot show."""
    for task_id in ("fetch_by_pop3", "mirror_by_imap", "delete_from_server_by_imap"):
        assert rendered(ingest, task_id, {"scope": scope}).folders == folders


def test_empty_answers_of_a_restore_mean_everything() -> None:
    """A form that nobody filled in chooses the newest state, whole, where it was."""
    dag = dag_of(REPOSITORY / "dags" / "mail_restore.py")
    task = rendered(dag, "restore", {})
    selection = task._selection()
    assert (selection.folders, selection.as_of, selection.query) == (("*",), None, None)
    assert (selection.messages, selection.into, task.dry_run) == ((), None, "True")


def test_a_restore_may_be_of_what_one_run_deleted() -> None:
    """The result of a retention names the run; that is how its deletion is taken back."""
    task = rendered(dag_of(REPOSITORY / "dags" / "mail_restore.py"), "restore", {"run": "d/r/t#1"})
    assert task._selection().run == "d/r/t#1"


def test_a_policy_and_what_days_count_from_are_not_both_taken() -> None:
    """The answer beside a policy would have no say; the plan says so instead of counting otherwise."""
    answers = {"policy": "rules: [{delete_after: 30d}]", "basis": "saved"}
    task = rendered(dag_of(REPOSITORY / "dags" / "mail_retention.py"), "plan_old", answers)
    with pytest.raises(ConfigurationError, match="policy states basis itself"):
        task._policy(MailProtocol.IMAP)


def test_reading_comes_before_delivery_comes_before_deletion(ingest: DAG) -> None:
    """The server is touched last."""
    assert ingest.get_task("deliver_attachments").upstream_task_ids == {"fetch_by_pop3", "mirror_by_imap"}
    assert ingest.get_task("delete_from_server_by_imap").upstream_task_ids == {"deliver_attachments"}
    assert ingest.get_task("delete_from_server_by_imap").trigger_rule == "none_failed"


def test_who_approves_a_deletion_is_asked_about_all_of_the_plan() -> None:
    """A run's answers stand in a task's fields of the same name, so the approver's has its own."""
    dag = dag_of(REPOSITORY / "dags" / "mail_retention.py")
    asked = dag.get_task("ask_person").params
    assert "least_days" not in dag.params
    assert asked["least_days"] == 0


def test_the_form_says_what_days_count_from_as_plans_do() -> None:
    """Whoever fills it in reads the same words in the plan and in the audit."""
    shown = dag_of(REPOSITORY / "dags" / "mail_retention.py").params.get_param("basis").schema
    said = {name: words.partition(" (")[0] for name, words in shown["values_display"].items()}
    assert {basis.value: f"When {basis.event}" for basis in Basis} == {
        name: words for name, words in said.items() if name != "default"
    }


def test_a_first_run_by_the_form_does_not_take_all_years_at_once() -> None:
    """Whoever fills nothing in deletes a quarter of a folder at most, the oldest."""
    dag = dag_of(REPOSITORY / "dags" / "mail_retention.py")
    assert dag.params["max_fraction"] == 0.25
    assert dag.get_task("plan_old").max_fraction == "{{ params.max_fraction }}"


def test_a_plan_and_its_deletion_know_of_the_same_archives() -> None:
    """The deletion would refuse a plan that was made with more."""
    dag = dag_of(REPOSITORY / "dags" / "mail_retention.py")
    assert {dag.get_task(name).copies for name in ("plan_old", "delete_old")} == {"{{ params.copies }}"}
