"""Airflow's provider of OpenLineage tells from which mailbox to which archive to which place mail went."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.airflow_home import REPOSITORY
from tests.system.conftest import Connect

pytest.importorskip("airflow.providers.openlineage")

RUN = """
import json, sys
from tests.support.airflow_home import use_throwaway_home
use_throwaway_home()
from tests.support.dag_runs import make_database, run_dag
make_database()
for dag_id, conf in json.loads(sys.argv[1]).items():
    assert run_dag(dag_id, conf).state == "success", dag_id
"""
"""In a process of its own, because the provider reads its settings when Airflow is imported."""


def test_lineage_goes_from_mailbox_to_archive_to_place(
    account: Connect, mail: dict[str, list[bytes]], archive_root: Path, tmp_path: Path
) -> None:
    """As events that any tool for lineage reads, with nothing secret in them."""
    events, place = tmp_path / "events.jsonl", tmp_path / "in"
    runs = {
        "mail_imap_mirror": {"archive": str(archive_root)},
        "mail_attachments": {"archive": str(archive_root), "destination": str(place)},
    }
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    inherited.pop("MAILROOM_TEST_AIRFLOW_WORKER", None)
    environment = inherited | {
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW_CONN_IMAP_DEFAULT": json.dumps(account("imap")),
    }
    command = [sys.executable, "-c", RUN, json.dumps(runs)]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads(line) for line in events.read_text().splitlines()]
    steps = {
        event["job"]["name"]: (_names(event["inputs"]), _names(event["outputs"]))
        for event in told
        if event["eventType"] == "COMPLETE"
    }
    archive = ("file", str(archive_root))
    assert steps["mail_imap_mirror.mirror"] == ([("mailroom", "imap_default")], [archive])
    assert steps["mail_attachments.deliver"] == ([archive], [("file", str(place))])
    assert '"secret"' not in events.read_text()


def _names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["namespace"], one["name"]) for one in datasets]
