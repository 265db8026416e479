"""Figures for people and programs: a table on the terminal, ``results.json``, a table for the page."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Group
from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.rivals import program_versions

__all__ = ["PAGE", "RESULTS", "merged", "page_with", "results_of", "tables_of", "write_results"]

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"

BEGIN, END = "<!-- figures: written by make bench -->", "<!-- end of figures -->"
HEADER = ("work", "on", "ours", "compared with", "theirs", "ratio", "target", "met")
NOT_YET = "No figures yet: `make bench` takes them and writes them here.\n"


def results_of(
    figures: Sequence[Figure], *, rounds: int, seconds: float, creation: Sequence[float], command: str
) -> dict[str, Any]:
    """Return everything that is to be known of a measurement."""
    versions = program_versions() | {"python": platform.python_version()}
    return {
        "taken": {
            "command": command,
            "rounds": rounds,
            "seconds": round(seconds),
            "cores": len(os.sched_getaffinity(0)),
            "system": f"{platform.system()} {platform.machine()}",
            "versions": versions,
            "file_creation_microseconds": [round(value, 1) for value in creation],
        },
        "figures": [figure.as_json(versions) for figure in figures],
    }


def merged(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Return earlier results in which the parts that were measured now have the figures of now."""
    parts = {figure["part"] for figure in now["figures"]}
    kept = [figure for figure in before["figures"] if figure["part"] not in parts]
    later = [*before["taken"].get("later", ()), now["taken"]["command"]]
    taken = {**before["taken"], "later": list(dict.fromkeys(later))}
    return {"taken": taken, "figures": [*kept, *now["figures"]]}


def write_results(results: dict[str, Any], path: Path) -> None:
    """Write ``results.json``."""
    path.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")


def tables_of(results: dict[str, Any]) -> Group:
    """Return the figures for a terminal, what has to be said about them below."""
    table = Table(title="Mailroom side by side", title_justify="left", title_style="bold")
    for name in HEADER:
        justify: Literal["left", "right"] = "right" if name in {"ours", "theirs", "ratio"} else "left"
        table.add_column(name, justify=justify, no_wrap=True)
    before = None
    notes: list[str] = []
    for figure in results["figures"]:
        place = (figure["part"], figure["account"], figure["link"])
        if before not in (None, place):
            table.add_section()
        before = place
        table.add_row(*_cells(figure, notes), style="red" if figure["met"] is False else None)
    return Group(table, *(f"({number}) {note}" for number, note in enumerate(notes, 1)))


def page_with(results: dict[str, Any] | None, page: str) -> str:
    """Return the page with the figures between its markers replaced.

    :raises ValueError: if the page has no such markers.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks {BEGIN} … {END}")
    return f"{head}{BEGIN}\n\n{_markdown(results) if results else NOT_YET}\n{END}{tail}"


def _markdown(results: dict[str, Any]) -> str:
    taken = results["taken"]
    versions = ", ".join(f"{name} {version}" for name, version in taken["versions"].items())
    later = "".join(f" Later, of some parts: `{command}`." for command in taken.get("later", ()))
    lines = [
        f"`{taken['command']}`: {taken['rounds']} rounds in {taken['seconds'] / 60:.0f} minutes on "
        f"{taken['cores']} cores ({taken['system']}); {versions}.{later}",
        "",
        f"| {' | '.join(HEADER)} |",
        f"| {' | '.join('---' for _ in HEADER)} |",
    ]
    notes: list[str] = []
    for figure in results["figures"]:
        lines.append(f"| {' | '.join(_cells(figure, notes))} |")
    lines += [""] + [f"{number}. {note[:1].upper()}{note[1:]}." for number, note in enumerate(notes, 1)]
    return "\n".join(lines).rstrip() + "\n"


def _cells(figure: dict[str, Any], notes: list[str]) -> tuple[str, ...]:
    """Return the cells of one figure; its note is numbered and gathered."""
    work, unit, ratio = figure["work"], figure["unit"], figure["ratio"]
    if note := figure["note"]:
        if note not in notes:
            notes.append(note)
        work += f" ({notes.index(note) + 1})"
    return (
        work,
        ", ".join(word for word in (figure["account"], figure["link"]) if word),
        _with_unit(figure["ours"], unit),
        figure["against"],
        "" if figure["rival"] is None else _with_unit(figure["rival"], unit),
        "" if ratio is None else f"{ratio:.2f} ×",
        _target(figure),
        {True: "yes", False: "no", None: ""}[figure["met"]],
    )


def _target(figure: dict[str, Any]) -> str:
    target = figure["target"]
    if target is None:
        return ""
    value = (
        f"{target['value']:g} ×" if figure["ratio"] is not None else f"{target['value']:g} {figure['unit']}"
    )
    return f"{target['bound']} {value}".strip()


def _with_unit(value: float, unit: str) -> str:
    digits = 2 if abs(value) < 100 else 0
    return f"{value:,.{digits}f} {unit}".strip()
