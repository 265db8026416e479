"""Archives as an older Mailroom left them: tables with fewer columns, files that state less."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction, RemoveAction

__all__ = ["make_old"]


def make_old(root: Path, dropped: Mapping[str, Collection[str]]) -> None:
    """Write the tables of an archive anew without some columns, as before these were invented.

    :param dropped: the columns to leave out, by table.
    """
    (root / "archive.json").unlink(missing_ok=True)
    for folder in sorted((root / "tables").iterdir()):
        _write_old(folder, dropped.get(folder.name, ()))


def _write_old(folder: Path, dropped: Collection[str]) -> None:
    table = DeltaTable(str(folder))
    names = [field.name for field in table.schema().fields if field.name not in dropped]
    kept = [(path, pq.read_table(path, columns=names)) for path in map(Path, table.file_uris())]
    transactions = _transactions(folder)
    old = folder.with_suffix(".old")
    made = DeltaTable.create(
        str(old), schema=kept[0][1].schema, name=folder.name, configuration=table.metadata().configuration
    )
    actions: list[AddAction | RemoveAction] = []
    for path, rows in kept:
        pq.write_table(rows, old / path.name, compression="zstd")
        stats = json.dumps({"numRecords": rows.num_rows, "minValues": {}, "maxValues": {}})
        size = (old / path.name).stat().st_size
        actions.append(AddAction(path.name, size, {}, int(time.time() * 1000), True, stats))
    made.create_write_transaction(
        actions,
        "append",
        made.schema(),
        commit_properties=CommitProperties(
            app_transactions=[Transaction(name, number) for name, number in transactions.items()]
        ),
    )
    shutil.rmtree(folder)
    old.rename(folder)


def _transactions(folder: Path) -> dict[str, int]:
    found = {}
    for entry in sorted((folder / "_delta_log").glob("*.json")):
        for line in entry.read_text().splitlines():
            action = json.loads(line).get("txn")
            if action:
                found[action["appId"]] = action["version"]
    return found
