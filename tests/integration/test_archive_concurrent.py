"""Several processes on one archive at once: a retry beside a zombie, accounts beside each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from tests.support.archives import table_counts, tables_without_doubles

PROCESSES = 3
MESSAGES = 90


def test_processes_on_one_folder_archive_each_message_once(archive_root: Path) -> None:
    """Runs that start together on the same folder leave one row a message, and none fails."""
    words = [
        sys.executable,
        "-m",
        "tests.integration.archive_child",
        str(archive_root),
        "1",
        str(MESSAGES),
        "9",
    ]
    runs = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(PROCESSES)]
    assert [run.wait(timeout=180) for run in runs] == [0] * PROCESSES
    archive = Archive(archive_root)
    assert archive.folder_state("post", "INBOX").live.tolist() == list(range(1, MESSAGES + 1))
    assert tables_without_doubles(archive)
    counts = table_counts(archive)
    assert (counts["messages"], counts["texts"], counts["locations"]) == (MESSAGES, MESSAGES, MESSAGES)
    assert counts["attachments"] == sum(uid % 3 for uid in range(1, MESSAGES + 1))
    assert verify_archive(archive).is_sound
