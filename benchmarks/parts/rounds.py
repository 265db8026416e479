"""All programs on one account, interleaved: a first run each, then one with nothing new each.

Who starts changes with the round. Between the two runs of a program lie those of all others, and two
seconds at least: mbsync sleeps until a second has passed since a Maildir folder was changed, and that
is no cost of finding nothing new.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field

from benchmarks.accounts import ACCOUNTS, AccountSpec
from benchmarks.bench import Bench
from benchmarks.links import Link, open_link
from benchmarks.measure import Measured, ProgramFailed, measure
from benchmarks.programs import PASSWORD, PROGRAMS, Program, Task, environment
from benchmarks.wire import drain_imap, drain_pop3

__all__ = ["AccountRuns", "run_account", "run_program", "warm_up"]

SETTLE_SECONDS = 2.0
"""What lies between a first run and the next of the same program, at least."""

SMALLEST_PART = 10
"""Messages of the inbox that a program gets at least."""

WARM_UP_DIVISOR = 400
"""The account that every program fetches once before anything is measured is so much smaller."""


@dataclass(kw_only=True)
class AccountRuns:
    """All that was measured on one account.

    :param runs: by link, program and kind (``first`` or ``again``).
    :param wire: seconds by link and protocol.
    :param parts: how much smaller the account was that a program had on a link.
    :param places: the last place of each program by link.
    """

    account: AccountSpec
    runs: dict[tuple[str, str, str], list[Measured]] = field(default_factory=lambda: defaultdict(list))
    wire: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    parts: dict[tuple[str, str], AccountSpec] = field(default_factory=dict)
    tasks: dict[tuple[str, str], Task] = field(default_factory=dict)

    def seconds(self, link: str, program: Program, kind: str) -> list[float]:
        """Return what each round took; for the whole account, also where only a part was measured.

        What the program takes when it fetches nothing is counted once, the rest for each message.
        """
        first = [run.seconds for run in self.runs[link, program.name, kind]]
        part = self.parts.get((link, program.name))
        if part is None or kind != "first":
            return first
        again = statistics.median(run.seconds for run in self.runs[link, program.name, "again"])
        factor = _expected(program, self.account) / _expected(program, part)
        return [again + max(0.0, seconds - again) * factor for seconds in first]


def warm_up(bench: Bench) -> None:
    """Let every program fetch a few messages, so that byte code is compiled and files are in memory.

    :raises ProgramFailed: if one does not work here.
    """
    account = ACCOUNTS[0].part(WARM_UP_DIVISOR)
    bench.lay_down(account, "warm-up")
    link = Link("loopback", bench.server.imap_port, bench.server.pop3_port)
    for program in PROGRAMS:
        with bench.doing(f"warming up: {program.name}"):
            _first_run(bench, program, link, "warm-up", _expected(program, account))


def run_account(bench: Bench, account: AccountSpec, *, kinds: tuple[str, ...]) -> AccountRuns:
    """Measure all programs on an account over all links.

    :param kinds: ``first``, ``again`` or both; without ``first``, only what has a memory runs.
    :raises ProgramFailed: if a program does not do its work.
    """
    found = AccountRuns(account=account)
    bench.lay_down(account, account.name)
    users = _lay_down_parts(bench, account, found) if "first" in kinds else {}
    # The server learns the sizes of its messages once; who comes first should not pay for that.
    server = bench.server
    for user, part in ((account.name, account), *((u, p) for u, p in users.items())):
        _drain(Link("loopback", server.imap_port, server.pop3_port), user, part)
    with contextlib.ExitStack() as opened:
        links = [opened.enter_context(open_link(server, spec)) for spec in bench.links]
        for number in range(bench.rounds):
            bench.creation.append(bench.places.creation_microseconds())
            for link in links:
                _round(bench, found, link, number, kinds)
    return found


def _lay_down_parts(bench: Bench, account: AccountSpec, found: AccountRuns) -> dict[str, AccountSpec]:
    """Make the smaller accounts that slow programs get; return them by user."""
    users: dict[str, AccountSpec] = {}
    inbox = account.folders[0].count
    for spec in bench.links:
        for program in PROGRAMS:
            wanted = program.part_on(spec.name)
            if wanted is None or (smaller := inbox // max(SMALLEST_PART, wanted // bench.divisor)) < 2:
                continue
            part = account.part(smaller)
            found.parts[spec.name, program.name] = part
            if (user := _part_user(part)) not in users:
                users[user] = part
                bench.lay_down(part, user)
    return users


def _part_user(part: AccountSpec) -> str:
    return f"{part.name}-{part.count}"


def _round(bench: Bench, found: AccountRuns, link: Link, number: int, kinds: tuple[str, ...]) -> None:
    """Run all programs on one link: first runs, the wire, runs with nothing new."""
    start = number % len(PROGRAMS)
    order = [*PROGRAMS[start:], *PROGRAMS[:start]]
    if "first" not in kinds:
        order = [program for program in order if program.remembers and not program.parts]
    where = f"{found.account.name}, {link.name}, round {number + 1}"
    ended: dict[str, float] = {}
    for program in order:
        part = found.parts.get((link.name, program.name))
        user = found.account.name if part is None else _part_user(part)
        with bench.doing(f"{where}: {program.name}"):
            task, ran = _first_run(bench, program, link, user, _expected(program, part or found.account))
        ended[program.name] = time.monotonic()
        found.runs[link.name, program.name, "first"].append(ran)
        found.tasks[link.name, program.name] = task
    if "first" in kinds:
        for protocol, seconds in _drain(link, found.account.name, found.account).items():
            found.wire[link.name, protocol].append(seconds)
    for program in order:
        is_part = (link.name, program.name) in found.parts
        if is_part or (program.remembers and "again" in kinds):
            time.sleep(max(0.0, ended[program.name] + SETTLE_SECONDS - time.monotonic()))
            with bench.doing(f"{where}: {program.name}, nothing new"):
                ran = _run_again(program, found.tasks[link.name, program.name])
            found.runs[link.name, program.name, "again"].append(ran)


def _first_run(bench: Bench, program: Program, link: Link, user: str, expected: int) -> tuple[Task, Measured]:
    """Run a program in a fresh place; where it gave up and is known for that, in another one.

    :raises ProgramFailed: if it fails as often as it may be tried.
    """
    for attempt in range(1, program.attempts + 1):
        task = Task(link=link, user=user, place=bench.places.new(program.name))
        try:
            return task, run_program(program, task, expected)
        except ProgramFailed:
            if attempt == program.attempts:
                raise
    raise AssertionError("a program has one attempt at least")


def run_program(program: Program, task: Task, expected: int) -> Measured:
    """Let a program fetch into its empty place.

    :raises ProgramFailed: if it fails, or does not fetch everything.
    """
    ran = measure(program.command(task), environment())
    if (fetched := program.fetched(task.place)) != expected:
        raise ProgramFailed(f"{program.name} fetched {fetched:,} of {expected:,} messages")
    return ran


def _run_again(program: Program, task: Task) -> Measured:
    before = program.fetched(task.place)
    ran = measure((program.again or program.command)(task), environment())
    if (now := program.fetched(task.place)) != before:
        raise ProgramFailed(f"{program.name} fetched {now - before:,} messages when there was nothing new")
    return ran


def _expected(program: Program, account: AccountSpec) -> int:
    return account.count if program.protocol == "imap" else account.folders[0].count


def _drain(link: Link, user: str, account: AccountSpec) -> dict[str, float]:
    folders = [folder.name for folder in account.folders]
    inbox = account.folders[0]
    os.sync()  # what others wrote does not disturb it
    imap = drain_imap(link.host, link.imap_port, user, PASSWORD, folders)
    pop3 = drain_pop3(link.host, link.pop3_port, user, PASSWORD, inbox.count)
    for (_, received), expected in ((imap, account.octets), (pop3, inbox.octets)):
        if received < 0.95 * expected:
            raise ProgramFailed(f"the wire brought {received:,} octets of {expected:,} of {user}")
    return {"imap": imap[0], "pop3": pop3[0]}
