"""What a restore says: failures for what was not taken, warnings for what was altered."""

from __future__ import annotations

import json

import numpy as np

from mailroom.services.restoring.looks import Presence
from mailroom.services.restoring.restore_report import (
    MAX_EXAMPLES,
    FolderRestore,
    RestoreReport,
    RestoreTally,
)


def test_altered_messages_warn_and_refused_ones_fail() -> None:
    """What came back altered is there; what was not taken is not."""
    folder = FolderRestore(
        folder="A", target="B", alterations={"internal date": 3}, refused={"no": 1, "never": 2}
    )
    report = RestoreReport(account="a", target="t", folders=(folder,))
    assert report.failures == ("3 messages were not taken into folder 'B': no: 1; never: 2.",)
    assert report.warnings == (
        "Folder 'B': the server shows restored messages otherwise: internal date of 3.",
    )


def test_message_that_was_there_with_other_bytes_is_told() -> None:
    """It was taken for the archived one, so somebody should know."""
    folder = FolderRestore(folder="A", target="A", already=1, altered_before=1)
    (warning,) = RestoreReport(account="a", target="t", folders=(folder,)).warnings
    assert "1 messages were there already, stored by the server in its own way" in warning


def test_message_that_counts_for_its_header_is_named() -> None:
    """Its contents are others: whoever is to trust that looks it up by both names."""
    tally = RestoreTally(folder="A", target="A")
    tally.plan(Presence(uids=np.array([7, 0]), alike={0: "ab" * 32}))
    report = RestoreReport(account="a", target="t", folders=(tally.result(),))
    assert f"compare: {'ab' * 32} as UID 7." in report.warnings[0]
    assert report.summary()["alike_before"] == 1
    assert report.summary()["folders"][0]["alike"] == [f"{'ab' * 32} as UID 7"]


def test_second_look_counts_as_added_what_the_first_did_not_find() -> None:
    """What a broken session added without an answer was not there already."""
    tally = RestoreTally(folder="A", target="A")
    tally.plan(Presence(uids=np.array([1] * 4 + [0] * 6)))
    assert (tally.already, tally.added) == (4, 0)
    tally.plan(Presence(uids=np.array([1] * 9 + [0])))
    assert (tally.already, tally.added) == (4, 5)


def test_examples_are_few() -> None:
    """A hundred thousand refused messages are counted, and ten are named."""
    tally = RestoreTally(folder="A", target="A")
    for number in range(100):
        tally.name(f"{number:064x}", "not taken, no reason given")
    assert len(tally.result().examples) == MAX_EXAMPLES


def test_summary_stays_small() -> None:
    """It has to fit into an XCom."""
    folders = tuple(FolderRestore(folder=f"f{n}", target=f"f{n}", added=1) for n in range(1000))
    summary = RestoreReport(account="a", target="t", folders=folders).summary()
    assert summary["folders_not_shown"] == 950
    assert len(json.dumps(summary)) < 10_000
