"""What zip archives hold is remembered: a run with nothing new opens none of them."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pyzipper

from mailroom import tables
from mailroom.archive import Archive
from mailroom.archive.delivering.zip_members import ZipMembers
from mailroom.archive.delta.data_files import DataFile
from mailroom.archive.delta.tables import Table
from mailroom.archive.removing.removal import Removal
from mailroom.policy.attachments import AttachmentRule
from mailroom.services.delivering import attachment_choice, shared_archives, zip_contents
from tests.integration.test_attachments import NOW, Store, context, files, zip_of
from tests.support.mail import make_message

INNER = zip_of({"deep.csv": b"d", "deep.txt": b"t"})
BUNDLE = zip_of({"a.csv": b"a", "in.zip": INNER, "folder/b.txt": b"b"})
RULE = AttachmentRule(name="*.csv", unzip=True)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The parts of the archives that were opened, innermost ones too."""
    parts: list[str] = []

    class Counted(zip_contents.ZipContents):
        def __init__(self, chunks: Any, part: str, *rest: Any) -> None:
            parts.append(part)
            super().__init__(chunks, part, *rest)

    for module in (zip_contents, attachment_choice, shared_archives):
        monkeypatch.setattr(module, "ZipContents", Counted)
    return parts


@pytest.fixture
def store(archive_root: Path) -> Store:
    """One message with an archive that holds another one."""
    store = Store(archive_root)
    store.add(make_message(subject="z", attachments=[("all.zip", "application/zip", BUNDLE)]))
    return store


def rows(store: Store) -> list[tuple[str, str, str]]:
    """Return what is known, in order."""
    found = tables.zip_members(store.root).to_arrow().to_pylist()
    return sorted((row["archive"], row["part"], row["filename"]) for row in found)


def test_a_run_with_nothing_new_opens_no_archive(store: Store, tmp_path: Path, opened: list[str]) -> None:
    """It counts what lies there, as the first did; what it holds is a table to be queried."""
    assert store.deliver(tmp_path / "out", RULE).delivered == 2
    assert rows(store) == [
        ("2", "2.zip1", "a.csv"),
        ("2", "2.zip2.zip1", "deep.csv"),
        ("2", "2.zip2.zip2", "deep.txt"),
        ("2", "2.zip3", "b.txt"),
    ]
    opened.clear()
    again = store.deliver(tmp_path / "out", RULE)
    assert (again.delivered, again.already, again.failures, opened) == (0, 2, (), [])
    assert len(rows(store)) == 4


def test_only_new_archives_are_opened(store: Store, tmp_path: Path, opened: list[str]) -> None:
    """The known ones stay closed beside them."""
    store.deliver(tmp_path / "out", RULE)
    opened.clear()
    store.add(
        make_message(
            attachments=[("x", "text/plain", b"x"), ("y.zip", "application/zip", zip_of({"y.csv": b"y"}))]
        )
    )
    assert store.deliver(tmp_path / "out", RULE).delivered == 1
    assert opened == ["3", "3"]


def test_other_rules_open_what_they_want_something_of(
    store: Store, tmp_path: Path, opened: list[str]
) -> None:
    """And are told by name, type and size alone that there is nothing for them."""
    store.deliver(tmp_path / "out", RULE)
    opened.clear()
    for rule in (
        AttachmentRule(name="*.pdf", unzip=True),
        AttachmentRule(detected_type="application/pdf", unzip=True),
        AttachmentRule(name="*.txt", min_size=2, unzip=True),
    ):
        assert store.deliver(tmp_path / "other", rule).chosen == 0
    assert opened == []
    assert store.deliver(tmp_path / "other", AttachmentRule(name="deep.txt", unzip=True)).delivered == 1
    assert files(tmp_path / "other") == {"deep.txt": b"t"}
    assert len(rows(store)) == 4


def test_an_archive_with_nothing_in_it_is_known_too(
    archive_root: Path, tmp_path: Path, opened: list[str]
) -> None:
    """By a row without a part."""
    store = Store(archive_root)
    store.add(make_message(attachments=[("e.zip", "application/zip", zip_of({}))]))
    for _ in range(2):
        assert store.deliver(tmp_path / "out", RULE).delivered == 0
    assert opened == ["2"]
    assert rows(store) == [("2", "", "")]


def test_one_that_cannot_be_opened_is_tried_again(
    archive_root: Path, tmp_path: Path, opened: list[str]
) -> None:
    """A password may come; with it the archive is known, and needs none to be left closed."""
    sealed = io.BytesIO()
    with pyzipper.AESZipFile(sealed, "w", encryption=pyzipper.WZ_AES) as file:
        file.setpassword(b"secret")
        file.writestr("orders.csv", b"1,2")
    store = Store(archive_root)
    store.add(make_message(attachments=[("o.zip", "application/zip", sealed.getvalue())]))
    assert [store.deliver(tmp_path / "out", RULE).unopened for _ in range(2)] == [1, 1]
    assert rows(store) == []
    assert store.deliver(tmp_path / "out", RULE, unzip_password="secret").delivered == 1
    opened.clear()
    last = store.deliver(tmp_path / "out", RULE)
    assert (last.unopened, last.already, opened) == (0, 1, [])


def test_what_rests_in_quarantine_is_not_opened_again(
    store: Store, tmp_path: Path, opened: list[str]
) -> None:
    """It is judged anew by its message, which takes no look into the archive."""
    rule = AttachmentRule(name="*.csv", unzip=True, require_auth="dkim=example.org")
    first = store.deliver(tmp_path / "out", rule, authserv_id="mx.example.org")
    assert (first.delivered, first.quarantined) == (2, 2)
    opened.clear()
    again = store.deliver(tmp_path / "out", rule, authserv_id="mx.example.org")
    assert (again.delivered, again.already, opened) == (0, 2, [])


def test_a_dry_run_notes_nothing(store: Store, tmp_path: Path) -> None:
    """It writes nothing anywhere."""
    assert store.deliver(tmp_path / "out", RULE, dry_run=True).chosen == 2
    assert not (store.root / "tables" / "zip_members").exists()


def test_what_a_stopped_run_did_not_deliver_is_delivered_by_the_next(
    store: Store, tmp_path: Path, opened: list[str]
) -> None:
    """Known or not: an archive is opened where something of it is still to be delivered."""
    stop = threading.Event()
    stop.set()
    assert store.deliver(tmp_path / "out", RULE, stop=stop).delivered == 0
    assert store.deliver(tmp_path / "out", RULE).delivered == 2
    (tmp_path / "out" / "a.csv").unlink()
    assert files(tmp_path / "out") == {"deep.csv": b"d"}


def test_runs_side_by_side_note_an_archive_once(store: Store, tmp_path: Path) -> None:
    """Whoever comes second leaves what is there."""
    store.deliver(tmp_path / "out", RULE)
    table = Archive(store.root).read_table("zip_members")
    assert ZipMembers(Archive(store.root)).add(table.to_pylist()) == 0
    assert len(rows(store)) == 4


def test_what_is_forgotten_goes_from_here_too(store: Store, tmp_path: Path) -> None:
    """Names of files are contents of a message."""
    store.deliver(tmp_path / "out", RULE)
    archive = Archive(store.root)
    digests = archive.read_table("messages")["sha256"].to_pylist()
    removal = Removal(archive=archive, context=context("forget"), digests=digests, rule="a test", at=NOW)
    durability = archive.prepare()
    removal.apply(durability)
    durability.close()
    assert rows(store) == []
    assert removal.rows["zip_members"] == 4


def test_the_table_is_looked_through_once_a_run(archive_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later batches open only the files that are about their messages, and find what another run added."""
    digests = ["".join(f"{n:02x}" for n in [number] * 32) for number in range(1, 5)]

    def note(digest: str) -> int:
        part = {"part": "2.zip1", "filename": f"{digest[:2]}.csv", "size": 1, "detected_type": "text/plain"}
        return ZipMembers(Archive(archive_root)).add(
            [{"message_sha256": digest, "archive": "2", "at": NOW, **part}]
        )

    for digest in digests[:3]:
        assert note(digest) == 1
    members = ZipMembers(Archive(archive_root))
    assert [key for key, _ in members.of(digests)] == [digests[0], digests[1], digests[2]]
    read: list[str] = []
    opened = Table.parquet

    def counted(self: Table, file: DataFile, **options: Any) -> Any:
        read.append(file.path)
        return opened(self, file, **options)

    monkeypatch.setattr(Table, "parquet", counted)
    ((found,),) = members.of([digests[1]]).values()
    assert (found["filename"], len(read)) == ("02.csv", 1)
    assert (members.of([digests[3]]), len(read)) == ({}, 1)
    assert note(digests[3]) == 1
    row = {**found, "message_sha256": digests[3]}
    assert members.add([row]) == 0
    assert list(members.of([digests[3]])) == [(digests[3], "2")]
