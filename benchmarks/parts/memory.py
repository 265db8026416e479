"""Peak memory for an account, and for one with ten times the messages."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.accounts import AccountSpec, FolderSpec
from benchmarks.bench import Bench
from benchmarks.figures import Bound, Figure, Target
from benchmarks.links import LINKS, open_link
from benchmarks.parts.rounds import run_program
from benchmarks.programs import Task, ours, shown_command

__all__ = ["measure_memory"]

FEW, MANY = 5_000, 50_000
MESSAGE_OCTETS = 3_950
PEAK_TARGET_MIB = 250.0
GROWTH_TARGET = 1.2
"""How much more ten times the messages may take: what differs between two runs of the same is a tenth."""


def measure_memory(bench: Bench) -> Iterator[Figure]:
    """Yield our peaks on both accounts.

    :raises ProgramFailed: if a run does not do its work.
    """
    accounts = [_account(count // bench.divisor) for count in (FEW, MANY)]
    for account in accounts:
        bench.lay_down(account, account.name)
    with open_link(bench.server, LINKS[0]) as link:
        for protocol in ("imap", "pop3"):
            program = ours(protocol)
            peaks = []
            for account in accounts:
                task = Task(link=link, user=account.name, place=bench.places.new(program.name))
                with bench.doing(f"memory of {program.name} for {account.count:,} messages"):
                    peaks.append(run_program(program, task, account.count).peak_mib)
            work = f"Peak memory, {protocol.upper()}, {accounts[1].count:,} messages"
            yield Figure(
                part="memory",
                work=work,
                unit="MiB",
                ours=peaks[1],
                target=Target(bound=Bound.MOST, value=PEAK_TARGET_MIB),
                commands={program.name: shown_command(program, task)},
            )
            yield Figure(
                part="memory",
                work=work,
                unit="MiB",
                ours=peaks[1],
                against=f"{accounts[0].count:,} messages",
                rival=peaks[0],
                ratio=peaks[1] / peaks[0],
                target=Target(bound=Bound.MOST, value=GROWTH_TARGET),
            )


def _account(count: int) -> AccountSpec:
    inbox = FolderSpec(name="INBOX", count=count, octets=count * MESSAGE_OCTETS)
    return AccountSpec(name=f"memory-{count}", spread=0.5, folders=(inbox,))
