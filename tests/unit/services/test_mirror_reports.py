"""What mirrors and deliveries tell is small, and can be written as JSON."""

from __future__ import annotations

import json
from dataclasses import fields

from mailroom.services.delivering.delivery_report import DeliveryReport
from mailroom.services.mirroring.mirror_report import MAX_WARNINGS_SUMMED_UP, MirrorReport, MirrorTally


def test_every_count_of_a_mirror_reaches_its_report() -> None:
    """No count that a run keeps is lost on the way to the user."""
    tally = MirrorTally(warnings=["w"], failures=["f"])
    counts = {f.name: number for number, f in enumerate(fields(tally), 1) if f.type == "int"}
    for name, number in counts.items():
        setattr(tally, name, number)
    report = MirrorReport.of("a", tally, interrupted=True)
    for name, number in counts.items():
        if name not in ("steps", "not_there"):  # both tell the run how to go on
            assert getattr(report, name) == report.summary()[name] == number
    assert (report.failures, report.warnings, report.interrupted) == (("f",), ("w",), True)


def test_summary_of_a_mirror_is_small_json() -> None:
    """A thousand warnings do not make a thousand lines in a result."""
    report = MirrorReport(account="a", warnings=tuple(f"w{n}" for n in range(1000)), failures=("f", "g"))
    summary = json.loads(json.dumps(report.summary()))
    assert len(summary["warnings"]) == MAX_WARNINGS_SUMMED_UP
    assert (summary["failed"], summary["interrupted"]) == (2, False)


def test_summary_of_a_delivery_names_paths_in_a_dry_run_only() -> None:
    """Names from mail stay out of results, unless somebody asked to see them."""
    wet = DeliveryReport(account=None, destination="/out", dry_run=False, delivered=3, paths=("a",))
    dry = DeliveryReport(account="a", destination="/out", dry_run=True, chosen=3, paths=("a",))
    assert "paths" not in wet.summary()
    assert "account" not in wet.summary()
    assert json.loads(json.dumps(dry.summary()))["paths"] == ["a"]
