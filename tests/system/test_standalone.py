"""A whole Airflow: DAGs triggered as people trigger them, connections as people make them."""

from __future__ import annotations

import json
import socket
import uuid
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from tests.support.chromium import Chromium
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.proxy import Proxy
from tests.support.standalone import Run, Standalone
from tests.support.trigger_form import choose, fill, open_form, press_trigger, unfold
from tests.system.conftest import PDF, Connect, Server, raw_messages

DAGS = (
    "mail_attachments",
    "mail_copy",
    "mail_forget",
    "mail_imap_mirror",
    "mail_ingest",
    "mail_maintenance",
    "mail_pop3_fetch",
    "mail_restore",
    "mail_retention",
)

Mail = dict[str, list[bytes]]


@pytest.fixture(scope="module", autouse=True)
def ready(airflow: Standalone) -> None:
    """Let all DAGs be parsed and run."""
    airflow.wait_for_dags(*DAGS)


@pytest.fixture
def conn_ids(airflow: Standalone, account: Connect) -> dict[str, str]:
    """Make a POP3 and an IMAP connection to the test's own account; return their ids by type."""
    made = {}
    for conn_type in ("pop3", "imap"):
        made[conn_type] = f"{conn_type}_{uuid.uuid4().hex[:8]}"
        airflow.connect(made[conn_type], **account(conn_type))
    return made


def done(airflow: Standalone, dag_id: str, conf: dict[str, Any]) -> Run:
    return airflow.trigger(dag_id, conf).succeed()


def test_all_dags_are_parsed_without_complaint(airflow: Standalone) -> None:
    """No import errors, no plugin errors, no warnings."""
    assert airflow.get("/api/v2/importErrors")["import_errors"] == []
    assert airflow.get("/api/v2/plugins/importErrors")["import_errors"] == []
    for dag_id in DAGS:
        assert airflow.get("/api/v2/dagWarnings", dag_id=dag_id)["dag_warnings"] == []


def test_fetch_by_pop3(
    airflow: Standalone, conn_ids: dict[str, str], mail: Mail, server: Server, archive_root: Path
) -> None:
    """Leave none: the archive holds the exact bytes, then the server holds nothing."""
    form = {"connection": conn_ids["pop3"], "archive": str(archive_root), "copy_on_server": "none"}
    run = done(airflow, "mail_pop3_fetch", form)
    assert run.result("fetch")["added"] == 3
    assert raw_messages(archive_root) == set(mail["INBOX"])
    assert server.count() == 0


def test_mirror_then_attachments_then_retention(
    airflow: Standalone,
    conn_ids: dict[str, str],
    mail: Mail,
    server: Server,
    archive_root: Path,
    tmp_path: Path,
) -> None:
    """Three DAGs one after the other, as a person would try them out."""
    form = {"connection": conn_ids["imap"], "archive": str(archive_root)}
    mirrored = done(airflow, "mail_imap_mirror", form).result("mirror")
    assert mirrored["added"] == 4
    where = {"destination": str(tmp_path / "in"), "archive": str(archive_root), "name": "*.pdf"}
    done(airflow, "mail_attachments", where)
    assert [path.read_bytes() for path in (tmp_path / "in").rglob("*.pdf")] == [PDF]
    dry = done(airflow, "mail_retention", form | {"days": 0, "max_fraction": 1}).result("delete_old")
    assert (dry["dry_run"], dry["would_delete"], server.count()) == (True, 4, 3)
    wet = done(airflow, "mail_retention", form | {"days": 0, "max_fraction": 1, "dry_run": False}).result(
        "delete_old"
    )
    assert (wet["deleted"], server.count(), server.count("Sent")) == (4, 0, 0)


@pytest.mark.parametrize(("answer", "left"), [("Approve", 0), ("Reject", 3)])
def test_a_person_is_asked_before_mail_goes(
    airflow: Standalone,
    conn_ids: dict[str, str],
    mail: Mail,
    server: Server,
    archive_root: Path,
    answer: str,
    left: int,
) -> None:
    """The plan waits under Required Actions: yes deletes just that, no deletes nothing, both are recorded."""
    form = {"connection": conn_ids["imap"], "archive": str(archive_root)}
    done(airflow, "mail_imap_mirror", form)
    run = airflow.trigger(
        "mail_retention", form | {"days": 0, "max_fraction": 1, "dry_run": False, "ask": "first"}
    )
    airflow.wait_until(lambda: run.states().get("ask_person") == "awaiting_input")
    (asked,) = run.questions()
    assert "4 messages" in asked["subject"]
    assert "| Sent |" in asked["body"]
    assert server.count() == 3
    run.answer("ask_person", answer, {"least_days": 0})
    run.succeed()
    assert server.count() == left
    archive = Archive(archive_root)
    states = archive.read_table("plans").sort_by("seq")["state"].to_pylist()
    assert states[-1] == ("executed" if answer == "Approve" else "refused")
    agreed = set(archive.read_table("audit")["approved_by"].to_pylist())
    assert agreed == ({"admin"} if answer == "Approve" else set())


def test_ingest_by_pop3_skips_what_is_not_asked(
    airflow: Standalone, conn_ids: dict[str, str], mail: Mail, archive_root: Path
) -> None:
    """Skipped tasks are skipped on a real scheduler too, and the run is a success."""
    form = {"protocol": "pop3", "connection": conn_ids["pop3"], "archive": str(archive_root)}
    run = done(airflow, "mail_ingest", form)
    assert run.states() == {
        "fetch_by_pop3": "success",
        "mirror_by_imap": "skipped",
        "deliver_attachments": "skipped",
        "delete_from_server_by_imap": "skipped",
    }


def test_ingest_runs_on_a_schedule(airflow: Standalone, account: Connect, mail: Mail, tmp_path: Path) -> None:
    """Copied and given a schedule, as its text says, it runs without anybody triggering it."""
    airflow.connect("scheduled_imap", **account("imap", extra={"archive": str(tmp_path / "archive")}))
    airflow.wait_for_dags("mail_ingest_scheduled")
    (found,) = airflow.wait_for_runs("mail_ingest_scheduled")
    found.succeed()
    assert raw_messages(tmp_path / "archive") == set(mail["INBOX"])


def test_change_becomes_an_asset_event(
    airflow: Standalone, conn_ids: dict[str, str], mail: Mail, archive_root: Path
) -> None:
    """Other DAGs can wait for the account; counts only, no mail, no credentials."""
    done(airflow, "mail_imap_mirror", {"connection": conn_ids["imap"], "archive": str(archive_root)})
    uri = f"mailroom://{conn_ids['imap']}/"
    events = airflow.asset_events(uri)
    assert [event["extra"]["added"] for event in events if event["uri"] == uri] == [4]
    assert "secret" not in json.dumps(events)
    assert [event["extra"] for event in events if event["uri"] == f"{uri}INBOX"] == [{"added": 3}]


def test_dag_that_waits_for_an_account_runs_after_a_change(
    airflow: Standalone, account: Connect, mail: Mail, archive_root: Path
) -> None:
    """``schedule=[mailbox_asset(...)]`` is all another DAG needs."""
    airflow.wait_for_dags("waits_for_mail")
    airflow.connect("watched_imap", **account("imap"))
    done(airflow, "mail_imap_mirror", {"connection": "watched_imap", "archive": str(archive_root)})
    (found,) = airflow.wait_for_runs("waits_for_mail")
    found.succeed()


def test_killed_task_keeps_what_it_has_and_the_next_run_goes_on(
    airflow: Standalone, dovecot: Dovecot, user: str, account: Connect, archive_root: Path
) -> None:
    """Marked as failed in the middle, a mirror stops by itself, and nothing is lost or held twice."""
    folders = 60
    for number in range(folders):
        dovecot.append(user, make_message(subject=f"Message {number}"), f"Folder {number:02}")
    conn_id = f"slow_{uuid.uuid4().hex[:8]}"
    form = {"connection": conn_id, "archive": str(archive_root), "connections": 1}
    with Proxy(dovecot.host, dovecot.imap_port, round_trip=0.5) as slow:
        plain = {"security": "plain"}
        airflow.connect(conn_id, **account("imap", port=slow.port, host=slow.host, extra=plain))
        run = airflow.trigger("mail_imap_mirror", form)
        airflow.wait_until(lambda: raw_messages(archive_root))
        run.mark("mirror", "failed")
        assert run.wait() == "failed"
        airflow.wait_until(lambda: len(outcomes(archive_root)) == 1)
    assert outcomes(archive_root) == ["interrupted"]
    assert 0 < len(raw_messages(archive_root)) < folders
    airflow.call("PATCH", f"/api/v2/connections/{conn_id}", json=port_only(conn_id, dovecot.imap_port))
    done(airflow, "mail_imap_mirror", form)
    live = Archive(archive_root).read_table("locations")
    assert live.num_rows == len(raw_messages(archive_root)) == folders
    assert outcomes(archive_root) == ["interrupted", "succeeded"]


def outcomes(root: Path) -> list[str]:
    """Return how the runs ended that an archive knows of."""
    archive = Archive(root)
    if not archive.exists():
        return []
    runs = archive.read_table("runs", columns=["started", "outcome"]).sort_by("started")
    return list(runs["outcome"].to_pylist())


def port_only(conn_id: str, port: int) -> dict[str, Any]:
    """Return what changes the port of a connection and nothing else."""
    return {"connection_id": conn_id, "conn_type": "imap", "port": port}


def test_wrong_form_is_refused_before_it_runs(airflow: Standalone) -> None:
    """The form checks itself, for the API too."""
    body = {"conf": {"days": 0}, "logical_date": None}
    refused = airflow.call("POST", "/api/v2/dags/mail_ingest/dagRuns", status=400, json=body)
    assert "minimum" in json.dumps(refused)


def test_log_of_a_failed_task_is_one_sentence_without_secrets(
    airflow: Standalone, account: Connect, archive_root: Path
) -> None:
    """A wrong password fails at the first try, says so, and is not in the log."""
    conn_id = f"wrong_{uuid.uuid4().hex[:8]}"
    airflow.connect(conn_id, **account("imap", password="not-the-password"))
    run = airflow.trigger("mail_imap_mirror", {"connection": conn_id, "archive": str(archive_root)})
    assert run.wait() == "failed"
    log = run.log("mirror")
    assert "AirflowFailException" in log
    assert "password" in log
    assert "not-the-password" not in log


class TestConnectionForm:
    """What people see under Admin > Connections."""

    @pytest.mark.parametrize("conn_type", ["pop3", "imap"])
    def test_form_is_ours(self, airflow: Standalone, conn_type: str) -> None:
        """Also for ``imap``, with Airflow's own provider installed."""
        metadata = {m["connection_type"]: m for m in airflow.get("/ui/connections/hook_meta")}[conn_type]
        assert metadata["hook_class_name"].startswith("mailroom.hooks.")
        assert list(metadata["extra_fields"]) == [
            "security",
            "allow_plaintext",
            "verify",
            "ca_file",
            "timeout",
            "auth",
            "oauth_token",
            "seal_key",
            "archive",
            *(["compress"] if conn_type == "imap" else []),
        ]
        assert metadata["standard_fields"]["login"]["title"] == "User name"
        assert metadata["standard_fields"]["url_schema"]["hidden"]
        assert metadata["extra_fields"]["security"]["schema"]["enum"] == ["ssl", "starttls", "plain"]
        assert metadata["extra_fields"]["oauth_token"]["schema"]["format"] == "password"

    @pytest.mark.parametrize("conn_type", ["pop3", "imap"])
    def test_button_says_that_it_works(self, airflow: Standalone, account: Connect, conn_type: str) -> None:
        """A green answer means that mail can be read, not only that a port is open."""
        answer = self.tried(airflow, account(conn_type))
        assert answer["status"], answer

    @pytest.mark.parametrize("conn_type", ["pop3", "imap"])
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"password": "not-the-password"}, ("password",)),
            ({"host": "no-such-host.invalid"}, ("no-such-host.invalid",)),
            ({"extra": {"ca_file": None}}, ("certificate",)),
            ({"extra": {"security": "tls"}}, ("'security'", "starttls")),
            ({"login": None}, ("login",)),
        ],
        ids=["password", "dns", "certificate", "extra", "login"],
    )
    def test_button_names_what_is_wrong(
        self,
        airflow: Standalone,
        account: Connect,
        conn_type: str,
        changes: dict[str, Any],
        words: tuple[str, ...],
    ) -> None:
        """Each mistake has its sentence."""
        answer = self.tried(airflow, account(conn_type, **changes))
        assert not answer["status"]
        assert [word for word in words if word not in answer["message"]] == []
        assert "not-the-password" not in answer["message"]

    @pytest.mark.parametrize("conn_type", ["pop3", "imap"])
    def test_button_names_a_port_nobody_listens_on(
        self, airflow: Standalone, account: Connect, conn_type: str
    ) -> None:
        """The commonest slip of all."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        answer = self.tried(airflow, account(conn_type, port=port))
        assert not answer["status"]
        assert "refused" in answer["message"]

    @staticmethod
    def tried(airflow: Standalone, values: dict[str, Any]) -> dict[str, Any]:
        body = {"connection_id": "tried", **values, "extra": json.dumps(values["extra"])}
        answer: dict[str, Any] = airflow.call("POST", "/api/v2/connections/test", json=body)
        return answer


def test_form_of_ingest_is_filled_and_triggered_in_a_browser(
    airflow: Standalone,
    browser: Chromium,
    conn_ids: dict[str, str],
    mail: Mail,
    server: Server,
    archive_root: Path,
    tmp_path: Path,
) -> None:
    """A person answers the three questions, names the account, presses Trigger, and it happens."""
    before = {run.run_id for run in airflow.runs("mail_ingest")}
    browser.set_cookie(airflow.url, "_token", airflow.token)
    open_form(browser, airflow.url, "mail_ingest")
    dialog = browser.text()
    places = [
        dialog.index(question)
        for question in (
            "Do you want a copy to stay on the server?",
            "For how many days?",
            "Only the inbox, or every folder?",
        )
    ]
    assert places == sorted(places)
    assert "marks mail as read" in dialog
    choose(browser, "copy_on_server", "No: leave none")
    fill(browser, "connection", conn_ids["imap"])
    browser.screenshot(tmp_path / "form.png")
    assert (tmp_path / "form.png").stat().st_size > 10_000
    unfold(browser, "The archive")
    fill(browser, "archive", str(archive_root))
    press_trigger(browser)
    (run,) = airflow.wait_for_runs("mail_ingest", besides=before)
    run.succeed()
    assert raw_messages(archive_root) == set(mail["INBOX"])
    assert (server.count(), server.count("Sent")) == (0, 1)
