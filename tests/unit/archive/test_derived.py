"""Threads and contacts as tables: what the messages say, written in small commits, and purged with them."""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import polars
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from mailroom import tables
from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from mailroom.archive.delta import datasets, derived
from mailroom.archive.delta.derived import bring_up_to_date, is_current
from mailroom.archive.delta.derived_sql import DERIVED
from mailroom.archive.delta.rows import build_table
from mailroom.archive.delta.tables import Append
from mailroom.cli import main
from mailroom.exceptions import ConfigurationError, StoreUnavailable
from mailroom.model import Body
from mailroom.services.optimize import optimize_archive
from mailroom.services.progress import NoProgress
from tests.support.archives import NOW, archive_messages, context, folder_row, place
from tests.support.old_archives import make_old

LATER = NOW.replace(year=2027)


def keep(root: Path, *heads: str, run_id: str = "run-1") -> None:
    """Archive a message for each of these headers."""
    with Archive(root).writer(context(run_id)) as writer:
        for number, head in enumerate(heads, 1000 * int(run_id[4:])):
            content = (head.replace("\n", "\r\n") + "\r\n\r\ntext\r\n").encode()
            writer.add(Body(octets=len(content), content=content), place(number, run_id=run_id))
        writer.finish("succeeded", {}, 0)


def optimize(root: Path, *names: str) -> dict[str, dict[str, int]]:
    report = optimize_archive(Archive(root), tables=names, progress=NoProgress(), stop=threading.Event())
    assert report.failures == ()
    found: dict[str, dict[str, int]] = report.summary()["tables"]
    return found


def refresh(root: Path) -> list[int]:
    """Bring both tables up to date; return how many rows were written."""
    return [bring_up_to_date(Archive(root), name, LATER) for name in DERIVED]


def stored(root: Path, name: str) -> set[tuple[object, ...]]:
    """Return what any reader of Delta Lake finds in a table, but for the column ``at``."""
    rows = DeltaTable(str(root / "tables" / name)).to_pyarrow_table().drop(["at"]).to_pylist()
    assert len(rows) == len({tuple(row.values()) for row in rows})
    return {tuple(row.values()) for row in rows}


def said(root: Path, name: str) -> set[tuple[object, ...]]:
    """Return what is worked out from the messages, whatever is stored."""
    with derived.worked_out(Archive(root), name) as connection:
        rows = connection.sql("FROM fresh").to_arrow_table().to_pylist()
    return {tuple(row.values()) for row in rows}


def files(root: Path, name: str) -> set[str]:
    return set(DeltaTable(str(root / "tables" / name)).file_uris())


CHAIN = (
    "From: Ana <ana@x.example>\nTo: bob@x.example\nSubject: one\nMessage-ID: <1@x>",
    "From: bob@x.example\nTo: ana@x.example\nSubject: two\nMessage-ID: <2@x>\nIn-Reply-To: <1@x>",
)


def test_other_programs_read_them_where_they_lie(archive_root: Path) -> None:
    """Polars and DuckDB need no Mailroom for it, once ``mailroom optimize`` has made the tables."""
    keep(archive_root, *CHAIN)
    assert main(["optimize", "--archive", str(archive_root), "--quiet"]) == 0
    folder = archive_root / "tables"
    frame = polars.scan_delta(str(folder / "threads")).group_by("thread").len().collect()
    assert frame.rows() == [("<1@x>", 2)]
    names = files(archive_root, "contacts")
    found = duckdb.read_parquet(sorted(names)).project("address, name, sent, received").order("address")
    assert found.fetchall() == [("ana@x.example", "Ana", 1, 1), ("bob@x.example", None, 1, 1)]


def test_they_are_up_to_date_when_asked_whatever_is_stored(archive_root: Path) -> None:
    """Reading works out what is missing, and writes nothing."""
    keep(archive_root, CHAIN[1])
    optimize(archive_root)
    keep(archive_root, CHAIN[0], run_id="run-2")
    before = sorted(archive_root.rglob("*"))
    assert {row["thread"] for row in tables.threads(archive_root)} == {"<1@x>"}
    assert tables.contacts(archive_root).filter(address="ana@x.example").to_arrow()["sent"].to_pylist() == [1]
    counted = tables.connect(archive_root).sql("SELECT count(*) FROM threads").fetchall()
    assert counted == [(2,)]
    assert sorted(archive_root.rglob("*")) == before
    assert not is_current(Archive(archive_root), "threads")
    optimize(archive_root, "threads", "contacts")
    assert is_current(Archive(archive_root), "threads")


def test_whoever_connects_again_gets_what_is_so_now(archive_root: Path) -> None:
    """Whether it was worked out before and is stored now, or the other way round."""
    connection = duckdb.connect()
    for number in range(1, 4):
        keep(archive_root, f"Message-ID: <{number}@x>", run_id=f"run-{number}")
        for is_stored in (False, True):
            if is_stored:
                refresh(archive_root)
            for prefix in ("", "mail_"):
                tables.connect(archive_root, connection, prefix=prefix)
                assert connection.sql(f"SELECT count(*) FROM {prefix}threads").fetchall() == [(number,)]


def test_new_messages_add_rows_and_touch_no_other(archive_root: Path) -> None:
    """A year of mail is not written anew for a day's; a thread keeps its id with its first message."""
    keep(archive_root, *CHAIN)
    assert refresh(archive_root) == [2, 2]
    before = files(archive_root, "threads")
    keep(archive_root, "Message-ID: <3@x>\nIn-Reply-To: <2@x>", run_id="run-2")
    assert refresh(archive_root)[0] == 1
    assert before < files(archive_root, "threads")
    assert {thread for _, thread in stored(archive_root, "threads")} == {"<1@x>"}


def test_a_first_message_that_comes_late_joins_its_thread(archive_root: Path) -> None:
    """Rows of before that are no longer so go in the commit that brings the new ones."""
    keep(archive_root, "Message-ID: <3@x>\nIn-Reply-To: <2@x>", "Message-ID: <8@x>")
    refresh(archive_root)
    version = DeltaTable(str(archive_root / "tables" / "threads")).version()
    keep(archive_root, CHAIN[1], run_id="run-2")
    assert refresh(archive_root)[0] == 2
    assert DeltaTable(str(archive_root / "tables" / "threads")).version() == version + 1
    assert sorted(str(thread) for _, thread in stored(archive_root, "threads")) == ["<1@x>", "<1@x>", "<8@x>"]


def test_where_nothing_changed_nothing_is_written(archive_root: Path) -> None:
    """Joined files of ``messages`` say the same; that they do is noted without a row."""
    for number in range(1, 5):
        archive_messages(Archive(archive_root), [number], run_id=f"run-{number}")
    refresh(archive_root)
    before = {name: files(archive_root, name) for name in DERIVED}
    assert refresh(archive_root) == [0, 0]
    optimize(archive_root, "messages")
    assert not is_current(Archive(archive_root), "threads")
    assert refresh(archive_root) == [0, 0]
    assert is_current(Archive(archive_root), "threads")
    assert {name: files(archive_root, name) for name in DERIVED} == before


def test_an_archive_without_messages_gets_no_table(archive_root: Path) -> None:
    """There is nothing to say."""
    with Archive(archive_root).writer(context()) as writer:
        writer.close_folder(folder_row(messages=0))
        writer.finish("succeeded", {}, 0)
    assert set(optimize(archive_root)) <= {"folders", "runs", "seals"}
    assert tables.contacts(archive_root).count() == 0
    assert not (archive_root / "tables" / "threads").exists()


def test_an_older_archive_is_understood(archive_root: Path) -> None:
    """Columns that its messages lack are null, and count as empty."""
    archive_messages(Archive(archive_root), range(1, 4))
    make_old(archive_root, {"messages": ("cc", "references")})
    refresh(archive_root)
    assert len(stored(archive_root, "threads")) == 3
    assert {row[:4] for row in stored(archive_root, "contacts")} == {
        ("ana@example.org", "Ana", 3, 0),
        ("bob@example.com", None, 0, 3),
    }


def test_two_at_once_write_once(archive_root: Path) -> None:
    """Whoever comes second finds it done."""
    keep(archive_root, *CHAIN)
    for run in range(3):
        keep(archive_root, f"Message-ID: <new{run}@x>\nFrom: a{run}@x.example", run_id=f"run-{run + 2}")
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: refresh(archive_root), range(3)))
        for name in DERIVED:
            assert stored(archive_root, name) == said(archive_root, name)


def test_a_commit_in_between_is_seen(archive_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that arrive while rows are worked out are among the next ones, or make it start again."""
    keep(archive_root, *CHAIN)
    refresh(archive_root)
    keep(archive_root, "Message-ID: <3@x>", run_id="run-2")
    compare = derived._Update._read_stored

    def meanwhile(update: derived._Update, found: Sequence[object]) -> None:
        monkeypatch.undo()
        compare(update, found)  # type: ignore[arg-type]
        refresh(archive_root)

    monkeypatch.setattr(derived._Update, "_read_stored", meanwhile)
    bring_up_to_date(Archive(archive_root), "threads", NOW)
    assert stored(archive_root, "threads") == said(archive_root, "threads")
    assert {row["at"] for row in tables.threads(archive_root)} == {LATER}


def test_a_failure_while_writing_leaves_the_table_as_it_was(
    archive_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves no file; the next maintenance does it."""
    keep(archive_root, *CHAIN)
    refresh(archive_root)
    keep(archive_root, "Message-ID: <0@x>\nFrom: c@x.example", run_id="run-2")
    before = sorted(archive_root.rglob("tables/threads/*"))

    def full(*_: object) -> Iterator[object]:
        yield from ()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(derived._Update, "_added", full)
    with pytest.raises(StoreUnavailable, match="full"):
        bring_up_to_date(Archive(archive_root), "threads", LATER)
    assert sorted(archive_root.rglob("tables/threads/*")) == before
    monkeypatch.undo()
    refresh(archive_root)
    assert stored(archive_root, "threads") == said(archive_root, "threads")


def test_what_a_kill_left_in_temporary_folders_goes_after_a_day(
    archive_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold addresses; one of a run that may be at work stays, and so does what is not ours."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, age in (("mailroom-derived-old", 2), ("mailroom-derived-new", 0), ("other", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "work.duckdb").write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age * 86400,) * 2)
    keep(archive_root, *CHAIN)
    refresh(archive_root)
    assert {path.name for path in tmp_path.iterdir()} >= {"mailroom-derived-new", "other"}
    assert not list(tmp_path.glob("mailroom-derived-old"))


def test_verify_tells_of_a_thread_without_its_message(archive_root: Path) -> None:
    """Rows of messages that came since the last maintenance may be missing; a row too many may not."""
    keep(archive_root, *CHAIN)
    refresh(archive_root)
    keep(archive_root, "Message-ID: <3@x>", run_id="run-2")
    assert verify_archive(Archive(archive_root)).failures == ()
    table = Archive(archive_root).table("threads")
    rows = build_table("threads", [["ab" * 32], ["<1@x>"], [NOW]])
    table.append(lambda: Append(rows=[rows], transactions={}))
    (problem,) = verify_archive(Archive(archive_root)).failures
    assert "Table threads tells of message abab" in problem


def test_some_tables_can_be_named(archive_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For a schedule that only brings these two up to date; a table that is not there is told."""
    keep(archive_root, *CHAIN)
    assert list(optimize(archive_root, "contacts", "threads")) == ["threads", "contacts"]
    with pytest.raises(
        ConfigurationError, match=r"no table 'thread'; there are messages, .*threads, contacts"
    ):
        optimize(archive_root, "thread")
    assert main(["optimize", "--archive", str(archive_root), "--table", "threads", "--quiet"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["table", "threads"]


IDS = st.sampled_from([f"<{letter}@x>" for letter in "abcdef"])
HEADS = st.tuples(IDS | st.none(), IDS | st.none(), st.lists(IDS, max_size=2), st.sampled_from("pqr"))


def head(number: int, said: tuple[str | None, str | None, list[str], str]) -> str:
    name, answers, references, person = said
    lines = [f"Subject: {number}", f"From: {person.upper()} {number % 3} <{person}@x.example>"]
    lines += [f"Message-ID: {name}"] if name else []
    lines += [f"In-Reply-To: {answers}"] if answers else []
    lines += [f"References: {' '.join(references)}"] if references else []
    return "\n".join(lines)


@settings(max_examples=15, deadline=None)
@given(batches=st.lists(st.lists(HEADS, min_size=1, max_size=5), min_size=1, max_size=3))
def test_step_by_step_is_the_same_as_at_once(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[tuple[str | None, str | None, list[str], str]]],
) -> None:
    """Whatever answers what, rings and doubled Message-IDs included: each message once, all as anew."""
    root = tmp_path_factory.mktemp("derived") / "archive"
    for number, batch in enumerate(batches):
        keep(root, *(head(10 * number + n, one) for n, one in enumerate(batch)), run_id=f"run-{number}")
        refresh(root)
        for name in DERIVED:
            assert stored(root, name) == said(root, name)
    assert len(stored(root, "threads")) == sum(map(len, batches))


def rings(size: int) -> Iterable[str]:
    order = list(range(size))
    random.Random(size).shuffle(order)
    return [f"Message-ID: <{n}@x>\nIn-Reply-To: <{(n + 1) % size}@x>" for n in order]


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_ring_of_answers_is_one_thread(archive_root: Path, size: int) -> None:
    """Nothing in it is the first; whoever answers one of them is in it as well."""
    keep(archive_root, *rings(size), "Message-ID: <y@x>\nIn-Reply-To: <0@x>")
    refresh(archive_root)
    assert len({thread for _, thread in stored(archive_root, "threads")}) == 1


def test_whoever_reads_what_a_large_archive_does_not_store_is_told_how_to_store_it(
    archive_root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line, as long as it is worked out each time; a small archive is none worth speaking of."""
    keep(archive_root, "Message-ID: <1@x>", "Message-ID: <2@x>")
    assert len(tables.threads(archive_root).to_arrow()) == 2
    assert caplog.messages == []
    monkeypatch.setattr(datasets, "MANY_MESSAGES", 2)
    assert len(tables.threads(archive_root).to_arrow()) == 2
    (line,) = caplog.messages
    assert "anew from 2 messages" in line
    assert "mailroom optimize --table threads --table contacts" in line
    optimize(archive_root, "threads", "contacts")
    assert len(tables.threads(archive_root).to_arrow()) == 2
    assert len(caplog.messages) == 1
