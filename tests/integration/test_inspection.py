"""A closer look at archived messages, into tables."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.services.inspection import InspectionReport, inspect_messages
from mailroom.services.progress import NoProgress
from tests.integration.test_attachments import NOW, Store, received
from tests.support.command import run_command
from tests.support.mail import make_message
from tests.unit.message.test_envelopes import JOURNAL

EVERYTHING = ("authentication", "envelopes", "links")


def inspect(store: Store, *what: str, **options: Any) -> InspectionReport:
    """Inspect what was not inspected yet."""
    given: dict[str, Any] = {"what": what or EVERYTHING, "stop": threading.Event()} | options
    return inspect_messages(Archive(store.root), now=lambda: NOW, progress=NoProgress(), **given)


def rows(store: Store, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    return Archive(store.root).read_table(table).to_pylist()  # type: ignore[no-any-return]


@pytest.fixture
def store(archive_root: Path) -> Store:
    """An archive of mail that a server received, with a journal report and two links."""
    found = Store(archive_root)
    found.add(*(received(number, "dkim=pass header.d=supplier.com; spf=fail") for number in range(10)))
    found.add(JOURNAL.encode(), make_message(text="http://a.example http://b.example"))
    return found


def test_each_message_has_its_rows_once(store: Store) -> None:
    """A second run finds nothing to do, and a later one only what came since."""
    report = inspect(store)
    assert (report.inspected, report.rows) == (12, {"authentication": 12, "envelopes": 1, "links": 2})
    assert report.servers == {"a": "mx.me"}
    assert inspect(store).rows == {}
    store.add(make_message(subject="later"))
    assert inspect(store).rows == {"authentication": 1, "envelopes": 0, "links": 0}


def test_tables_say_what_was_found(store: Store) -> None:
    """And null where nothing was."""
    inspect(store)
    spoken = [row for row in rows(store, "authentication") if row["server"]]
    assert {(row["server"], row["dkim"], row["dkim_domain"], row["spf"], row["dmarc"]) for row in spoken} == {
        ("mx.me", "pass", "supplier.com", "fail", None)
    }
    assert len(spoken) == 10
    (envelope,) = [row for row in rows(store, "envelopes") if row["kind"]]
    assert (envelope["envelope_from"], len(envelope["envelope_to"])) == ("ana@example.org", 3)
    links = sorted((row["number"], row["href"]) for row in rows(store, "links") if row["href"])
    assert links == [(1, "http://a.example"), (2, "http://b.example")]


def test_other_settings_have_messages_looked_at_again(archive_root: Path) -> None:
    """Once, for what is known of the server or asked of signatures; each message keeps one row."""
    store = Store(archive_root)
    hop = b"Received: from a by mx.me\r\n"
    below = hop + b"Authentication-Results: mx.me; dmarc=pass header.from=example.org\r\n"
    store.add(*(below + make_message(subject=f"{number}") for number in range(3)))
    assert inspect(store, "authentication").servers == {"a": None}
    assert [row["dmarc"] for row in rows(store, "authentication")] == [None] * 3
    for options, found in (
        ({"authserv_id": "mx.me below"}, "pass"),
        ({"authserv_id": "mx.you"}, None),
        ({"authserv_id": "mx.me below", "account": "a"}, "pass"),
    ):
        assert [inspect(store, "authentication", **options).inspected for _ in range(2)] == [3, 0]
        assert [row["dmarc"] for row in rows(store, "authentication")] == [found] * 3
    assert inspect(store, "authentication").inspected == 0  # nobody knows better


def test_message_in_two_accounts_is_inspected_once(store: Store) -> None:
    """It is one message, whoever has it."""
    message = make_message(subject="both")
    store.add(message)
    store.add(message, account="b")
    inspect(store, "links")
    digests = [row["sha256"] for row in rows(store, "links") if row["number"] < 2]
    assert len(digests) == len(set(digests)) == 13


def test_what_a_run_left_undone_is_done_by_the_next(store: Store) -> None:
    """Each table is committed by itself, so that one may be ahead of the others after a kill."""
    inspect(store, "authentication")
    assert inspect(store).rows == {"envelopes": 1, "links": 2}


def test_two_runs_at_once_add_no_message_twice(store: Store) -> None:
    """Each adds what the other has not."""
    threads = [threading.Thread(target=inspect, args=(store,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(rows(store, table)) for table in EVERYTHING] == [12, 12, 13]


def test_message_that_cannot_be_read_is_a_failure_of_its_own(store: Store) -> None:
    """The others are inspected, and it is tried again."""
    digest = rows(store, "messages")[0]["sha256"]
    (store.root / "raw" / digest[:2] / f"{digest}.eml").unlink()
    for inspected in (11, 0):
        report = inspect(store, "links")
        assert (report.inspected, len(report.failures)) == (inspected, 1)


def test_stopped_run_commits_what_it_has(store: Store) -> None:
    """The next run goes on from there."""
    stop = threading.Event()
    stop.set()
    assert inspect(store, stop=stop).interrupted
    assert inspect(store).inspected == 12


def test_command_says_whose_word_is_taken(store: Store) -> None:
    """And what to do where that is not clear."""
    found = run_command("inspect", "--archive", str(store.root), "--authentication", "--links")
    assert found.out.startswith("12 messages inspected; rows: authentication 12, links 2.")
    assert "a: the word of mx.me is taken" in found.out
    nothing = run_command("inspect", "--archive", str(store.root))
    assert (nothing.status, "--links" in nothing.err) == (2, True)
