"""Each DAG by ``dag.test()``: what a form says happens to the account, the archive and the bucket."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars
import psycopg
import pytest

from demo.documents import Invoice, invoice_pdf
from mailroom.archive import Archive
from tests.support.dag_runs import DagRunResult, run_dag
from tests.support.dovecot import Dovecot
from tests.support.mail import make_message
from tests.support.postgres import Postgres
from tests.support.s3 import S3Server
from tests.support.unpacked import PackagesMissing
from tests.system.conftest import PDF, Connect, Server, raw_messages

pytestmark = pytest.mark.usefixtures("airflow_database", "connections")

Mail = dict[str, list[bytes]]


def run(dag_id: str, archive: object, **answers: Any) -> DagRunResult:
    return run_dag(dag_id, {"archive": archive and str(archive)} | answers)


def done(dag_id: str, archive: object, **answers: Any) -> DagRunResult:
    result = run(dag_id, archive, **answers)
    assert result.state == "success", result
    return result


def delivered(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*.pdf")]


@pytest.mark.parametrize(("answer", "left"), [("keep", 3), ("days", 3), ("none", 0)])
def test_pop3_fetch_leaves_the_server_as_answered(
    mail: Mail, server: Server, archive_root: Path, answer: str, left: int
) -> None:
    """Three answers: a copy stays, stays for some days, or goes once it is archived."""
    result = done("mail_pop3_fetch", archive_root, copy_on_server=answer)
    assert result.results["fetch"]["added"] == 3
    assert raw_messages(archive_root) == set(mail["INBOX"])
    assert server.count() == left
    assert server.count("Sent") == 1


def test_second_fetch_finds_nothing_new(mail: Mail, archive_root: Path) -> None:
    """A message is fetched once."""
    done("mail_pop3_fetch", archive_root)
    result = done("mail_pop3_fetch", archive_root)
    assert (result.results["fetch"]["listed"], result.results["fetch"]["added"]) == (3, 0)


def test_mirror_reads_every_folder_and_marks_nothing(mail: Mail, server: Server, archive_root: Path) -> None:
    """Reading changes nothing on the server."""
    done("mail_imap_mirror", archive_root)
    assert raw_messages(archive_root) == {*mail["INBOX"], *mail["Sent"]}
    assert (server.seen(), server.seen("Sent")) == (0, 0)


def test_lanes_mirror_every_folder(mail: Mail, server: Server, archive_root: Path) -> None:
    """The same mail by mapped tasks; the names of folders are data to Airflow, and no templates."""
    result = done("mail_imap_mirror_lanes", archive_root, lanes=2)
    lanes = result.results["lanes"]
    assert sorted(name for lane in lanes for name in lane) == sorted({"INBOX", "Sent"})
    assert raw_messages(archive_root) == {*mail["INBOX"], *mail["Sent"]}
    assert (server.seen(), server.seen("Sent")) == (0, 0)


def test_lanes_show_their_folders_and_lead_to_them(mail: Mail, archive_root: Path) -> None:
    """The grid names the folders of each lane, in the pool that is there for everybody; a button leads on."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    done("mail_imap_mirror_lanes", archive_root, lanes=2)
    with create_session() as session:
        newest = select(TaskInstance).where(TaskInstance.dag_id == "mail_imap_mirror_lanes")
        lanes = session.scalars(
            newest.where(TaskInstance.task_id == "mirror").order_by(TaskInstance.start_date.desc())
        )
        shown = [(lane.rendered_map_index, lane.pool, lane.run_id) for lane in lanes][:2]
        links = session.scalars(
            select(XComModel.value).where(
                XComModel.run_id == shown[0][2], XComModel.key == "_link_FoldersLink"
            )
        ).all()
    assert sorted(lane[:2] for lane in shown) == [("1: INBOX", "default_pool"), ("1: Sent", "default_pool")]
    assert set(links) == {"/assets?name_pattern=mailroom%2Fimap_default"}
    assert len(links) == 3


def test_mirror_reads_the_folders_of_the_form_only(mail: Mail, archive_root: Path) -> None:
    """Patterns come as a list, one a line."""
    done("mail_imap_mirror", archive_root, folders=["*"], exclude=["INBOX"])
    assert raw_messages(archive_root) == set(mail["Sent"])


def test_retention_by_hand_is_a_dry_run(mail: Mail, server: Server, archive_root: Path) -> None:
    """Pressing Trigger without reading the form deletes nothing."""
    done("mail_imap_mirror", archive_root)
    result = done("mail_retention", archive_root, days=0, max_fraction=1)
    assert result.results["delete_old"]["would_delete"] == 4
    assert server.count() == 3


@pytest.mark.parametrize(("connection", "left"), [("imap_default", (0, 0)), ("pop3_default", (0, 1))])
def test_retention_deletes_what_is_archived(
    mail: Mail, server: Server, archive_root: Path, connection: str, left: tuple[int, int]
) -> None:
    """The connection says by which protocol; POP3 sees the inbox only."""
    done("mail_imap_mirror" if connection == "imap_default" else "mail_pop3_fetch", archive_root)
    done("mail_retention", archive_root, days=0, max_fraction=1, dry_run=False, connection=connection)
    assert (server.count(), server.count("Sent")) == left


def test_retention_keeps_what_is_not_archived(mail: Mail, server: Server, archive_root: Path) -> None:
    """Only what is safe may go."""
    done("mail_imap_mirror", archive_root, folders=["Sent"])
    done("mail_retention", archive_root, days=0, max_fraction=1, dry_run=False)
    assert (server.count(), server.count("Sent")) == (3, 0)


def test_forget_by_hand_is_a_dry_run(mail: Mail, archive_root: Path) -> None:
    """Pressing Trigger makes a plan, asks nobody and removes nothing."""
    done("mail_imap_mirror", archive_root)
    result = done("mail_forget", archive_root, account="imap_default")
    assert [result.results[name]["messages"] for name in ("plan_forget", "forget")] == [4, 4]
    assert raw_messages(archive_root) == {*mail["INBOX"], *mail["Sent"]}
    assert Archive(archive_root).read_table("messages").num_rows == 4


def test_forget_removes_what_was_planned(mail: Mail, archive_root: Path) -> None:
    """Rows go at once; the result says where the certificate is."""
    done("mail_imap_mirror", archive_root)
    result = done("mail_forget", archive_root, account="imap_default", dry_run=False, ask="never")
    assert Archive(archive_root).read_table("messages").num_rows == 0
    said = json.loads(Path(result.results["forget"]["certificate"]).read_text())
    assert said["plans"][0]["plan_id"] == result.results["plan_forget"]["plan_id"]
    assert len(said["sha256"]) == 4
    nothing = done("mail_forget", archive_root, account="imap_default", dry_run=False)
    assert nothing.results["plan_forget"]["plan_id"] is None


def test_restore_by_hand_is_a_dry_run(mail: Mail, server: Server, archive_root: Path) -> None:
    """Pressing Trigger without reading the form adds nothing."""
    done("mail_imap_mirror", archive_root)
    result = done("mail_restore", archive_root, into="Old mail")
    assert result.results["restore"]["would_add"] == 4
    assert server.count() == 3


def test_restore_adds_what_is_not_there_once(mail: Mail, server: Server, archive_root: Path) -> None:
    """Below a folder of its own, and a second run finds it there."""
    done("mail_imap_mirror", archive_root)
    added = [
        done("mail_restore", archive_root, into="Old mail", dry_run=False).results["restore"]["added"]
        for _ in range(2)
    ]
    assert added == [4, 0]
    assert (server.count(), server.count("Old mail/INBOX"), server.count("Old mail/Sent")) == (3, 3, 1)


def test_mirror_in_both_directions_does_what_waits(mail: Mail, server: Server, archive_root: Path) -> None:
    """Asked for in the archive, done on the server, and only where the form says so."""
    done("mail_imap_mirror", archive_root)
    archive = Archive(archive_root)
    inbox = list(archive.folder_state("imap_default", "INBOX").live_rows())
    archive.changes("imap_default").request_flags(inbox, add=["\\Seen"], by="test")
    done("mail_imap_mirror", archive_root)
    assert server.seen() == 0
    result = done("mail_imap_mirror", archive_root, two_way=True)
    assert (result.results["mirror"]["pushed"], server.seen()) == (3, 3)


@pytest.mark.parametrize("by_archive", [False, True])
def test_an_account_is_copied_to_another_one(
    mail: Mail,
    dovecot: Dovecot,
    account: Connect,
    archive_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    by_archive: bool,
) -> None:
    """By hand it is a dry run; folders go where the form says; a second run adds nothing."""
    other = dovecot.add_user()
    monkeypatch.setenv("AIRFLOW_CONN_IMAP_TARGET", json.dumps(account("imap", login=other)))
    root = archive_root if by_archive else None
    assert done("mail_copy", root).results["copy"]["would_add"] == 4
    added = [
        done("mail_copy", root, dry_run=False, folder_map=["Sent=Gesendet"]).results["copy"]["added"]
        for _ in range(2)
    ]
    there = Server(dovecot, other)
    assert (added, there.count(), there.count("Gesendet")) == ([4, 0], 3, 1)
    assert raw_messages(archive_root) == ({*mail["INBOX"], *mail["Sent"]} if by_archive else set())


def test_attachments_are_delivered_once(mail: Mail, archive_root: Path, tmp_path: Path) -> None:
    """However often it runs."""
    target = tmp_path / "invoices"
    done("mail_imap_mirror", archive_root)
    for _ in range(2):
        done("mail_attachments", archive_root, destination=str(target), name="*.pdf")
    assert delivered(target) == [PDF]


def test_mail_is_moved_once_its_attachments_are_delivered(
    mail: Mail, server: Server, archive_root: Path, tmp_path: Path
) -> None:
    """The form asks what happens on the server afterwards; the rest of the inbox stays."""
    done("mail_imap_mirror", archive_root)
    answers = {
        "destination": str(tmp_path / "in"),
        "account": "imap_default",
        "on_success": "seen\nmove:Done",
    }
    result = done("mail_attachments", archive_root, **answers)
    assert result.results["deliver"]["settled"] == 1
    assert (server.count(), server.count("Done"), server.seen("Done")) == (2, 1, 1)
    done("mail_imap_mirror", archive_root)
    assert done("mail_attachments", archive_root, **answers).results["deliver"]["settled"] == 0


def test_maintenance_makes_threads_and_contacts_for_other_programs(mail: Mail, archive_root: Path) -> None:
    """All tables, or those that the form names."""
    done("mail_imap_mirror", archive_root)
    named = done("mail_maintenance", archive_root, tables=["threads", "contacts"]).results["optimize"]
    assert set(named["tables"]) == {"threads", "contacts"}
    everything = done("mail_maintenance", archive_root).results["optimize"]["tables"]
    assert everything["threads"]["rows"] == everything["messages"]["rows"] == 4
    frame = polars.scan_delta(str(archive_root / "tables" / "contacts")).collect()
    assert frame["sent"].sum() == 4


def test_invoices_go_from_mail_to_a_folder_to_a_table_once(
    mail: Mail, server: Server, archive_root: Path, tmp_path: Path
) -> None:
    """The second run adds nothing, and the mail is as it was; what came since is added by the third."""
    answers = {"destination": str(tmp_path / "in"), "database": str(tmp_path / "invoices.duckdb")}
    first = done("example_mail_invoices", archive_root, **answers)
    assert first.results["load"] == {"added": 1, "total": 1}
    (manifest,) = first.results["deliver"]["manifests"]
    (told,) = [json.loads(line) for line in Path(manifest["location"]).read_text().splitlines()]
    with duckdb.connect(answers["database"]) as database:
        (row,) = database.sql("SELECT filename, location, sha256, subject FROM invoices").fetchall()
    assert row == (told["filename"], f"{tmp_path}/in/{told['path']}", told["sha256"], "Factura 2026-17")
    assert Path(row[1]).read_bytes() == PDF
    second = done("example_mail_invoices", archive_root, **answers)
    assert second.results["load"] == {"added": 0, "total": 1}
    assert second.results["deliver"]["manifests"] == []
    assert (server.count(), server.seen()) == (3, 0)
    article = (3, "Arcilla", 1200.5)
    invoice = Invoice(
        number="2026-18", seller="Arcillas", buyer="Ana", day=date(2026, 3, 4), lines=(article,)
    )
    server.add(make_message(attachments=[("f.pdf", "application/pdf", invoice_pdf(invoice))]))
    assert done("example_mail_invoices", archive_root, **answers).results["load"] == {"added": 1, "total": 2}
    with duckdb.connect(answers["database"]) as database:
        rows = database.sql("SELECT number, day, total FROM invoices ORDER BY number").fetchall()
    assert rows == [("2026-18", invoice.day, Decimal("4357.81")), (None, None, None)]


SKUS = ["A-1", "B-2", "C-3", "D-4", "E-5"]


def test_lines_of_csv_attachments_are_loaded_once(server: Server, archive_root: Path, tmp_path: Path) -> None:
    """Each file in a transaction of its own; a second run adds nothing."""
    database = tmp_path / "orders.duckdb"
    files = {
        "a.csv": b"sku,count\nA-1,3\nB-2,5\n",
        "b.csv": b"sku;count\nC-3;1\n",
        "c.csv": "sku;Größe\nD-4;groß\n".encode("cp1252"),
        "d.csv": "sku\tcount\nE-5\t1\n".encode("utf-16"),
        "e.csv": b"\x89PNG\r\n\0\0\0\rIHDR",
    }
    for name, text in files.items():
        server.add(make_message(subject=name, attachments=[(name, "text/csv", text)]))
    done("mail_imap_mirror", archive_root)
    results = [
        done("example_mail_csv", archive_root, database=str(database)).results["load"] for _ in range(2)
    ]
    assert results == [
        {"files": 5, "lines": 5, "rejected": 1},
        {"files": 0, "lines": 5, "rejected": 0},
    ]
    with duckdb.connect(str(database)) as opened:
        rows = opened.sql("SELECT filename, line, fields ->> 'sku' FROM lines ORDER BY 1, 2").fetchall()
        sizes = opened.sql("SELECT fields ->> 'Größe' FROM lines WHERE filename = 'c.csv'").fetchall()
        rejected = opened.sql("SELECT filename, reason FROM rejected").fetchall()
    names = ["a.csv", "a.csv", "b.csv", "c.csv", "d.csv"]
    assert [(name, sku) for name, _, sku in rows] == list(zip(names, SKUS, strict=True))
    assert (sizes, rejected) == ([("groß",)], [("e.csv", "It is no text.")])


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL."""
    try:
        server = Postgres().__enter__()
    except PackagesMissing as missing:
        pytest.skip(str(missing))
    yield server
    server.__exit__()


def test_lines_of_csv_attachments_are_in_postgres_once(
    server: Server, archive_root: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Airflow's connection; a second run adds nothing, and one after a kill replaces what there was."""
    warehouse = {
        "conn_type": "postgres",
        "host": "127.0.0.1",
        "port": postgres.port,
        "login": postgres.user,
        "schema": "postgres",
    }
    monkeypatch.setenv("AIRFLOW_CONN_POSTGRES_DEFAULT", json.dumps(warehouse))
    for name, text in (
        ("a.csv", b"sku,count\nA-1,3\nB-2,5\n"),
        ("b.csv", "sku;count;städte\nC-3;1;Köln\n".encode("latin-1")),
        ("c.csv", "\ufeffsku\tcount\nD\0-4\t2\t9\n".encode()),
    ):
        server.add(make_message(subject=name, attachments=[(name, "text/csv", text)]))
    done("mail_imap_mirror", archive_root)

    def load() -> dict[str, int]:
        return dict(done("example_mail_csv_postgres", archive_root).results["load"])

    assert [load(), load()] == [{"files": 3, "lines": 4}, {"files": 0, "lines": 0}]
    shutil.rmtree(archive_root / "tables" / "consumed")  # as a kill before the note leaves it
    assert load() == {"files": 3, "lines": 4}
    with psycopg.connect(
        host="127.0.0.1", port=postgres.port, user=postgres.user, dbname="postgres"
    ) as opened:
        rows = opened.execute("SELECT filename, line, fields FROM mail_lines ORDER BY 1, 2").fetchall()
    assert rows == [
        ("a.csv", 1, {"sku": "A-1", "count": "3"}),
        ("a.csv", 2, {"sku": "B-2", "count": "5"}),
        ("b.csv", 1, {"sku": "C-3", "count": "1", "städte": "Köln"}),
        ("c.csv", 1, {"sku": "D-4", "count": "2", "more": ["9"]}),
    ]


@pytest.mark.parametrize(("answer", "left"), [("keep", 3), ("days", 3), ("none", 0)])
def test_ingest_by_imap_offers_the_three_ways(
    mail: Mail, server: Server, archive_root: Path, tmp_path: Path, answer: str, left: int
) -> None:
    """Mirror the inbox, deliver, delete as answered; sent mail is not touched, nothing is marked."""
    result = done("mail_ingest", archive_root, copy_on_server=answer, destination=str(tmp_path / "in"))
    assert raw_messages(archive_root) == set(mail["INBOX"])
    assert delivered(tmp_path / "in") == [PDF]
    assert (server.count(), server.seen(), server.count("Sent")) == (left, 0, 1)
    assert result.states == {
        "fetch_by_pop3": "skipped",
        "mirror_by_imap": "success",
        "deliver_attachments": "success",
        "delete_from_server_by_imap": "skipped" if answer == "keep" else "success",
    }


def test_ingest_of_every_folder_deletes_in_every_folder(
    mail: Mail, server: Server, archive_root: Path
) -> None:
    """The answers hold for all that is read."""
    done("mail_ingest", archive_root, copy_on_server="none", scope="all")
    assert (server.count(), server.count("Sent")) == (0, 0)


@pytest.mark.parametrize(("answer", "left"), [("keep", 3), ("days", 3), ("none", 0)])
def test_ingest_by_pop3_offers_the_three_ways(
    mail: Mail, server: Server, archive_root: Path, tmp_path: Path, answer: str, left: int
) -> None:
    """The other tasks are skipped, not failed."""
    answers = {"protocol": "pop3", "connection": "pop3_default", "copy_on_server": answer}
    result = done("mail_ingest", archive_root, **answers, destination=str(tmp_path / "in"))
    assert delivered(tmp_path / "in") == [PDF]
    assert server.count() == left
    assert result.states == {
        "fetch_by_pop3": "success",
        "mirror_by_imap": "skipped",
        "deliver_attachments": "success",
        "delete_from_server_by_imap": "skipped",
    }


def test_ingest_without_a_destination_still_deletes(mail: Mail, server: Server, archive_root: Path) -> None:
    """Attachments are not asked for, the rest is."""
    result = done("mail_ingest", archive_root, copy_on_server="none")
    assert result.states["deliver_attachments"] == "skipped"
    assert server.count() == 0


def test_ingest_of_every_folder_by_pop3_fails_before_it_reads(mail: Mail, archive_root: Path) -> None:
    """POP3 cannot show them, and no retry helps; nothing after it runs."""
    answers = {"protocol": "pop3", "connection": "pop3_default", "scope": "all"}
    result = run("mail_ingest", archive_root, **answers, copy_on_server="none")
    assert result.state == "failed"
    assert result.tries["fetch_by_pop3"] == 1
    assert result.states["delete_from_server_by_imap"] == "upstream_failed"
    assert not archive_root.exists()


def test_wrong_password_is_not_tried_again(
    account: Connect, monkeypatch: pytest.MonkeyPatch, archive_root: Path
) -> None:
    """Trying it three times may lock the account."""
    wrong = account("imap", password="not-the-secret")
    monkeypatch.setenv("AIRFLOW_CONN_IMAP_DEFAULT", json.dumps(wrong))
    result = run("mail_imap_mirror", archive_root)
    assert (result.state, result.tries["mirror"]) == ("failed", 1)


def test_everything_goes_through_a_bucket_as_well(
    mail: Mail, server: Server, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Archive and attachments in an object store, signed in by an Airflow connection.

    Of a name that no other test uses, for Airflow opens a store once a process.
    """
    monkeypatch.setenv("AIRFLOW_CONN_MOTO_STORE", s3.connection_uri())
    bucket = s3.new_bucket()
    archive, target = f"s3://moto_store@{bucket}/mail", f"s3://moto_store@{bucket}/invoices"
    done("mail_ingest", archive, copy_on_server="none", destination=target)
    again = done("mail_ingest", archive, copy_on_server="none", destination=target)
    assert len(s3.keys(bucket, "mail/raw/")) == 3
    assert len([key for key in s3.keys(bucket, "invoices/") if key.endswith(".pdf")]) == 1
    assert server.count() == 0
    assert again.results["mirror_by_imap"]["added"] == 0


def test_missing_bucket_is_a_clear_failure(
    mail: Mail, server: Server, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is deleted where nothing could be archived."""
    monkeypatch.setenv("AIRFLOW_CONN_MOTO_STORE", s3.connection_uri())
    from airflow.sdk.exceptions import AirflowException

    from mailroom.operators.pop3 import Pop3FetchOperator

    fetch = Pop3FetchOperator(
        task_id="t", archive="s3://moto_store@no-such-bucket/mail", leave_on_server=False
    )
    with pytest.raises(AirflowException, match="no-such-bucket"):
        fetch.execute({})
    assert server.count() == 3


def test_connection_names_the_archive(
    mail: Mail, account: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A trust domain of its own, without a word in the form; attachments are read from there too."""
    own = tmp_path / "own"
    monkeypatch.setenv("AIRFLOW_CONN_IMAP_DEFAULT", json.dumps(account("imap", extra={"archive": str(own)})))
    result = run_dag("mail_ingest", {"destination": str(tmp_path / "in")})
    assert result.state == "success"
    assert raw_messages(own) == set(mail["INBOX"])
    assert delivered(tmp_path / "in") == [PDF]


def test_archive_knows_who_it_was(mail: Mail, archive_root: Path) -> None:
    """DAG, task and try stand beside every run, so that a change can be traced back."""
    done("mail_pop3_fetch", archive_root)
    (row,) = Archive(archive_root).read_table("runs").to_pylist()
    assert (row["what"], row["account"]) == ("fetch", "pop3_default")
    assert row["who"] == "DAG mail_pop3_fetch, task fetch, try 1, triggered by dag_test"
    assert row["run_id"].startswith("mail_pop3_fetch/manual__")


@pytest.mark.parametrize("dag_id", ["mail_imap_mirror", "mail_imap_mirror_lanes"])
def test_change_is_announced_once(mail: Mail, archive_root: Path, dag_id: str) -> None:
    """An asset event for the account when something changed, none when nothing did; lanes make one in all."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    from mailroom.operators.assets import mailbox_asset

    asset = mailbox_asset("imap_default")

    def events() -> list[dict[str, Any]]:
        with create_session() as session:
            found = select(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            rows = session.scalars(
                found.where(func.lower(AssetModel.name) == asset.name).order_by(AssetEvent.id)
            )
            return [dict(row.extra) for row in rows]

    before = len(events())
    done(dag_id, archive_root)
    done(dag_id, archive_root)
    assert [extra["added"] for extra in events()[before:]] == [4]


@pytest.mark.parametrize("dag_id", ["mail_imap_mirror", "mail_imap_mirror_lanes"])
def test_each_folder_that_changed_is_announced(mail: Mail, archive_root: Path, dag_id: str) -> None:
    """With its own counts, and only once; in lanes, too, where the task after them has nothing to say."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    from mailroom.operators.assets import mailbox_asset

    def events(folder: str) -> list[dict[str, Any]]:
        name = mailbox_asset("imap_default", folder).name.lower()
        with create_session() as session:
            found = select(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            rows = session.scalars(found.where(func.lower(AssetModel.name) == name).order_by(AssetEvent.id))
            return [dict(row.extra) for row in rows]

    before = {folder: len(events(folder)) for folder in ("INBOX", "Sent")}
    done(dag_id, archive_root)
    done(dag_id, archive_root)
    found = {folder: events(folder)[number:] for folder, number in before.items()}
    assert found == {"INBOX": [{"added": 3}], "Sent": [{"added": 1}]}


def test_airflows_own_imap_hook_works_beside_ours(
    mail: Mail, account: Connect, monkeypatch: pytest.MonkeyPatch, archive_root: Path, dovecot: Any
) -> None:
    """One connection, made for Airflow's provider, serves both."""
    from airflow.providers.imap.hooks.imap import ImapHook as AirflowsImapHook

    plain = account("imap", port=dovecot.imap_port) | {"extra": {"use_ssl": False}}
    monkeypatch.setenv("AIRFLOW_CONN_IMAP_DEFAULT", json.dumps(plain))
    with AirflowsImapHook("imap_default") as hook:
        assert hook.has_mail_attachment("factura.pdf")
    done("mail_imap_mirror", archive_root)
    assert len(raw_messages(archive_root)) == 4
