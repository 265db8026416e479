"""Manifests: objects beside what was delivered, which say where each of it came from.

Here: which rows of ``deliveries`` go into a manifest, and its two forms. Not here: delivering. Each
delivery is in one manifest of its destination: what a killed run delivered and did not tell is in
the next one. The first manifest of a destination tells all that was ever delivered there.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mailroom.archive import Archive
from mailroom.archive.delivering.consumption import Consumption
from mailroom.archive.delivering.delivery_store import DeliveryStore
from mailroom.archive.delta.parquet_bytes import as_parquet
from mailroom.exceptions import StoreUnavailable
from mailroom.model import RunContext
from mailroom.policy.destinations import MANIFESTS

__all__ = ["Manifest", "ManifestForm", "write_manifests"]

MAX_ROWS = 50_000
"""Rows of one manifest; more make several. They are in memory while one is written."""

Row = dict[str, Any]  # Any: a row of ``deliveries``


class ManifestForm(enum.Enum):
    """How a manifest is written."""

    JSONL = "jsonl"
    PARQUET = "parquet"


_TYPES = {ManifestForm.JSONL: "application/x-ndjson", ManifestForm.PARQUET: "application/vnd.apache.parquet"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One manifest that was written."""

    location: str
    rows: int

    def as_json(self) -> dict[str, Any]:
        """Return it for a summary."""
        return {"location": self.location, "rows": self.rows}


def write_manifests(
    archive: Archive,
    store: DeliveryStore,
    context: RunContext,
    form: ManifestForm,
    now: Callable[[], datetime],
) -> Iterator[Manifest]:
    """Write what was delivered to a place and is in no manifest yet, and yield each manifest.

    A manifest lies there, durably, before it is noted; after a kill between the two the same one is
    taken for what it is, or lies there unnoted while a larger one is written.

    :raises StoreUnavailable: where a store refuses, or another run writes manifests of it too.
    """
    told = Consumption(archive, f"manifest of {store.url}")
    rows: list[Row] = []
    for table in archive.scan_table("deliveries", equal={"destination": store.url}):
        untold = ~told.are_taken(table["message_sha256"], table["part"])
        rows += [row for row, is_new in zip(table.to_pylist(), untold, strict=True) if is_new]
        while len(rows) >= MAX_ROWS:
            yield _write(archive, store, told, rows[:MAX_ROWS], context, form, now)
            del rows[:MAX_ROWS]
    if rows:
        yield _write(archive, store, told, rows, context, form, now)


def _write(
    archive: Archive,
    store: DeliveryStore,
    told: Consumption,
    rows: Sequence[Row],
    context: RunContext,
    form: ManifestForm,
    now: Callable[[], datetime],
) -> Manifest:
    ordered = sorted(rows, key=lambda row: (row["at"], row["path"], row["message_sha256"], row["part"]))
    content = _as_lines(ordered) if form is ManifestForm.JSONL else as_parquet("deliveries", ordered)
    digest = hashlib.sha256(content).hexdigest()
    newest = ordered[-1]["at"].astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = f"{MANIFESTS}/{newest}-{digest[:16]}.{form.value}"
    created = store.create(
        path,
        lambda: [content],
        digest=digest,
        size=len(content),
        content_type=_TYPES[form],
        facts={"sha256": digest},
    )
    if not created and store.digest_of(path, len(content)) != digest:
        raise StoreUnavailable(f"Something else lies at {path} of {store.url}; no manifest was written.")
    durability = store.durability()
    try:
        durability.sync()
    finally:
        durability.close()
    told.commit([(row["message_sha256"], row["part"]) for row in ordered], now(), context.run_id)
    return Manifest(location=f"{store.url}/{path}", rows=len(ordered))


def _as_lines(rows: Sequence[Row]) -> bytes:
    return b"".join(
        json.dumps(row, default=_as_text, ensure_ascii=False, sort_keys=False).encode("utf-8", "replace")
        + b"\n"
        for row in rows
    )


def _as_text(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
