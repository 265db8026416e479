"""Delivered attachments of messages that leave the archive, deleted where they were delivered to.

Belongs here: deleting just what was delivered: a file or object whose content is another one by now is left
alone. Does not belong here: deliveries (``deliveries``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.delivering.delivery_store import open_delivery_store
from mailroom.exceptions import MailroomError

__all__ = ["WithdrawnDeliveries", "count_deliveries", "withdraw_deliveries"]

COLUMNS = ("destination", "path", "sha256", "size", "message_sha256")


@dataclass(slots=True)
class WithdrawnDeliveries:
    """What became of delivered attachments.

    :param changed: how many had another content by now, or were gone.
    :param failed: destination and path of those that could not be deleted.
    :param failures: a sentence for each destination that refused.
    """

    deleted: int = 0
    changed: int = 0
    failed: set[tuple[str, str]] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


def count_deliveries(archive: Archive, digests: Collection[str]) -> int:
    """Return how many attachments of these messages were delivered.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    return sum(rows.num_rows for rows in _of(archive, digests))


def withdraw_deliveries(archive: Archive, digests: Collection[str]) -> WithdrawnDeliveries:
    """Delete the delivered attachments of these messages.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    done = WithdrawnDeliveries()
    by_destination: dict[str, list[dict[str, object]]] = defaultdict(list)
    for rows in _of(archive, digests):
        for row in rows.to_pylist():
            by_destination[row["destination"]].append(row)
    for destination, wanted in by_destination.items():
        try:
            store = open_delivery_store(destination)
            for row in wanted:
                path, size = str(row["path"]), int(str(row["size"]))
                if store.digest_of(path, size) == row["sha256"]:
                    store.remove(path)
                    done.deleted += 1
                else:
                    done.changed += 1
                row["done"] = True
        except MailroomError as error:
            left = [row for row in wanted if "done" not in row]
            done.failed.update((destination, str(row["path"])) for row in left)
            done.failures.append(
                f"{len(left):,} delivered attachments at {destination} could not be deleted and keep their "
                f"rows in deliveries: {error}"
            )
    return done


def _of(archive: Archive, digests: Collection[str]) -> list[pa.Table]:
    wanted = pa.array(sorted(digests), pa.string())
    found = (
        rows.filter(pc.is_in(rows["message_sha256"], value_set=wanted))
        for rows in archive.scan_table("deliveries", COLUMNS)
    )
    return [rows for rows in found if rows.num_rows]
