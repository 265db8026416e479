"""First runs and runs with nothing new, on both accounts and both links, against everybody."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.accounts import AccountSpec
from benchmarks.bench import Bench
from benchmarks.figures import Bound, Figure, Target
from benchmarks.links import LinkSpec, open_link
from benchmarks.measure import ProgramFailed, measure
from benchmarks.parts.rounds import AccountRuns, run_account
from benchmarks.programs import PROGRAMS, Program, Task, environment, ours, shown_command

__all__ = ["compared", "measure_mail"]

FIRST_TARGETS = {"mbsync": 4.0, "mpop": 2.0, "getmail": 20.0}
AGAIN_TARGETS = {"mbsync": 3.0, "mpop": 1.0}
WIRE_TARGET = 2.5
PEAK_TARGET_MIB = 250.0
ROUND_TRIPS_TARGET = 4.0
WORK = {
    ("imap", "first"): "IMAP, whole account",
    ("pop3", "first"): "POP3, whole inbox",
    ("imap", "again"): "IMAP, nothing new",
    ("pop3", "again"): "POP3, nothing new",
}


def measure_mail(bench: Bench, *, kinds: tuple[str, ...]) -> Iterator[Figure]:
    """Yield the figures of fetching mail.

    :param kinds: ``first``, ``again`` or both.
    :raises ProgramFailed: if a program does not do its work.
    """
    peak, everything = 0.0, []
    for account in bench.accounts:
        found = run_account(bench, account, kinds=kinds)
        everything.append(found)
        for spec in bench.links:
            for protocol in ("imap", "pop3"):
                for kind in kinds:
                    yield from compared(found, spec.name, protocol, kind, bench.rounds)
        if "again" in kinds:
            yield from _round_trips(bench, account)
    for found in everything:
        peaks = [run.peak_mib for (_, name, _), runs in found.runs.items() for run in runs if _is_ours(name)]
        peak = max(peak, *peaks)
    if "first" in kinds:
        yield Figure(
            part="memory",
            work="Peak memory of any run above",
            unit="MiB",
            ours=peak,
            target=Target(bound=Bound.MOST, value=PEAK_TARGET_MIB),
            rounds=bench.rounds,
            note="peaks of all processes added up, shared pages counted more than once",
        )


def _is_ours(name: str) -> bool:
    return any(program.is_ours and program.name == name for program in PROGRAMS)


def compared(found: AccountRuns, link: str, protocol: str, kind: str, rounds: int) -> Iterator[Figure]:
    """Yield ours against every other program of a protocol, then against the wire.

    :param kind: ``first`` or ``again``.
    """
    own = ours(protocol)
    mine = found.seconds(link, own, kind)
    median = statistics.median(mine)
    wire = statistics.median(found.wire[link, protocol]) if kind == "first" else None
    common = {
        "part": "first" if kind == "first" else "nothing-new",
        "work": WORK[protocol, kind],
        "unit": "s",
        "ours": median,
        "account": found.account.name,
        "link": link,
        "wire": wire,
        "rounds": rounds,
        "all_ours": mine,
    }
    targets = FIRST_TARGETS if kind == "first" else AGAIN_TARGETS
    for program in PROGRAMS:
        part = found.parts.get((link, program.name))
        if program.is_ours or program.protocol != protocol:
            continue
        if kind == "again" and (part is not None or not program.remembers):
            continue
        theirs = found.seconds(link, program, kind)
        if not theirs:  # it is given a part of the account, and first runs alone have parts
            continue
        target = targets.get(program.name)
        yield Figure(
            **common,  # type: ignore[arg-type]  # the same fields for each
            against=program.name,
            rival=statistics.median(theirs),
            ratio=statistics.median(theirs) / median,
            target=None if target is None else Target(bound=Bound.LEAST, value=target),
            all_rival=theirs,
            commands=_commands(found, link, own, program),
            note="" if part is None else _scaled(program, part),
        )
    if wire:
        yield Figure(
            **common,  # type: ignore[arg-type]  # as above
            against="the wire",
            rival=wire,
            ratio=median / wire,
            target=Target(bound=Bound.MOST, value=WIRE_TARGET),
            all_rival=found.wire[link, protocol],
            commands=_commands(found, link, own),
        )


def _scaled(program: Program, part: AccountSpec) -> str:
    count = part.count if program.protocol == "imap" else part.folders[0].count
    return f"seconds scaled from {count:,} messages"


def _commands(found: AccountRuns, link: str, *programs: Program) -> dict[str, str]:
    """Return how programs were started, for people."""
    return {program.name: shown_command(program, found.tasks[link, program.name]) for program in programs}


def _round_trips(bench: Bench, account: AccountSpec) -> Iterator[Figure]:
    """Yield how often we wait for the server with nothing new, for each folder of an account."""
    spec = LinkSpec(name="counted", round_trip=0.0)
    with open_link(bench.server, spec, counted=True) as link:
        empty = bench.server.add_user(f"{account.name}-empty", "secret")
        for protocol in ("imap", "pop3"):
            program = ours(protocol)
            turns = []
            for user in (empty, account.name):
                task = Task(link=link, user=user, place=bench.places.new("round trips"))
                with bench.doing(f"{user}: counting round trips of {program.name}"):
                    for _ in range(2):
                        link.take_traffic()
                        measure(program.command(task), environment())
                if (traffic := link.take_traffic()) is None or not traffic.connections:
                    raise ProgramFailed("nothing passed the link that counts")
                turns.append(traffic.turns)
            folders = len(account.folders) if protocol == "imap" else 1
            yield Figure(
                part="nothing-new",
                work=f"{WORK[protocol, 'again']}: round trips a folder",
                unit="",
                ours=max(0, turns[1] - turns[0]) / folders,
                account=account.name,
                target=Target(bound=Bound.MOST, value=ROUND_TRIPS_TARGET) if protocol == "imap" else None,
                note=f"{turns[1]} in the whole run, {turns[0]} where the account is empty",
            )
