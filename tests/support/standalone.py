"""A real ``airflow standalone`` for system tests: scheduler, API server, triggerer, on free ports.

Everything lies in one temporary home with SQLite. Airflow leaves its children behind when its
parent is ended, so all of it runs in a session of its own, and a keeper ends every process of
that session when its standard input closes, that is also when the test process is killed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import httpx

from tests.support.airflow_home import REPOSITORY

__all__ = ["Standalone"]

START_SECONDS = 600.0
"""How long a start may take; it takes about 16 s on an idle machine."""

PAGE = 100
"""The most that Airflow's API hands out at once, however much is asked for."""

RUN_SECONDS = 600.0
"""How long a DAG run may take; the tests' own take a few seconds."""

PASSWORD = "system-test"

KEEPER = """
import ctypes, os, signal, subprocess, sys, time

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
log = open(sys.argv[1], "ab")
subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
sys.stdin.buffer.read()

def is_ours(pid):
    try:
        return pid != os.getpid() and os.getsid(pid) == os.getpid()
    except OSError:
        return False

def ours():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and is_ours(int(name))]

def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

for number in (signal.SIGTERM, signal.SIGKILL):
    deadline = time.monotonic() + 5
    for pid in ours():
        try:
            os.kill(pid, number)
        except OSError:
            pass
    while ours() and time.monotonic() < deadline:
        reap()
        time.sleep(0.1)
"""
"""Ends all of its session when standard input closes; orphans become its children, so none stays a zombie."""


LOCKED_TRIES = 10
"""How often a request is sent at most while SQLite, which Airflow has here, is locked, or no answer comes."""


class Standalone:
    """One running Airflow; use it as a context manager.

    :param bundles: further folders with DAG files, by name.
    :param settings: further environment variables.
    """

    def __init__(
        self, *, bundles: dict[str, Path] | None = None, settings: dict[str, str] | None = None
    ) -> None:
        self._bundles = {"dags-folder": REPOSITORY / "dags"} | (bundles or {})
        self._settings = settings or {}
        self._keeper: subprocess.Popen[bytes] | None = None
        self.home = Path()
        self.url = ""
        self.token = ""

    def __enter__(self) -> Standalone:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start Airflow and wait until all its parts are well.

        :raises RuntimeError: if they are not in time; the message ends with the log.
        """
        self.home = Path(tempfile.mkdtemp(prefix="mailroom-standalone-"))
        self.url = f"http://127.0.0.1:{_free_port()}"
        passwords = self.home / "passwords.json"
        passwords.write_text(json.dumps({"admin": PASSWORD}))
        airflow = Path(sys.executable).with_name("airflow")
        self._keeper = subprocess.Popen(
            [sys.executable, "-c", KEEPER, str(self.home / "standalone.log"), str(airflow), "standalone"],
            stdin=subprocess.PIPE,
            env=self._environment(passwords),
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_well():
            if time.monotonic() > deadline:
                log = self.log[-3000:]
                self.stop()
                raise RuntimeError(f"airflow standalone did not start:\n{log}")
            time.sleep(0.5)

    def stop(self) -> None:
        """End every process and remove the home; safe to call twice."""
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(60)
        self._keeper = None
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def log(self) -> str:
        """What Airflow's own processes said."""
        path = self.home / "standalone.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def get(self, path: str, **query: Any) -> Any:
        """Return the answer of Airflow's API, which must be good."""
        return self.call("GET", path, params=query)

    def call(self, method: str, path: str, *, status: int | None = None, **options: Any) -> Any:
        """Return the JSON answer of a request to Airflow's API.

        :param status: the status it must have; by default any good one.
        """
        for tries_left in reversed(range(LOCKED_TRIES)):
            try:
                answer = httpx.request(
                    method,
                    self.url + path,
                    headers={"Authorization": f"Bearer {self.token}"},
                    timeout=60,
                    **options,
                )
            except httpx.ReadTimeout:
                if method != "GET" or not tries_left:
                    raise
                continue  # a machine with more to do than it can; a question may be asked again
            if answer.status_code != 500 or "Database error" not in answer.text:
                break
            time.sleep(1)
        is_as_asked = answer.is_success if status is None else answer.status_code == status
        assert is_as_asked, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json() if answer.content else None

    def connect(self, conn_id: str, **values: Any) -> None:
        """Make a connection, as the form under Admin > Connections does."""
        values["extra"] = json.dumps(values.get("extra", {}))
        self.call("POST", "/api/v2/connections", json={"connection_id": conn_id, **values})

    def wait_for_dags(self, *dag_ids: str) -> None:
        """Wait until the DAGs have been parsed, and let them run."""
        deadline = time.monotonic() + START_SECONDS
        while missing := set(dag_ids) - {dag["dag_id"] for dag in self.get("/api/v2/dags")["dags"]}:
            assert time.monotonic() < deadline, f"not parsed: {missing}; {self.get('/api/v2/importErrors')}"
            time.sleep(0.5)
        for dag_id in dag_ids:
            self.call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> Run:
        """Trigger a DAG with a filled form, as the trigger button does."""
        body = {"conf": conf, "logical_date": None}
        return Run(self, dag_id, self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def runs(self, dag_id: str) -> list[Run]:
        """Return the runs of a DAG."""
        found = self.get(f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"]
        return [Run(self, dag_id, run["dag_run_id"]) for run in found]

    def asset_events(self, start: str) -> list[dict[str, Any]]:
        """Return all events of assets whose URI starts so, the oldest first."""
        path = "/api/v2/assets/events"
        found: list[dict[str, Any]] = []
        while page := self.get(path, order_by="timestamp", limit=PAGE, offset=len(found))["asset_events"]:
            found += page
        return [event for event in found if event["uri"].startswith(start)]

    def wait_for_runs(self, dag_id: str, *, besides: Collection[str] = ()) -> list[Run]:
        """Wait until a DAG has runs other than those named, and return them."""
        deadline = time.monotonic() + RUN_SECONDS
        while not (found := [run for run in self.runs(dag_id) if run.run_id not in besides]):
            assert time.monotonic() < deadline, f"{dag_id} never ran"
            time.sleep(0.5)
        return found

    def wait_until(self, is_so: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + RUN_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, f"never so; the log ends with:\n{self.log[-3000:]}"
            time.sleep(0.2)

    def _environment(self, passwords: Path) -> dict[str, str]:
        bundle = "airflow.dag_processing.bundles.local.LocalDagBundle"
        listed = [
            {"name": name, "classpath": bundle, "kwargs": {"path": str(path), "refresh_interval": 5}}
            for name, path in self._bundles.items()
        ]
        ours = {
            # standalone starts its parts by the name "airflow".
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "AIRFLOW_HOME": self.home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__PLUGINS_FOLDER": self.home / "plugins",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": passwords,
            "AIRFLOW__API__PORT": self.url.rpartition(":")[2],
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-of-the-system-tests-and-of-nothing-else-anywhere",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(listed),
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        return inherited | {name: str(value) for name, value in ours.items()} | self._settings

    def _is_well(self) -> bool:
        try:
            health = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
            parts = ("metadatabase", "scheduler", "dag_processor")
            if any(health[part]["status"] != "healthy" for part in parts):
                return False
            login = {"username": "admin", "password": PASSWORD}
            self.token = httpx.post(f"{self.url}/auth/token", json=login, timeout=5).json()["access_token"]
        except (httpx.HTTPError, ValueError, KeyError):
            return False
        return True


class Run:
    """One DAG run."""

    def __init__(self, airflow: Standalone, dag_id: str, run_id: str) -> None:
        self._airflow = airflow
        self.dag_id = dag_id
        self.run_id = run_id
        self._path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"

    def wait(self) -> str:
        """Wait until the run has ended and return its state."""
        deadline = time.monotonic() + RUN_SECONDS
        while (state := self._airflow.get(self._path)["state"]) not in ("success", "failed"):
            assert time.monotonic() < deadline, f"{self.dag_id} is still {state}: {self.states()}"
            time.sleep(0.5)
        return str(state)

    def succeed(self) -> Run:
        """Wait until the run has ended, and return it if all went well.

        :raises AssertionError: if not; it shows what became of each task, in each of its tries.
        """
        if self.wait() != "success":
            raise AssertionError(f"{self.dag_id} failed:\n{self._account_of_tasks()}")
        return self

    def _account_of_tasks(self) -> str:
        """Return the state and the end of each log of all tasks, and the scheduler's complaints."""
        told = []
        for task in self._airflow.get(f"{self._path}/taskInstances")["task_instances"]:
            told.append(f"{task['task_id']}: {task['state']} after {task['try_number']} tries")
            if task["map_index"] == -1:
                told += [
                    self.log(task["task_id"], number)[-2000:] for number in range(1, task["try_number"] + 1)
                ]
        complaints = [line for line in self._airflow.log.splitlines() if "error" in line.lower()]
        return "\n".join([*told, *complaints[-20:]])

    def states(self) -> dict[str, str]:
        """Return the state of each task."""
        tasks = self._airflow.get(f"{self._path}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in tasks}

    def instances(self, task_id: str) -> list[dict[str, Any]]:
        """Return what is known of each instance of a mapped task, in the order of their map indexes."""
        tasks = self._airflow.get(f"{self._path}/taskInstances")["task_instances"]
        return sorted((t for t in tasks if t["task_id"] == task_id), key=lambda task: int(task["map_index"]))

    def result(self, task_id: str) -> Any:
        """Return what a task returned."""
        path = f"{self._path}/taskInstances/{task_id}/xcomEntries/return_value"
        return self._airflow.get(path, deserialize=True)["value"]

    def questions(self) -> list[dict[str, Any]]:
        """Return what people are asked in this run."""
        found = self._airflow.get(f"{self._path}/hitlDetails")
        return list(found["hitl_details"])

    def answer(self, task_id: str, option: str, params: dict[str, Any]) -> None:
        """Answer a question as a person would: not before the scheduler has noticed that the task waits.

        Answered sooner, it takes the task for lost and tries it again, and three such tries are a failure.
        """
        seen = f"TaskInstance Finished: dag_id={self.dag_id}, task_id={task_id}, run_id={self.run_id},"

        def waits() -> bool:
            noticed = (line for line in self._airflow.log.splitlines() if seen in line)
            return any("state=awaiting_input," in line for line in noticed)

        self._airflow.wait_until(waits)
        body = {"chosen_options": [option], "params_input": params}
        path = f"{self._path}/taskInstances/{task_id}/-1/hitlDetails"
        self._airflow.call("PATCH", path, status=200, json=body)

    def mark(self, task_id: str, state: str) -> None:
        """Set a task's state, as a person does on its page; a running one is ended."""
        path = f"{self._path}/taskInstances/{task_id}"
        self._airflow.call("PATCH", path, json={"new_state": state})

    def log(self, task_id: str, try_number: int = 1) -> str:
        """Return the log of a task's first try, or of a later one."""
        path = f"{self._path}/taskInstances/{task_id}/logs/{try_number}"
        lines = self._airflow.get(path, full_content=True)["content"]
        return "\n".join(json.dumps(line) for line in lines)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
