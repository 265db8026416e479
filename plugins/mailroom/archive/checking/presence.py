"""Which archived messages have a whole raw object, by its name and size.

Belongs here: the table ``messages`` beside a listing of the objects: a ``stat`` each on a disk, a listing
of the prefix in an object store, and some 140 octets of memory a message. Does not belong here: reading
objects, which alone finds octets that changed (``integrity``), and writing them anew (``services``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice

import numpy as np
import numpy.typing as npt

from mailroom.archive.archive import Archive
from mailroom.archive.digests import DigestSet, halves, halves_of_all
from mailroom.archive.storage.raw import StoredObject

__all__ = ["Presence"]

LISTED_OBJECTS = 4096
"""How many objects of a listing are compared at a time."""

ASKERS = 8
"""Threads that ask for single objects; object stores answer slowly."""


class Presence:
    """The objects of an archive as they are when first asked for.

    :raises StoreUnavailable: from every method, where the store cannot be read.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def lost(self, digests: Sequence[str]) -> list[str]:
        """Return those of which no object is there, or one of another size than was recorded.

        Each is looked at once more, by itself, as a run beside this one may have just stored it.
        """
        places = self._whole.find(*halves_of_all(digests))
        doubtful = sorted({digests[number] for number in np.flatnonzero(places < 0).tolist()})
        if not doubtful:
            return []
        recorded = self._archive.describe(doubtful)
        with ThreadPoolExecutor(min(ASKERS, len(doubtful)), thread_name_prefix="mailroom-ask") as pool:
            sizes = list(pool.map(self._archive.raw.size, doubtful))
        return [
            digest
            for digest, size in zip(doubtful, sizes, strict=True)
            if size is None or digest not in recorded or size != recorded[digest].size
        ]

    @cached_property
    def _whole(self) -> DigestSet:
        """The messages of which an object of the recorded size is there."""
        messages, recorded = self._recorded()
        found = np.full(len(messages), -1, dtype=np.int64)
        for listed in self._listings():
            places = messages.find(*halves_of_all([digest for digest, _ in listed]))
            known = places >= 0
            found[places[known]] = np.array([size for _, size in listed], dtype=np.int64)[known]
        whole = found == recorded
        return DigestSet(messages.first[whole], messages.second[whole])

    def _recorded(self) -> tuple[DigestSet, npt.NDArray[np.int64]]:
        """Return the messages that have a row, and their sizes in the same order."""
        first, second, recorded = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for table in self._archive.scan_table("messages", ["sha256", "size"]):
            both = halves(table["sha256"])
            first.append(both[0])
            second.append(both[1])
            recorded.append(table["size"].to_numpy().astype(np.int64))
        messages = DigestSet(np.concatenate(first), np.concatenate(second))
        return messages, np.concatenate(recorded)[messages.order]

    def _listings(self) -> Iterator[list[StoredObject]]:
        objects = iter(self._archive.raw.objects())
        while listed := list(islice(objects, LISTED_OBJECTS)):
            yield listed
