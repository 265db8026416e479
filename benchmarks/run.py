"""``make bench``: Mailroom and everybody else side by side on the same servers, interleaved.

Whole processes from cold start, medians of the rounds. A complete measurement writes
``benchmarks/results.json`` and the table of ``docs/performance.md``; parts only print theirs, unless
``--output benchmarks/results.json`` puts their figures in the place of those of before.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks import page
from benchmarks.accounts import ACCOUNTS, AccountSpec
from benchmarks.bench import Bench
from benchmarks.figures import Figure
from benchmarks.links import LINKS, LinkSpec
from benchmarks.measure import ProgramFailed
from benchmarks.parts.commits import measure_commits
from benchmarks.parts.indexing import measure_indexing
from benchmarks.parts.mail import measure_mail
from benchmarks.parts.memory import measure_memory
from benchmarks.parts.million import measure_million
from benchmarks.parts.retention import measure_retention
from benchmarks.parts.rounds import warm_up
from benchmarks.parts.s3 import measure_s3
from benchmarks.places import Places
from benchmarks.programs import require_programs
from benchmarks.report import RESULTS, merged, results_of, tables_of, write_results
from tests.support.dovecot import DovecotMissing

__all__ = ["main"]

SMALL_DIVISOR = 50
OTHER_OCTETS = 6_000_000_000
"""What all parts but the first need on the disk, about."""

WIDTH = 160
"""Columns of the table where no terminal says how many there are."""

MAIL = ("first", "nothing-new")

PARTS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "indexing": measure_indexing,
    "million": measure_million,
    "commits": measure_commits,
    "memory": measure_memory,
    "s3": measure_s3,
    "retention": measure_retention,
}
"""The parts beside fetching. From commits on files are deleted, which slows the creation of others; what
comes after them measures memory, which goes on beside the commits, and what a server that holds everything
in memory takes."""


def main() -> int:
    """Measure what the command line asks for; return the exit status."""
    options = _options()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users do not compile every module at every start
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    started = time.monotonic()
    try:
        with Places(options.place, _room(options)) as places:
            figures, creation = _measure(console, options, places)
            _publish(console, options, figures, creation, time.monotonic() - started)
            console.print("Removing what was fetched; this takes a minute or two after all programs.")
    except (DovecotMissing, ProgramFailed) as failure:
        console.print(str(failure), style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _publish(
    console: Console,
    options: argparse.Namespace,
    figures: Sequence[Figure],
    creation: Sequence[float],
    seconds: float,
) -> None:
    """Print the figures, and keep them where they are complete or that is asked for."""
    results = results_of(
        figures, rounds=options.rounds, seconds=seconds, creation=creation, command=_command(sys.argv[1:])
    )
    console.print(tables_of(results))
    is_complete = not (options.small or options.only or options.account or options.link)
    path = options.output or (RESULTS if is_complete else None)
    if path is not None:
        if not is_complete and path.exists():
            results = merged(json.loads(path.read_text()), results)
        write_results(results, path)
        console.print(f"Written to {path}.", markup=False)
    if path is not None and path.absolute() == RESULTS:
        page.main()


def _command(words: Sequence[str]) -> str:
    """Return how this was started, without the folders of this machine."""
    shown = [Path(word).name if word.startswith("/") else word for word in words]
    return " ".join(["make bench", *(["ARGS=" + " ".join(shown)] if shown else [])])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "--small", action="store_true", help="a fiftieth of everything, one round: only checks that it runs"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=[*MAIL, *PARTS], help="this part; may be repeated")
    parser.add_argument("--account", choices=[account.name for account in ACCOUNTS])
    parser.add_argument("--link", choices=[link.name for link in LINKS])
    parser.add_argument("--place", type=Path, help="folder with room for all that is fetched")
    parser.add_argument(
        "--output", type=Path, help="where results go; those of a part take its place in what is there"
    )
    options = parser.parse_args()
    options.rounds = 1 if options.small else options.rounds
    return options


def _accounts(options: argparse.Namespace) -> tuple[AccountSpec, ...]:
    divisor = SMALL_DIVISOR if options.small else 1
    return tuple(a.part(divisor) for a in ACCOUNTS if options.account in (None, a.name))


def _links(options: argparse.Namespace) -> tuple[LinkSpec, ...]:
    return tuple(link for link in LINKS if options.link in (None, link.name))


def _is_on_mail(options: argparse.Namespace) -> bool:
    return not options.only or bool({*MAIL} & {*options.only})


def _room(options: argparse.Namespace) -> int:
    """Return how many octets on the disk the parts need that are asked for, about."""
    room = OTHER_OCTETS // (SMALL_DIVISOR if options.small else 1)
    if _is_on_mail(options):
        room += sum(map(_octets, _accounts(options))) * len(_links(options)) * options.rounds
    return room


def _measure(
    console: Console, options: argparse.Namespace, places: Places
) -> tuple[list[Figure], list[float]]:
    """Run the parts asked for; return the figures, and how fast files could be created meanwhile."""
    wanted = options.only or [*MAIL, *PARTS]
    if _is_on_mail(options):
        require_programs()
    figures: list[Figure] = []
    bench = Bench(
        console=console,
        places=places,
        accounts=_accounts(options),
        links=_links(options),
        rounds=options.rounds,
        divisor=SMALL_DIVISOR if options.small else 1,
    )
    parts = {name: part for name, part in PARTS.items() if name in wanted}
    if "commits" in parts and "memory" in parts:
        parts["commits"] = partial(measure_commits, beside=parts.pop("memory"))
    with bench.resources:
        if _is_on_mail(options):
            warm_up(bench)
            names = {"first": "first", "nothing-new": "again"}
            figures += measure_mail(bench, kinds=tuple(names[name] for name in MAIL if name in wanted))
        for part in parts.values():
            figures += part(bench)
    return figures, bench.creation


def _octets(account: AccountSpec) -> int:
    """Return what the copies of one account need that all programs leave on one link in one round."""
    block = 4096
    return 6 * (account.octets + account.count * block)


if __name__ == "__main__":
    sys.exit(main())
