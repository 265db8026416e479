"""Small messages from octets in memory to committed rows, and attachments to a folder.

Both are our own work alone: no server, no network. The second is the command from cold start,
as in ``delivery``.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator

from benchmarks.accounts import ACCOUNTS
from benchmarks.bench import Bench
from benchmarks.delivery import deliver_to_disk, fill_archive, mail_of
from benchmarks.figures import Bound, Figure, Target
from mailroom.archive import Archive

__all__ = ["measure_indexing"]

MESSAGES_TARGET = 10_000
MEGABYTES_TARGET = 100
COMMAND = "mailroom attachments --archive PLACE --to FOLDER --quiet"


def measure_indexing(bench: Bench) -> Iterator[Figure]:
    """Yield how many messages are indexed a second, and how fast attachments get to a disk.

    :raises ProgramFailed: if not everything is delivered.
    """
    yield _indexed(bench)
    yield _extracted(bench)


def _indexed(bench: Bench) -> Figure:
    account = ACCOUNTS[1].part(bench.divisor)
    with bench.doing(f"making {account.count:,} messages"):
        mail = list(mail_of(account))
    octets = sum(len(message.content) for _, _, message in mail)
    seconds, cpu = [], []
    with bench.doing("indexing them"):
        for _ in range(bench.rounds):
            root = bench.places.new("indexed") / "archive"
            os.sync()
            wall, before = time.perf_counter(), _cpu_seconds()
            fill_archive(root, account, mail)
            seconds.append(time.perf_counter() - wall)
            cpu.append(_cpu_seconds() - before)
    rates = [account.count / one for one in seconds]
    used = statistics.median(cpu)
    return Figure(
        part="indexing",
        work="Messages indexed",
        unit="messages/s",
        ours=statistics.median(rates),
        account=account.name,
        target=Target(bound=Bound.LEAST, value=MESSAGES_TARGET),
        rounds=bench.rounds,
        all_ours=rates,
        note=f"{account.count:,} messages, {octets / 1e6:.0f} MB, in {statistics.median(seconds):.2f} s; "
        f"processor time {used:.2f} s, which is {used / account.count * 1e6:.0f} µs a message, or "
        f"{2 * account.count / used:,.0f} a second on two cores with nothing else to do",
    )


def _extracted(bench: Bench) -> Figure:
    account = ACCOUNTS[0].part(bench.divisor)
    root = bench.places.new("extracted") / "archive"
    with bench.doing("archiving mail with attachments"):
        fill_archive(root, account)
    sizes = Archive(root).read_table("attachments", ["size"])["size"].to_pylist()
    with bench.doing("delivering its attachments to a folder"):
        found = [deliver_to_disk(root) for _ in range(bench.rounds)]
    rates = [sum(sizes) / one.seconds / 1e6 for one in found]
    used = statistics.median(one.cpu_seconds for one in found)
    return Figure(
        part="indexing",
        work="Attachments to a folder",
        unit="MB/s",
        ours=statistics.median(rates),
        account=account.name,
        target=Target(bound=Bound.LEAST, value=MEGABYTES_TARGET),
        rounds=bench.rounds,
        all_ours=rates,
        commands={"mailroom attachments": COMMAND},
        note=f"{len(sizes):,} attachments, {sum(sizes) / 1e6:.0f} MB; processor time {used:.2f} s; "
        f"{sum(sizes) / used / 1e6:.0f} MB for each second of it; at most "
        f"{max(one.peak_mib for one in found):.0f} MiB in memory",
    )


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
