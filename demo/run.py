"""``make demo``: the whole job on a throwaway mail server, through the DAGs that ship, then a table.

The archive stays in ``.demo/archive``; the server and everything else is gone at the end.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from rich.console import Console

from demo import scene
from demo.dag_runner import DagRunner, StepFailed
from demo.mailbox import IMAP_USER, POP3_USER, pop3_arrivals
from demo.story import Story, folder_counts, tell
from tests.support.dovecot import Dovecot, DovecotMissing

DAYS_ON_SERVER = 14
RETENTION_DAYS = 730


def main() -> int:
    """Run the demonstration and return the exit status."""
    console = Console(highlight=False)
    # Ctrl-C raises; a plain kill must go the same way, or the mail server would outlive us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        scene.clear()
        with Dovecot() as server:
            story = _play(console, server, date.today())
        _verify(console)
    except (DovecotMissing, StepFailed) as failure:
        console.print(str(failure), style="red", soft_wrap=True, markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; nothing is left running.")
        return 130
    tell(console, story)
    console.print(f"Took {time.monotonic() - started:.0f} s; nothing is left running.", style="dim")
    return 0


def _play(console: Console, server: Dovecot, today: date) -> Story:
    log = scene.HOME / "airflow.log"
    environment = scene.airflow_settings(scene.HOME / "airflow")
    with _step(console, "A mail server with a POP3 and an IMAP account"):
        scene.fill(server, today)
    for conn_id, connection in scene.connections(server).items():
        environment[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(connection)
    with DagRunner(environment, log) as dags:
        with _step(console, "Airflow, with a new database"):
            dags.wait_until_ready()
        story = Story(days_on_server=DAYS_ON_SERVER, retention_days=RETENTION_DAYS)
        _fetch_in_three_modes(console, server, dags, story, today)
        _mirror_deliver_and_retain(console, server, dags, story)
    return story


def _fetch_in_three_modes(
    console: Console, server: Dovecot, dags: DagRunner, story: Story, today: date
) -> None:
    for mode, title in (
        ("keep", "POP3: fetch, and leave a copy on the server"),
        ("days", f"POP3: fetch, and leave each message for {DAYS_ON_SERVER} days"),
        ("none", "POP3: three more have come; fetch, and leave none"),
    ):
        if mode == "none":
            server.fill(POP3_USER, pop3_arrivals(today))
        before = folder_counts(server, POP3_USER)["INBOX"]
        with _step(console, title):
            summary = dags.run("mail_pop3_fetch", {"copy_on_server": mode, "days": DAYS_ON_SERVER})
        story.fetches.append((mode, before, summary, folder_counts(server, POP3_USER)["INBOX"]))


def _mirror_deliver_and_retain(console: Console, server: Dovecot, dags: DagRunner, story: Story) -> None:
    story.before = folder_counts(server, IMAP_USER)
    with _step(console, "IMAP: mirror every folder"):
        story.mirror = dags.run("mail_imap_mirror", {})
    conf: dict[str, Any] = {"destination": str(scene.BUCKET)}
    with _step(console, "Invoices: from mail to the bucket to a table"):
        story.invoices.append(dags.run("example_mail_invoices", _invoices(conf), "load"))
    with _step(console, "The same once more, which adds nothing"):
        story.invoices.append(dags.run("example_mail_invoices", _invoices(conf), "load"))
    with _step(console, "Attachments: XLSX into the bucket as well"):
        dags.run("mail_attachments", {**conf, "content_type": "application/vnd.openxmlformats-*"})
    old = {"days": RETENTION_DAYS, "exclude": ["Facturas/*"], "max_fraction": 1}
    with _step(console, f"Retention: what would go after {RETENTION_DAYS} days? (a dry run)"):
        story.dry_run = dags.run("mail_retention", old)
    with _step(console, "Retention: delete it from the server; it is in the archive"):
        story.retention = dags.run("mail_retention", {**old, "dry_run": False})
    story.after = folder_counts(server, IMAP_USER)


def _invoices(conf: dict[str, Any]) -> dict[str, Any]:
    return {**conf, "connection": scene.IMAP_ID, "database": str(scene.INVOICES)}


def _verify(console: Console) -> None:
    command = [sys.executable, "-m", "mailroom", "verify", "--archive", str(scene.ARCHIVE)]
    with _step(console, "Verify: every object against its name, every row against its object"):
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, env=scene.airflow_settings(scene.HOME)
        )
    if ran.returncode != 0:
        raise StepFailed(f"The archive is not well: {ran.stdout}{ran.stderr}")


@contextmanager
def _step(console: Console, title: str) -> Iterator[None]:
    started = time.monotonic()
    with console.status(title):
        yield
    console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]")


if __name__ == "__main__":
    sys.exit(main())
