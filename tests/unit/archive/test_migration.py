"""An archive that an older Mailroom wrote opens, reads and gains what is new; nothing in it is rewritten."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from mailroom.archive import Archive
from mailroom.archive.delta.migration import STAMP, gain_columns, state_completely, stated_version
from mailroom.archive.delta.schemas import SCHEMA_VERSION, TABLES
from mailroom.exceptions import ConfigurationError
from tests.support.archives import archive_messages, table_counts, tables_without_doubles
from tests.support.old_archives import make_old

DROPPED = {
    "messages": ("date_source", "cc", "defects"),
    "attachments": ("disposition",),
    "locations": ("modseq", "object_id"),
    "runs": ("who",),
}


@pytest.fixture
def old_root(archive_root: Path) -> Path:
    """An archive of 5 messages without the columns of ``DROPPED``, which states no version."""
    archive_messages(Archive(archive_root), range(1, 6))
    make_old(archive_root, DROPPED)
    return archive_root


def columns_of(root: Path, name: str) -> list[str]:
    return [field.name for field in DeltaTable(str(root / "tables" / name)).schema().fields]


def found_by_filter(root: Path, name: str, column: str) -> int:
    """Return how many rows ``deltalake`` finds whose column is not ``''``, with the files' statistics."""
    dataset = DeltaTable(str(root / "tables" / name)).to_pyarrow_dataset()
    return int(dataset.scanner(filter=pc.field(column) != "").count_rows())


def test_an_archive_states_its_version(archive_root: Path) -> None:
    """Whoever finds an archive can tell which tables it has."""
    archive = Archive(archive_root)
    archive_messages(archive, [1])
    assert stated_version(archive.store) == SCHEMA_VERSION
    assert json.loads((archive_root / STAMP).read_text())["schema"] == "{}.{}".format(*SCHEMA_VERSION)


def test_an_old_archive_is_read_as_it_lies(old_root: Path) -> None:
    """Columns that it lacks are null, and reading writes nothing."""
    before = sorted(path for path in old_root.rglob("*"))
    rows = Archive(old_root).read_table("messages", ["subject", "date_source", "cc"])
    assert rows.num_rows == 5
    assert rows["date_source"].null_count == 5
    assert sorted(path for path in old_root.rglob("*")) == before


def test_an_old_archive_gains_columns_with_the_next_run(old_root: Path) -> None:
    """Other programs see the new columns of all rows, and every table has them, changed or not."""
    archive_messages(Archive(old_root), range(6, 8), run_id="run-2")
    for name in ("messages", "texts", "locations", "runs"):
        assert set(columns_of(old_root, name)) == set(TABLES[name].schema.names)
    archive = Archive(old_root)
    assert stated_version(archive.store) == SCHEMA_VERSION
    assert table_counts(archive)["messages"] == 7
    assert tables_without_doubles(archive)


@pytest.mark.parametrize(("name", "column"), [("messages", "subject"), ("locations", "account")])
def test_other_programs_find_old_and_new_rows(old_root: Path, name: str, column: str) -> None:
    """Statistics that leave a column out would hide all rows of their file from ``deltalake``'s filters."""
    archive_messages(Archive(old_root), range(6, 8), run_id="run-2")
    assert found_by_filter(old_root, name, column) == 7


def test_rows_between_the_two_commits_are_found(old_root: Path) -> None:
    """A kill after the files were stated anew, and before the columns came, hides nothing."""
    table = Archive(old_root).table("messages")
    assert state_completely(table) == 1
    assert found_by_filter(old_root, "messages", "subject") == 5
    assert gain_columns(table)
    assert not gain_columns(table)
    assert found_by_filter(old_root, "messages", "subject") == 5


def test_two_runs_may_migrate_side_by_side(old_root: Path) -> None:
    """Whoever comes second takes what the first did."""
    start = threading.Barrier(2)

    def run(number: int) -> None:
        start.wait()
        archive_messages(Archive(old_root), [number], run_id=f"run-{number}", folder=f"F{number}")

    threads = [threading.Thread(target=run, args=(number,)) for number in (11, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    archive = Archive(old_root)
    assert table_counts(archive)["messages"] == 7
    assert tables_without_doubles(archive)
    assert columns_of(old_root, "messages").count("cc") == 1


def test_a_newer_archive_of_another_kind_is_not_written_to(archive_root: Path) -> None:
    """What this program does not know it must not touch."""
    archive_messages(Archive(archive_root), [1])
    (archive_root / STAMP).write_text('{"schema": "99.1"}')
    with pytest.raises(ConfigurationError, match="upgrade Mailroom"):
        archive_messages(Archive(archive_root), [2], run_id="run-2")
    assert table_counts(Archive(archive_root))["messages"] == 1


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema": "one"}', b"\xff"])
def test_a_damaged_statement_is_written_anew(archive_root: Path, content: bytes) -> None:
    """A power cut may empty a small file; the tables know for themselves."""
    archive_messages(Archive(archive_root), [1])
    (archive_root / STAMP).write_bytes(content)
    archive_messages(Archive(archive_root), [2], run_id="run-2")
    assert stated_version(Archive(archive_root).store) == SCHEMA_VERSION


def test_a_newer_archive_of_the_same_kind_is_written_to(archive_root: Path) -> None:
    """Columns are only ever added, so two versions can work on one archive; the statement stays."""
    archive_messages(Archive(archive_root), [1])
    said = json.dumps({"schema": f"{SCHEMA_VERSION[0]}.{SCHEMA_VERSION[1] + 9}"})
    (archive_root / STAMP).write_text(said)
    archive_messages(Archive(archive_root), [2], run_id="run-2")
    assert (archive_root / STAMP).read_text() == said
