"""Archived messages by the id that their server gave them: EMAILID (RFC 8474) or X-GM-MSGID.

Belongs here: finding them in ``locations``, whatever folder they are or were in. Does not belong
here: what follows from it (``services``). A server gives one id to one content for ever, so that a
message that was moved, copied or labelled need not be downloaded to be known.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive

__all__ = ["ArchivedObject", "find_objects"]

_COLUMNS = ("object_id", "sha256", "size", "archived_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedObject:
    """One message as the archive holds it."""

    sha256: str
    archived_at: datetime | None


def find_objects(
    archive: Archive, account: str, object_ids: Collection[str]
) -> dict[tuple[str, int], ArchivedObject]:
    """Return, by id and size as the server stated it, the messages that are archived under one of these ids.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    wanted = pa.array(sorted(object_ids), pa.string())
    found: dict[tuple[str, int], ArchivedObject] = {}
    for table in archive.scan_table("locations", _COLUMNS, equal={"account": account}):
        known = pc.and_(pc.is_in(table["object_id"], value_set=wanted), pc.is_valid(table["sha256"]))
        for row in table.filter(known).to_pylist():
            if row["size"] is not None:
                found[row["object_id"], row["size"]] = ArchivedObject(
                    sha256=row["sha256"], archived_at=row["archived_at"]
                )
    held = archive.describe({each.sha256 for each in found.values()})
    return {key: each for key, each in found.items() if each.sha256 in held}
