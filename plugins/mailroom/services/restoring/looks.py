"""What many messages look like, in columns, and which of them another folder holds.

Here: the values that presence is told by; a million messages fit. Not here: the telling
(``restore_presence``, ``live_presence``).
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from mailroom.archive import Described
from mailroom.message import fingerprint_of_header
from mailroom.model import FetchedMessage, LocationRow
from mailroom.policy.rematch import Appearance, Appearances

__all__ = ["NO_TIME", "Held", "Looks", "Places", "Presence", "Told", "take_place"]

Places = npt.NDArray[np.int64]

NOBODY = "00" * 32
"""Stands for a digest or identity that is not known."""

NO_TIME = -(2**62)
"""Stands for a date that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """For each archived message, in the order of its rows, where it is on the server.

    :param uids: its UID there, or 0.
    :param altered: how many were recognised by their contents though their octets are not the same.
    :param alike: places of those whose contents are others too, and which count as there because their
        header and the date of arrival are the same; and how each message is called.
    :param doubtful: places of those that are not there, where a message of their date and Message-ID is.
    """

    uids: Places
    altered: int = 0
    alike: Mapping[int, str] = field(default_factory=dict)
    doubtful: frozenset[int] = frozenset()

    @property
    def missing(self) -> int:
        """How many are not there."""
        return int((self.uids == 0).sum())


def take_place(places: list[int], uids: Places) -> int | None:
    """Return and remove the last of these places that was not found yet."""
    while places:
        place = places.pop()
        if not uids[place]:
            return place
    return None


@dataclass(slots=True)
class Looks:
    """What many messages look like, in columns."""

    looks: Appearances = field(default_factory=Appearances)
    octets: array[int] = field(default_factory=lambda: array("q"))
    dates: array[int] = field(default_factory=lambda: array("q"))
    names: array[int] = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.octets)

    def append(
        self, octets: int, received: datetime | None, message_id: str | None, date: datetime | None
    ) -> None:
        """Add one message."""
        self.looks.add(Appearance(octets=octets, internal_date=received, message_id=message_id, date=date))
        self.octets.append(octets)
        self.dates.append(NO_TIME if received is None else int(received.timestamp()))
        self.names.append(hash(message_id) or 1 if message_id else 0)

    def look(self, place: int) -> tuple[int, int]:
        """Return what a server cannot well change both of: the date, and who it says it is."""
        return self.dates[place], self.names[place] or -self.octets[place] - 2**62


@dataclass(slots=True)
class Held(Looks):
    """Archived messages, the order that of their rows."""

    _digests: bytearray = field(default_factory=bytearray)
    _identities: bytearray = field(default_factory=bytearray)

    def add(self, row: LocationRow, described: Described | None) -> None:
        """Add one message; one that the tables do not know looks like nothing."""
        octets = described.size if described is not None else -1
        name = described.message_id if described is not None else None
        self.append(octets, row.internal_date, name, described.date if described is not None else None)
        identity = described.identity if described is not None else ""
        self._identities += bytes.fromhex(identity or NOBODY)
        self._digests += bytes.fromhex(row.sha256 or NOBODY)

    def digest(self, place: int) -> str:
        """Return the SHA-256 of one message."""
        return self._digests[place * 32 : place * 32 + 32].hex()

    def identity(self, place: int) -> str | None:
        """Return the hash over what survives a change of server, where there is one."""
        found = self._identities[place * 32 : place * 32 + 32].hex()
        return None if found == NOBODY else found

    def contents(self) -> npt.NDArray[np.uint64]:
        """Return the first 128 bits of each digest."""
        return np.frombuffer(bytes(self._digests), dtype=np.uint64).reshape(-1, 4)[:, :2]


@dataclass(slots=True)
class Told(Looks):
    """Messages on the server, as it tells of them."""

    uids: array[int] = field(default_factory=lambda: array("q"))

    def add(self, message: FetchedMessage) -> None:
        """Add one message."""
        fingerprint = fingerprint_of_header(message.header or b"")
        octets = -2 if message.octets is None else message.octets
        self.append(octets, message.internal_date, fingerprint.message_id, _date_of(fingerprint.date))
        self.uids.append(message.uid)


def _date_of(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None
