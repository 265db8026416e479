"""A year of small commits to one table, condensed.

Run as ``python -m benchmarks.small_commits ROOT COUNT EDGE``. Each commit adds one row and is followed
by the upkeep that follows it in a run. After as many commits as a day has, all files are made to look a
day older, so that what is kept for a day goes in time. Prints as JSON what commits and opening took
among the first and the last EDGE commits, and what lay on the disk.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path

from mailroom.archive import Archive
from mailroom.archive.durability import Durability
from mailroom.archive.rows import locations_table
from mailroom.archive.tables import Append, Table
from mailroom.archive.upkeep import keep_up
from tests.support.archives import NOW, place

COMMITS_A_DAY = 55
"""20,000 a year: of the 288 runs that a schedule of 5 minutes makes of a day, so many find something."""

DAY_SECONDS = 24 * 3600
OPEN_EVERY = 10
"""Of the commits that are looked at, after how many the table is opened anew."""


def main() -> None:
    """Commit, and print what it took."""
    root, count, edge = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    archive = Archive(root)
    durability = archive.prepare()
    table = archive.table("locations")
    folder = root / "tables" / "locations"
    commits: list[float] = []
    opens: dict[int, float] = {}
    sizes: dict[int, tuple[int, int]] = {}
    for number in range(1, count + 1):
        started = time.perf_counter()
        _commit(table, number, durability)
        commits.append(time.perf_counter() - started)
        if number % COMMITS_A_DAY == 0:
            _age(folder)
        if number % OPEN_EVERY == 0 and not edge < number <= count - edge:
            started = time.perf_counter()
            assert len(Archive(root).table("locations").files()) > 0
            opens[number] = time.perf_counter() - started
        if number in (edge, count):
            sizes[number] = _on_disk(folder)
    durability.close()
    assert Archive(root).table("locations").row_count() == count
    print(
        json.dumps(
            {"first": _told(commits[:edge], opens, sizes, edge, first=True)}
            | {"last": _told(commits[-edge:], opens, sizes, count, first=False)}
        )
    )


def _told(
    commits: list[float], opens: dict[int, float], sizes: dict[int, tuple[int, int]], at: int, *, first: bool
) -> dict[str, float]:
    chosen = [
        took for number, took in opens.items() if (number <= at if first else number > at - len(commits))
    ]
    files, octets = sizes[at]
    return {
        "commit_seconds": statistics.mean(commits),
        "open_seconds": statistics.median(chosen),
        "files": files,
        "octets_a_commit": octets / at,
    }


def _commit(table: Table, number: int, durability: Durability) -> None:
    rows = locations_table([place(number)], [None], [NOW], [number])
    table.append(lambda: Append(rows=[rows], transactions={"post/INBOX": number}))
    keep_up(table, durability.sync)


def _age(folder: Path) -> None:
    """Make all files of a table look a day older."""
    for path in folder.rglob("*"):
        then = path.stat().st_mtime - DAY_SECONDS
        os.utime(path, (then, then))


def _on_disk(folder: Path) -> tuple[int, int]:
    """Return how many files a table has on the disk, and their octets."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


if __name__ == "__main__":
    main()
