"""Killing the command at random moments, and looking at what it left."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mailroom.archive import Archive
from tests.integration.runs import raw_digests
from tests.support.command import SYNCING, Finished, SystemCall, kill_after, run_command
from tests.support.mail import make_message, message_of_size

__all__ = ["digests_of", "kill_again_and_again", "settled", "small_mail", "unsynced_writes"]

CHANCE = random.Random(20261120)
"""The moments are the same in each run of the tests, as far as the machine is."""

EARLIEST = 0.4
"""The share of a whole run before which the command has hardly connected."""


def small_mail(start: int, count: int) -> list[bytes]:
    """Return messages that are all different, one in forty of them large."""
    return [
        message_of_size(40_000 + number, seed=str(number))
        if number % 40 == 7
        else make_message(subject=f"Mensaje {number}", text=f"Texto {number}\n" * (1 + number % 40))
        for number in range(start, start + count)
    ]


def kill_again_and_again(
    arguments: list[str], refill: Callable[[int], None], check: Callable[[], None], *, rounds: int
) -> int:
    """Give the command work and kill it at a random moment, round after round; then let it finish.

    The first round is not killed: it tells how long a run takes.

    :param refill: makes new work for the round of that number.
    :param check: looks at what a kill left.
    :return: how many rounds were killed before they had finished.
    """
    killed = 0
    refill(0)
    whole = _finished(arguments)
    for number in range(1, rounds + 1):
        refill(number)
        finished = kill_after(CHANCE.uniform(EARLIEST, 1.1) * whole.seconds, *arguments)
        killed += finished.was_killed
        if not finished.was_killed:  # the machine has become faster, and the moments are too late
            whole = finished
        check()
    _finished(arguments)
    check()
    return killed


def _finished(arguments: list[str]) -> Finished:
    finished = run_command(*arguments)
    assert finished.status == 0, finished.err
    return finished


def settled(root: Path) -> dict[str, Counter[str]]:
    """Return for each digest of ``messages`` how often each change was recorded; every object checked.

    Asserts that no message is stored twice, and that each stored one has its bytes.
    """
    archive = Archive(root)
    if not (root / "tables" / "messages").exists():
        return {}
    digests = archive.read_table("messages", columns=["sha256"])["sha256"].to_pylist()
    assert len(digests) == len(set(digests)), "a message is stored twice"
    assert set(digests) <= raw_digests(root), "a row has no bytes"
    found: dict[str, Counter[str]] = {digest: Counter() for digest in digests}
    for row in archive.read_table("locations", columns=["sha256", "change"]).to_pylist():
        found[row["sha256"]][row["change"]] += 1
    return found


def digests_of(messages: list[bytes]) -> set[str]:
    """Return the names of these messages in an archive."""
    return {hashlib.sha256(content).hexdigest() for content in messages}


def unsynced_writes(calls: list[SystemCall], root: Path, command: str) -> list[str] | None:
    """Return the files of an archive that were written but not synced when ``command`` was first sent.

    :return: None where the command was never sent. What was deleted again meanwhile does not count.
    """
    dirty: dict[str, str] = {}
    for call in calls:
        if call.name in ("write", "writev", "sendto", "sendmsg") and not call.path.startswith(str(root)):
            if command in call.arguments:
                return sorted(dirty)
        elif call.result.startswith("-1"):
            continue
        elif call.name in ("syncfs", "sync"):
            dirty.clear()
        elif call.name in SYNCING:
            dirty.pop(call.path, None)
        elif call.path.startswith(str(root)) and call.name in ("write", "writev"):
            dirty[call.path] = call.name
    return None
