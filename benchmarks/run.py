"""``make bench``: Mailroom, mbsync and mpop side by side on the same server, interleaved, and the wire.

Whole processes from cold start, median of the rounds; a first run into an empty place and
one with nothing new. Writes ``benchmarks/results.json`` and prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.accounts import ACCOUNTS, AccountSpec, messages
from benchmarks.measure import Measured, ProgramFailed, measure
from benchmarks.programs import PASSWORD, PROGRAMS, Program, Task, environment
from benchmarks.wire import drain_imap, drain_pop3
from tests.support.dovecot import Dovecot, DovecotMissing, find_dovecot

RESULTS = Path(__file__).parent / "results.json"
SMALL_DIVISOR = 10

Runs = dict[tuple[str, str], list[Measured]]
"""All runs by program and kind (``first``, ``nothing new``)."""


def main() -> int:
    """Measure what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "--small", action="store_true", help="a tenth of the mail, one round, no results.json"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--account", choices=[account.name for account in ACCOUNTS])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(highlight=False)
    accounts = [a for a in ACCOUNTS if options.account in (None, a.name)]
    if options.small:
        accounts, options.rounds = [account.part(SMALL_DIVISOR) for account in accounts], 1
    try:
        with Dovecot() as server:
            found = {
                account.name: _measure_account(console, server, account, options.rounds)
                for account in accounts
            }
    except (DovecotMissing, ProgramFailed) as failure:
        console.print(str(failure), style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    if not options.small and options.account is None:
        RESULTS.write_text(json.dumps({"machine": _machine(), "accounts": found}, indent=2) + "\n")
        console.print(f"Written to {RESULTS.parent.name}/{RESULTS.name}.")
    return 0


def _measure_account(console: Console, server: Dovecot, account: AccountSpec, rounds: int) -> dict[str, Any]:
    user = server.add_user(account.name, PASSWORD)
    with console.status(f"Laying down {account.count:,} messages"):
        for folder in account.folders:
            server.fill(user, messages(account, folder), folder.name)
        # The server learns the sizes of its messages once; who comes first should not pay for that.
        _drain(server, account)
    runs: Runs = defaultdict(list)
    wire: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        # Who goes first changes with the round.
        order = PROGRAMS[number % len(PROGRAMS) :] + PROGRAMS[: number % len(PROGRAMS)]
        for program in order:
            with console.status(f"{account.name}, round {number + 1}: {program.name}"):
                _run_program(server, user, account, program, runs)
        for protocol, seconds in _drain(server, account).items():
            wire[protocol].append(seconds)
    result = _result(account, runs, wire)
    console.print(_table(account, result))
    return result


def _run_program(server: Dovecot, user: str, account: AccountSpec, program: Program, runs: Runs) -> None:
    expected = account.count if program.protocol == "imap" else account.folders[0].count
    place = Path(tempfile.mkdtemp(prefix="mailroom-bench-"))
    try:
        command = program.command(Task(server=server, user=user, place=place))
        for kind in ("first", "nothing new"):
            runs[program.name, kind].append(measure(command, environment()))
            if (fetched := program.fetched(place)) != expected:
                raise ProgramFailed(f"{program.name} fetched {fetched:,} of {expected:,} messages")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _drain(server: Dovecot, account: AccountSpec) -> dict[str, float]:
    folders = [folder.name for folder in account.folders]
    inbox = account.folders[0]
    imap = drain_imap(server.host, server.imap_port, account.name, PASSWORD, folders)
    pop3 = drain_pop3(server.host, server.pop3_port, account.name, PASSWORD, inbox.count)
    for (_, received), expected in ((imap, account.octets), (pop3, inbox.octets)):
        if received < 0.95 * expected:
            raise ProgramFailed(f"the wire brought {received:,} octets of {expected:,} of {account.name}")
    return {"imap": imap[0], "pop3": pop3[0]}


def _result(account: AccountSpec, runs: Runs, wire: dict[str, list[float]]) -> dict[str, Any]:
    programs = []
    for program in PROGRAMS:
        entry: dict[str, Any] = {"name": program.name, "protocol": program.protocol}
        for kind in ("first", "nothing new"):
            found = runs[program.name, kind]
            entry[kind] = {
                "seconds": round(statistics.median(run.seconds for run in found), 3),
                "all_seconds": [round(run.seconds, 3) for run in found],
                "peak_mib": round(max(run.peak_mib for run in found), 1),
            }
        programs.append(entry)
    return {
        "messages": account.count,
        "octets": account.octets,
        "inbox_messages": account.folders[0].count,
        "wire_seconds": {name: round(statistics.median(values), 3) for name, values in wire.items()},
        "programs": programs,
    }


def _table(account: AccountSpec, result: dict[str, Any]) -> Table:
    title = f"{account.name}: {account.count:,} messages, {account.octets / 1e6:.0f} MB"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for name in ("first run", "beside ours", "nothing new", "beside ours", "peak memory"):
        table.add_column(name, justify="right")
    ours = {p["protocol"]: p for p in reversed(result["programs"]) if p["name"].startswith("mailroom")}
    for entry in result["programs"]:
        own = ours[entry["protocol"]]
        cells = []
        for kind in ("first", "nothing new"):
            seconds = entry[kind]["seconds"]
            cells += [f"{seconds:.2f} s", f"{seconds / own[kind]['seconds']:.2f} x"]
        what = "whole account" if entry["protocol"] == "imap" else "inbox"
        table.add_row(f"{entry['name']} ({what})", *cells, f"{entry['first']['peak_mib']:.0f} MiB")
    for protocol, seconds in result["wire_seconds"].items():
        ratio = seconds / ours[protocol]["first"]["seconds"]
        table.add_row(f"the wire, {protocol.upper()}", f"{seconds:.2f} s", f"{ratio:.2f} x", style="dim")
    return table


def _machine() -> dict[str, Any]:
    said = subprocess.run([find_dovecot(), "--version"], check=True, capture_output=True, text=True).stdout
    return {
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "dovecot": said.split()[0],
        "mbsync": _version("mbsync"),
        "mpop": _version("mpop"),
    }


def _version(program: str) -> str:
    ran = subprocess.run([program, "--version"], check=False, capture_output=True, text=True)
    return (ran.stdout or ran.stderr).splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
