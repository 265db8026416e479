"""A program that reads a table and ends at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mailroom.archive import Archive
from tests.support.archives import archive_messages

READ = """
import sys
from mailroom.archive import Archive
from mailroom.archive.delta.datasets import open_dataset
print(open_dataset(Archive(sys.argv[1]), "messages").to_table().num_rows)
"""

TIMES = 8
"""How often it is tried: it went wrong every second time where threads still held files of Python."""


def test_a_program_that_has_read_a_table_ends_well(archive_root: Path) -> None:
    """It is not aborted by a thread that lets go of a file while the interpreter ends."""
    archive_messages(Archive(archive_root), range(1, 30))
    command = [sys.executable, "-c", READ, str(archive_root)]
    ended = [subprocess.run(command, capture_output=True, text=True, check=False) for _ in range(TIMES)]
    assert {(one.returncode, one.stdout, one.stderr) for one in ended} == {(0, "29\n", "")}
