"""Tables of what a closer look at archived messages found, which grow as messages are inspected.

Belongs here: which messages a table has no row of, and adding rows, once for each message.
Does not belong here: what is found (``message``, ``services``). All rows of a message are in
one commit, so a kill leaves a message inspected or not, never half.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mailroom.archive.archive import Archive
from mailroom.archive.delivering.delivery_keys import PairSet
from mailroom.archive.delta.rows import build_table
from mailroom.archive.delta.schemas import TABLES
from mailroom.archive.delta.tables import Append
from mailroom.archive.delta.upkeep import keep_up

__all__ = ["FINDINGS", "Findings", "accounts_of", "drop_outdated", "messages_of"]

FINDINGS = ("authentication", "envelopes", "links")
"""The tables of this kind; the column ``sha256`` of each says which message a row is about."""

Row = Mapping[str, Any]  # Any: a value of the column of this name


class Findings:
    """One such table, for one writer.

    :raises StoreUnavailable: from every method, where the store refuses.
    """

    def __init__(self, archive: Archive, name: str) -> None:
        self.name = name
        self._archive = archive
        self._table = archive.table(name)
        self._inspected = PairSet()
        self._take_in()

    def is_inspected(self, digests: pa.Array) -> npt.NDArray[np.bool_]:
        """Say for each message whether the table has its rows."""
        return self._inspected.holds(digests, _no_words(len(digests)))

    def add(self, rows: Sequence[Row]) -> int:
        """Commit rows, without those of messages that another run has inspected.

        :return: how many of them tell of something; others only mark a message that was looked at.
        """
        mine = list(rows)
        durability = self._archive.prepare()

        def plan() -> Append | None:
            nonlocal mine
            self._take_in()
            held = self.is_inspected(_digests(mine))
            mine = [row for row, is_held in zip(mine, held, strict=True) if not is_held]
            if not mine:
                return None
            number = self._table.transaction_version(self.name) + 1
            return Append(rows=[self._built(mine)], transactions={self.name: number})

        try:
            self._table.append(plan)
            self._inspected.add(_digests(mine), _no_words(len(mine)))
            keep_up(self._table, durability.sync)
            durability.sync()
        finally:
            durability.close()
        return sum(map(_tells, mine))

    def _built(self, rows: Sequence[Row]) -> pa.Table:
        names = TABLES[self.name].schema.names
        return build_table(self.name, [[row[name] for row in rows] for name in names])

    def _take_in(self) -> None:
        for piece in self._table.scan(["sha256"], files=self._table.unseen()):
            digests = piece.table["sha256"]
            self._inspected.add(digests, _no_words(len(digests)))
        self._table.mark_seen()


def drop_outdated(
    archive: Archive, settings: Collection[tuple[str | None, bool]], names: Iterable[str]
) -> int:
    """Drop rows of ``authentication`` that were found with other settings, and return how many.

    A kill right after it leaves messages without a row, which the next run inspects.

    :param settings: server whose word is looked for and whether signatures are checked, as in use by now.
    :param names: accounts whose messages it is about.
    :raises StoreUnavailable: where the store refuses.
    """
    from mailroom.archive.removing.removal import drop_rows

    table = archive.table("authentication")
    outdated, going = PairSet(), PairSet()
    for piece in table.scan(["sha256", "asked", "dkim_checked"]):
        said = zip(piece.table["asked"].to_pylist(), piece.table["dkim_checked"].to_pylist(), strict=True)
        mask = pa.array([one not in settings for one in said], pa.bool_())
        digests = piece.table["sha256"].filter(mask)
        outdated.add(digests, _no_words(len(digests)))
    for name in names:
        for digests in messages_of(archive, name):
            found = digests.filter(pa.array(outdated.holds(digests, _no_words(len(digests)))))
            going.add(found, _no_words(len(found)))
    durability = archive.prepare()
    try:
        count = drop_rows(
            table, "sha256", lambda column: going.holds(column, _no_words(len(column))).tolist()
        )
        durability.sync()
    finally:
        durability.close()
    return count


def accounts_of(archive: Archive) -> list[str]:
    """Return the accounts that the archive has mail of, in the order of their names."""
    found: set[str] = set()
    for table in archive.scan_table("locations", ["account"]):
        found.update(table["account"].unique().to_pylist())
    return sorted(found)


def messages_of(archive: Archive, account: str) -> Iterator[pa.Array]:
    """Yield the messages of an account, some thousands at a time; one may come again."""
    for table in archive.scan_table("locations", ["sha256"], {"account": account}):
        yield table["sha256"].drop_null().unique()


def _tells(row: Row) -> bool:
    """Return whether a row is more than the mark of a message in which nothing was found."""
    return row.get("number", 1) > 0 and row.get("kind", "") is not None


def _digests(rows: Sequence[Row]) -> pa.Array:
    return pa.array([row["sha256"] for row in rows], pa.string())


def _no_words(count: int) -> pa.Array:
    return pa.array([""] * count, pa.string())
