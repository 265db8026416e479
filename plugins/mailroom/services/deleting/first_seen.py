"""Since when messages are at the place where they are now, and since when they are \\Seen there.

Here: two questions to the ``locations`` log. The first row is the latest time at which a
message can have come into its folder, for servers that do not say it themselves (SAVEDATE,
RFC 8514).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mailroom.archive import Archive, FolderState

if TYPE_CHECKING:
    from mailroom.archive.reading.digest_times import DigestTimes

__all__ = ["came_into", "first_seen", "read_since"]

_NEVER = np.datetime64("9999-01-01", "us")


def first_seen(archive: Archive, state: FolderState) -> dict[int, datetime]:
    """Return the time of the first row of each live message of a folder, by UID.

    Rows under an older UIDVALIDITY do not count: they are about other numbers.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    return _known(state, _earliest(archive, state))


def came_into(archive: Archive, state: FolderState) -> DigestTimes:
    """Return the same by SHA-256, of several messages of one digest the latest.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    earliest = _earliest(archive, state)
    return state.by_digest(np.where(earliest < _NEVER, earliest, np.datetime64("NaT", "us")))


def _earliest(archive: Archive, state: FolderState) -> npt.NDArray[np.datetime64]:
    live = state.live
    earliest = np.full(len(live), _NEVER)
    columns = ["uid", "uidvalidity", "at"]
    equal = {"account": state.account, "folder": state.folder, "protocol": "imap"}
    for table in archive.scan_table("locations", columns, equal=equal):
        uids, epochs, at = (table[column].to_numpy() for column in columns)
        mine = (epochs == state.uid_validity) & np.isin(uids, live)
        np.minimum.at(earliest, np.searchsorted(live, uids[mine]), at[mine])
    return earliest


def read_since(archive: Archive, state: FolderState) -> dict[int, datetime]:
    """Return since when each live message of a folder is known to be \\Seen without a break, by UID.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    live = state.live
    unread = np.full(len(live), -1, np.int64)
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.datetime64]]] = []
    columns = ["uid", "uidvalidity", "at", "seq", "flags"]
    equal = {"account": state.account, "folder": state.folder, "protocol": "imap"}
    for table in archive.scan_table("locations", columns, equal=equal):
        uids, epochs, at, seq = (table[column].to_numpy() for column in columns[:4])
        mine = (epochs == state.uid_validity) & np.isin(uids, live)
        is_read = np.array([_is_read(flags) for flags in table["flags"].to_pylist()], dtype=bool)
        place = np.searchsorted(live, uids[mine])
        np.maximum.at(unread, place[~is_read[mine]], seq[mine][~is_read[mine]])
        chosen = is_read[mine]
        found.append((place[chosen], seq[mine][chosen], at[mine][chosen]))
    earliest = np.full(len(live), _NEVER)
    for place, seq, at in found:
        later = seq > unread[place]
        np.minimum.at(earliest, place[later], at[later])
    return _known(state, earliest)


def _is_read(flags: list[str] | None) -> bool:
    return any(flag.lower() == "\\seen" for flag in flags or ())


def _known(state: FolderState, earliest: npt.NDArray[np.datetime64]) -> dict[int, datetime]:
    times = earliest.astype("datetime64[us]").tolist()
    return {
        uid: time.replace(tzinfo=UTC)
        for uid, time, known in zip(state.live.tolist(), times, earliest < _NEVER, strict=True)
        if known
    }
