"""Joining small files: every row stays, in little memory."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from mailroom.archive import Archive
from mailroom.archive.delta.data_files import aligned
from mailroom.archive.delta.tables import Append, Table
from mailroom.archive.delta.upkeep import EVERY_COMMITS, GROUP_OCTETS, READ_OCTETS, keep_up


def grown(root: Path, *, commits: int, rows: int, octets: int) -> tuple[Table, list[str]]:
    """Return a table of texts with one file a commit, and its texts in order."""
    archive = Archive(root)
    archive.prepare().close()
    table = archive.table("texts")
    texts = [f"{number:06d}" + "x" * octets for number in range(commits * rows)]
    for number in range(commits):
        mine = texts[number * rows : (number + 1) * rows]
        digests = [hashlib.sha256(text.encode()).hexdigest() for text in mine]
        part = aligned(pa.table({"sha256": digests, "text": mine}), table.spec.schema)
        table.append(partial(Append, rows=[part], transactions={"texts": number}))
    return table, texts


@pytest.mark.parametrize(("rows", "octets"), [(40, 5_000), (3, 200_000), (1, 3_000_000), (20, 0)], ids=str)
def test_joined_row_groups_are_small_and_whole(tmp_path: Path, rows: int, octets: int) -> None:
    """Long texts make many row groups rather than one that fills the memory of whoever reads it."""
    table, texts = grown(tmp_path, commits=EVERY_COMMITS, rows=rows, octets=octets)
    keep_up(table, lambda: None)
    (file,) = table.files()
    read = [text for piece in table.scan(["text"]) for text in piece.table["text"].to_pylist()]
    assert read == texts
    with table.parquet(file) as parquet:
        sizes = [parquet.read_row_group(number).nbytes for number in range(parquet.metadata.num_row_groups)]
    most = GROUP_OCTETS + max(READ_OCTETS, 2 * octets) * 2
    assert max(sizes) <= most
    assert len(sizes) <= sum(sizes) // GROUP_OCTETS + 1


def test_libraries_use_allocators_that_give_memory_back() -> None:
    """Both are told so by the environment, which they read once, when they are loaded."""
    program = (
        "import mailroom.archive.delta.tables, os, pyarrow; "
        "print(pyarrow.default_memory_pool().backend_name, os.environ['_RJEM_MALLOC_CONF'])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("system ")
    assert "dirty_decay_ms" in found.stdout
