"""What zip archives that came by mail hold, as far as deliveries looked into them.

Belongs here: the table ``zip_members``: what it has of some messages, and adding rows, once for each
archive. Does not belong here: opening archives (``services.delivering``). All rows of an archive are in one
commit, so a kill leaves an archive known or not, never half; a message and its parts never change, so what
is known stays true.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.delta.data_files import DataFile
from mailroom.archive.delta.rows import build_table
from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.delta.tables import Append
from mailroom.archive.delta.upkeep import keep_up
from mailroom.archive.digests import DigestSet, halves, halves_of_all

__all__ = ["ZipMembers"]

Row = Mapping[str, Any]  # Any: a value of the column of this name

Key = tuple[str, str]
"""An archive: its message, and its part there."""

NAME = "zip_members"


class ZipMembers:
    """The table, for one writer.

    :raises StoreUnavailable: from every method, where the store refuses.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._table = archive.table(NAME)
        self._held: dict[str, list[DigestSet]] = {}

    def of(self, messages: Collection[str]) -> dict[Key, list[Row]]:
        """Return the rows of every archive in these messages that is known, by archive.

        Which messages a row group is about is read once, and takes 16 octets a message.
        """
        found: dict[Key, list[Row]] = defaultdict(list)
        asked, wanted = halves_of_all(list(messages)), pa.array(messages, pa.string())
        files = self._table.files()
        self._held = {file.path: self._held.get(file.path) or self._messages_of(file) for file in files}
        for file in files:
            for group, held in enumerate(self._held[file.path]):
                if (held.find(*asked) < 0).all():
                    continue
                rows = self._table.read_group(file, group)
                rows = rows.filter(pc.is_in(rows["message_sha256"], value_set=wanted))
                for row in rows.to_pylist():
                    found[row["message_sha256"], row["archive"]].append(row)
        return found

    def _messages_of(self, file: DataFile) -> list[DigestSet]:
        pieces = self._table.scan(["message_sha256"], files=[file])
        return [DigestSet(*halves(piece.table["message_sha256"])) for piece in pieces]

    def add(self, rows: Sequence[Row]) -> int:
        """Commit rows, without those of archives that another run has added; return how many."""
        mine = list(rows)
        messages = {row["message_sha256"] for row in mine}

        def plan() -> Append | None:
            known = self.of(messages)
            mine[:] = [row for row in mine if (row["message_sha256"], row["archive"]) not in known]
            if not mine:
                return None
            columns = [[row[name] for row in mine] for name in TABLES[NAME].schema.names]
            number = self._table.transaction_version(NAME) + 1
            return Append(rows=[build_table(NAME, columns)], transactions={NAME: number})

        durability = self._archive.prepare()
        try:
            self._table.refresh()
            self._table.append(plan)
            keep_up(self._table, durability.sync)
            durability.sync()
        finally:
            durability.close()
        return len(mine)
