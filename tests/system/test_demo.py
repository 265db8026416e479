"""``make demo``, as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.airflow_home import REPOSITORY
from tests.support.command import run_command

DEMO_SECONDS = 240


def test_the_demonstration_runs_and_leaves_a_sound_archive(tmp_path: Path) -> None:
    """One command shows the whole job, and what it archived is well."""
    home = tmp_path / "demo"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    ran = subprocess.run(
        [sys.executable, "-m", "demo.run"],
        cwd=REPOSITORY,
        env=environment | {"MAILROOM_DEMO_HOME": str(home), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "192 messages" in ran.stdout
    assert "nothing is left running" in ran.stdout
    assert "0 more after the" in " ".join(ran.stdout.split())
    assert run_command("verify", "--archive", str(home / "archive")).status == 0
    assert {path.suffix for path in (home / "bucket").rglob("*") if path.is_file()} >= {".pdf", ".xlsx"}
