"""Twenty thousand small commits: opening, committing and the archive's size stay level."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

from benchmarks.bench import Bench
from benchmarks.figures import Bound, Figure, Target
from benchmarks.measure import ProgramFailed
from benchmarks.programs import environment

__all__ = ["measure_commits"]

COMMITS = 20_000
EDGE = 1_000
LONGEST_SECONDS = 1200.0
LEVEL = 1.5
"""How much more the last may take than the first and still count as level: machines waver."""

MEASURES = {
    "commit_seconds": ("processor time of a commit", "ms", 1000.0),
    "open_seconds": ("processor time to open", "ms", 1000.0),
    "files": ("most files on disk", "", 1.0),
    "octets_a_commit": ("octets on disk a commit", "", 1.0),
}


def measure_commits(
    bench: Bench, beside: Callable[[Bench], Iterator[Figure]] | None = None
) -> Iterator[Figure]:
    """Yield each measure among the last commits against the first.

    :param beside: a part that looks at nothing that takes longer on a busy machine; its figures come first.
    :raises ProgramFailed: if commits fail.
    """
    count, edge = COMMITS // bench.divisor, max(EDGE // bench.divisor, 20)
    words = ["-m", "benchmarks.small_commits", "PLACE", str(count), str(edge)]
    command = [sys.executable, *words]
    command[3] = str(bench.places.new("small commits") / "archive")
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment(), text=True
    ) as process:
        try:
            if beside is not None:
                yield from beside(bench)
            with bench.doing(f"{count:,} small commits"):
                said, _ = process.communicate(timeout=LONGEST_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ProgramFailed(
                f"{count:,} small commits took longer than {LONGEST_SECONDS:.0f} s"
            ) from error
        finally:
            process.kill()  # whatever came in between
    if process.returncode != 0:
        raise ProgramFailed(f"{count:,} small commits ended with status {process.returncode}")
    told = json.loads(said.splitlines()[-1])
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
