"""Attachments delivered to S3 against a bare concurrent PUT of the same octets to the same server.

How both are done is in ``delivery``; here it becomes figures.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.accounts import ACCOUNTS
from benchmarks.bench import Bench
from benchmarks.delivery import fill_archive, measure_delivery
from benchmarks.figures import Bound, Figure, Target

__all__ = ["measure_s3"]

RATE_TARGET = 0.8
COMMAND = "mailroom attachments --archive PLACE --to s3://BUCKET/out --quiet"


def measure_s3(bench: Bench) -> Iterator[Figure]:
    """Yield the rate of deliveries beside that of bare PUTs.

    :raises ProgramFailed: if either does not deliver everything.
    """
    root = bench.places.new("attachments") / "archive"
    with bench.doing("archiving mail with attachments"):
        fill_archive(root, ACCOUNTS[0].part(bench.divisor))
    with bench.doing("delivering its attachments to S3"):
        found = measure_delivery(root, bench.rounds)
    mine, bare = ([found.octets / one.seconds / 1e6 for one in side] for side in (found.ours, found.bare))
    took = statistics.median(one.seconds for one in found.ours)
    cpu = statistics.median(one.cpu_seconds for one in found.ours)
    server = statistics.median(one.server_cpu_seconds for one in found.ours)
    yield Figure(
        part="s3",
        work="Attachments to S3",
        unit="MB/s",
        ours=statistics.median(mine),
        account="mixed",
        against="bare PUTs",
        rival=statistics.median(bare),
        ratio=found.ratio,
        target=Target(bound=Bound.LEAST, value=RATE_TARGET),
        rounds=bench.rounds,
        all_ours=mine,
        all_rival=bare,
        commands={"mailroom attachments": COMMAND, "bare PUTs": f"16 at once, {found.client}"},
        note=f"{found.count:,} attachments, {found.octets / 1e6:.0f} MB in {took:.2f} s, of which "
        f"{found.start_seconds:.2f} s to start; processor time {cpu:.2f} s, of the server {server:.2f} s; "
        f"ratio without the start {found.ratio_without_start:.2f}",
    )
