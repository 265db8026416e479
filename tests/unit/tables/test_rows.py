"""The archive as data: what conditions mean, and that all libraries are handed the same rows."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.compute as pc
import pytest

from mailroom import tables
from mailroom.archive import Archive
from mailroom.archive.delta.derived_sql import VIEWS
from mailroom.archive.delta.schemas import TABLES
from mailroom.exceptions import ConfigurationError
from mailroom.model import Body, Change, MailProtocol
from mailroom.services.inspection import inspect_messages
from mailroom.services.optimize import optimize_archive
from mailroom.services.progress import NoProgress
from tests.support.archives import (
    NOW,
    archive_messages,
    body,
    context,
    digest,
    folder_row,
    maildrop_row,
    place,
)
from tests.support.old_archives import make_old


@pytest.fixture
def root(archive_root: Path) -> Path:
    """Messages 1 to 4 in INBOX, 5 with two attachments in Bills; 1 expunged, 2 flagged since."""
    archive = Archive(archive_root)
    archive_messages(archive, range(1, 5), at=NOW - timedelta(hours=1))
    with archive.writer(context("run-2")) as writer:
        writer.add(body(5, attachments=2), place(5, folder="Bills", run_id="run-2"))
        writer.record(
            [
                place(1, sha256=digest(1), change=Change.EXPUNGED, at=NOW),
                place(2, sha256=digest(2), change=Change.FLAGS, flags=("\\Flagged", "\\Seen"), at=NOW),
            ]
        )
        writer.close_folder(folder_row())
        writer.close_folder(folder_row("Old", deleted=True))
        writer.finish("succeeded", {}, 0)
    return archive_root


def subjects(rows: tables.Rows) -> list[str]:
    return sorted(row["subject"] for row in rows)


def test_opening_reads_nothing(root: Path) -> None:
    """A table is described first and read when rows are asked for."""
    rows = tables.messages(root).filter(subject="message 1")
    archive_messages(Archive(root), [6], run_id="run-3")
    assert rows.count() == 1
    assert tables.messages(root).count() == 6


def test_there_must_be_an_archive(tmp_path: Path) -> None:
    """An empty answer for a path that is wrong would be believed."""
    with pytest.raises(ConfigurationError, match="no archive"):
        tables.messages(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"subject": "message 2"}, [2]),
        ({"subject": "MESSAGE ?"}, [1, 2, 3, 4, 5]),
        ({"subject": "*e 3"}, [3]),
        ({"subject": "mess_ge 3"}, []),
        ({"subject": "mess_ge*"}, []),
        ({"subject": ["message 1", "*4", None]}, [1, 4]),
        ({"subject": []}, []),
        ({"in_reply_to": None, "attachment_count": 2}, [5]),
        ({"to": "bob@example.com"}, [1, 2, 3, 4, 5]),
        ({"to": "eve@example.com"}, []),
        ({"since": "2026-11-24"}, [1, 2, 3, 4, 5]),
        ({"since": date(2026, 11, 25)}, []),
        ({"before": datetime(2026, 11, 24, 7, 0, tzinfo=UTC)}, []),
        ({"since": "2026-11-24T08:00+01:00", "before": "2026-11-24T07:01"}, [1, 2, 3, 4, 5]),
    ],
)
def test_conditions(root: Path, conditions: dict[str, Any], expected: list[int]) -> None:
    """Values, patterns, any of several, null, one of a list, and times."""
    found = tables.messages(root).filter(**conditions)
    assert subjects(found) == [f"message {number}" for number in expected]
    assert found.count() == len(expected)


def test_conditions_add_up(root: Path) -> None:
    """Each filter narrows what the one before left; pyarrow's expressions say the rest."""
    rows = tables.messages(root).filter(subject="message*").filter(pc.field("attachment_count") == 0)
    assert rows.count() == 4
    assert rows.filter(to="nobody").filter(to="bob@example.com").count() == 0


@pytest.mark.parametrize("conditions", [{"colour": "red"}, {"since": "yesterday"}])
def test_what_cannot_be_meant_is_refused(root: Path, conditions: dict[str, Any]) -> None:
    """With the columns there are, or how to write a day."""
    with pytest.raises(ConfigurationError, match=r"no column colour; there are|write 2026-01-31"):
        tables.messages(root).filter(**conditions)


def test_a_table_without_a_time_says_so(root: Path) -> None:
    """Texts are dated by their messages."""
    with pytest.raises(ConfigurationError, match="texts have no time"):
        tables.texts(root).filter(since="2026-01-01")


def test_all_libraries_are_handed_the_same(root: Path) -> None:
    """Arrow, pandas, Polars and DuckDB, each lazily where it can."""
    rows = tables.messages(root).filter(subject="*2", since="2026-01-01").select("subject", "date", "size")
    expected = rows.to_arrow().to_pylist()
    assert [row["subject"] for row in expected] == ["message 2"]
    assert rows.to_polars().collect().to_dicts() == expected
    assert rows.to_pandas()["subject"].tolist() == ["message 2"]
    assert str(rows.to_pandas()["date"].dtype).endswith("UTC]")
    assert rows.to_duckdb().fetchall()[0][0] == "message 2"
    connection = duckdb.connect()
    assert rows.to_duckdb(connection).filter("size > 100").aggregate("count(*)").fetchall() == [(1,)]


def test_other_libraries_narrow_rows_further(root: Path) -> None:
    """What they push down finds the rows, also of files without a single value in a column."""
    lazy = tables.messages(root).to_polars()
    import polars

    assert lazy.filter(polars.col("subject") == "message 3").collect().height == 1
    relation = tables.messages(root).filter(subject="m*").to_duckdb()
    assert relation.filter("in_reply_to IS NULL AND subject = 'message 3'").aggregate(
        "count(*)"
    ).fetchall() == [(1,)]
    for rows in (tables.locations(root), tables.attachments(root).filter(filename="f*")):
        assert rows.to_polars().collect().height == rows.count() > 0
        assert len(rows.to_duckdb().fetchall()) == rows.count()


def test_locations_are_the_state_and_history_is_the_log(root: Path) -> None:
    """The newest row of each place, of messages that are there; all rows are one function further."""
    now = tables.locations(root)
    assert sorted(row["uid"] for row in now) == [2, 3, 4, 5]
    assert [row["uid"] for row in now.filter(flags="\\Flagged")] == [2]
    assert now.filter(folder="Bills").count() == 1
    assert tables.locations(root, gone=True).filter(change="expunged").count() == 1
    assert tables.location_history(root).count() == 7


def test_an_older_row_never_stands_in_for_the_newest(root: Path) -> None:
    """Message 1 was seen once and is expunged now: it is no live message with its old flags."""
    assert tables.locations(root).filter(flags="\\Seen", uid=1).count() == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("\\f*", [2]),
        (["\\Draft", "\\Flagged"], [2]),
        (["\\Draft", "*ed"], [2]),
        ("*draft", []),
        (None, []),
    ],
)
def test_conditions_of_lists(root: Path, value: object, expected: list[int]) -> None:
    """Patterns and several values mean any of what a list holds; None, that it holds nothing."""
    assert sorted(row["uid"] for row in tables.locations(root).filter(flags=value)) == expected
    assert tables.messages(root).filter(cc=None).count() == 5
    assert tables.locations(root).filter(change="added", uid=2).count() == 0


def test_locations_as_of_a_moment(root: Path) -> None:
    """Before the second run, message 1 was there and 5 was not."""
    then = tables.locations(root, as_of=NOW - timedelta(minutes=30))
    assert sorted(row["uid"] for row in then) == [1, 2, 3, 4]
    assert tables.locations(root, as_of="2020-01-01").count() == 0


def test_places_of_maildrops_and_imports(archive_root: Path) -> None:
    """By POP3 a UIDL and digest name the place; of an import the digest, wherever it was read."""
    archive = Archive(archive_root)
    with archive.writer(context()) as writer:
        writer.add(body(1), maildrop_row("a"))
        writer.add(body(2), maildrop_row("a"))
        writer.add(body(3), maildrop_row("-", protocol=MailProtocol.IMPORT, folder="Old"))
        writer.finish("succeeded", {}, 0)
    assert tables.locations(archive).count() == 3
    in_sql = tables.connect(archive).sql("SELECT count(*) FROM locations_now").fetchall()
    assert in_sql == [(3,)]


def test_folders_that_are_gone_are_left_out(root: Path) -> None:
    """As the server lists them now."""
    assert [row["folder"] for row in tables.folders(root)] == ["INBOX"]
    assert tables.folders(root, gone=True).count() == 2
    assert tables.folder_history(root).count() == 2


def test_the_state_in_sql_is_the_same(root: Path) -> None:
    """DuckDB's view and this module's function agree on which rows are the newest."""
    in_sql = tables.connect(root).sql("SELECT uid, change FROM locations_now ORDER BY uid").fetchall()
    ours = tables.locations(root, gone=True).select("uid", "change")
    assert in_sql == sorted((row["uid"], row["change"]) for row in ours)


def test_tables_that_are_not_there_yet_are_empty(root: Path) -> None:
    """Nothing was delivered so far, and SQL over deliveries works all the same."""
    assert tables.deliveries(root).count() == 0
    assert tables.deliveries(root).to_arrow().num_rows == 0
    assert tables.connect(root).sql("SELECT count(*) FROM deliveries").fetchall() == [(0,)]
    assert tables.runs(root).filter(what="mirror", since="2026-01-01").count() == 2


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_a_function(root: Path, name: str) -> None:
    """And it is in ``__all__``, so that who looks for it finds it."""
    assert name in tables.__all__
    rows = getattr(tables, name)(root)
    assert rows.table == name
    assert rows.to_arrow().num_rows == rows.count()


def test_tables_of_a_database_are_not_shadowed(root: Path) -> None:
    """Without a prefix that is refused, with one both are there; who connects again gets the same."""
    database = duckdb.connect()
    database.execute("CREATE TABLE Runs AS SELECT 7 AS x")
    database.execute("CREATE VIEW links AS SELECT 8 AS x")
    with pytest.raises(ConfigurationError, match=r'has links, runs of its own.*prefix="mail_"'):
        tables.connect(root, database)
    for _ in range(2):
        tables.connect(root, database, prefix="mail_")
    assert database.sql("SELECT x FROM runs UNION ALL SELECT x FROM links").fetchall() == [(7,), (8,)]
    assert database.sql("SELECT count(*) FROM mail_runs").fetchall() == [(2,)]
    for view in VIEWS:
        assert (
            database.sql(f"SELECT count(*) FROM mail_{view}").fetchall()
            == tables.connect(root).sql(f"SELECT count(*) FROM {view}").fetchall()
        )


def test_a_prefix_is_a_name(root: Path) -> None:
    """Nothing else becomes a part of the SQL."""
    with pytest.raises(ConfigurationError, match="no prefix"):
        tables.connect(root, prefix="x; DROP")


def test_an_old_archive_has_all_columns(root: Path) -> None:
    """Null for what it lacks, also in SQL and in conditions, with nothing written."""
    make_old(root, {"messages": ("cc", "defects"), "locations": ("object_id",)})
    assert tables.messages(root).filter(subject="message 2").to_arrow()["defects"].null_count == 1
    assert tables.locations(root).filter(object_id=None).count() == 4
    counted = tables.connect(root).sql("SELECT count(*) FROM messages WHERE defects IS NULL AND size > 1")
    assert counted.fetchall() == [(5,)]


def kept(root: Path, *heads: str) -> Archive:
    """Archive a message for each of these headers."""
    archive = Archive(root)
    with archive.writer(context()) as writer:
        for number, head in enumerate(heads, 1):
            content = (head.replace("\n", "\r\n") + "\r\n\r\ntext\r\n").encode()
            writer.add(Body(octets=len(content), content=content), place(number))
        writer.finish("succeeded", {}, 0)
    return archive


def test_threads_follow_references_and_replies(archive_root: Path) -> None:
    """By References to the first message; by In-Reply-To alone step by step, through what is archived."""
    archive = kept(
        archive_root,
        "Subject: one\nMessage-ID: <1@x>",
        "Subject: two\nMessage-ID: <2@x>\nIn-Reply-To: <1@x>",
        "Subject: three\nMessage-ID: <3@x>\nIn-Reply-To: <2@x>",
        "Subject: four\nMessage-ID: <4@x>\nReferences: <1@x> <2@x> <3@x>\nIn-Reply-To: <3@x>",
        "Subject: five\nMessage-ID: <5@x>\nReferences: <gone@x> <1@y>",
        "Subject: six\nMessage-ID: <6@x>\nIn-Reply-To: <5@x>",
        "Subject: seven",
        "Subject: loop\nMessage-ID: <8@x>\nIn-Reply-To: <9@x>",
        "Subject: pool\nMessage-ID: <9@x>\nIn-Reply-To: <8@x>",
    )
    rows = (
        tables.connect(archive)
        .sql("SELECT subject, thread FROM threads JOIN messages USING (sha256)")
        .fetchall()
    )
    threads = dict(rows)
    assert len(rows) == 9
    assert {threads[name] for name in ("one", "two", "three", "four")} == {"<1@x>"}
    assert threads["five"] == threads["six"] == "<gone@x>"
    assert len(threads["seven"]) == 64
    assert {threads["loop"], threads["pool"]} <= {"<8@x>", "<9@x>"}


def test_a_long_chain_of_answers_is_one_thread(archive_root: Path) -> None:
    """Also where each says only which one it answers."""
    heads = [f"Message-ID: <{n}@x>\nIn-Reply-To: <{n - 1}@x>" for n in range(1, 300)]
    connection = tables.connect(kept(archive_root, "Message-ID: <0@x>", *heads))
    assert connection.sql("SELECT thread, count(*) FROM threads GROUP BY 1").fetchall() == [("<0@x>", 300)]


def test_contacts_are_who_wrote_and_was_written_to(archive_root: Path) -> None:
    """One row an address, whatever its capital letters, with the name that was written last."""
    archive = kept(
        archive_root,
        "From: Ana <ANA@x.example>\nTo: bob@x.example, Carla <carla@x.example>\n"
        "Date: Mon, 1 Jun 2026 10:00:00 +0000",
        "From: Ana Ruiz <ana@x.example>\nTo: Bob <bob@x.example>\nCc: ana@x.example\n"
        "Date: Tue, 2 Jun 2026 10:00:00 +0000",
        "Subject: from nobody",
    )
    found = (
        tables.connect(archive)
        .sql("SELECT address, name, sent, received FROM contacts ORDER BY 1")
        .fetchall()
    )
    assert found == [
        ("ana@x.example", "Ana Ruiz", 2, 1),
        ("bob@x.example", "Bob", 0, 2),
        ("carla@x.example", "Carla", 0, 1),
    ]


def test_contacts_of_messages_without_recipients_are_counted(root: Path) -> None:
    """What an older Mailroom wrote lacks a column, and one message names an address twice."""
    make_old(root, {"messages": ("cc",)})
    found = tables.connect(root).sql("SELECT sum(sent), sum(received) FROM contacts").fetchall()
    assert found == [(5, 5)]


def test_one_message_counts_once_for_an_address(archive_root: Path) -> None:
    """Also where it names the address twice, with another name."""
    archive = kept(archive_root, "From: a@x.example\nTo: Bob <b@x.example>\nCc: Robert <B@x.example>")
    found = tables.connect(archive).sql("SELECT address, received FROM contacts ORDER BY 1").fetchall()
    assert found == [("a@x.example", 0), ("b@x.example", 1)]


def test_messages_have_what_their_server_found(archive_root: Path) -> None:
    """Columns of the message; null where nobody looked, or where another server wrote."""
    results = "spf={0}; dkim={0} header.d=x.example; dmarc={0}"
    hop = "Received: from there.example by mx.example.net; Wed, 4 Mar 2026 10:00:00 +0000"
    head = "Authentication-Results: mx.example.net; " + results + "\n" + hop + "\nSubject: {0}"
    archive = kept(archive_root, head.format("pass"), head.format("fail"))
    inspect_messages(
        archive,
        what=["authentication"],
        authserv_id="mx.example.net",
        now=lambda: NOW,
        progress=NoProgress(),
        stop=threading.Event(),
    )
    with archive.writer(context("run-2")) as writer:
        content = b"Subject: new\r\n\r\ntext\r\n"
        writer.add(Body(octets=len(content), content=content), place(9, run_id="run-2"))
        writer.finish("succeeded", {}, 0)
    found = tables.connect(archive).sql(
        "SELECT subject, spf, dkim, dkim_domain, dmarc, authenticated_by "
        "FROM authenticated_messages ORDER BY subject"
    )
    assert found.fetchall() == [
        ("fail", "fail", "fail", "x.example", "fail", "mx.example.net"),
        ("new", None, None, None, None, None),
        ("pass", "pass", "pass", "x.example", "pass", "mx.example.net"),
    ]
    assert tables.authentication(archive).filter(dmarc="pass").count() == 1
    assert tables.links(archive).count() == tables.envelopes(archive).count() == 0


def test_threads_and_contacts_are_handed_over_as_tables_are(root: Path) -> None:
    """What SQL says of them is what Python, pandas and Polars get, narrowed down likewise."""
    optimize_archive(Archive(root), progress=NoProgress(), stop=threading.Event())
    connection = tables.connect(root)
    for name, found in (("threads", tables.threads(root)), ("contacts", tables.contacts(root))):
        said = connection.sql(f"FROM {name} ORDER BY 1").fetchall()
        assert said
        assert found.count() == len(said)
        assert sorted(tuple(row.values()) for row in found) == said
        assert sorted(found.to_polars().collect().rows()) == said
        assert len(found.to_pandas()) == len(said)
        assert sorted(found.to_duckdb().fetchall()) == said
    one = tables.threads(root).filter(sha256=digest(3)).select("thread").to_arrow()
    assert (one.num_rows, one.column_names) == (1, ["thread"])
    assert tables.contacts(root).filter(address="*@nowhere.example").count() == 0
    assert tables.contacts(root).filter(pc.field("sent") > 0).count() >= 1


def test_a_column_that_a_derived_table_lacks_is_named(root: Path) -> None:
    """And it has no time to filter by."""
    with pytest.raises(ConfigurationError, match="no column colour; there are sha256, thread, at"):
        tables.threads(root).filter(colour="red")
    with pytest.raises(ConfigurationError, match="no column colour"):
        tables.contacts(root).select("address", "colour")
    with pytest.raises(ConfigurationError, match="no time of their own"):
        tables.contacts(root).filter(since="2026-01-01")
