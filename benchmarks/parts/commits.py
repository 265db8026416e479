"""Twenty thousand small commits: opening, committing and the archive's size stay level."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.figures import Bound, Figure, Target
from benchmarks.measure import measure
from benchmarks.programs import environment

__all__ = ["measure_commits"]

COMMITS = 20_000
EDGE = 1_000
LONGEST_SECONDS = 1200.0
LEVEL = 1.5
"""How much more the last may take than the first and still count as level: machines waver."""

MEASURES = {
    "commit_seconds": ("commit", "ms", 1000.0),
    "open_seconds": ("open", "ms", 1000.0),
    "files": ("most files on disk", "", 1.0),
    "octets_a_commit": ("octets on disk a commit", "", 1.0),
}


def measure_commits(bench: Bench) -> Iterator[Figure]:
    """Yield each measure among the last commits against the first.

    :raises ProgramFailed: if commits fail.
    """
    count, edge = COMMITS // bench.divisor, max(EDGE // bench.divisor, 20)
    words = ["-m", "benchmarks.small_commits", "PLACE", str(count), str(edge)]
    command = [sys.executable, *words]
    command[3] = str(bench.places.new("small commits") / "archive")
    with bench.doing(f"{count:,} small commits"):
        ran = measure(command, environment(), longest=LONGEST_SECONDS)
    told = json.loads(ran.output.splitlines()[-1])
    for name, (what, unit, factor) in MEASURES.items():
        first, last = told["first"][name] * factor, told["last"][name] * factor
        yield Figure(
            part="commits",
            work=f"{count:,} small commits: {what}",
            unit=unit,
            ours=last,
            against=f"the first {edge:,}",
            rival=first,
            ratio=last / first,
            target=Target(bound=Bound.MOST, value=LEVEL),
            commands={"commits": " ".join(["python", *words])},
        )
