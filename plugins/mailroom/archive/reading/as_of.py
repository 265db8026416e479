"""One account as of now or of a moment: the one reader behind export, restore and history.

Belongs here: which rows of the logs were the newest then, folder by folder and protocol by
protocol. Does not belong here: which of them count as mail for what is done with them
(``contents``, ``snapshot``, ``history``). A snapshot is read once and does not change.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from mailroom.archive.delta.rows import folder_rows, newest_of_each
from mailroom.archive.reading.places import CHANGES, Places, Rows
from mailroom.model import Change, FolderRow, MailProtocol

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive
    from mailroom.archive.delta.tables import Table

__all__ = ["LIVE", "AccountAsOf", "is_one_of", "newest_folders"]

LIVE = frozenset(change for change in Change if change.is_live)
"""What a message is called that was on the server."""


class AccountAsOf:
    """The rows of one account that say how it was.

    :param moment: leave out what was seen or done later; None for the newest state.
    """

    def __init__(self, archive: Archive, account: str, moment: datetime | None = None) -> None:
        self._archive = archive
        self.account = account
        self.moment = moment
        self.table: Table = archive.table("locations")
        self._places: dict[MailProtocol, Places] = {}

    @cached_property
    def folders(self) -> dict[str, FolderRow]:
        """The newest row of each folder that a server ever showed, those gone by then included.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        return newest_folders(self._archive.table("folders"), self.account, self.moment)

    def places(self, protocol: MailProtocol) -> Places:
        """Return the newest row of each place that was read by a protocol.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        if protocol not in self._places:
            found = Places(self.table, self.account, protocol, until=self.moment)
            found.update()
            self._places[protocol] = found
        return self._places[protocol]

    def rows(self, protocol: MailProtocol, folder: str, changes: Collection[Change] = LIVE) -> Rows:
        """Return those newest rows of a folder that say one of these things.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        rows = self.places(protocol).of_folder(folder)
        return rows.take(is_one_of(rows, changes))


def is_one_of(rows: Rows, changes: Collection[Change]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return for each row whether it says one of these things."""
    return np.isin(rows.change, [CHANGES.index(change.value) for change in changes])


def newest_folders(table: Table, account: str, moment: datetime | None = None) -> dict[str, FolderRow]:
    """Return what was last stated of each folder of an account, by name.

    :param moment: leave out what was stated later.
    :raises StoreUnavailable: where the table cannot be read.
    """
    newest: dict[str, tuple[int, FolderRow]] = {}
    for piece in table.scan(table.spec.schema.names, equal={"account": account}):
        rows = piece.table if moment is None else piece.table.filter(pc.field("at") <= moment)
        for seq, row in folder_rows(newest_of_each(rows, "folder")):
            if row.folder not in newest or newest[row.folder][0] <= seq:
                newest[row.folder] = (seq, row)
    return {folder: row for folder, (_, row) in newest.items()}
