"""System tests: whole DAGs on Airflow, with a real mail server and a real object store's API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.chromium import Chromium, ChromiumMissing
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.standalone import Standalone

PDF = b"%PDF-1.4 an invoice\n" * 50

WAITS = """
from airflow.sdk import dag, task
from mailroom.operators.assets import mailbox_asset

@dag(schedule=[mailbox_asset("watched_imap")], catchup=False)
def waits_for_mail():
    @task
    def look():
        return "seen"
    look()

waits_for_mail()
"""
"""A DAG that runs after an account brought something new."""

Connect = Callable[..., dict[str, Any]]
"""Makes the values of a connection to the test's own account."""


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Make Airflow's database, once."""
    from tests.support.dag_runs import make_database

    make_database()


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """A running Airflow with two DAGs more: mail_ingest on a schedule, as its own text says, and WAITS."""
    from tests.support.airflow_home import REPOSITORY

    folder = tmp_path_factory.mktemp("scheduled")
    text = (REPOSITORY / "dags" / "mail_ingest.py").read_text()
    for old, new in (
        ('dag_id="mail_ingest"', 'dag_id="mail_ingest_scheduled"'),
        ("schedule=None", 'schedule="@once"'),
        ('"imap_default",', '"scheduled_imap",'),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "mail_ingest_scheduled.py").write_text(text)
    (folder / "waits_for_mail.py").write_text(WAITS)
    with Standalone(bundles={"scheduled": folder}) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """A headless browser."""
    chromium = Chromium()
    try:
        chromium.start()
    except ChromiumMissing as missing:
        pytest.skip(str(missing))
    yield chromium
    chromium.stop()


@pytest.fixture
def account(dovecot: Dovecot, user: str) -> Connect:
    """Return what makes connections to the test's own account, verified unless said otherwise."""

    def values(conn_type: str, *, extra: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        port = {"pop3": dovecot.pop3s_port, "imap": dovecot.imaps_port}[conn_type]
        return {
            "conn_type": conn_type,
            "host": "localhost",
            "port": port,
            "login": user,
            "password": "secret",
            "extra": {"ca_file": str(dovecot.ca_file), "timeout": 20} | (extra or {}),
        } | changes

    return values


@pytest.fixture
def connections(account: Connect, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Make ``pop3_default`` and ``imap_default`` connections to the test's own account."""
    monkeypatch.setenv("AIRFLOW_CONN_POP3_DEFAULT", json.dumps(account("pop3")))
    monkeypatch.setenv("AIRFLOW_CONN_IMAP_DEFAULT", json.dumps(account("imap")))


@pytest.fixture
def mail(dovecot: Dovecot, user: str) -> dict[str, list[bytes]]:
    """Put three messages into INBOX, one with an invoice, and one into Sent; return them by folder."""
    messages = {
        "INBOX": [
            make_message(subject="Lunch?", text="At one.\n"),
            make_message(subject="Factura 2026-17", attachments=[("factura.pdf", "application/pdf", PDF)]),
            make_message(subject="Minutes", text="See below.\n"),
        ],
        "Sent": [make_message(subject="Re: Lunch?", sender="Bob <bob@example.com>")],
    }
    for folder, contents in messages.items():
        for content in contents:
            dovecot.append(user, content, folder)
    return messages


class Server:
    """The account as another mail program sees it."""

    def __init__(self, dovecot: Dovecot, user: str) -> None:
        self._dovecot, self._user = dovecot, user

    def add(self, content: bytes, folder: str = "INBOX") -> None:
        """Put a message there."""
        self._dovecot.append(self._user, content, folder)

    def count(self, folder: str = "INBOX") -> int:
        """Return how many messages are there."""
        return len(self._flags(folder))

    def seen(self, folder: str = "INBOX") -> int:
        """Return how many of them are marked as read."""
        return sum(b"\\Seen" in flags for flags in self._flags(folder))

    def _flags(self, folder: str) -> list[tuple[bytes, ...]]:
        client = self._dovecot.mailbox(self._user)
        try:
            client.select_folder(folder, readonly=True)
            return [found[b"FLAGS"] for found in client.fetch(client.search(), ["FLAGS"]).values()]
        finally:
            client.logout()


@pytest.fixture
def server(dovecot: Dovecot, user: str) -> Server:
    """The account as another mail program sees it."""
    return Server(dovecot, user)


def raw_messages(root: Path) -> set[bytes]:
    """Return the raw objects of an archive on disk."""
    return {path.read_bytes() for path in root.glob("raw/*/*.eml")}
