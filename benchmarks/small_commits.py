"""A year of small commits to one table, condensed.

Run as ``python -m benchmarks.small_commits ROOT COUNT EDGE``. Each commit adds one row and is followed
by the upkeep that follows it in a run. Days pass as quickly as their commits: files are made to look a
day older after each, and what was replaced is stamped so that it has been kept for a day a second later;
that it was replaced is forgotten after a week, which takes seven.
Prints as JSON the processor time that commits and opening took among the first and the last EDGE
commits, for other work goes on beside, and the most that lay on the disk meanwhile.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mailroom.archive import Archive
from mailroom.archive.delta import tables
from mailroom.archive.delta.rows import locations_table
from mailroom.archive.delta.tables import Append, Table
from mailroom.archive.delta.upkeep import keep_up
from mailroom.archive.storage.durability import Durability
from tests.support.archives import NOW, place

COMMITS_A_DAY = 55
"""20,000 a year: of the 288 runs that a schedule of 5 minutes makes of a day, so many find something."""

DAY_SECONDS = 24 * 3600
DAY_TAKES_SECONDS = 1
"""What the commits of a day take here, about."""

WEEK_PASSED = f"interval {DAY_SECONDS + 6 * DAY_TAKES_SECONDS} seconds"
"""How old what was replaced looks after a week: a day at the beginning, and what six more take."""

OPEN_EVERY = 10
"""Of the commits that are looked at, after how many the table is opened anew."""


def main() -> None:
    """Commit, and print what it took."""
    root, count, edge = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    vars(tables)["time"] = _Clock()  # stands for the module
    tables.CONFIGURATION["delta.deletedFileRetentionDuration"] = WEEK_PASSED
    archive = Archive(root)
    durability = archive.prepare()
    table = archive.table("locations")
    folder = root / "tables" / "locations"
    first, last = Edge(), Edge()
    for number in range(1, count + 1):
        started = time.process_time()
        _commit(table, number, durability)
        seconds = time.process_time() - started
        if number <= edge or number > count - edge:
            (first if number <= edge else last).look(root, folder, number, seconds)
        if number % COMMITS_A_DAY == 0:
            _age(folder)
    durability.close()
    assert Archive(root).table("locations").row_count() == count
    print(json.dumps({"first": first.told(edge), "last": last.told(count)}))


@dataclass(slots=True)
class Edge:
    """What was seen at one end of the year."""

    commits: list[float] = field(default_factory=list)
    opens: list[float] = field(default_factory=list)
    files: int = 0
    octets: int = 0

    def look(self, root: Path, folder: Path, number: int, seconds: float) -> None:
        """Note what a commit took, and at some of them what lies there and what opening takes."""
        self.commits.append(seconds)
        if number % OPEN_EVERY:
            return
        started = time.process_time()
        assert Archive(root).table("locations").files()
        self.opens.append(time.process_time() - started)
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        self.files, self.octets = max(self.files, len(sizes)), max(self.octets, sum(sizes))

    def told(self, commits: int) -> dict[str, float]:
        """Return it, octets for each of so many commits."""
        return {
            "commit_seconds": statistics.mean(self.commits),
            "open_seconds": statistics.median(self.opens),
            "files": self.files,
            "octets_a_commit": self.octets / commits,
        }


class _Clock:
    """The ``time`` module of somebody for whom a day will have passed in a second."""

    def __getattr__(self, name: str) -> Any:  # Any: whatever the module has of that name
        return getattr(time, name)

    def time(self) -> float:
        """Return the time."""
        return time.time() - DAY_SECONDS + DAY_TAKES_SECONDS


def _commit(table: Table, number: int, durability: Durability) -> None:
    rows = locations_table([place(number)], [None], [NOW], [number])
    table.append(lambda: Append(rows=[rows], transactions={"post/INBOX": number}))
    keep_up(table, durability.sync)


def _age(folder: Path) -> None:
    """Make all files of a table look a day older."""
    for path in folder.rglob("*"):
        then = path.stat().st_mtime - DAY_SECONDS
        os.utime(path, (then, then))


if __name__ == "__main__":
    main()
