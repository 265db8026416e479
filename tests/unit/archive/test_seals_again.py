"""Runs that are sealed a second time, and seals that were taken out: nothing done by hand is taken in."""

from __future__ import annotations

import json
import logging
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroom.archive import Archive
from mailroom.archive.checking import sealer as sealing
from mailroom.archive.checking.row_digests import Leaves
from mailroom.archive.checking.seals import Seal, hints_of, newest_seal, read_seals, seals_of_run
from mailroom.archive.folder_notes import FolderNotes, NoteKind
from mailroom.archive.intents import IntentJournal
from mailroom.exceptions import ArchiveError
from mailroom.ledger import audit_of
from mailroom.model import Change
from tests.support.archives import body, context, place
from tests.support.sealed import (
    HMAC,
    forget_notes,
    kill_one,
    rewrite,
    run,
    tampered,
    three_runs,
    verify,
)

Rows = list[dict[str, Any]]


def keep_marks(monkeypatch: pytest.MonkeyPatch, kept: Path) -> None:
    """Copy each mark aside as it is written, as somebody who reads the store could."""
    write = sealing.write_mark

    def copying(archive: Archive, mark: Any) -> None:
        write(archive, mark)
        path = kept / mark.path
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(archive.url.removeprefix("file://")) / mark.path, path)

    monkeypatch.setattr(sealing, "write_mark", copying)


def change_run_0(root: Path) -> None:
    """Change a row of a run that is sealed."""
    rewrite(root, "audit", lambda rows: [{**rows[0], "rule": "another rule"}, *rows[1:]])


@pytest.mark.parametrize("key", [None, HMAC])
def test_old_mark_that_was_put_back_has_no_changed_row_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    """The seal of its run settled it; it is taken away, and the change shows."""
    root = tmp_path / "archive"
    with monkeypatch.context() as patch:
        keep_marks(patch, tmp_path / "kept")
        three_runs(root, key)
    change_run_0(root)
    shutil.copytree(tmp_path / "kept" / "unsealed", root / "unsealed", dirs_exist_ok=True)
    monkeypatch.setattr(sealing, "ADOPT_AFTER", timedelta(seconds=-5))
    run(root, "run-3", range(31, 33), key)
    assert any("run run-0 wrote 7 rows" in sentence for sentence in tampered(root, key))
    assert [seal.run_id for seal in read_seals(Archive(root).table("seals"))] == [
        f"run-{n}" for n in range(4)
    ]
    assert not list(root.glob("unsealed/*/*"))


@pytest.mark.parametrize("number", [{"number": "made up"}, {}])
def test_mark_made_up_without_a_key_has_no_changed_row_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: dict[str, str]
) -> None:
    """What the run had at its first seal has to be there still, or the log says that it is not."""
    three_runs(tmp_path)
    change_run_0(tmp_path)
    path = tmp_path / sealing.new_mark("post", "run-0").path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"account": "post", "run_id": "run-0", "signature": None, **number}))
    monkeypatch.setattr(sealing, "ADOPT_AFTER", timedelta(seconds=-5))
    with caplog.at_level(logging.ERROR):
        run(tmp_path, "run-3", range(31, 33))
    assert any("run run-0 wrote 7 rows" in sentence for sentence in tampered(tmp_path))
    assert ("Run run-0 of post is not sealed again" in caplog.text) is bool(number)


def test_row_said_of_a_sealed_run_does_not_have_it_sealed_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A note of a deletion that never was makes a run write rows of another one, whose changes still show."""
    three_runs(tmp_path)
    change_run_0(tmp_path)
    say_of_another(tmp_path, "run-0")
    assert "Run run-0 of post is not sealed again" in caplog.text
    assert any("run run-0 wrote 7 rows" in sentence for sentence in tampered(tmp_path))


def test_row_said_of_a_sealed_run_is_sealed_with_all_it_had(tmp_path: Path) -> None:
    """A run that failed, and whose last deletion was found out later; verify says who sealed that."""
    three_runs(tmp_path)
    say_of_another(tmp_path, "run-0")
    seals = read_seals(Archive(tmp_path).table("seals"))
    assert [(seal.run_id, seal.rows, seal.sealed_by) for seal in seals[3:]] == [("run-0", 8, "run-9")]
    assert tampered(tmp_path) == []
    assert any("8 rows of post were sealed by a later run" in note for note in verify(tmp_path).notes)


def say_of_another(root: Path, run_id: str) -> None:
    """Record in a run of its own what another one did."""
    who = context(run_id)
    with Archive(root).writer(context("run-9")) as writer:
        row = place(2, run_id=run_id, change=Change.DELETED_BY_RETENTION)
        writer.audit([audit_of(row, who, at=datetime.now(UTC), rule="older than 30 days")])
        writer.finish("succeeded", {}, 0)


def test_row_changed_between_two_writers_of_a_run_is_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The second does not seal what is not as the first left it."""
    run(tmp_path, "run-1", range(1, 4))
    change_run_0(tmp_path)
    run(tmp_path, "run-1", range(11, 14))
    assert "Run run-1 of post is not sealed again" in caplog.text
    assert any("run run-1 wrote 6 rows" in sentence for sentence in tampered(tmp_path))


def test_second_writer_of_a_sealed_run_at_work_is_no_change(tmp_path: Path) -> None:
    """Its rows are not sealed yet, and all that were are there."""
    run(tmp_path, "killed", range(1, 4))
    kill_one(tmp_path)
    assert tampered(tmp_path) == []
    assert any("1 rows of post are not sealed yet" in note for note in verify(tmp_path).notes)
    change_run_0(tmp_path)
    assert any("run killed wrote 6 rows" in sentence for sentence in tampered(tmp_path))


def test_second_writer_of_a_sealed_run_that_was_killed_is_sealed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all that the run had before."""
    run(tmp_path, "killed", range(1, 4))
    kill_one(tmp_path)
    monkeypatch.setattr(sealing, "ADOPT_AFTER", timedelta(seconds=-5))
    run(tmp_path, "run-3", range(31, 33))
    seals = read_seals(Archive(tmp_path).table("seals"))
    assert [(s.run_id, s.rows, s.sealed_by) for s in seals[1:]] == [
        ("run-3", 5, None),
        ("killed", 7, "run-3"),
    ]
    assert tampered(tmp_path) == []


def test_killed_between_seal_and_mark_seals_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark is one that a seal names, so it is taken away."""
    with monkeypatch.context() as patch:
        keep_marks(patch, tmp_path / "kept")
        run(tmp_path / "archive", "run-1", range(1, 4))
    shutil.copytree(tmp_path / "kept" / "unsealed", tmp_path / "archive" / "unsealed", dirs_exist_ok=True)
    monkeypatch.setattr(sealing, "ADOPT_AFTER", timedelta(seconds=-5))
    run(tmp_path / "archive", "run-2", range(11, 14))
    assert [seal.run_id for seal in read_seals(Archive(tmp_path / "archive").table("seals"))] == [
        "run-1",
        "run-2",
    ]
    assert (tampered(tmp_path / "archive"), verify(tmp_path / "archive").notes) == ([], ())
    assert not list(tmp_path.glob("archive/unsealed/*/*"))


def as_older_mailroom(rows: Rows) -> Rows:
    """Return seals as they were before they kept hints."""
    found: Rows = []
    for row in rows:
        old = {**row, "sealed_by": None, "marks": None, "hints": None}
        old["previous"] = found[-1]["seal"] if found else None
        names = ("account", "run_id", "root", "rows", "previous", "at", "seq")
        old["seal"] = Seal(**{name: old[name] for name in names}).digest
        found.append(old)
    return found


@pytest.mark.parametrize("is_changed", [True, False])
def test_run_sealed_by_an_older_version_keeps_what_it_had_too(tmp_path: Path, is_changed: bool) -> None:
    """Its seal tells not which rows it had, but those that were added now are known."""
    run(tmp_path, "run-1", range(1, 4))
    rewrite(tmp_path, "seals", as_older_mailroom)
    forget_notes(tmp_path)
    if is_changed:
        change_run_0(tmp_path)
    run(tmp_path, "run-1", range(11, 14))
    assert bool(tampered(tmp_path)) is is_changed


def test_unsigned_note_of_a_deletion_is_refused_where_there_is_a_key(tmp_path: Path) -> None:
    """Nobody without the key can have the audit say what a run did; without a key it is taken as it is."""
    row = audit_of(place(1, run_id="run-0"), context("run-0"), at=datetime.now(UTC), rule="a rule")
    IntentJournal(Archive(tmp_path)).write(Change.DELETED_BY_RETENTION, [row])[1]()
    archive = Archive(tmp_path)
    archive.use_seal_key(HMAC)
    with pytest.raises(ArchiveError, match="not signed with the key for seals"):
        IntentJournal(archive).pending("post")
    assert len(IntentJournal(Archive(tmp_path)).pending("post")) == 1


@pytest.mark.parametrize("change", [{"run_id": "run-1"}, {"rule": "another"}, {"who": "Ana"}])
def test_note_of_a_deletion_that_was_changed_is_refused(tmp_path: Path, change: dict[str, str]) -> None:
    """Its signature is over all that it says."""
    archive = Archive(tmp_path)
    archive.use_seal_key(HMAC)
    row = audit_of(place(1, run_id="run-0"), context("run-0"), at=datetime.now(UTC), rule="a rule")
    path, let_go = IntentJournal(archive).write(Change.DELETED_BY_RETENTION, [row])
    let_go()
    assert IntentJournal(archive).pending("post")[0].rows == (row,)
    said = json.loads((tmp_path / path).read_text())
    said["all"].update(change)
    (tmp_path / path).write_text(json.dumps(said))
    with pytest.raises(ArchiveError, match="not signed"):
        IntentJournal(archive).pending("post")


@pytest.mark.parametrize("kind", NoteKind)
def test_note_about_a_folder_that_nobody_signed_is_refused(tmp_path: Path, kind: NoteKind) -> None:
    """Nobody without the key can have marks put on messages of a server, or messages expunged there."""
    archive = Archive(tmp_path)
    archive.use_seal_key(HMAC)
    signed = FolderNotes(archive, "post", kind)
    note = signed.write("INBOX", 7, {1: "one", 2: "two"}, trash_uid_validity=9, trash_next=3)
    assert signed.pending() == [note]
    FolderNotes(Archive(tmp_path), "post", kind).write("INBOX", 7, {1: "one", 3: "three"})
    assert len(FolderNotes(Archive(tmp_path), "post", kind).pending()) == 1
    with pytest.raises(ArchiveError, match="not signed with the key for seals"):
        signed.pending()


def test_note_of_one_kind_in_the_place_of_another_is_refused(tmp_path: Path) -> None:
    """What may be put back is not what may be expunged, though they are written alike."""
    archive = Archive(tmp_path)
    archive.use_seal_key(HMAC)
    FolderNotes(archive, "post", NoteKind.LIFTED).write("INBOX", 7, {1: "one"})
    shutil.move(tmp_path / "lifted", tmp_path / "trashed")
    with pytest.raises(ArchiveError, match="not signed"):
        FolderNotes(archive, "post", NoteKind.TRASHED).pending()


@pytest.mark.parametrize("key", [None, HMAC])
@pytest.mark.parametrize("is_followed", [False, True])
def test_table_of_seals_that_was_taken_out_whole_is_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str | None, is_followed: bool
) -> None:
    """Runs noted their seals; the next one says so, and does not seal what is there as if it were new."""
    three_runs(tmp_path, key)
    shutil.rmtree(tmp_path / "tables" / "seals")
    if is_followed:
        run(tmp_path, "run-3", range(31, 33), key)
        assert "The seals of post were taken out" in caplog.text
        assert [s.run_id for s in read_seals(Archive(tmp_path).table("seals"))] == ["run-3"]
    assert any("3 of the seals that its runs noted" in sentence for sentence in tampered(tmp_path, key))


def test_no_seal_at_all_fails_with_a_key(tmp_path: Path) -> None:
    """Without a key nobody can say that there were any; whoever gives one relies on them."""
    three_runs(tmp_path, HMAC)
    forget_notes(tmp_path)
    shutil.rmtree(tmp_path / "tables" / "seals")
    assert any("post has no seal" in sentence for sentence in tampered(tmp_path, HMAC))
    assert tampered(tmp_path) == []
    run(tmp_path, "run-3", range(31, 33), HMAC)
    assert any("21 rows of post are older than its seals" in note for note in verify(tmp_path, HMAC).notes)


def test_last_seals_that_were_taken_out_show_after_more_runs(tmp_path: Path) -> None:
    """Numbers are never given twice, whatever was taken out, rows included."""
    three_runs(tmp_path)
    for name in ("locations", "audit", "folders"):
        rewrite(tmp_path, name, lambda rows: [row for row in rows if row["run_id"] != "run-2"])
    rewrite(tmp_path, "seals", lambda rows: rows[:-1])
    run(tmp_path, "run-3", range(31, 33))
    assert [seal.seq for seal in read_seals(Archive(tmp_path).table("seals"))] == [0, 1, 3]
    assert any("a seal before number 3" in sentence for sentence in tampered(tmp_path))


def test_newest_seal_is_found_wherever_it_lies(tmp_path: Path) -> None:
    """Joined or not, and whatever other accounts have."""
    for number in range(1, 56):
        account = ("post", "second")[number % 2]
        with Archive(tmp_path).writer(context(f"run-{number}", account=account)) as writer:
            writer.add(body(number), place(number)._replace(account=account, run_id=f"run-{number}"))
            writer.finish("succeeded", {}, 0)
        table = Archive(tmp_path).table("seals")
        assert newest_seal(table, account) == read_seals(table, account)[-1]
    assert newest_seal(table, "third") is None


leaves = st.lists(st.integers(0, 5).map(lambda n: bytes([n]) * 32), max_size=8)


@given(leaves, leaves, st.booleans())
def test_seal_is_kept_exactly_where_all_its_rows_are(
    had: list[bytes], more: list[bytes], is_lost: bool
) -> None:
    """Rows that are alike are told apart by their number."""
    seal = Seal(
        account="post",
        run_id="run",
        root=Leaves(had).root(),
        rows=len(had),
        previous=None,
        at=datetime.now(UTC),
        seq=0,
    )
    there = [*more, *(had[1:] if is_lost else had)]
    is_kept = all(there.count(leaf) >= had.count(leaf) for leaf in had)
    assert seal.is_kept_in(Leaves(there), hints_of(Leaves(had))) is is_kept
    assert seal.is_kept_in(Leaves(there), None, more) is (is_kept and sorted(there) == sorted([*had, *more]))


def test_writer_that_was_killed_before_its_first_row_leaves_nothing_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mark is settled by a later run, and no row was sealed for it."""
    three_runs(tmp_path)
    archive = Archive(tmp_path)
    sealing.Sealer(archive, context("killed")).begin()
    monkeypatch.setattr(sealing, "ADOPT_AFTER", timedelta(seconds=-5))
    run(tmp_path, "run-3", range(31, 33))
    assert not list(tmp_path.glob("unsealed/*/*"))
    assert (tampered(tmp_path), verify(tmp_path).notes) == ([], ())


def test_sealer_that_goes_on_after_its_seal_leaves_a_new_mark(tmp_path: Path) -> None:
    """The old one is settled: rows under it would never be sealed after a kill."""
    sealer = sealing.Sealer(Archive(tmp_path), context("run-1"))
    Archive(tmp_path).make_root()
    sealer.begin()
    (first,) = tmp_path.glob("unsealed/*/*")
    sealer.seal()
    sealer.begin()
    (second,) = tmp_path.glob("unsealed/*/*")
    assert second != first


def test_seals_of_other_runs_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run opens the file with the newest seal, and those that may have seals of its own."""
    three_runs(tmp_path)
    table = Archive(tmp_path).table("seals")
    opened: list[str] = []
    parquet = type(table).parquet

    def counting(self: Any, file: Any, **options: Any) -> Any:
        opened.append(file.path)
        return parquet(self, file, **options)

    monkeypatch.setattr(type(table), "parquet", counting)
    assert newest_seal(table, "post") is not None
    assert seals_of_run(table, "post", "run-9") == []
    assert set(opened) == {table.files()[-1].path}
