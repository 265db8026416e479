"""The archive's writer killed without warning, at every commit and at random moments.

What ``flush`` reported is there, nothing is there twice, and the next run completes it.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from tests.integration.archive_child import main as run_child
from tests.support.archives import digest, table_counts, tables_without_doubles

pytestmark = pytest.mark.kill

MESSAGES = 24
EVERY = 12

STRACE = shutil.which("strace")


def child(root: Path, first: int, last: int) -> list[str]:
    """Return the command line of a run."""
    words = [str(root), str(first), str(last), str(EVERY)]
    return [sys.executable, "-m", "tests.integration.archive_child", *words]


def safe_uids(output: str) -> set[int]:
    """Return the UIDs a killed run had reported as safe."""
    whole = [line for line in output.splitlines(keepends=True) if line.endswith("\n")]
    return {int(word) for line in whole for word in line.split()[1:]}


def assert_survived(root: Path, reported: set[int], last: int) -> None:
    """Check an archive after a kill, run again, and check that it is as if nothing had happened."""
    archive = Archive(root)
    live = set(archive.folder_state("post", "INBOX").live.tolist())
    assert reported <= live, "what was reported as safe must be there"
    assert tables_without_doubles(archive)
    for uid in live:
        assert archive.raw.hash(digest(uid, attachments=uid % 3)) == digest(uid, attachments=uid % 3)
    if archive.exists():
        assert verify_archive(archive).failures == ()

    run_child(str(root), 1, last, EVERY)
    archive = Archive(root)
    assert archive.folder_state("post", "INBOX").live.tolist() == list(range(1, last + 1))
    assert tables_without_doubles(archive)
    counts = table_counts(archive)
    assert (counts["messages"], counts["texts"], counts["locations"]) == (last, last, last)
    assert counts["attachments"] == sum(uid % 3 for uid in range(1, last + 1))
    report = verify_archive(archive)
    assert report.is_sound
    assert "incomplete" not in report.summary()["harmless"]


COMMITS = {
    "before-the-first-table-is-there": "messages 0",
    "before-messages": "messages 1",
    "between-messages-and-texts": "texts 1",
    "between-texts-and-attachments": "attachments 1",
    "between-attachments-and-locations": "locations 1",
    "between-locations-and-folders": "folders 1",
    "before-the-second-messages": "messages 2",
    "between-the-second-messages-and-texts": "texts 2",
    "between-the-second-texts-and-attachments": "attachments 2",
    "between-the-second-attachments-and-locations": "locations 2",
    "before-the-run": "runs 1",
}


def killed_at(call: str, command: list[str], *options: str) -> str:
    """Run a command that is killed as it enters a system call; return what it printed."""
    trace = [str(STRACE), "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call.partition(':')[0]}"]
    killed = subprocess.run(
        [*trace, *options, "-e", f"inject={call}:signal=KILL", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=False,
    )
    assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    return killed.stdout


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize("commit", COMMITS.values(), ids=COMMITS.keys())
def test_a_kill_at_a_commit_loses_and_doubles_nothing(archive_root: Path, commit: str) -> None:
    """Killed as it enters a commit, the archive is sound, and the next run completes it."""
    table, version = commit.split()
    entry = archive_root / "tables" / table / "_delta_log" / f"{int(version):020d}.json"
    output = killed_at("linkat", child(archive_root, 1, MESSAGES), "-P", str(entry))
    assert not entry.exists()
    assert_survived(archive_root, safe_uids(output), MESSAGES)


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize("link", [1, 4, 8])
def test_a_kill_while_bytes_are_written_loses_and_doubles_nothing(archive_root: Path, link: int) -> None:
    """Killed as a thread names its n-th raw object, the archive is sound, and nothing is left."""
    output = killed_at(f"linkat:when={link}", child(archive_root, 1, MESSAGES))
    assert not list((archive_root / "raw").glob(".incoming/*"))
    assert_survived(archive_root, safe_uids(output), MESSAGES)


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
@pytest.mark.parametrize("rename", [1, 4, 8])
def test_a_kill_where_files_are_renamed_loses_and_doubles_nothing(archive_root: Path, rename: int) -> None:
    """On a system without nameless files the n-th is killed as it is renamed; a leftover is harmless."""
    words = [str(archive_root), 1, MESSAGES, EVERY]
    program = f"import os; del os.O_TMPFILE; from tests.integration.archive_child import main; main(*{words})"
    output = killed_at(f"rename:when={rename}", [sys.executable, "-c", program])
    assert_survived(archive_root, safe_uids(output), MESSAGES)


def test_kills_at_random_moments_lose_and_double_nothing(archive_root: Path) -> None:
    """Killed again and again in one archive, every run goes on where the last one stopped."""
    choose = random.Random(20261124)
    last, reported = 0, set[int]()
    for _ in range(5):
        last += 60
        run = subprocess.Popen(child(archive_root, 1, last), stdout=subprocess.PIPE, text=True)
        killer = threading.Timer(choose.uniform(0.5, 1.5), run.kill)
        killer.start()
        output = run.communicate(timeout=120)[0]
        killer.cancel()
        reported |= safe_uids(output)
        archive = Archive(archive_root)
        assert reported <= set(archive.folder_state("post", "INBOX").live.tolist())
        assert tables_without_doubles(archive)
    assert_survived(archive_root, reported, last)
