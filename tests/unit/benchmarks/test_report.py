"""What figures say, and that the page says the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.figures import Bound, Figure, Target
from benchmarks.report import PAGE, RESULTS, merged, page_with, results_of

EMPTY = page_with(None, PAGE.read_text())


def figure(**values: Any) -> Figure:
    return Figure(**{"part": "first", "work": "IMAP, whole account", "unit": "s", "ours": 2.0} | values)


def results(*figures: Figure) -> dict[str, Any]:
    return results_of(figures, rounds=3, seconds=600.0, creation=[14.0], command="make bench")


@pytest.mark.parametrize(
    ("bound", "ratio", "is_met"),
    [
        (Bound.LEAST, 4.0, True),
        (Bound.LEAST, 3.99, False),
        (Bound.MOST, 4.0, True),
        (Bound.MOST, 4.01, False),
    ],
)
def test_a_ratio_is_held_against_its_target(bound: Bound, ratio: float, is_met: bool) -> None:
    """At least and at most include the value itself, and nothing is rounded towards it."""
    assert figure(ratio=ratio, target=Target(bound=bound, value=4.0)).is_met is is_met


def test_a_value_without_ratio_is_held_against_its_target_itself() -> None:
    """Memory and round trips are compared with nobody."""
    target = Target(bound=Bound.MOST, value=250.0)
    assert figure(ours=249.0, unit="MiB", target=target).is_met is True
    assert figure(ours=251.0, unit="MiB", target=target).is_met is False


def test_a_figure_without_target_is_neither_met_nor_missed() -> None:
    """Rivals for whom nothing was promised are shown all the same."""
    assert figure(against="fdm", rival=9.0, ratio=4.5).is_met is None


def test_results_name_everything_that_a_reader_needs() -> None:
    """Ours, rival, wire, ratio, target, whether it is met, unit, versions, rounds and command."""
    target = Target(bound=Bound.LEAST, value=4.0)
    made = figure(against="mbsync", rival=9.0, wire=0.5, ratio=4.5, target=target, rounds=3)
    said = results(made)["figures"][0]
    assert said["ours"] == 2.0
    assert said["rival"] == 9.0
    assert said["wire"] == 0.5
    assert said["ratio"] == 4.5
    assert said["target"] == {"bound": "at least", "value": 4.0}
    assert said["met"] is True
    assert said["unit"] == "s"
    assert said["rounds"] == 3
    assert {"airflow-mailroom", "python"} <= said["versions"].keys()
    assert json.loads(json.dumps(said)) == said


def test_the_page_shows_each_figure_and_its_note_once() -> None:
    """A scaled value is never shown without saying so."""
    note = "seconds scaled from 200 messages"
    made = [figure(against=name, rival=9.0, ratio=4.5, note=note) for name in ("fdm", "getmail")]
    page = page_with(results(*made), EMPTY)
    assert "| IMAP, whole account (1) |  | 2.00 s | fdm | 9.00 s | 4.50 × |  |  |" in page
    assert "| IMAP, whole account (1) |  | 2.00 s | getmail | 9.00 s |" in page
    assert page.count("Seconds scaled from 200 messages.") == 1


def test_a_part_takes_the_place_of_its_earlier_figures() -> None:
    """Those of other parts stay, and the page says what was measured later."""
    before = results(figure(), figure(part="memory", work="Peak"))
    now = results_of(
        [figure(part="memory", work="Peak", ours=3.0)],
        rounds=1,
        seconds=5.0,
        creation=[],
        command="make bench ARGS=--only memory",
    )
    found = merged(merged(before, now), now)
    assert [(each["part"], each["ours"]) for each in found["figures"]] == [("first", 2.0), ("memory", 3.0)]
    assert (found["taken"]["rounds"], found["taken"]["later"]) == (3, ["make bench ARGS=--only memory"])
    assert "Later, of some parts: `make bench ARGS=--only memory`." in page_with(found, EMPTY)


def test_figures_are_replaced_and_prose_stays() -> None:
    """Writing the page twice gives the same page, whatever stood there."""
    page = page_with(results(figure(against="fdm")), EMPTY)
    assert page_with(results(figure(against="fdm")), page) == page
    assert page_with(None, page) == EMPTY


def test_page_and_results_agree() -> None:
    """What a user reads is what was measured."""
    measured = json.loads(RESULTS.read_text()) if RESULTS.exists() else None
    assert page_with(measured, PAGE.read_text()) == PAGE.read_text()


def test_a_page_without_markers_is_refused() -> None:
    """Figures written to the wrong place would be lost."""
    with pytest.raises(ValueError, match="lacks"):
        page_with(None, "# Performance\n")
