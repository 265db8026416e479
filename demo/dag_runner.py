"""Running the shipped DAGs through ``dag.test()`` in a process apart, and hearing what they returned."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["DagRunner", "StepFailed"]


class StepFailed(RuntimeError):
    """A step of the demonstration did not succeed; the message says where to look."""


class DagRunner:
    """One Airflow with a fresh database; a context manager that leaves no process behind.

    :param environment: everything Airflow has to know, ``AIRFLOW_HOME`` among it.
    :param log: file for all that Airflow says.
    """

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as written:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "demo.dag_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=written,
                env=environment,
                text=True,
                start_new_session=True,
            )

    def __enter__(self) -> DagRunner:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def wait_until_ready(self) -> None:
        """Wait for the database and the DAGs.

        :raises StepFailed: if a DAG file cannot be read.
        """
        errors = self._answer()["errors"]
        if errors:
            raise StepFailed(f"Airflow could not read {', '.join(errors)}; its log is {self._log}.")

    def run(self, dag_id: str, conf: dict[str, Any], task_id: str | None = None) -> dict[str, Any]:
        """Run a DAG with a filled form and return what a task returned.

        :param task_id: which; by default the last.
        :raises StepFailed: if the run does not succeed.
        """
        assert self._process.stdin is not None
        print(json.dumps({"dag": dag_id, "conf": conf}), file=self._process.stdin, flush=True)
        answer = self._answer()
        if answer["state"] != "success":
            raise StepFailed(f"The DAG {dag_id} failed: {self._reason()} Airflow's log is {self._log}.")
        results = answer["results"]
        result = list(results.values())[-1] if task_id is None else results[task_id]
        return result if isinstance(result, dict) else {}

    def _reason(self) -> str:
        """Return the sentence of the last exception in the log."""
        lines = self._log.read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if re.match(r"[A-Za-z_.]+: ", line)), "")

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise StepFailed(f"Airflow ended unexpectedly; its log is {self._log}.")
        found: dict[str, Any] = json.loads(line)
        return found
