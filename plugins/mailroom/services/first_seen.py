"""When messages were first recorded at the place where they are now.

Here: one question to the ``locations`` log. It is the latest time at which a message can
have come into its folder, for servers that do not say it themselves (SAVEDATE, RFC 8514).
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from mailroom.archive import Archive, FolderState

__all__ = ["first_seen"]

_NEVER = np.datetime64("9999-01-01", "us")


def first_seen(archive: Archive, state: FolderState) -> dict[int, datetime]:
    """Return the time of the first row of each live message of a folder, by UID.

    Rows under an older UIDVALIDITY do not count: they are about other numbers.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    live = state.live
    earliest = np.full(len(live), _NEVER)
    columns = ["uid", "uidvalidity", "at"]
    equal = {"account": state.account, "folder": state.folder, "protocol": "imap"}
    for table in archive.scan_table("locations", columns, equal=equal):
        uids, epochs, at = (table[column].to_numpy() for column in columns)
        mine = (epochs == state.uid_validity) & np.isin(uids, live)
        np.minimum.at(earliest, np.searchsorted(live, uids[mine]), at[mine])
    times = earliest.astype("datetime64[us]").tolist()
    return {
        uid: time.replace(tzinfo=UTC)
        for uid, time, known in zip(live.tolist(), times, earliest < _NEVER, strict=True)
        if known
    }
