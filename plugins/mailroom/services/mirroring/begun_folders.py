"""Folders of which mail is archived although no run came to their end: known, as much as those that are done.

Here: what stands for the row that such a folder lacks. Not here: rows of folders that were mirrored
to the end (``archive``), what follows where one is gone or has another name (``departures``).

A run that is broken off has recorded messages and leaves the folder's own row to the next one. Where
the folder is deleted or renamed until then, its messages would be shown as there for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from mailroom.model import FolderRow

if TYPE_CHECKING:
    from mailroom.archive import Archive
    from mailroom.archive.reading.bookmarks import AccountOverview

__all__ = ["with_begun"]


def with_begun(
    archive: Archive, account: str, known: AccountOverview, at: datetime
) -> Mapping[str, FolderRow]:
    """Return the newest row of each folder, made up for those whose live messages no row tells of.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    begun = {}
    for name, live in known.live.items():
        row = known.folders.get(name)
        if live and (row is None or row.deleted):
            begun[name] = FolderRow(
                account=account,
                folder=name,
                at=at,
                run_id="",
                uid_validity=archive.folder_state(account, name).uid_validity,
                messages=live,
                complete=False,
            )
    return {**known.folders, **begun} if begun else known.folders
