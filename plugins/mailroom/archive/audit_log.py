"""What the audit says: who took which message away.

Belongs here: reading ``audit``. Does not belong here: writing it (``committer``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive

__all__ = ["AuditedPlace", "audited"]

AuditedPlace = tuple[str, int | None, str | None, str | None]
"""Folder, UID, UIDL and digest of a message."""


def audited(archive: Archive, run_id: str) -> set[AuditedPlace]:
    """Return what the audit says a run did.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    columns = ("folder", "uid", "uidl", "message_sha256")
    found: set[AuditedPlace] = set()
    for table in archive.scan_table("audit", columns, equal={"run_id": run_id}):
        found.update(zip(*(table[name].to_pylist() for name in columns), strict=True))
    return found
