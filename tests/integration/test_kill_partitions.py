"""SIGKILL while partitions are told: none is lost, and one is told again only where its note was cut off."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from mailroom.archive import Archive
from tests.integration.killing import CHANCE
from tests.integration.partitions_child import CONSUMER
from tests.support.archives import archive_messages

pytestmark = pytest.mark.kill

ROUNDS = 6


class Telling:
    """An archive that gets mail, and the task that tells of it."""

    def __init__(self, root: Path, book: Path) -> None:
        self.root, self.book = root, book
        self.numbers = 0
        book.mkdir()

    def receive(self) -> str:
        """Archive two messages in a folder of their own; return its name."""
        folder = f"Folder {self.numbers // 2}"
        run_id = f"run-{self.numbers}"
        first = self.numbers + 1
        archive_messages(Archive(self.root), range(first, first + 2), run_id=run_id, folder=folder)
        self.numbers += 2
        return folder

    def run(self, moment: str = "", *, after: float | None = None) -> tuple[int, bool, float]:
        """Run the task; return its exit status, whether it had nothing to tell, and how long it took.

        :param after: kill it so many seconds after its start.
        """
        words = [str(self.root), str(self.book), moment]
        command = [sys.executable, "-m", "tests.integration.partitions_child", *words]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            started = time.monotonic()
            timer = threading.Timer(after or 0.0, child.kill)
            if after is not None:
                timer.start()
            child.stdin.write("go\n")
            child.stdin.close()
            said = child.stdout.read()
            status = child.wait()
            timer.cancel()
        return status, "nothing" in said, time.monotonic() - started

    @property
    def told(self) -> Counter[str]:
        """How often Airflow recorded each folder."""
        files = (path for path in self.book.iterdir() if not path.name.startswith("."))
        return Counter(folder for path in files for folder in path.read_text().splitlines())

    @property
    def noted(self) -> set[str]:
        """The folders of messages that the archive notes as told."""
        archive = Archive(self.root)
        if not (self.root / "tables" / "consumed").exists():
            return set()
        places = archive.read_table("locations", columns=["sha256", "folder"]).to_pylist()
        folders = {row["sha256"]: row["folder"] for row in places}
        rows = archive.read_table("consumed").to_pylist()
        assert len({row["message_sha256"] for row in rows}) == len(rows), "a message is noted twice"
        return {folders[row["message_sha256"]] for row in rows if row["consumer"] == CONSUMER}


@pytest.fixture
def telling(archive_root: Path, tmp_path: Path) -> Telling:
    """The task, before its first run."""
    return Telling(archive_root, tmp_path / "book")


@pytest.mark.parametrize(
    ("moment", "told", "again"),
    [("before the record", 0, 1), ("before the note", 1, 2), ("after the note", 1, 1)],
)
def test_the_next_run_does_what_the_killed_one_did_not(
    telling: Telling, moment: str, told: int, again: int
) -> None:
    """What Airflow has not recorded is told, what is not noted is told again, and then nothing is new."""
    folder = telling.receive()
    assert telling.run(moment)[0] == -signal.SIGKILL
    assert telling.told[folder] == told
    assert telling.noted == ({folder} if moment == "after the note" else set())
    status, had_nothing, _ = telling.run()
    assert (status, had_nothing) == (0, moment == "after the note")
    assert (telling.told, telling.noted) == (Counter({folder: again}), {folder})
    assert telling.run()[1]


def test_no_partition_is_lost_whenever_the_kills_come(telling: Telling) -> None:
    """What is noted was recorded before, and after the last run each folder was told and noted."""
    folders = [telling.receive()]
    whole = telling.run()[2]
    killed = 0
    for _ in range(ROUNDS):
        folders.append(telling.receive())
        killed += telling.run(after=whole * CHANCE.uniform(0.2, 1.05))[0] == -signal.SIGKILL
        assert telling.noted <= set(telling.told)
    assert telling.run()[0] == 0
    assert set(telling.told) == telling.noted == set(folders)
    assert max(telling.told.values()) <= 1 + killed
    assert telling.run()[1]
    assert killed, "no run was killed before its end; the moments are too late for this machine"
