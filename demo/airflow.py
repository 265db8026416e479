"""``make airflow``: Airflow's own pages on the demonstration's two accounts, until Ctrl-C.

Airflow leaves its children behind when its parent ends, so it runs in a session of its own,
and every process of that session is ended.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.panel import Panel

from demo import scene
from demo.mailbox import IMAP_USER
from tests.support.dovecot import Dovecot, DovecotMissing

__all__ = ["main"]

HOME = scene.REPOSITORY / ".airflow"
START_SECONDS = 180.0
PASSWORD = "admin"


def main() -> int:
    """Start everything, say where to look, and wait; return the exit status."""
    console = Console(highlight=False)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with Dovecot() as server:
            scene.fill(server, date.today())
            _bring_in_step(server)
            return _serve(console, server)
    except DovecotMissing as missing:
        console.print(str(missing), style="red", soft_wrap=True, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Ended; nothing is left running.")
        return 0


def _bring_in_step(server: Dovecot) -> None:
    """Mirror the account where an archive of it is kept: every new server numbers its folders anew."""
    if not scene.ARCHIVE.exists():
        return
    url = f"imap://{quote(IMAP_USER, safe='')}@{server.host}:{server.imap_port}"
    command = [sys.executable, "-m", "mailroom", "mirror", url, "--account", scene.IMAP_ID, "--quiet"]
    subprocess.run(
        [*command, "--archive", str(scene.ARCHIVE)],
        env=os.environ | {"MAILROOM_PASSWORD": scene.PASSWORD},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _serve(console: Console, server: Dovecot) -> int:
    HOME.mkdir(exist_ok=True)
    passwords = HOME / "passwords.json"
    passwords.write_text(json.dumps({"admin": PASSWORD}))
    port = _free_port(8080)
    url = f"http://localhost:{port}"
    environment = scene.airflow_settings(HOME) | {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port(8793)),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(_free_port(8794)),
    }
    log = HOME / "standalone.log"
    with log.open("wb") as written:
        standalone = subprocess.Popen(
            [str(Path(sys.executable).with_name("airflow")), "standalone"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with console.status("Starting Airflow (this takes half a minute)"):
            if not _is_well(url, standalone):
                console.print(f"Airflow did not start; its log is {log}.", style="red")
                return 1
            _connect(url, server)
        console.print(_welcome(url, log))
        standalone.wait()
        console.print(f"Airflow ended by itself; its log is {log}.", style="red")
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _end_session(standalone)


def _welcome(url: str, log: Path) -> Panel:
    archive = scene.ARCHIVE
    text = (
        f"[bold]{url}[/]   user [bold]admin[/], password [bold]{PASSWORD}[/]\n\n"
        "1. Dags > [bold]mail_ingest[/] > Trigger: the form asks what you want; its defaults will do.\n"
        "2. Watch the run; the log of each task counts messages, bytes and rate.\n"
        "3. Admin > Connections > + shows the forms for accounts of your own.\n\n"
        f"Two accounts with mail wait on a mail server on this machine: [bold]{scene.IMAP_ID}[/] and "
        f"[bold]{scene.POP3_ID}[/].\nTheir archive is {os.path.relpath(archive)}; "
        f"Airflow's log is {os.path.relpath(log)}.\n\n"
        "[bold]Ctrl-C[/] ends all of it."
    )
    return Panel(text, title="Airflow is ready", title_align="left", expand=False)


def _is_well(url: str, standalone: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and standalone.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=5) as answer:
                health = json.load(answer)
            parts = ("metadatabase", "scheduler", "dag_processor")
            if all(health[part]["status"] == "healthy" for part in parts):
                return True
        except (urllib.error.URLError, OSError, ValueError):
            pass
        time.sleep(0.5)
    return False


def _connect(url: str, server: Dovecot) -> None:
    """Make the connections as a person would, so that they can be seen, tested and changed in the pages."""
    login = {"username": "admin", "password": PASSWORD}
    token = _call("POST", f"{url}/auth/token", login)["access_token"]
    connections = f"{url}/api/v2/connections"
    for conn_id, connection in scene.connections(server).items():
        body = {"connection_id": conn_id, **connection}
        try:
            _call("POST", connections, body, token)
        except urllib.error.HTTPError as refusal:
            if refusal.code != 409:
                raise
            # From an earlier start, with the ports of that one.
            _call("PATCH", f"{connections}/{conn_id}", body, token)


def _call(method: str, url: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _end_session(leader: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        for pid in _session(leader.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            leader.poll()
            if not any(_session(leader.pid)):
                return
            time.sleep(0.1)


def _session(leader: int) -> Iterator[int]:
    """Yield the processes of a session that still run."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # After the name in brackets: state, parent, group, session (proc(5)).
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            yield int(entry.name)


def _free_port(wish: int) -> int:
    """Return the port itself where it is free, else another."""
    for port in (wish, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no port is free")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
