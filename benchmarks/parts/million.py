"""A folder of a million known messages with nothing new: our own processor time, and memory.

The state is made, not fetched; the server is a script that answers as Dovecot would. Three cases: STATUS
says that nothing changed; one flag changed; a server that does not count changes, so that all flags are
listed and compared.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures import Bound, Figure, Target
from benchmarks.measure import Measured, ProgramFailed, measure
from benchmarks.programs import BIN, environment
from benchmarks.scripted_imap import State

__all__ = ["measure_million"]

MESSAGES = 1_000_000
CPU_TARGET_SECONDS = 2.0
PEAK_TARGET_MIB = 600.0
SERVER = Path(__file__).parents[1] / "scripted_imap.py"

CASES = ("unchanged by STATUS", "one flag changed", "flags listed, no CONDSTORE")
PROMISED = CASES[:2]


def measure_million(bench: Bench) -> Iterator[Figure]:
    """Yield processor time and memory of each case.

    :raises ProgramFailed: if a run does not do what its case is about.
    """
    state = State(messages=MESSAGES // bench.divisor, uid_validity=7, modseq=5000)
    archive = bench.places.new("huge archive")
    with bench.doing(f"making an archive that knows {state.messages:,} messages"):
        told = json.dumps(dataclasses.asdict(state))
        measure([sys.executable, "-m", "benchmarks.huge_archive", str(archive), told], environment())
    runs: dict[str, list[Measured]] = {case: [] for case in CASES}
    for number in range(1, bench.rounds + 1):
        runs[CASES[0]].append(_run(bench, archive, state, flags=0, unchanged=1))
        state = dataclasses.replace(state, modseq=state.modseq + 1, changed=number)
        runs[CASES[1]].append(_run(bench, archive, state, flags=1, unchanged=0))
    # Its HIGHESTMODSEQ is lost to the archive with this, so it comes last.
    uncounted = dataclasses.replace(state, counts=False)
    runs[CASES[2]].append(_run(bench, archive, uncounted, flags=0, unchanged=0))
    for case in CASES:
        cpu = [run.cpu_seconds for run in runs[case]]
        peak = [run.peak_mib for run in runs[case]]
        work = f"{state.messages:,} known messages, {case}"
        wall = statistics.median(run.seconds for run in runs[case])
        yield Figure(
            part="million",
            work=f"{work}: own time",
            unit="s",
            ours=statistics.median(cpu),
            all_ours=cpu,
            target=_target(case, CPU_TARGET_SECONDS),
            rounds=len(cpu),
            commands={"mailroom mirror": " ".join(["mailroom", *_command(Path("PLACE"), 143)[1:]])},
            note=f"processor time of the whole process, which took {wall:.2f} s",
        )
        yield Figure(
            part="million",
            work=f"{work}: memory",
            unit="MiB",
            ours=max(peak),
            all_ours=peak,
            target=_target(case, PEAK_TARGET_MIB),
            rounds=len(peak),
        )


def _target(case: str, value: float) -> Target | None:
    return Target(bound=Bound.MOST, value=value) if case in PROMISED else None


def _command(archive: Path, port: int) -> list[str]:
    words = [
        "mirror",
        f"imap://huge@127.0.0.1:{port}",
        "--archive",
        str(archive),
        "--account",
        "huge",
        "--json",
    ]
    return [str(BIN / "mailroom"), *words]


def _run(bench: Bench, archive: Path, state: State, *, flags: int, unchanged: int) -> Measured:
    with _server(state) as port, bench.doing(f"{state.messages:,} known messages, modseq {state.modseq}"):
        ran = measure(_command(archive, port), environment())
    report = json.loads(ran.output[ran.output.index("{") :])
    if report["added"] or report["unchanged"] != unchanged or (report["flags"] != flags and state.counts):
        raise ProgramFailed(f"a run on {state.messages:,} known messages did something else: {ran.output}")
    return ran


@contextlib.contextmanager
def _server(state: State) -> Iterator[int]:
    words = [sys.executable, str(SERVER), json.dumps(dataclasses.asdict(state))]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.stdin.close()
