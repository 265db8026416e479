"""Manifests tell each delivery once, where it lies, and from what."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mailroom.archive import Archive
from mailroom.archive.delivering.consumption import Consumption
from mailroom.cli import main
from mailroom.policy.attachments import AttachmentRule
from mailroom.services.attachments import deliver_attachments
from mailroom.services.delivering.manifest import ManifestForm
from mailroom.services.progress import NoProgress
from tests.support.archives import NOW, body, context, place


def keep(root: Path, *numbers: int) -> None:
    with Archive(root).writer(context()) as writer:
        for number in numbers:
            writer.add(body(number, attachments=2), place(number))
        writer.finish("succeeded", {}, 0)


def deliver(root: Path, out: Path, form: ManifestForm | None = ManifestForm.JSONL, **options: Any) -> Any:
    report = deliver_attachments(
        Archive(root),
        str(out),
        context("run-7", what="attachments"),
        rules=options.pop("rules", ()),
        manifest=form,
        now=lambda: NOW,
        progress=NoProgress(),
        stop=threading.Event(),
        **options,
    )
    return report.summary().get("manifests")


def lines(location: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(location).read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def root(archive_root: Path) -> Path:
    keep(archive_root, 1, 2)
    return archive_root


def test_a_manifest_says_where_each_object_came_from(root: Path, tmp_path: Path) -> None:
    """One line an attachment: message, part, path, checksum, time and run."""
    (manifest,) = deliver(root, tmp_path / "out")
    rows = lines(manifest["location"])
    assert manifest["rows"] == len(rows) == 4
    assert {(tmp_path / "out" / row["path"]).read_bytes().strip() for row in rows} == {
        b"content 1 0", b"content 1 1", b"content 2 0", b"content 2 1",
    }  # fmt: skip
    assert {row["run_id"] for row in rows} == {"run-7"}
    assert rows[0]["at"] == NOW.isoformat()
    assert len(rows[0]["sha256"]) == len(rows[0]["message_sha256"]) == 64


def test_nothing_new_makes_no_manifest(root: Path, tmp_path: Path) -> None:
    """And what comes later is in the next one, alone."""
    deliver(root, tmp_path / "out")
    assert deliver(root, tmp_path / "out") == []
    keep(root, 3)
    (manifest,) = deliver(root, tmp_path / "out")
    assert manifest["rows"] == 2


def test_a_manifest_may_be_parquet(root: Path, tmp_path: Path) -> None:
    """With the columns of the table deliveries."""
    (manifest,) = deliver(root, tmp_path / "out", ManifestForm.PARQUET)
    table = pq.read_table(manifest["location"])
    assert table.schema.names == Archive(root).schema("deliveries").names
    assert table.num_rows == 4


def test_what_was_delivered_without_one_is_told_by_the_next(root: Path, tmp_path: Path) -> None:
    """As after a kill between the deliveries and their manifest."""
    assert deliver(root, tmp_path / "out", None) is None
    (manifest,) = deliver(root, tmp_path / "out")
    assert manifest["rows"] == 4


def test_a_manifest_that_was_written_and_not_noted_is_taken_over(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the two leaves one manifest, not two."""
    with monkeypatch.context() as patch:
        patch.setattr(Consumption, "commit", lambda *_: None)
        (before,) = deliver(root, tmp_path / "out")
    (after,) = deliver(root, tmp_path / "out")
    assert after == before
    assert len(list((tmp_path / "out" / "_manifests").iterdir())) == 1


def test_each_destination_has_its_own(root: Path, tmp_path: Path) -> None:
    """Rules may send to several places."""
    rules = tuple(AttachmentRule(name=f"f{n}.pdf", destination=str(tmp_path / f"out{n}")) for n in (0, 1))
    manifests = deliver(root, tmp_path / "out", rules=rules)
    assert [manifest["rows"] for manifest in manifests] == [2, 2]
    assert str(tmp_path / "out0") in manifests[0]["location"]


def test_a_dry_run_writes_none(root: Path, tmp_path: Path) -> None:
    """It writes nothing at all."""
    assert deliver(root, tmp_path / "out", dry_run=True) == []
    assert not (tmp_path / "out").exists()


def test_the_command_names_the_manifest(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that the next command can read it."""
    out = tmp_path / "out"
    assert (
        main(["attachments", "--archive", str(root), "--to", str(out), "--manifest", "jsonl", "--quiet"]) == 0
    )
    (path,) = (out / "_manifests").iterdir()
    assert capsys.readouterr().out.splitlines()[-1] == f"4 rows in the manifest {path}."
