"""Legal holds and plans are sealed too: one released, altered or made up by hand shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroom.archive import Archive
from mailroom.archive.checking import sealer as sealing
from mailroom.archive.checking import seals as seals_module
from mailroom.archive.checking.sealer import Sealer
from mailroom.archive.checking.seals import SEALED_FIRST, read_seals
from mailroom.archive.delta.account_logs import append_numbered
from mailroom.archive.delta.rows import holds_table
from mailroom.archive.ledgers import read_holds, record_plan
from mailroom.exceptions import ArchiveError
from mailroom.ledger import HoldRow, HoldState, PlanRow, PlanState, audit_of
from mailroom.model import Change
from mailroom.services.holds import place_hold, release_hold
from tests.support.archives import context, place
from tests.support.sealed import HMAC, rewrite, run, tampered, three_runs, verify

Rows = list[dict[str, Any]]
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def opened(root: Path, key: str | None = None) -> Archive:
    archive = Archive(root)
    if key is not None:
        archive.use_seal_key(key)
    return archive


def hold(root: Path, account: str = "post", key: str | None = None) -> str:
    """Place a hold, and return its name."""
    row = place_hold(opened(root, key), account=account, reason="case 7", by="Ana", at=NOW)
    return row.hold_id


def plan(root: Path, state: PlanState = PlanState.PLANNED, run_id: str = "plan-1", **values: Any) -> None:
    """Write a row of a plan outside of a run's batches, as a dry run and an answer do."""
    row = PlanRow(
        plan_id="a plan",
        account="post",
        created=NOW,
        what="retention",
        state=state,
        by="Ana",
        at=NOW,
        run_id=run_id,
        **values,
    )
    record_plan(Archive(root), [row])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An archive with three runs, holds on one account and on all, and a plan that was approved."""
    three_runs(tmp_path)
    hold(tmp_path)
    hold(tmp_path, "*")
    plan(tmp_path, folder="INBOX", rule="older than 30 days", messages=2, uids="1:2")
    plan(tmp_path, PlanState.APPROVED, "answer-1")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("holds", lambda row: {**row, "state": "released"}),
        ("holds", lambda row: {**row, "until": NOW}),
        ("holds", lambda row: {**row, "sender": "nobody@example.org"}),
        ("holds", lambda row: {**row, "grace_days": 0.0}),
        ("plans", lambda row: {**row, "uids": "1:9"}),
        ("plans", lambda row: {**row, "by": "Bob"}),
        ("plans", lambda row: {**row, "created": NOW + timedelta(days=90)}),
    ],
)
def test_hold_or_plan_that_was_altered_is_found(
    root: Path, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Whatever of it was changed."""
    assert (tampered(root), verify(root).notes) == ([], ())
    rewrite(root, name, lambda rows: [change(rows[0]), *rows[1:]])
    assert tampered(root)


@pytest.mark.parametrize("account", ["post", "*"])
def test_hold_that_was_released_or_taken_out_by_hand_is_found(root: Path, account: str) -> None:
    """A row added, with a run of its own or none, and a row taken out."""

    def released(rows: Rows, run_id: str | None) -> Rows:
        held = next(row for row in rows if row["account"] == account)
        return [*rows, {**held, "state": "released", "seq": 9, "run_id": run_id}]

    for run_id in ("made up", None):
        with restored(root, "holds"):
            rewrite(root, "holds", lambda rows, run_id=run_id: released(rows, run_id))  # type: ignore[misc]  # bound now
            assert any(f"by hand for {account}" in sentence for sentence in tampered(root))
    rewrite(root, "holds", lambda rows: [row for row in rows if row["account"] != account])
    assert any(f"by hand for {account}" in sentence for sentence in tampered(root))


class restored:
    """Put a table's rows back at the end of a block."""

    def __init__(self, root: Path, name: str) -> None:
        self._root, self._name = root, name
        self._rows: Rows = []

    def __enter__(self) -> None:
        rewrite(self._root, self._name, lambda rows: self._rows.extend(rows) or rows)

    def __exit__(self, *error: object) -> None:
        rewrite(self._root, self._name, lambda rows: self._rows)


def test_approval_that_was_made_up_is_found(tmp_path: Path) -> None:
    """Nobody agreed, and a row says that somebody did."""
    three_runs(tmp_path)
    plan(tmp_path, folder="INBOX", rule="older than 30 days", messages=2, uids="1:2")
    approved = {"state": "approved", "by": "Ana", "folder": None, "uids": None, "seq": 9}
    rewrite(tmp_path, "plans", lambda rows: [*rows, {**rows[0], **approved}])
    assert any("run plan-1 wrote 1 rows" in sentence for sentence in tampered(tmp_path))


def test_lawful_release_is_sound(root: Path) -> None:
    """A hold released as it should be is one more row, sealed as it is written."""
    (mine,) = (row.hold_id for row in read_holds(Archive(root)) if row.account == "post")
    release_hold(Archive(root), mine, by="Bob", at=NOW)
    assert {row.hold_id: row.state for row in read_holds(Archive(root))}[mine] is HoldState.RELEASED
    assert (tampered(root), verify(root).notes) == ([], ())
    assert not list(root.glob("unsealed/*/*"))


def test_holds_are_signed(tmp_path: Path) -> None:
    """With the key that signs the seals of runs."""
    hold(tmp_path, "*", HMAC)
    (seal,) = read_seals(Archive(tmp_path).table("seals"))
    assert seal.signature is not None
    assert tampered(tmp_path, HMAC) == []


def older(root: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let a run write a plan as it goes, which an older Mailroom does not seal."""
    with monkeypatch.context() as patch:
        patch.setattr(sealing, "SEALED", SEALED_FIRST)
        patch.setattr(sealing, "_Rows", _older_rows)
        patch.setattr("mailroom.archive.writing.engine.SEALED", SEALED_FIRST)
        run_id = f"older-{number}"
        run(root, run_id, range(number * 10 + 1, number * 10 + 3))
        with Archive(root).writer(context(run_id)) as writer:
            row = PlanRow(
                plan_id=run_id,
                account="post",
                created=NOW,
                what="retention",
                state=PlanState.EXECUTED,
                by="test",
                at=NOW,
                run_id=run_id,
            )
            writer.plan([row])
            writer.finish("succeeded", {}, 0)


def _older_rows(**values: Any) -> Any:
    return _ROWS(**{"tables": SEALED_FIRST, **values})


_ROWS = sealing._Rows


def test_plans_from_before_they_were_sealed_have_a_seal_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are sealed as they are when the first run of today's kind seals; also where older ones follow."""
    older(tmp_path, monkeypatch, 1)
    older(tmp_path, monkeypatch, 2)
    hold(tmp_path)
    seals = read_seals(Archive(tmp_path).table("seals"))
    before = [seal for seal in seals if seal.run_id == seals_module.BEFORE]
    assert [(seal.tables, seal.rows) for seal in before] == [(("plans", "holds"), 2)]
    assert tampered(tmp_path) == []
    older(tmp_path, monkeypatch, 3)
    run(tmp_path, "run-9", range(91, 93))
    assert tampered(tmp_path) == []
    (note,) = verify(tmp_path).notes
    assert "3 rows of post are older than its seals" in note
    rewrite(tmp_path, "plans", lambda rows: [{**rows[0], "by": "Bob"}, *rows[1:]])
    assert any("3 rows belong to no sealed run" in sentence for sentence in tampered(tmp_path))


def intended(root: Path, key: str | None = None, plan_id: str = "a plan") -> None:
    """Begin a deletion, as a run does that carries the plan out."""
    archive, who = opened(root, key), context("deleting")
    with archive.writer(who) as writer:
        row = audit_of(place(1), who, at=datetime.now(UTC), rule="old", plan_id=plan_id)
        writer.intend([row], Change.DELETED_BY_RETENTION)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("holds", lambda rows: [{**rows[0], "state": "released"}, *rows[1:]]),
        ("holds", lambda rows: [*rows, {**rows[0], "state": "released", "seq": 9, "run_id": "made up"}]),
        ("holds", lambda rows: rows[1:]),
        ("holds", lambda rows: rows[:1]),
        ("plans", lambda rows: [{**rows[0], "uids": "1:9"}, *rows[1:]]),
        ("plans", lambda rows: [*rows, {**rows[1], "seq": 9, "by": "Bob", "run_id": "made up"}]),
        ("seals", lambda rows: rows[:-1]),
    ],
)
def test_nothing_is_deleted_where_what_allows_it_was_changed(
    root: Path, name: str, change: Callable[[Rows], Rows]
) -> None:
    """A hold changed, released or taken out, of the account or of all; a plan; a seal."""
    intended(root)
    rewrite(root, name, change)
    with pytest.raises(ArchiveError, match=r"Nothing was deleted, .* was changed by hand"):
        intended(root)
    assert not list(root.glob("intents/*/*"))


def test_what_earlier_runs_did_stops_no_deletion(root: Path) -> None:
    """An audit that was altered is for ``verify`` to tell; stopping would undo nothing."""
    rewrite(root, "audit", lambda rows: [{**rows[0], "rule": "another"}, *rows[1:]])
    assert tampered(root)
    intended(root)


def test_holds_that_nobody_could_seal_yet_stop_no_deletion(tmp_path: Path) -> None:
    """Whoever placed one was killed before the seal, and left the mark that says so."""
    three_runs(tmp_path)
    row = HoldRow(
        hold_id="a hold",
        account="post",
        reason="case 7",
        grace_days=7,
        state=HoldState.PLACED,
        by="Ana",
        at=NOW,
        run_id="killed",
    )
    archive = Archive(tmp_path)
    table = archive.table("holds")
    sealer = table.watcher = Sealer(archive, context("killed"))
    append_numbered(table, [row], holds_table)
    assert sealer.has_begun
    intended(tmp_path)


def test_plan_that_is_made_and_agreed_to_in_the_run_that_carries_it_out(tmp_path: Path) -> None:
    """Its rows are sealed twice under one run."""
    three_runs(tmp_path)
    plan(tmp_path, folder="INBOX", rule="old", messages=1, uids="1", run_id="deleting")
    plan(tmp_path, PlanState.APPROVED, "deleting")
    intended(tmp_path)
    assert tampered(tmp_path) == []
