"""Mail removed from the archive itself: everything about it, nothing else, and safely beside other runs."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.removing.removal import ABOUT_MESSAGES
from mailroom.archive.removing.tombstones import Tombstones
from mailroom.archive.searching.search_index import SearchIndex
from mailroom.archive.writing.repair import Repair
from mailroom.exceptions import ArchiveError, ConfigurationError, StoreUnavailable
from mailroom.model import Body
from mailroom.policy.attachments import AttachmentRule
from mailroom.services.attachments import deliver_attachments
from mailroom.services.forget import ForgetWish
from mailroom.services.holds import place_hold
from mailroom.services.progress import NoProgress
from mailroom.services.replicate import replicate_archive
from tests.support.archives import body, context, digest, folder_row, place
from tests.support.command import run_command
from tests.support.forgetting import (
    ANA,
    DAY,
    NOW,
    Killed,
    archived,
    digests,
    fill,
    forget,
    objects,
    sound,
    sweep,
    take_off,
    two_accounts,
)
from tests.support.mail import make_message
from tests.support.s3 import S3Server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten messages of an account, the last five of which another account has as well, and five of its own."""
    return two_accounts(tmp_path / "archive")


def test_dry_run_says_what_would_go_and_changes_nothing(root: Path) -> None:
    """Counts of messages, octets, and what stays; only the plan is written down, and sealed."""

    def files() -> list[Path]:
        ours = {root / "tables" / name for name in ("plans", "seals")}
        return sorted(f for f in root.rglob("*") if f.is_file() and not ours & set(f.parents))

    before = files()
    report = forget(Archive(root), account="post", apply=False)
    assert (report.messages, report.shared, report.on_server, report.dry_run) == (5, 5, 5, True)
    assert report.octets > 1000
    assert (report.certificate, files()) == (None, before)
    assert (archived(Archive(root)), sound(Archive(root))) == (digests(range(1, 16)), True)


def test_account_goes_with_what_only_it_had(root: Path) -> None:
    """Its places and folders, and messages of its own; what the other account has stays, objects for now."""
    report = forget(Archive(root), account="post")
    archive = Archive(root)
    assert (report.messages, report.shared) == (5, 5)
    assert archived(archive) == digests(range(6, 16))
    for name in ("locations", "folders"):
        assert set(archive.read_table(name, ["account"])["account"].to_pylist()) == {"second"}
    assert objects(archive) == digests(range(1, 16))
    assert sound(archive)
    assert (sweep(archive).removed, objects(archive)) == (5, digests(range(6, 16)))
    assert sound(archive)


def test_person_goes_as_author_and_as_recipient(tmp_path: Path) -> None:
    """By whole address, whatever its case; a longer address that holds it is another person."""
    archive = Archive(tmp_path / "a")
    mails = [
        make_message(sender="Eva <eva@example.org>"),
        make_message(sender="x@example.org", to="Bob <bob@example.com>, EVA@Example.org"),
        make_message(sender="geneva@example.org"),
        make_message(sender="eva@example.organic"),
        make_message(sender="x@example.org", to="eva.b@example.org"),
    ]
    with archive.writer(context()) as writer:
        for uid, content in enumerate(mails, 1):
            writer.add(Body(octets=len(content), content=content), place(uid))
        writer.finish("succeeded", {}, 0)
    assert forget(archive, person="eva@example.org").messages == 2
    assert len(archived(Archive(tmp_path / "a"))) == 3
    assert sound(Archive(tmp_path / "a"))


def test_age_spares_what_is_on_a_server(root: Path) -> None:
    """What would come back with the next run stays; what is nowhere else and old enough goes."""
    archive = Archive(root)
    take_off(archive, range(1, 4))
    day = datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert forget(archive, older_than=DAY, at=day + DAY / 2).messages == 0
    report = forget(archive, older_than=DAY, at=day + 2 * DAY)
    assert (report.messages, report.on_server) == (3, 12)
    assert archived(Archive(root)) == digests(range(4, 16))
    assert sound(Archive(root))


def test_age_may_count_from_the_date(root: Path) -> None:
    """The messages say they were sent on 24 November 2026, and were archived when the test ran."""
    archive = Archive(root)
    take_off(archive, range(1, 6))
    assert (
        forget(archive, older_than=10 * DAY, by_date=True, at=datetime(2026, 12, 1, tzinfo=UTC)).messages == 0
    )
    assert (
        forget(archive, older_than=5 * DAY, by_date=True, at=datetime(2026, 12, 1, tzinfo=UTC)).messages == 5
    )


@pytest.mark.parametrize(
    "hold", [{"account": "post"}, {"account": "*", "sender": ANA}, {"account": "post", "query": "message"}]
)
def test_what_is_under_hold_stays(root: Path, hold: dict[str, Any]) -> None:
    """Whoever asks: rows, places and objects; and it is counted."""
    archive = Archive(root)
    place_hold(archive, reason="a trial", by="me", at=NOW - DAY, **hold)
    report = forget(archive, account="post")
    assert (report.messages, report.held, report.shared) == (0, 10, 0)
    assert archived(Archive(root)) == digests(range(1, 16))
    assert "post" in Archive(root).read_table("locations", ["account"])["account"].to_pylist()
    assert forget(Archive(root), person=ANA).held == (10 if hold["account"] == "post" else 15)
    assert sound(Archive(root))


def test_hold_on_a_special_use_is_obeyed(root: Path) -> None:
    """As retention does: the folder that the server marks so, whatever it is called."""
    archive = Archive(root)
    with archive.writer(context("run-sent")) as writer:
        writer.close_folder(replace(folder_row(messages=10, run_id="run-sent"), special_use="\\Sent"))
        writer.finish("succeeded", {}, 0)
    place_hold(Archive(root), account="post", folder="\\sent", reason="a trial", by="me", at=NOW - DAY)
    report = forget(Archive(root), account="post")
    assert (report.messages, report.held) == (0, 10)


def test_audit_says_it_and_seals_hold(root: Path) -> None:
    """One row a message and account, without a folder's name; verify finds nothing changed by hand."""
    forget(Archive(root), person=ANA)
    rows = Archive(root).read_table("audit").to_pylist()
    assert {(row["account"], row["message_sha256"]) for row in rows} == {
        *(("post", d) for d in digests(range(1, 11))),
        *(("second", d) for d in digests(range(6, 16))),
    }
    (told,) = {(row["action"], row["rule"], row["folder"], row["who"]) for row in rows}
    assert told == ("forgotten", "forget a person", "", "test")
    assert sound(Archive(root))
    assert not list(root.glob("unsealed/*/*"))


def test_erasure_that_nobody_ordered_is_found(root: Path) -> None:
    """Whoever takes a row out and adds its digest to the erasures by hand is found out by the seals."""
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    from mailroom.archive.checking.row_digests import leaf_digests

    forget(Archive(root), account="post")
    table = DeltaTable(str(root / "tables" / "locations"))
    rows = table.to_pyarrow_table().cast(TABLES["locations"].schema)
    leaf = leaf_digests("locations", rows.slice(0, 1))[0].hex()
    write_deltalake(table, rows.slice(1), mode="overwrite")
    forged = {"account": "second", "of_run": "run-2", "leaf": leaf, "at": NOW, "run_id": "forget-1"}
    write_deltalake(
        str(root / "tables" / "erasures"),
        pa.Table.from_pylist([forged], schema=TABLES["erasures"].schema),
        mode="append",
    )
    assert any("changed by hand for second" in failure for failure in verify_archive(Archive(root)).failures)


def test_every_table_about_messages_is_thought_of() -> None:
    """A table that is added later must say whether it forgets."""
    kept = {"audit", "tombstones", "changes"}
    about = {n for n, t in TABLES.items() if {"sha256", "message_sha256"} & set(t.schema.names)}
    assert about - kept == set(ABOUT_MESSAGES)


def deliver(archive: Archive, to: Path) -> None:
    report = deliver_attachments(
        archive,
        str(to),
        context("deliver", what="attachments"),
        rules=(AttachmentRule(),),
        now=lambda: NOW,
        progress=NoProgress(),
        stop=threading.Event(),
    )
    assert report.failures == ()


def test_certificate_that_cannot_be_written_removes_nothing(root: Path, tmp_path: Path) -> None:
    """It is opened before the first row goes; an empty file, of a run that was cut off, is filled."""
    certificate = tmp_path / "certificate.json"
    certificate.write_text("{}")
    arguments = ["forget", "--archive", str(root), "--account", "post", "--apply", "--certificate"]
    for place_of_it in (certificate, tmp_path / "none" / "certificate.json"):
        done = run_command(*arguments, str(place_of_it))
        assert done.status != 0
        assert "othing was removed" in done.err
        assert "Traceback" not in done.err
    assert archived(Archive(root)) == digests(range(1, 16))
    assert certificate.read_text() == "{}"
    certificate.write_text("")
    assert run_command(*arguments, str(certificate)).status == 0
    assert len(json.loads(certificate.read_text())["sha256"]) == 5


def test_certificate_names_what_went_and_nothing_of_its_content(root: Path, tmp_path: Path) -> None:
    """The command writes it; it is JSON, and has digests, counts, time and who."""
    arguments = ["forget", "--archive", str(root), "--person", ANA]
    dry = run_command(*arguments)
    assert "15 messages" in dry.out
    assert "dry run" in dry.out
    done = run_command(*arguments, "--apply", "--certificate", str(tmp_path / "certificate.json"))
    assert (done.status, "removed from the archive" in done.out) == (0, True)
    text = (tmp_path / "certificate.json").read_text()
    told = json.loads(text)
    assert (told["messages"], set(told["sha256"])) == (15, digests(range(1, 16)))
    assert ANA not in text
    swept = run_command("sweep", "--archive", str(root))
    assert "15 messages still in their days of grace" in swept.out
    assert run_command("sweep", "--archive", str(root), "--grace", "1h").status == 2


def test_no_word_of_it_is_left_in_any_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the sweep neither a live nor an old data file has a row of it, nor the search index."""
    from mailroom.archive.delta import tables

    monkeypatch.setattr(tables, "TOMBSTONE_HOURS", 0)
    archive = Archive(root)
    with SearchIndex(archive).up_to_date():
        pass
    forget(archive, account="post")
    sweep(Archive(root))
    gone = digests(range(1, 6))
    for path in root.glob("tables/*/*.parquet"):
        if path.parent.name not in ("audit", "tombstones", "plans"):
            for name in ("sha256", "message_sha256"):
                if name in pq.read_schema(path).names:
                    assert not gone & set(pq.read_table(path)[name].to_pylist()), path
    assert not (root / "search" / "index.sqlite").exists()
    assert not list(root.glob("bookmarks/*"))


def accounts_in_files(root: Path) -> set[str]:
    """Return whose places are in any data file, whether the table still names the file or not."""
    return {
        account
        for path in root.glob("tables/locations/*.parquet")
        for account in pq.read_table(path, columns=["account"])["account"].to_pylist()
    }


def test_history_is_cut_where_no_object_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account whose mail others have as well leaves no places in old files, once its days are over."""
    from mailroom.archive.delta import tables

    monkeypatch.setattr(tables, "TOMBSTONE_HOURS", 0)
    for account in ("post", "second"):
        fill(Archive(tmp_path), range(1, 6), account=account, run=f"run-{account}")
    forget(Archive(tmp_path), account="post")
    assert sweep(Archive(tmp_path), at=NOW + DAY).removed == 0
    assert accounts_in_files(tmp_path) == {"post", "second"}
    assert sweep(Archive(tmp_path)).removed == 0
    assert accounts_in_files(tmp_path) == {"second"}
    assert list(tmp_path.glob("uncut/*")) == []


def test_sweep_that_is_cut_off_before_it_cuts_history_is_ended_by_the_next(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The objects are gone by then, so that only a note can say that something is left to do."""
    from mailroom.archive.delta import tables

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    monkeypatch.setattr(tables, "TOMBSTONE_HOURS", 0)
    forget(Archive(root), account="post")
    with monkeypatch.context() as patch:
        patch.setattr(tables.Table, "tidy", die)
        with pytest.raises(Killed):
            sweep(Archive(root))
    assert "post" in accounts_in_files(root)
    assert sweep(Archive(root)).removed == 0
    assert accounts_in_files(root) == {"second"}


def test_note_of_a_removal_that_cannot_be_read_is_named(root: Path) -> None:
    """Whoever damaged it can be told where it lies."""
    forget(Archive(root), account="post")
    (note,) = root.glob("uncut/*")
    note.write_text("{")
    with pytest.raises(ArchiveError, match="uncut/"):
        sweep(Archive(root))


@pytest.mark.parametrize("step", range(1, 26))
def test_removal_that_is_cut_off_anywhere_is_ended_by_the_next(
    root: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Killed before any of its commits; run again, the archive is as if nothing had happened between."""
    from mailroom.archive.delta.tables import Table

    commits = iter(range(1, 1000))
    commit = Table._commit

    def fragile(self: Table, *arguments: Any, **options: Any) -> None:
        if next(commits) == step:
            raise Killed
        commit(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "_commit", fragile)
        try:
            forget(Archive(root), account="post")
        except Killed:
            pass
        else:
            assert step > 10
    assert digests(range(6, 16)) <= archived(Archive(root))
    forget(Archive(root), account="post")
    archive = Archive(root)
    assert archived(archive) == digests(range(6, 16))
    assert set(archive.read_table("locations", ["account"])["account"].to_pylist()) == {"second"}
    told = archive.read_table("audit", ["account", "message_sha256"]).to_pylist()
    assert len(told) == 10
    sweep(archive)
    assert objects(archive) == digests(range(6, 16))
    assert verify_archive(Archive(root)).failures == ()


def test_run_that_began_before_and_still_believes_in_it_loses_nothing(root: Path) -> None:
    """Its writer knows the message as held and adds a place only; the sweep makes the row anew."""
    with Archive(root).writer(context("slow", account="third")) as writer:
        writer.add(body(50), place(50, run_id="slow")._replace(account="third"))
        writer.flush()
        forget(Archive(root), account="post")
        row = place(2, run_id="slow")._replace(account="third")
        writer.add(body(2), row)
        writer.finish("succeeded", {}, 0)
    assert digest(2) not in archived(Archive(root))
    report = sweep(Archive(root))
    assert (report.revived, report.removed) == (1, 4)
    assert digest(2) in archived(Archive(root))
    assert sound(Archive(root))


def test_fetches_beside_a_removal_lose_no_row(root: Path) -> None:
    """Tables are written anew while other runs commit to them."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(4):
                first = 100 + number * 100 + turn * 10
                fill(Archive(root), range(first, first + 5), account=f"a{number}", run=f"r{number}-{turn}")
        except StoreUnavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    forget(Archive(root), account="post")
    for thread in threads:
        thread.join()
    assert failures == []
    firsts = [100 + number * 100 + turn * 10 for number in range(2) for turn in range(4)]
    expected = digests(range(6, 16)).union(*(digests(range(first, first + 5)) for first in firsts))
    assert archived(Archive(root)) == expected
    assert sound(Archive(root))


def test_repair_after_a_power_cut_does_not_bring_it_back(root: Path) -> None:
    """Messages are known again from raw objects; those that wait to be deleted are not."""
    forget(Archive(root), account="post")
    from mailroom.archive.writing.message_tables import MessageTables

    archive = Archive(root)
    tables = MessageTables(archive.table)
    leaving = {d for d, s in Tombstones(archive).read().items() if s.state.is_pending}
    repair = Repair(
        raw=archive.raw, tables=tables, locations=archive.table("locations"), url="", leaving=leaving
    )
    assert repair.rebuild() == 0


def test_delivered_attachments_go_unless_they_are_others_by_now(root: Path, tmp_path: Path) -> None:
    """Of the removed messages only; one that somebody changed is left alone and counted."""
    to = tmp_path / "out"
    deliver(Archive(root), to)
    files = sorted(path for path in to.rglob("*.pdf"))
    assert len(files) == 8
    mine = [f for f in files if any(d[:8] in str(f) or d[:12] in str(f) for d in digests(range(1, 6)))]
    rows = Archive(root).read_table("deliveries").to_pylist()
    gone = [to / row["path"] for row in rows if row["message_sha256"] in digests(range(1, 6))]
    assert len(gone) == 3
    gone[0].write_bytes(b"changed since")
    report = forget(Archive(root), account="post")
    assert (report.deliveries, report.changed) == (2, 1)
    assert [path.exists() for path in gone] == [True, False, False]
    assert len(list(to.rglob("*.pdf"))) == 6
    assert Archive(root).read_table("deliveries").num_rows == 5
    assert mine == [] or set(mine) == set(gone)


def test_copy_follows(root: Path, tmp_path: Path) -> None:
    """What was removed by order goes from the copy with the next replication."""
    copy = tmp_path / "copy"

    def replicate() -> None:
        replicate_archive(Archive(root), Archive(copy), progress=NoProgress(), stop=threading.Event())

    replicate()
    with pytest.raises(ConfigurationError, match="is a copy"):
        forget(Archive(copy), account="post")
    forget(Archive(root), account="post")
    replicate()
    assert archived(Archive(copy)) == objects(Archive(copy)) == digests(range(6, 16))
    assert sound(Archive(copy))
    certificates = sorted(path.name for path in (root / "certificates").iterdir())
    assert sorted(path.name for path in (copy / "certificates").iterdir()) == certificates != []
    for name in ("locations", "folders", "messages", "texts", "attachments"):
        assert Archive(copy).read_table(name).num_rows == Archive(root).read_table(name).num_rows


def test_removal_in_a_bucket(s3: S3Server) -> None:
    """The same, without a disk."""
    url = s3.url(s3.new_bucket(), "mail")

    def opened() -> Archive:
        return Archive(url, storage_options=s3.storage_options)

    fill(opened(), range(1, 5))
    fill(opened(), range(3, 7), account="second", run="run-2")
    assert forget(opened(), account="post").messages == 2
    assert sweep(opened()).removed == 2
    assert archived(opened()) == objects(opened()) == digests(range(3, 7))
    assert sound(opened())


@pytest.mark.parametrize(
    "wish",
    [{}, {"account": "a", "person": "b@c"}, {"person": "bob"}, {"older_than": timedelta(0)}],
)
def test_wish_that_makes_no_sense_is_refused(wish: dict[str, Any]) -> None:
    """Nothing is removed by a slip."""
    with pytest.raises(ConfigurationError):
        ForgetWish(**wish)
