"""From a history to a state: the newest row of each key."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from mailroom.archive import Archive
from mailroom.archive.delta.rows import newest_of_each
from tests.support.archives import context, folder_row


def test_a_folder_s_newest_row_is_found_however_its_history_lies(archive_root: Path) -> None:
    """Rows of many folders in many commits, the last one of each is the state."""
    archive = Archive(archive_root)
    for number in range(3):
        with archive.writer(context(f"run-{number}")) as writer:
            for folder in ("INBOX", "Sent", "Entwürfe"):
                writer.close_folder(folder_row(folder, messages=number + len(folder)))
            writer.finish("succeeded", {}, 0)
    assert {name: row.messages for name, row in Archive(archive.url).last_folders("post").items()} == {
        "INBOX": 7,
        "Sent": 6,
        "Entwürfe": 10,
    }


@pytest.mark.parametrize("chunks", [1, 3])
def test_newest_rows_are_those_of_the_highest_number(chunks: int) -> None:
    """Order and chunks of the table do not matter; of two with one number the later counts."""
    part = pa.table(
        {"folder": ["b", "a", "b", "a", "a"], "seq": [5, 1, 2, 9, 9], "say": ["new", "", "", "", "new"]}
    )
    found = newest_of_each(pa.concat_tables([part] * chunks), "folder")
    assert sorted(zip(found["folder"].to_pylist(), found["say"].to_pylist(), strict=True)) == [
        ("a", "new"),
        ("b", "new"),
    ]
    assert newest_of_each(part.slice(0, 0), "folder").num_rows == 0
