"""Archived messages by what a server says of each at no cost: size and date of arrival.

Belongs here: finding them in ``locations``, whatever folder they are or were in. Does not belong here:
what proves that a message is one of them (``services``); these two alone never do.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.reading.objects import ArchivedObject

__all__ = ["Look", "find_looks"]

Look = tuple[int, datetime]
"""Size as the server stated it, and INTERNALDATE."""

_COLUMNS = ("size", "internal_date", "sha256", "archived_at")


def find_looks(archive: Archive, account: str, looks: Collection[Look]) -> dict[Look, list[ArchivedObject]]:
    """Return the archived messages of an account that ever looked like one of these, each once.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    wanted = set(looks)
    sizes = pa.array(sorted({size for size, _ in wanted}), pa.int64())
    dates = pa.array(sorted({date for _, date in wanted}), pa.timestamp("us", tz="UTC"))
    found: dict[Look, dict[str, ArchivedObject]] = {}
    for table in archive.scan_table("locations", _COLUMNS, equal={"account": account}) if wanted else ():
        near = pc.and_(
            pc.is_in(table["size"], value_set=sizes), pc.is_in(table["internal_date"], value_set=dates)
        )
        for row in table.filter(pc.and_(near, pc.is_valid(table["sha256"]))).to_pylist():
            look = (row["size"], row["internal_date"])
            if look in wanted:
                held = ArchivedObject(sha256=row["sha256"], archived_at=row["archived_at"])
                found.setdefault(look, {}).setdefault(held.sha256, held)
    known = archive.describe({digest for held in found.values() for digest in held})
    return {look: [each for digest, each in held.items() if digest in known] for look, held in found.items()}
