"""A throwaway AIRFLOW_HOME for the test process: set before anything imports Airflow."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["REPOSITORY", "use_throwaway_home"]

REPOSITORY = Path(__file__).resolve().parents[2]

_WORKER = "MAILROOM_TEST_AIRFLOW_WORKER"
"""The worker that the home was made for: workers inherit what is set in the process that starts them."""


def use_throwaway_home() -> Path:
    """Point Airflow at an empty home and at this repository's DAGs; safe to call again.

    Each worker of a test run has a home of its own; processes that a test starts have that of their test.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if os.environ.get(_WORKER) == worker:
        return Path(os.environ["AIRFLOW_HOME"])
    home = Path(tempfile.mkdtemp(prefix="mailroom-airflow-"))
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(home, ignore_errors=True) if os.getpid() == owner else None)
    os.environ.update(
        {
            _WORKER: worker,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        }
    )
    return home
