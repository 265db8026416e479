"""What the archive knows of one folder or maildrop: the starting point of every plan.

Belongs here: views over the newest rows of ``locations``. Does not belong here: plans
(``policy``), and reading the log (``places``). IMAP numbers mean something only beside
their UIDVALIDITY (RFC 3501 section 2.3.1.1), so a folder's state is that of its newest
one; what still lived under older ones is told apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any  # Arrow arrays have no types

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.delta.rows import location_rows
from mailroom.archive.digests import halves_of_all
from mailroom.archive.reading.bookmarks import HeldMail, HeldOverview, MaildropOverview, digest_of_listing
from mailroom.archive.reading.digest_times import DigestTimes
from mailroom.archive.reading.places import CHANGES, Places, RowReader, Rows, joined
from mailroom.model import Change, LocationRow, return_of

__all__ = ["FolderState", "MaildropState", "live_counts", "rows_in_chunks"]

Uids = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]

POP3_FOLDER = "INBOX"
"""The folder that rows of a POP3 maildrop are recorded under; POP3 knows no other."""

CHUNK_ROWS = 4096
"""How many rows are turned into values at a time."""

_LIVE = np.array([Change(word).is_live for word in CHANGES] + [False])
_TAKEN = [CHANGES.index(c.value) for c in (Change.DELETED_BY_RETENTION, Change.DELETED_BY_FETCH)]
_TAKEN_AWAY = CHANGES.index(Change.DELETED_BY_RETENTION.value)
_UNFETCHABLE = CHANGES.index(Change.UNFETCHABLE.value)


class FolderState:
    """One IMAP folder as the archive last saw it; a snapshot that does not change.

    :ivar seq: number of the folder's last commit when the snapshot was taken, or -1.
    :ivar uid_validity: the newest UIDVALIDITY that messages were recorded under, or None.
    :ivar live: UIDs of messages that were on the server and are archived, ascending.
    :ivar past_count: how many messages are live still under an older UIDVALIDITY.
    :ivar unfetchable: UIDs that were listed but never delivered, ascending.
    """

    def __init__(self, places: Places, account: str, folder: str, seq: int) -> None:
        self.account = account
        self.folder = folder
        self.seq = seq
        self._places = places
        self._reader = places.reader
        self._flags = places.flags.words
        rows = places.of_folder(folder)
        epoch = _newest_epoch(rows)
        self.uid_validity: int | None = epoch
        current = rows.epoch == (-1 if epoch is None else epoch)
        self._rows = rows.take(current)
        self._live = self._rows.take(_LIVE[self._rows.change])
        self._past = rows.take(~current & _LIVE[rows.change])
        self.live: Uids = self._live.number
        self.past_count = len(self._past)
        self.unfetchable: Uids = self._rows.number[self._rows.change == _UNFETCHABLE]

    def flags_of(self) -> npt.NDArray[np.object_]:
        """Return each live message's flags, sorted and joined by blanks, aligned to ``live``."""
        words = np.array(self._flags, dtype=object)
        return words[self._live.flags] if len(words) else np.empty(0, dtype=object)

    def column(self, name: str) -> npt.NDArray[np.object_]:
        """Return one column of ``locations`` as Python values, aligned to ``live``.

        :raises StoreUnavailable: where the log cannot be read.
        """
        found = np.empty(len(self.live), dtype=object)
        for chosen, table in self._reader.read(self._live, [name]):
            found[chosen] = table[name].to_pylist()
        return found

    def digests(self) -> Iterator[tuple[Uids, list[str]]]:
        """Yield UIDs of live messages and their SHA-256, a few thousand in memory.

        :raises StoreUnavailable: where the log cannot be read.
        """
        for chosen, table in self._reader.read(self._live, ["sha256"]):
            for start in range(0, len(chosen), CHUNK_ROWS):
                digests = table["sha256"].slice(start, CHUNK_ROWS).to_pylist()
                yield self.live[chosen[start : start + CHUNK_ROWS]], digests

    def rows(self, uids: Iterable[int] | Uids) -> list[LocationRow]:
        """Return the newest rows of these UIDs, in ascending order; unknown UIDs are left out.

        :raises StoreUnavailable: where the log cannot be read.
        """
        wanted = np.unique(np.fromiter(uids, dtype=np.int64))
        return _values(self._reader, self._rows.take(np.isin(self._rows.number, wanted)))

    def by_digest(self, times: Times) -> DigestTimes:
        """Return instants of the live messages by SHA-256, of equal messages the latest.

        :param times: aligned to ``live``, in UTC; "not a time" where nothing is known.
        :raises StoreUnavailable: where the log cannot be read.
        """
        return DigestTimes([(pa.array(self.column("sha256"), pa.string()), times)])

    def taken_away(self, *, anywhere: bool = False) -> DigestTimes:
        """Return when retention last took each message out of this folder, under any number.

        :param anywhere: of all that it took out of any folder of the account.
        :raises StoreUnavailable: where the log cannot be read.
        """
        folders = self._places.folder_names() if anywhere else [self.folder]
        several = [self._places.of_folder(name) for name in folders]
        # All at once, so that a part of the log that several folders have rows in is read once.
        taken = joined([rows.take(rows.change == _TAKEN_AWAY) for rows in several or [self._rows]])
        read = self._places.reader.read(taken, ["sha256", "at"])
        return DigestTimes((table["sha256"], table["at"].to_numpy()) for _, table in read)

    def each(self, uids: Uids) -> Iterator[LocationRow]:
        """Yield the newest rows of these UIDs, ascending, a few thousand in memory; others are left out.

        :raises StoreUnavailable: where the log cannot be read.
        """
        yield from rows_in_chunks(self._reader, self._rows.take(np.isin(self._rows.number, uids)))

    def live_rows(self) -> Iterator[LocationRow]:
        """Yield the newest rows of all live messages, ascending by UID, a few thousand in memory."""
        yield from rows_in_chunks(self._reader, self._live)

    def past_live_rows(self) -> Iterator[LocationRow]:
        """Yield rows that are still live under an older UIDVALIDITY and wait to be recognised or closed."""
        yield from rows_in_chunks(self._reader, self._past)


class MaildropState:
    """One POP3 maildrop as the archive last saw it; a snapshot that does not change.

    A server may give one UIDL to several messages, so a key is UIDL and digest.

    :ivar seq: number of the maildrop's last commit when the snapshot was taken, or -1.
    """

    def __init__(self, places: Places, account: str, seq: int) -> None:
        self.account = account
        self.seq = seq
        self._reader = places.reader
        self._uidls = places.uidls
        self._rows = places.of_folder(POP3_FOLDER)
        self._by_uidl = np.argsort(self._rows.number, kind="stable")
        self._sorted = self._rows.number[self._by_uidl]

    def known_uidls(self) -> set[str]:
        """Return the UIDLs under which a message was archived at some time."""
        return self._words(self._rows.number[self._rows.epoch != 0])

    def live_uidls(self) -> set[str]:
        """Return the UIDLs that were on the server when last seen."""
        return self._words(self._rows.number[_LIVE[self._rows.change]])

    def rows(self, uidls: Collection[str]) -> dict[str, list[LocationRow]]:
        """Return the newest row of each digest under these UIDLs; unknown UIDLs are left out.

        :raises StoreUnavailable: where the log cannot be read.
        """
        numbers = np.unique([n for uidl in uidls if (n := self._uidls.find(uidl)) >= 0]).astype(np.int64)
        first, last = (
            np.searchsorted(self._sorted, numbers),
            np.searchsorted(self._sorted, numbers, side="right"),
        )
        places = [self._by_uidl[start:stop] for start, stop in zip(first, last, strict=True)]
        chosen = np.concatenate(places) if places else np.empty(0, np.intp)
        found: dict[str, list[LocationRow]] = {}
        for row in _values(self._reader, self._rows.take(chosen)):
            found.setdefault(row.uidl or "", []).append(row)
        return found

    def taken_away(self, digests: Iterable[str]) -> dict[str, datetime]:
        """Return when messages of these digests were last deleted here, under a UIDL that did not return.

        :raises StoreUnavailable: where the log cannot be read.
        """
        taken = self._rows.take(np.isin(self._rows.change, _TAKEN))
        wanted = sorted(set(digests)) if len(taken) else []
        keys = halves_of_all(wanted)[0].view(np.int64)
        taken = taken.take(np.isin(taken.epoch, keys))
        found: dict[str, datetime] = {}
        for _, table in self._reader.read(taken, ["sha256", "at"]):
            for row in table.filter(pc.is_in(table["sha256"], pa.array(wanted, pa.string()))).to_pylist():
                found[row["sha256"]] = max(row["at"], found.get(row["sha256"], row["at"]))
        return found

    def returns(
        self, digests: Sequence[str | None], seen: Sequence[datetime | None]
    ) -> list[datetime | None]:
        """Return when each of some live messages came back after it was deleted here, or None.

        :param seen: when each was seen first, aligned to their digests.
        :raises StoreUnavailable: where the log cannot be read.
        """
        taken = self.taken_away(digest for digest in digests if digest is not None)
        if not taken:
            return [None] * len(digests)
        return [return_of(at, taken.get(digest or "")) for digest, at in zip(digests, seen, strict=True)]

    def live_rows(self) -> Iterator[LocationRow]:
        """Yield the newest rows of all live messages, a few thousand in memory."""
        yield from rows_in_chunks(self._reader, self._rows.take(_LIVE[self._rows.change]))

    def overview(self, held: HeldMail | None = None) -> MaildropOverview | None:
        """Return what is live here in a line, or None where UIDLs and sizes do not tell messages apart.

        What was deleted here and somebody brought back counts from its return, as for whoever deletes.

        :param held: messages that were found to be due and under legal hold.
        :raises StoreUnavailable: where the log cannot be read.
        """
        rows = self._rows.take(_LIVE[self._rows.change])
        if not (rows.epoch != 0).all():
            return None
        words = self._uidls.words
        sizes = np.empty(len(rows), dtype=object)
        moments = _Moments(frozenset() if held is None else frozenset(held.messages))
        may_be_back = bool(np.isin(self._rows.change, _TAKEN).any())
        columns = ["size", "archived_at", *(["at"] if may_be_back else [])]
        columns += ["sha256"] if may_be_back or held is not None else []
        for chosen, table in self._reader.read(rows, columns):
            sizes[chosen] = table["size"].to_pylist()
            since = self._since(table)
            moments.add(since)
            if held is not None:
                names = (words[number] for number in rows.number[chosen].tolist())
                moments.tell_apart(since, zip(names, table["sha256"].to_pylist(), strict=True))
        uidls = (words[number] for number in rows.number.tolist())
        listing = digest_of_listing(zip(uidls, sizes.tolist(), strict=True))
        if listing is None:
            return None
        return MaildropOverview(
            listing=listing,
            messages=len(rows),
            oldest=moments.oldest,
            held=moments.of_held(None if held is None else held.until),
        )

    def _since(self, table: pa.Table) -> Any:
        """Return what the days of each of some live rows count from."""
        first = table["archived_at"]
        if "at" not in table.column_names:
            return first
        returns = self.returns(table["sha256"].to_pylist(), table["at"].to_pylist())
        return pc.coalesce(pa.array(returns, first.type), first) if any(returns) else first

    def _words(self, numbers: Uids) -> set[str]:
        return {self._uidls.words[number] for number in np.unique(numbers).tolist()}


@dataclass(slots=True)
class _Moments:
    """The moments that the days of messages count from.

    :ivar oldest: the earliest of all; ``others`` the earliest of those that are not held.
    :ivar newest: the latest of those that are, and ``messages`` how many these are.
    """

    held: frozenset[tuple[str | None, str | None]]
    oldest: datetime | None = None
    others: datetime | None = None
    newest: datetime | None = None
    messages: int = 0

    def add(self, since: Any) -> None:
        """Look at some more, as a column."""
        self.oldest = min(filter(None, (self.oldest, pc.min(since).as_py())), default=None)

    def tell_apart(self, since: Any, keys: Iterable[tuple[str | None, str | None]]) -> None:
        """Tell those of them that are held, by UIDL and SHA-256, from the others."""
        is_held = pa.array([key in self.held for key in keys], pa.bool_())
        stay, others = since.filter(is_held), since.filter(pc.invert(is_held))
        self.messages += len(stay)
        self.newest = max(filter(None, (self.newest, pc.max(stay).as_py())), default=None)
        self.others = min(filter(None, (self.others, pc.min(others).as_py())), default=None)

    def of_held(self, until: datetime | None) -> HeldOverview | None:
        """Return what is known of those that are held, or None where there are none."""
        if self.newest is None:
            return None
        return HeldOverview(messages=self.messages, newest=self.newest, others=self.others, until=until)


def live_counts(places: Places) -> dict[str, int]:
    """Return how many messages of each folder are live, those under an older UIDVALIDITY among them."""
    return {name: int(_LIVE[places.of_folder(name).change].sum()) for name in places.folder_names()}


def _newest_epoch(rows: Rows) -> int | None:
    """Return the UIDVALIDITY last recorded under; rows that only close an old one do not count."""
    opening = _LIVE[rows.change] | (rows.change == _UNFETCHABLE)
    chosen = rows.take(opening) if opening.any() else rows
    if not len(chosen):
        return None
    newest = int(chosen.epoch[chosen.seq == chosen.seq.max()].max())
    return None if newest < 0 else newest


def _values(reader: RowReader, rows: Rows) -> list[LocationRow]:
    found: list[LocationRow | None] = [None] * len(rows)
    for chosen, table in reader.read(rows):
        for number, row in zip(chosen.tolist(), location_rows(table), strict=True):
            found[number] = row
    return [row for row in found if row is not None]


def rows_in_chunks(reader: RowReader, rows: Rows) -> Iterator[LocationRow]:
    """Yield rows of the log as values, a few thousand in memory.

    :raises StoreUnavailable: where the log cannot be read.
    """
    for start in range(0, len(rows), CHUNK_ROWS):
        yield from _values(reader, rows.take(np.arange(start, min(start + CHUNK_ROWS, len(rows)))))
