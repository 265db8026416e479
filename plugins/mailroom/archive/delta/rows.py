"""Rows as Arrow, and Arrow as rows.

Belongs here: the one place that knows which field of a value goes to which column.
Does not belong here: column types and meanings (``schemas``).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa

from mailroom.archive.delta.schemas import TABLES
from mailroom.ledger import AuditRow, HoldRow, HoldState, PlanRow, PlanState
from mailroom.model import Change, FolderRow, LocationRow, MailProtocol

__all__ = [
    "audit_table",
    "build_table",
    "folder_rows",
    "folders_table",
    "hold_rows",
    "holds_table",
    "location_rows",
    "locations_table",
    "newest_of_each",
    "plan_rows",
    "plans_table",
]

_FOLDER_FIELDS = {
    "account": "account",
    "folder": "folder",
    "delimiter": "delimiter",
    "special_use": "special_use",
    "uidvalidity": "uid_validity",
    "uidnext": "uid_next",
    "highestmodseq": "highest_modseq",
    "messages": "messages",
    "complete": "complete",
    "windowed": "windowed",
    "deleted": "deleted",
    "at": "at",
    "run_id": "run_id",
    "subscribed": "subscribed",
    "mailbox_id": "mailbox_id",
    "renamed_from": "renamed_from",
}

_LOCATION_FIELDS = {"uidvalidity": "uid_validity"}
"""Columns of ``locations`` that are named otherwise in values."""

_AUDIT_FIELDS = {"uidvalidity": "uid_validity"}
"""Columns of ``audit`` and ``plans`` that are named otherwise in values."""


def build_table(name: str, columns: Sequence[Sequence[Any]]) -> pa.Table:
    """Return rows of a table from its columns, in the schema's order.

    Text that no encoder takes (a lone surrogate from a server's bytes) is stored with
    question marks rather than refused.
    """
    schema = TABLES[name].schema
    arrays = [_array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)


def locations_table(
    rows: Sequence[LocationRow],
    digests: Sequence[str | None],
    archived: Sequence[datetime | None],
    seqs: Sequence[int],
) -> pa.Table:
    """Return rows of ``locations``; digest, time of archiving and seq are the archive's to fill in."""
    fields = zip(*rows, strict=True) if rows else repeat((), len(LocationRow._fields))
    told: dict[str, Sequence[Any]] = dict(zip(LocationRow._fields, map(list, fields), strict=True))
    # ``value`` of an enumeration is a call, which counts where there are many rows.
    told |= {name: [value._value_ for value in told[name]] for name in ("protocol", "change")}
    told |= {name: [sorted(words) if words else () for words in told[name]] for name in ("flags", "labels")}
    told |= {"sha256": digests, "archived_at": archived, "seq": seqs}
    names = (_LOCATION_FIELDS.get(name, name) for name in TABLES["locations"].schema.names)
    return build_table("locations", [told[name] for name in names])


def location_rows(table: pa.Table) -> Iterator[LocationRow]:
    """Yield rows of ``locations`` as values."""
    for row in table.to_pylist():
        yield LocationRow(
            account=row["account"],
            protocol=MailProtocol(row["protocol"]),
            folder=row["folder"],
            change=Change(row["change"]),
            at=row["at"],
            run_id=row["run_id"],
            uid_validity=row["uidvalidity"],
            uid=row["uid"],
            uidl=row["uidl"],
            sha256=row["sha256"],
            size=row["size"],
            flags=tuple(row["flags"] or ()),
            internal_date=row["internal_date"],
            modseq=row["modseq"],
            object_id=row["object_id"],
            archived_at=row["archived_at"],
            moved_from=row["moved_from"],
            labels=tuple(row["labels"] or ()),
        )


def folders_table(rows: Sequence[FolderRow], seqs: Sequence[int]) -> pa.Table:
    """Return rows of ``folders``."""
    columns: dict[str, Sequence[Any]] = {"seq": seqs}
    columns |= {theirs: [getattr(r, ours) for r in rows] for theirs, ours in _FOLDER_FIELDS.items()}
    return build_table("folders", [columns[name] for name in TABLES["folders"].schema.names])


def folder_rows(table: pa.Table) -> Iterator[tuple[int, FolderRow]]:
    """Yield rows of ``folders`` as values, each after its seq."""
    for row in table.to_pylist():
        yield row["seq"], FolderRow(**{ours: row[theirs] for theirs, ours in _FOLDER_FIELDS.items()})


def audit_table(rows: Sequence[AuditRow], seqs: Sequence[int]) -> pa.Table:
    """Return rows of ``audit``."""
    return _logged("audit", rows, seqs)


def plans_table(rows: Sequence[PlanRow], seqs: Sequence[int]) -> pa.Table:
    """Return rows of ``plans``."""
    return _logged("plans", rows, seqs)


def plan_rows(table: pa.Table) -> Iterator[tuple[int, PlanRow]]:
    """Yield rows of ``plans`` as values, each after its seq."""
    for row in table.to_pylist():
        values = {_AUDIT_FIELDS.get(name, name): value for name, value in row.items() if name != "seq"}
        values |= {name: tuple(row[name] or ()) for name in ("uidls", "digests")}
        values["state"] = PlanState(row["state"])
        yield row["seq"], PlanRow(**values)


def holds_table(rows: Sequence[HoldRow], seqs: Sequence[int]) -> pa.Table:
    """Return rows of ``holds``."""
    return _logged("holds", rows, seqs)


def hold_rows(table: pa.Table) -> Iterator[HoldRow]:
    """Yield rows of ``holds`` as values, in the order they were written."""
    for row in table.sort_by("seq").to_pylist():
        del row["seq"]
        yield HoldRow(**{**row, "state": HoldState(row["state"])})


def _logged(name: str, rows: Sequence[AuditRow | PlanRow | HoldRow], seqs: Sequence[int]) -> pa.Table:
    """Return rows of a log; ``seq`` is the number of the commit."""
    names = TABLES[name].schema.names
    fields = [None if column == "seq" else _AUDIT_FIELDS.get(column, column) for column in names]
    return build_table(
        name, [seqs if ours is None else [_plain(getattr(row, ours)) for row in rows] for ours in fields]
    )


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def newest_of_each(table: pa.Table, key: str) -> pa.Table:
    """Return the row with the highest ``seq`` of each key: of a long history the short state."""
    if not table.num_rows:
        return table
    whole = table.combine_chunks()
    codes = whole[key].chunk(0).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    order = np.lexsort((whole["seq"].to_numpy(), codes))
    is_last = np.ones(len(order), dtype=bool)
    is_last[:-1] = codes[order][1:] != codes[order][:-1]
    return whole.take(order[is_last])


def _array(values: Iterable[Any], kind: pa.DataType) -> pa.Array:
    values = values if isinstance(values, list) else list(values)
    if len(values) > 1 and values[0] is values[-1] and _is_one(values, kind):
        return pa.repeat(_array(values[:1], kind)[0], len(values))
    try:
        return pa.array(values, kind, memory_pool=pa.system_memory_pool())
    except UnicodeEncodeError:
        return pa.array([_encodable(value) for value in values], kind)


def _is_one(values: list[Any], kind: pa.DataType) -> bool:
    """Say whether a column is one value all the way down; to see that costs a tenth of turning each.

    Lists are as soon turned.
    """
    return not pa.types.is_list(kind) and values.count(values[0]) == len(values)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (list, tuple)):
        return [_encodable(item) for item in value]
    return value
