"""Deleting 10,000 messages from a server, each of them proved first, by the command as a user runs it.

The time is that of the whole process: every message is asked who it is, its archived bytes are read back
and hashed, and each deletion is written down before and after.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterator

from benchmarks.accounts import AccountSpec, FolderSpec
from benchmarks.bench import Bench
from benchmarks.figures import Bound, Figure, Target
from benchmarks.links import LINKS, Link, open_link
from benchmarks.measure import Measured, ProgramFailed, measure
from benchmarks.parts.rounds import run_program
from benchmarks.programs import BIN, Task, environment, ours

__all__ = ["measure_retention"]

MESSAGES = 10_000
MESSAGE_OCTETS = 3_950
TARGET_SECONDS = 20.0

OLDER_THAN = {"imap": "30d", "pop3": "0d"}
"""By IMAP days count from arrival, which is years ago; by POP3 from archiving, which was just now."""


def measure_retention(bench: Bench) -> Iterator[Figure]:
    """Yield what deleting takes by each protocol.

    :raises ProgramFailed: if a run does not delete everything.
    """
    count = MESSAGES // bench.divisor
    with open_link(bench.server, LINKS[0]) as link:
        for protocol in OLDER_THAN:
            runs = [_run(bench, link, protocol, number, count) for number in range(bench.rounds)]
            seconds = [run.seconds for run in runs]
            yield Figure(
                part="retention",
                work=f"Delete {count:,} messages, {protocol.upper()}",
                unit="s",
                ours=statistics.median(seconds),
                all_ours=seconds,
                link=link.name,
                target=Target(bound=Bound.MOST, value=TARGET_SECONDS),
                rounds=len(runs),
                commands={"mailroom retention": " ".join(["mailroom", *_words("PLACE", "URL", protocol)])},
                note=f"each proved first: asked who it is, archived bytes read back; processor time "
                f"{statistics.median(run.cpu_seconds for run in runs):.2f} s, peak "
                f"{max(run.peak_mib for run in runs):.0f} MiB; the load was {os.getloadavg()[0]:.0f}",
            )


def _run(bench: Bench, link: Link, protocol: str, number: int, count: int) -> Measured:
    """Fill an account, archive it, and delete everything in it."""
    inbox = FolderSpec(name="INBOX", count=count, octets=count * MESSAGE_OCTETS)
    account = AccountSpec(name=f"retention-{protocol}-{number}", spread=0.5, folders=(inbox,))
    bench.lay_down(account, account.name)
    task = Task(link=link, user=account.name, place=bench.places.new(account.name))
    with bench.doing(f"archiving {count:,} messages by {protocol.upper()}"):
        run_program(ours(protocol), task, count)
    port = link.imap_port if protocol == "imap" else link.pop3_port
    url = f"{protocol}://{account.name}@{link.host}:{port}"
    command = [str(BIN / "mailroom"), *_words(str(task.place / "archive"), url, protocol)]
    with bench.doing(f"deleting {count:,} messages by {protocol.upper()}"):
        found = measure([*command, "--account", account.name, "--json"], environment())
    deleted = json.loads(found.output.splitlines()[-1])["deleted"]
    if deleted != count:
        raise ProgramFailed(f"mailroom retention deleted {deleted:,} of {count:,} messages")
    return found


def _words(archive: str, url: str, protocol: str) -> list[str]:
    return ["retention", url, "--archive", archive, "--older-than", OLDER_THAN[protocol]]
