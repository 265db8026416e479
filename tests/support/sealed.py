"""Archives whose runs were sealed, and what somebody with access to their files could do to them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from mailroom.archive import Archive
from mailroom.archive.checking.integrity import verify_archive
from mailroom.archive.checking.problems import ProblemKind, VerifyReport
from mailroom.archive.delta.schemas import TABLES
from mailroom.ledger import audit_of
from mailroom.model import Change
from tests.support.archives import body, context, folder_row, place

__all__ = [
    "ED25519",
    "HMAC",
    "forget_notes",
    "kill_one",
    "rewrite",
    "run",
    "tampered",
    "three_runs",
    "verify",
]

HMAC = "hmac:correct horse battery staple"
ED25519 = "ed25519:" + base64.b64encode(bytes(range(32))).decode()


def run(root: Path, name: str, numbers: range, key: str | None = None) -> None:
    """Archive messages, and delete the first of them on the server, in a run of their own."""
    archive = Archive(root)
    if key is not None:
        archive.use_seal_key(key)
    who = context(name)
    with archive.writer(who) as writer:
        for number in numbers:
            writer.add(body(number), place(number, run_id=name))
        writer.close_folder(folder_row(messages=numbers.stop, uid_next=numbers.stop + 1, run_id=name))
        writer.flush()
        row = place(numbers.start, run_id=name, change=Change.DELETED_BY_RETENTION)
        writer.audit([audit_of(row, who, at=datetime.now(UTC), rule="older than 30 days")])
        writer.record([row])
        writer.finish("succeeded", {}, 0)


def three_runs(root: Path, key: str | None = None) -> None:
    for number in range(3):
        run(root, f"run-{number}", range(number * 10 + 1, number * 10 + 5), key)


def verify(root: Path, key: str | None = None) -> VerifyReport:
    archive = Archive(root)
    if key is not None:
        archive.use_seal_key(key)
    return verify_archive(archive)


def tampered(root: Path, key: str | None = None) -> list[str]:
    report = verify(root, key)
    found = [problem.sentence for problem in report.problems if problem.kind is ProblemKind.TAMPERED]
    assert list(report.failures) == found
    return found


def rewrite(root: Path, name: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Put other rows in place of a table's, as somebody with access to the files could."""
    table = DeltaTable(str(root / "tables" / name))
    whole = table.to_pyarrow_table()
    rows = change((whole.sort_by("seq") if "seq" in whole.column_names else whole).to_pylist())
    write_deltalake(table, pa.Table.from_pylist(rows, schema=TABLES[name].schema), mode="overwrite")


def kill_one(root: Path, key: str | None = None) -> None:
    """Let a run commit rows and die before its seal."""
    archive = Archive(root)
    if key is not None:
        archive.use_seal_key(key)
    writer = archive.writer(context("killed"))
    writer.__enter__()
    writer.add(body(70), place(70, run_id="killed"))
    writer.flush()
    writer._close()


def forget_notes(root: Path) -> None:
    """Take out what runs noted of their seals."""
    rewrite(root, "runs", lambda rows: [{**row, "seal": None} for row in rows])
