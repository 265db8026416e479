"""The stage: a throwaway mail server with both accounts on it, and what Airflow must know of them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import date
from pathlib import Path
from typing import Any

from demo.mailbox import IMAP_USER, POP3_USER, imap_account, pop3_account
from mailroom.model import MailProtocol, Security
from tests.support.dovecot import Dovecot

__all__ = [
    "ARCHIVE",
    "BUCKET",
    "HOME",
    "IMAP_ID",
    "POP3_ID",
    "REPOSITORY",
    "airflow_settings",
    "clear",
    "fill",
]

REPOSITORY = Path(__file__).resolve().parents[1]
HOME = Path(os.environ.get("MAILROOM_DEMO_HOME", REPOSITORY / ".demo"))
ARCHIVE = HOME / "archive"
BUCKET = HOME / "bucket"
INVOICES = HOME / "invoices.duckdb"

POP3_ID = "pop3_default"
IMAP_ID = "imap_default"
"""The connections' ids are those that the forms of the DAGs propose."""

PASSWORD = "demo"


def clear() -> None:
    """Remove what an earlier demonstration left, so that this one tells the same story."""
    for place in (ARCHIVE, BUCKET, HOME / "airflow"):
        shutil.rmtree(place, ignore_errors=True)
    INVOICES.unlink(missing_ok=True)
    HOME.mkdir(exist_ok=True)


def fill(server: Dovecot, today: date) -> None:
    """Make both accounts and lay their mail into them."""
    server.add_user(POP3_USER, PASSWORD)
    server.fill(POP3_USER, pop3_account(today))
    server.add_user(IMAP_USER, PASSWORD)
    for folder, messages in imap_account(today).items():
        server.fill(IMAP_USER, messages, folder)


def airflow_settings(home: Path) -> dict[str, str]:
    """Return the environment in which Airflow finds the DAGs, the plugin and the archive."""
    ours = {
        # Airflow starts its parts by the name "airflow".
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "plugins"))),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__MAILROOM__ARCHIVE_ROOT": str(ARCHIVE),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return inherited | ours


def connections(server: Dovecot) -> dict[str, dict[str, Any]]:
    """Return Airflow's connections to both accounts by id, as its API and its variables take them."""
    return {
        POP3_ID: _connection(server, POP3_USER, MailProtocol.POP3),
        IMAP_ID: _connection(server, IMAP_USER, MailProtocol.IMAP),
    }


def _connection(server: Dovecot, user: str, protocol: MailProtocol) -> dict[str, Any]:
    endpoint = server.endpoint(user, protocol, Security.SSL)
    return {
        "conn_type": protocol.value,
        "description": "An account of the demonstration, on a mail server of this machine",
        "host": endpoint.host,
        "port": endpoint.port,
        "login": user,
        "password": PASSWORD,
        "extra": json.dumps({"security": "ssl", "ca_file": server.ca_file, "timeout": 20}),
    }
