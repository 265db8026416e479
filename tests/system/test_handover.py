"""A whole Airflow hands mail over to other DAGs: a run a day, a run a folder, a run after a delivery."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mailroom.archive import Archive
from tests.support.mail import make_message
from tests.support.standalone import Run, Standalone
from tests.system.conftest import PDF, Connect, Server

PRODUCES = """
from airflow.sdk import AssetAlias, Param, dag, task

from mailroom.operators.attachments import AttachmentsToObjectStorageOperator
from mailroom.operators.imap import ImapMirrorOperator
from mailroom.operators.partitions import MailPartitionsOperator

PLACE = {place!r}

@dag(schedule=None, catchup=False)
def produces():
    mirror = ImapMirrorOperator(task_id="mirror", imap_conn_id="imap_default")
    days = MailPartitionsOperator(task_id="days", account="imap_default", by="day")
    folders = MailPartitionsOperator(task_id="folders", account="{{{{ 'imap_default' }}}}", by="folder")
    deliver = AttachmentsToObjectStorageOperator(
        task_id="deliver",
        account="imap_default",
        outlets=[AssetAlias("invoices")],
        rules=[
            {{"rule": "pdf", "name": "*.pdf", "destination": PLACE + "/pdf"}},
            {{"rule": "csv", "name": "*.csv", "destination": PLACE + "/csv"}},
        ],
    )
    delivered = MailPartitionsOperator(
        task_id="delivered", account="imap_default", destination=PLACE + "/pdf", by="day"
    )
    mirror >> [days, folders]
    mirror >> deliver >> delivered

produces()
"""
"""Mirrors, tells of days and folders, delivers, and tells of the days of what it delivered."""

CONSUMES = """
from airflow.sdk import Asset, AssetAlias, PartitionedAssetTimetable, dag, get_current_context, task

from mailroom.operators.assets import delivery_asset, delivery_partitions, mailbox_partitions

PLACE = {place!r}

def consumes(dag_id, schedule):
    @dag(dag_id=dag_id, schedule=schedule, catchup=False)
    def consumer():
        @task
        def look():
            context = get_current_context()
            events = context["triggering_asset_events"]
            return {{
                "key": context["partition_key"],
                "events": [[a.uri, e.extra] for a in events if isinstance(a, Asset) for e in events[a]],
            }}
        look()
    return consumer()

consumes("each_folder", PartitionedAssetTimetable(assets=mailbox_partitions("imap_default", by="folder")))
delivered = delivery_partitions(PLACE + "/pdf", by="day")
consumes("each_delivered_day", PartitionedAssetTimetable(assets=delivered))
consumes("after_invoices", [AssetAlias("invoices")])
consumes("after_csv", [delivery_asset(PLACE + "/csv")])
"""
"""DAGs that wait for what the other tells."""

DAGS = ("produces", "each_folder", "each_delivered_day", "after_invoices", "after_csv", "example_mail_daily")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where attachments are delivered."""
    return tmp_path_factory.mktemp("delivered")


@pytest.fixture(scope="module")
def handing_over(tmp_path_factory: pytest.TempPathFactory, place: Path) -> Iterator[Standalone]:
    """A running Airflow with these DAGs."""
    folder = tmp_path_factory.mktemp("handover")
    (folder / "produces.py").write_text(PRODUCES.format(place=str(place)))
    (folder / "consumes.py").write_text(CONSUMES.format(place=str(place)))
    with Standalone(bundles={"handover": folder}) as running:
        running.wait_for_dags(*DAGS)
        yield running


def at(day: int, hour: int) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def done(airflow: Standalone) -> Run:
    return airflow.trigger("produces", {}).succeed()


def seen(airflow: Standalone, dag_id: str, runs: int) -> list[dict[str, Any]]:
    """Wait until a DAG has had so many runs; return what their tasks saw, by partition."""
    airflow.wait_until(lambda: len(airflow.runs(dag_id)) >= runs)
    found = airflow.runs(dag_id)
    assert [run.wait() for run in found] == ["success"] * runs
    task_id = "count_senders" if dag_id == "example_mail_daily" else "look"
    return [run.result(task_id) for run in found]


def test_new_mail_makes_a_run_for_each_day_and_folder_and_none_twice(
    handing_over: Standalone, account: Connect, server: Server, place: Path, tmp_path: Path
) -> None:
    """With the partition as the run's key and counts beside it; a run with nothing new makes none."""
    root = tmp_path / "archive"
    handing_over.connect("imap_default", **account("imap", extra={"archive": str(root)}))
    server.add(make_message(subject="1", date=at(24, 7)))
    invoice = [("a.pdf", "application/pdf", PDF)]
    server.add(make_message(subject="2", date=at(25, 7), attachments=invoice))
    server.add(make_message(subject="3", date=at(25, 8)), "Paid")

    first = done(handing_over)
    assert first.result("days") == {"by": "day", "partitions": 2, "items": 3}
    days = seen(handing_over, "example_mail_daily", 2)
    assert sorted(run["messages"] for run in days) == [1, 2]
    folders = seen(handing_over, "each_folder", 2)
    assert sorted(run["key"] for run in folders) == ["INBOX", "Paid"]
    (delivered,) = seen(handing_over, "each_delivered_day", 1)
    assert delivered["key"] == "2026-11-25"
    (after,) = seen(handing_over, "after_invoices", 1)
    ((uri, extra),) = after["events"]
    assert (uri, extra["delivered"], extra["octets"]) == (f"file://{place}/pdf", 1, len(PDF))
    assert handing_over.runs("after_csv") == []
    days_told = handing_over.asset_events("mailroom://imap_default/?by=day")
    keys = {event["partition_key"]: event["extra"] for event in days_told}
    counts = {"2026-11-24": 1, "2026-11-25": 2}
    assert keys == {day: {"partitions": 2, "items": 3, "counts": counts} for day in counts}

    second = done(handing_over)
    assert {second.states()[task] for task in ("days", "folders", "delivered")} == {"skipped"}

    server.add(make_message(subject="4", date=at(24, 9)))
    third = done(handing_over)
    assert third.result("days") == {"by": "day", "partitions": 1, "items": 1}
    assert len(seen(handing_over, "example_mail_daily", 3)) == 3
    assert len(seen(handing_over, "each_folder", 3)) == 3
    assert len(handing_over.runs("each_delivered_day")) == 1
    noted = Archive(root).read_table("consumed").to_pylist()
    assert sum(row["consumer"] == "produces/days" for row in noted) == 4


def test_a_day_by_hand_replaces_what_it_wrote(
    handing_over: Standalone, account: Connect, server: Server, tmp_path: Path
) -> None:
    """Triggered with the day as partition key, twice."""
    root, database = tmp_path / "archive", tmp_path / "mail.duckdb"
    values = account("imap", extra={"archive": str(root)})
    handing_over.call("DELETE", "/api/v2/connections/imap_default")
    handing_over.connect("imap_default", **values)
    server.add(make_message(subject="1", date=at(24, 7)))
    done(handing_over)
    for _ in range(2):
        body = {
            "conf": {"database": str(database)},
            "logical_date": None,
            "partition_key": "2026-11-24",
        }
        path = "/api/v2/dags/example_mail_daily/dagRuns"
        run = handing_over.call("POST", path, json=body)
        Run(handing_over, "example_mail_daily", run["dag_run_id"]).succeed()
    with duckdb.connect(str(database)) as opened:
        assert opened.sql("SELECT day::VARCHAR, messages FROM senders").fetchall() == [("2026-11-24", 1)]
