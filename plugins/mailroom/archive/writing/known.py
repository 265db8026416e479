"""Which messages the archive holds, and since when: asked once for every message that comes in.

Belongs here: the digests of ``messages`` in memory, 24 octets each. Does not belong
here: what is still on its way in (``writer``).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow.compute as pc

from mailroom.archive.delta.tables import Table
from mailroom.archive.digests import halves, halves_of_all
from mailroom.archive.memory import MemoryRelease

__all__ = ["Known"]

MERGE_ROWS = 20_000
"""New digests are kept in a dictionary until there are this many, then sorted in."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Known:
    """The digests in ``messages`` with the time each was archived; loaded when first asked.

    Exactly the rows of the table's version in hand: whoever refreshes the table calls
    ``update`` before relying on an answer. Any thread may ask while one writes.
    """

    def __init__(self, messages: Table) -> None:
        self._table = messages
        self._first = np.empty(0, np.uint64)
        self._second = np.empty(0, np.uint64)
        self._archived = np.empty(0, np.int64)
        self._recent: dict[str, int] = {}
        self._lock = threading.RLock()
        self._memory = MemoryRelease()

    def __len__(self) -> int:
        return len(self._first) + len(self._recent)

    def update(self) -> None:
        """Take in rows that others have added.

        :raises StoreUnavailable: where the table cannot be read.
        """
        fresh = self._table.unseen()
        self._table.mark_seen()
        if not fresh:
            return
        with self._lock:
            start = len(self._first)
            self._make_room(sum(file.rows for file in fresh))
            for piece in self._table.scan(["sha256", "archived_at"], files=fresh):
                stop = start + piece.table.num_rows
                self._first[start:stop], self._second[start:stop] = halves(piece.table["sha256"])
                archived = pc.fill_null(piece.table["archived_at"].cast("int64"), 0)
                self._archived[start:stop] = archived.to_numpy()
                start = stop
            self._sort()
        self._memory.release()

    def archived_at(self, digest: str) -> datetime | None:
        """Return when a message was archived, or None where it is not in the table."""
        return self.find((digest,))[0]

    def find(self, digests: Sequence[str]) -> list[datetime | None]:
        """Return for each message when it was archived, or None where it is not in the table."""
        with self._lock:
            moments = list(map(self._recent.get, digests))
            if len(self._first):
                asked = [place for place, moment in enumerate(moments) if moment is None]
                for place, moment in zip(asked, self._sorted_in([digests[n] for n in asked]), strict=True):
                    moments[place] = moment
        made = {moment: _EPOCH + moment * _MICROSECOND for moment in set(moments) if moment is not None}
        return [None if moment is None else made[moment] for moment in moments]

    def among(self, digests: Sequence[str]) -> set[str]:
        """Return which of these messages are in the table."""
        return {one for one, moment in zip(digests, self.find(digests), strict=True) if moment is not None}

    def _sorted_in(self, digests: Sequence[str]) -> list[int | None]:
        """Return the moments of messages that are among the sorted ones."""
        if not digests:
            return []
        first, second = halves_of_all(digests)
        places = np.minimum(self._first.searchsorted(first), len(self._first) - 1)
        same = self._first[places] == first
        # Two that share their first half lie side by side; that takes somebody who makes them so.
        while (others := same & (self._second[places] != second)).any():
            nexts = np.minimum(places + 1, len(self._first) - 1)
            same &= ~others | ((nexts > places) & (self._first[nexts] == first))
            places = np.where(others, nexts, places)
        moments = self._archived[places].tolist()
        return [moment if hit else None for moment, hit in zip(moments, same.tolist(), strict=True)]

    def add(self, digests: Sequence[str], archived_at: Sequence[datetime]) -> None:
        """Remember messages whose rows this process has committed."""
        # Many have one moment; a difference of times costs more than a look at what was seen before.
        moments = {moment: (moment - _EPOCH) // _MICROSECOND for moment in set(archived_at)}
        with self._lock:
            self._recent.update(zip(digests, map(moments.__getitem__, archived_at), strict=True))
            if len(self._recent) >= MERGE_ROWS:
                start = len(self._first)
                self._make_room(len(self._recent))
                self._first[start:], self._second[start:] = halves_of_all(list(self._recent))
                self._archived[start:] = np.fromiter(self._recent.values(), np.int64)
                self._recent = {}
                self._sort()

    def _make_room(self, rows: int) -> None:
        for name in ("_first", "_second", "_archived"):
            column = getattr(self, name)
            longer = np.empty(len(column) + rows, column.dtype)
            longer[: len(column)] = column
            setattr(self, name, longer)

    def _sort(self) -> None:
        """Sort all columns, one after the other, so that no second copy of all of them is held."""
        order = np.argsort(self._first)
        self._first = self._first[order]
        self._second = self._second[order]
        self._archived = self._archived[order]
        once = np.ones(len(order), dtype=bool)  # rows are read again after another writer joined files
        once[1:] = (self._first[1:] != self._first[:-1]) | (self._second[1:] != self._second[:-1])
        if not once.all():
            self._first, self._second = self._first[once], self._second[once]
            self._archived = self._archived[once]
