"""How many messages of an account are on its server no longer, counted by content.

Belongs here: which messages went and are nowhere else, over the last days and with what one run
is about to record. Does not belong here: whether that is too many (``policy.mirror``).

A message that was moved, copied, renamed along with its folder or numbered anew is not lost, for
another place holds the same octets. What Mailroom itself deleted does not count either.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.digests import halves, halves_of
from mailroom.archive.reading.places import CHANGES, Places
from mailroom.model import Change, LocationRow, MailProtocol, RunLoss

__all__ = ["last_places", "lost_messages", "recorded_losses"]

Keys = npt.NDArray[np.uint64]
"""The first 64 bits of digests: enough to count by."""

_NONE: Keys = np.empty(0, dtype=np.uint64)
_LIVE = np.array([Change(word).is_live for word in CHANGES] + [False])
_EXPUNGED = CHANGES.index(Change.EXPUNGED.value)


def recorded_losses(archive: Archive, account: str, *, allowed_by: str) -> list[RunLoss]:
    """Return how many messages each mirror of an account has recorded as expunged, moved ones included.

    :param allowed_by: the count (in ``runs.counts``) of a run for which any loss was allowed.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    found = []
    columns = ["started", "ended", "counts", "what"]
    for table in archive.scan_table("runs", columns, equal={"account": account}):
        for row in table.filter(pc.equal(table["what"], "mirror")).to_pylist():
            counts = json.loads(row["counts"] or "{}")
            lost, is_allowed = counts.get("expunged", 0), bool(counts.get(allowed_by))
            if lost or is_allowed:
                found.append(
                    RunLoss(started=row["started"], ended=row["ended"], lost=lost, is_allowed=is_allowed)
                )
    return found


def lost_messages(
    archive: Archive, account: str, going: Iterable[LocationRow], since: datetime
) -> tuple[int, int]:
    """Return how many distinct messages will be nowhere in the account, and how many are nowhere already.

    :param going: rows of messages that a run is about to record as expunged; they are live until then.
    :param since: what was recorded before does not count.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    places = _places(archive, account)
    past = [_NONE]
    for folder in places.folder_names():
        rows = places.of_folder(folder)
        for _, table in places.reader.read(rows.take(rows.change == _EXPUNGED), ["sha256", "at"]):
            recent = pc.greater(table["at"], pa.scalar(since, table["at"].type))
            past.append(halves(table["sha256"].filter(pc.fill_null(recent, False)))[0])
    return _lost(_live_keys(places), _keys_of(going), np.concatenate(past))


def last_places(archive: Archive, account: str, going: Sequence[LocationRow]) -> list[LocationRow]:
    """Return those of some rows whose messages will be nowhere in the account once all of them are gone.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    there, counts = np.unique(_live_keys(_places(archive, account)), return_counts=True)
    leaving, times = np.unique(_keys_of(going), return_counts=True)
    lost = set(leaving[_held(there, counts, leaving) <= times].tolist())
    return [row for row in going if row.sha256 is not None and halves_of(row.sha256)[0] in lost]


def _places(archive: Archive, account: str) -> Places:
    places = Places(archive.reader("locations"), account, MailProtocol.IMAP)
    places.update()
    return places


def _live_keys(places: Places) -> Keys:
    """Return the keys of all live messages, one a place."""
    live = [_NONE]
    for folder in places.folder_names():
        rows = places.of_folder(folder)
        for _, table in places.reader.read(rows.take(_LIVE[rows.change]), ["sha256"]):
            live.append(halves(table["sha256"])[0])
    return np.concatenate(live)


def _keys_of(rows: Iterable[LocationRow]) -> Keys:
    found = array("Q")
    for row in rows:
        if row.sha256 is not None and row.change is Change.EXPUNGED:
            found.append(halves_of(row.sha256)[0])
    return np.frombuffer(found, dtype=np.uint64) if found else _NONE


def _lost(live: Keys, going: Keys, past: Keys) -> tuple[int, int]:
    """Count what goes as often as it is live, and what went and is live nowhere."""
    there, counts = np.unique(live, return_counts=True)
    leaving, times = np.unique(going, return_counts=True)
    held = _held(there, counts, leaving)
    gone = np.unique(past)
    elsewhere = np.isin(gone, there) | np.isin(gone, leaving)
    return int((held <= times).sum()), int((~elsewhere).sum())


def _held(there: Keys, counts: npt.NDArray[np.int64], leaving: Keys) -> npt.NDArray[np.int64]:
    """Return in how many places each message that leaves is live."""
    if not len(there):
        return np.zeros(len(leaving), dtype=np.int64)
    place = np.minimum(np.searchsorted(there, leaving), len(there) - 1)
    return np.where(there[place] == leaving, counts[place], 0)
