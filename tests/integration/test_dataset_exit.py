"""A program that reads a table and ends at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mailroom.archive import Archive
from mailroom.archive.delta.datasets import open_dataset
from tests.support.archives import archive_messages
from tests.support.s3 import S3Server

READ = """
import json, sys
from mailroom.archive import Archive
from mailroom.archive.delta.datasets import open_dataset
archive = Archive(sys.argv[1], storage_options=json.loads(sys.argv[2]))
print(open_dataset(archive, "messages").to_table().num_rows)
"""

TIMES = 8
"""How often it is tried: it went wrong every second time where threads still held files of Python."""


def ends(root: str, options: dict[str, str]) -> set[tuple[int, str, str]]:
    """Return how such a program ended."""
    command = [sys.executable, "-c", READ, root, json.dumps(options)]
    ended = [subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(TIMES)]
    return {(one.returncode, one.stdout, one.stderr) for one in ended}


def test_a_program_that_has_read_a_table_ends_well(archive_root: Path) -> None:
    """It is not aborted by a thread that lets go of a file while the interpreter ends."""
    archive_messages(Archive(archive_root), range(1, 30))
    assert ends(str(archive_root), {}) == {(0, "29\n", "")}


def test_a_program_that_has_read_a_table_in_a_bucket_ends_well(s3: S3Server) -> None:
    """Nor by one that read there, whatever the prefix is called; it went wrong one time in twenty-five."""
    root = s3.url(s3.new_bucket(), "the mail/año")
    archive = Archive(root, storage_options=s3.storage_options)
    archive_messages(archive, range(1, 30))
    assert "S3FileSystem" in repr(open_dataset(archive, "messages").filesystem.base_fs)
    assert ends(root, s3.storage_options) == {(0, "29\n", "")}
