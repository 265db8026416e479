"""Attachments delivered to S3 against a bare concurrent PUT of the same octets to the same server.

The server is moto over HTTP in a process of its own. Ours is a whole process from cold start that reads
the archive, chooses, decodes, checks, puts and records each attachment exactly once; the other has its
files ready and counts from its first PUT.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.accounts import ACCOUNTS
from benchmarks.bench import Bench
from benchmarks.figures import Bound, Figure, Target
from benchmarks.links import LINKS, open_link
from benchmarks.measure import ProgramFailed, measure
from benchmarks.parts.rounds import run_program
from benchmarks.programs import BIN, Task, environment, ours
from tests.support.s3 import S3Server

__all__ = ["measure_s3"]

PART = 4
"""The mail whose attachments are delivered is so much less than the whole ``mixed`` account."""

RATE_TARGET = 0.8
BARE_PUT = Path(__file__).parents[1] / "bare_put.py"


def measure_s3(bench: Bench) -> Iterator[Figure]:
    """Yield the rate of deliveries beside that of bare PUTs.

    :raises ProgramFailed: if either does not deliver everything.
    """
    archive, files = _prepare(bench)
    count, octets = len(files), sum(path.stat().st_size for path in files)
    mine: list[float] = []
    bare: list[float] = []
    cpu: list[float] = []
    command = _command(Path("PLACE"), "s3://BUCKET/attachments")
    with S3Server() as server:
        variables = environment() | server.environment
        for number in range(bench.rounds):
            for is_ours in (True, False) if number % 2 == 0 else (False, True):
                bucket = server.new_bucket()
                if is_ours:
                    with bench.doing(f"delivering {count:,} attachments to S3"):
                        ran = measure(_command(archive, f"s3://{bucket}/attachments"), variables)
                    mine.append(ran.seconds)
                    cpu.append(ran.cpu_seconds)
                    _check(len(server.keys(bucket)), count, "delivered")
                    continue
                words = [sys.executable, str(BARE_PUT), server.endpoint_url, bucket, str(files[0].parent)]
                with bench.doing(f"{count:,} bare PUTs"):
                    told = json.loads(measure(words, variables).output)
                bare.append(told["seconds"])
                _check(told["files"], count, "put")
    median, other = (octets / statistics.median(took) / 1e6 for took in (mine, bare))
    yield Figure(
        part="s3",
        work="Attachments to S3",
        unit="MB/s",
        ours=median,
        account="mixed",
        against="bare PUTs",
        rival=other,
        ratio=median / other,
        target=Target(bound=Bound.LEAST, value=RATE_TARGET),
        rounds=bench.rounds,
        all_ours=[octets / seconds / 1e6 for seconds in mine],
        all_rival=[octets / seconds / 1e6 for seconds in bare],
        commands={"mailroom attachments": " ".join(["mailroom", *command[1:]])},
        note=f"{count:,} attachments, {octets / 1e6:.0f} MB; ours in {statistics.median(mine):.2f} s with "
        f"{statistics.median(cpu):.2f} s of processor time",
    )


def _prepare(bench: Bench) -> tuple[Path, list[Path]]:
    """Return an archive with attachments, and files with the same contents."""
    from mailroom.archive import Archive  # slow to start, and only some parts need it
    from mailroom.message import iter_attachment

    account = ACCOUNTS[0].part(PART * bench.divisor)
    bench.lay_down(account, "attachments")
    with open_link(bench.server, LINKS[0]) as link:
        task = Task(link=link, user="attachments", place=bench.places.new("attachments"))
        run_program(ours("imap"), task, account.count)
    root = task.place / "archive"
    folder = bench.places.new("bare")
    archive = Archive(root)
    rows = archive.read_table("attachments", ["message_sha256", "part"]).to_pylist()
    for number, row in enumerate(rows):
        with archive.raw.mapped(row["message_sha256"]) as message:
            (folder / f"{number:06}").write_bytes(b"".join(iter_attachment(message, row["part"])))
    return root, sorted(folder.iterdir())


def _command(archive: Path, destination: str) -> list[str]:
    words = ["attachments", "--archive", str(archive), "--to", destination, "--json"]
    return [str(BIN / "mailroom"), *words]


def _check(found: int, expected: int, what: str) -> None:
    if found != expected:
        raise ProgramFailed(f"{found:,} of {expected:,} attachments were {what}")
