"""A power cut tears what was not synced: the last commits of a table, in log or data.

What is torn is found by the next opening, set aside under another name, and comes back:
messages, texts and attachments from the raw objects, places from the server's listing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import DeltaTable

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from tests.integration.archive_child import main as run_child
from tests.support.archives import archive_messages, context, digest, table_counts, tables_without_doubles

FIRST, LAST = 6, 12


def last_entry(table: Path) -> Path:
    return sorted((table / "_delta_log").glob("*.json"))[-1]


def data_file(table: Path) -> Path:
    lines = last_entry(table).read_text().splitlines()
    return table / next(json.loads(line)["add"]["path"] for line in lines if '"add"' in line)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty log entry": lambda table: last_entry(table).write_bytes(b""),
    "cut log entry": lambda table: cut(last_entry(table)),
    "log entry cut at a line": lambda table: last_entry(table).write_text(
        last_entry(table).read_text().splitlines(keepends=True)[0]
    ),
    "log entry of zeros": lambda table: last_entry(table).write_bytes(bytes(400)),
    "empty data file": lambda table: data_file(table).write_bytes(b""),
    "cut data file": lambda table: cut(data_file(table)),
    "missing data file": lambda table: data_file(table).unlink(),
}


@pytest.fixture
def archive_root(archive_root: Path) -> Path:
    """An archive of two runs."""
    run_child(str(archive_root), 1, FIRST, 100)
    run_child(str(archive_root), 1, LAST, 100)
    return archive_root


def assert_whole_again(root: Path) -> None:
    archive = Archive(root)
    assert archive.folder_state("post", "INBOX").live.tolist() == list(range(1, LAST + 1))
    counts = table_counts(archive)
    assert (counts["messages"], counts["texts"], counts["locations"]) == (LAST, LAST, LAST)
    assert counts["attachments"] == sum(uid % 3 for uid in range(1, LAST + 1))
    assert tables_without_doubles(archive)
    report = verify_archive(archive)
    assert report.is_sound
    assert report.notes == () or all("torn" in note for note in report.notes)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("table", ["messages", "texts", "attachments", "locations"])
def test_a_torn_last_commit_comes_back(
    archive_root: Path, table: str, damage: Callable[[Path], None]
) -> None:
    """Whatever a power cut did to the last commit of a table, the next run makes it whole."""
    folder = archive_root / "tables" / table
    entry = last_entry(folder)
    damage(folder)
    run_child(str(archive_root), 1, LAST, 100)
    assert_whole_again(archive_root)
    assert list(folder.glob("_delta_log/*.torn*")), "what was torn is kept"
    assert entry.exists() is (table != "locations" or DeltaTable(str(folder)).version() == 2)


def test_several_torn_tables_come_back(archive_root: Path) -> None:
    """A power cut may tear the last commit of every table at once."""
    for table in ("messages", "texts", "attachments", "locations", "runs"):
        last_entry(archive_root / "tables" / table).write_bytes(b"")
    run_child(str(archive_root), 1, LAST, 100)
    assert_whole_again(archive_root)


def test_a_torn_first_commit_takes_its_table_along(archive_root: Path) -> None:
    """Where the very creation of a table is torn, the table is made anew from the raw objects."""
    for entry in (archive_root / "tables" / "messages" / "_delta_log").glob("*.json"):
        entry.write_bytes(b"")
    run_child(str(archive_root), 1, LAST, 100)
    assert_whole_again(archive_root)


def test_archived_at_survives_the_rebuilding_of_messages(archive_root: Path) -> None:
    """A rebuilt message was archived when its place says, so that no N days begin again."""
    before = Archive(archive_root).describe([digest(LAST, attachments=LAST % 3)])
    last_entry(archive_root / "tables" / "messages").write_bytes(b"")
    run_child(str(archive_root), 1, LAST, 100)
    assert Archive(archive_root).describe([digest(LAST, attachments=LAST % 3)]) == before


def test_a_good_commit_on_top_of_a_torn_one_is_set_aside_too(archive_root: Path) -> None:
    """Versions have no gaps, so what was committed on top of a torn entry comes back with it."""
    log = archive_root / "tables" / "messages" / "_delta_log"
    entries = sorted(log.glob("*.json"))
    entries[-2].write_bytes(b"")
    run_child(str(archive_root), 1, LAST, 100)
    assert_whole_again(archive_root)
    assert len(list(log.glob("*.torn*"))) == 2


def test_a_damaged_raw_object_is_not_taken_for_a_message(archive_root: Path) -> None:
    """Rebuilding takes only objects that are what their names say; others are fetched again."""
    last_entry(archive_root / "tables" / "messages").write_bytes(b"")
    last_entry(archive_root / "tables" / "locations").write_bytes(b"")
    name = digest(LAST, attachments=LAST % 3)
    Path(Archive(archive_root).raw.local_path(name) or "").write_bytes(b"")
    archive = Archive(archive_root)
    with archive.writer(context("run-repair")) as writer:
        writer.finish("succeeded", {}, 0)
    assert name not in archive.read_table("messages", ["sha256"])["sha256"].to_pylist()
    run_child(str(archive_root), 1, LAST, 100)
    assert_whole_again(archive_root)


@pytest.mark.parametrize("damage", ["empty hint", "hint to nothing", "empty check-point"])
def test_a_torn_check_point_does_not_matter(archive_root: Path, damage: str) -> None:
    """Log entries are deleted only after their check-point is synced, so a torn one is just set aside."""
    folder = archive_root / "tables" / "locations"
    DeltaTable(str(folder)).create_checkpoint()
    hint = folder / "_delta_log" / "_last_checkpoint"
    (check_point,) = folder.glob("_delta_log/*.checkpoint.parquet")
    if damage == "empty hint":
        hint.write_bytes(b"")
    elif damage == "hint to nothing":
        check_point.unlink()
    else:
        check_point.write_bytes(b"")
    archive_messages(Archive(archive_root), [LAST + 1])
    assert Archive(archive_root).folder_state("post", "INBOX").live.tolist() == list(range(1, LAST + 2))


def test_a_whole_archive_is_left_alone(archive_root: Path) -> None:
    """Looking for torn commits changes nothing where there are none."""
    before = sorted(str(path) for path in archive_root.rglob("*"))
    Archive(archive_root).folder_state("post", "INBOX")
    assert not Archive(archive_root).has_torn_messages()
    assert sorted(str(path) for path in archive_root.rglob("*")) == before
    assert verify_archive(Archive(archive_root)).notes == ()
