"""The latest instant that is known of each of many messages, in sixteen octets a message.

Belongs here: the value. Does not belong here: which instants, and what they mean (``state``, ``services``).
Of a digest 64 bits are kept: should two messages ever meet in these, one has the later time of both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mailroom.archive.digests import halves, halves_of

__all__ = ["DigestTimes"]


class DigestTimes:
    """Instants by SHA-256.

    :param pieces: columns of hex digests and of instants in UTC; of several instants of one digest the
        latest counts, and what is no digest is left out.
    """

    def __init__(
        self, pieces: Iterable[tuple[pa.Array | pa.ChunkedArray, npt.NDArray[np.datetime64]]]
    ) -> None:
        found = [(halves(digests)[0], times.astype("datetime64[us]")) for digests, times in pieces]
        keys = np.concatenate([np.empty(0, np.uint64), *(keys for keys, _ in found)])
        times = np.concatenate([np.empty(0, "datetime64[us]"), *(times for _, times in found)])
        order = np.lexsort((times, keys))
        order = order[(keys[order] != 0) & ~np.isnat(times[order])]
        last = np.ones(len(order), dtype=bool)
        last[:-1] = keys[order][1:] != keys[order][:-1]
        self._keys, self._times = keys[order[last]], times[order[last]]

    def __len__(self) -> int:
        return len(self._keys)

    def latest(self, digest: str | None) -> datetime | None:
        """Return the latest instant of a message, or None where nothing is known of it.

        >>> times = DigestTimes([(pa.array(["0f" * 32]), np.array(["2026-11-26T10:00"], "datetime64[us]"))])
        >>> str(times.latest("0f" * 32)), times.latest("f0" * 32)
        ('2026-11-26 10:00:00+00:00', None)
        """
        if digest is None:
            return None
        key = np.uint64(halves_of(digest)[0])
        place = int(np.searchsorted(self._keys, key))
        if place == len(self._keys) or self._keys[place] != key:
            return None
        found: datetime = self._times[place].item()
        return found.replace(tzinfo=UTC)
