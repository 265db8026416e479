"""A throwaway AIRFLOW_HOME for the test process: set before anything imports Airflow."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["REPOSITORY", "use_throwaway_home"]

REPOSITORY = Path(__file__).resolve().parents[2]

_MARK = "MAILROOM_TEST_AIRFLOW_HOME"


def use_throwaway_home() -> Path:
    """Point Airflow at an empty home and at this repository's DAGs; safe to call again."""
    if _MARK in os.environ:
        return Path(os.environ[_MARK])
    home = Path(tempfile.mkdtemp(prefix="mailroom-airflow-"))
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(home, ignore_errors=True) if os.getpid() == owner else None)
    os.environ.update(
        {
            _MARK: str(home),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        }
    )
    return home
