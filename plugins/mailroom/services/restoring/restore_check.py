"""Restored messages asked for again: what the server made of them.

Here: what was sent, kept in columns, and its comparison with what is there. Not here: what counts
as an alteration (``policy.restore``).
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import numpy as np
import numpy.typing as npt

from mailroom.client.imap import ImapClient
from mailroom.client.imap_facts import fetch_facts
from mailroom.policy.restore import ReadBack, find_alterations
from mailroom.services.deleting.maildrop_deletion import digest_of, discard
from mailroom.services.restoring.restore_report import RestoreTally

__all__ = ["SentMessages", "read_back"]

SAMPLE = 50
"""How many messages of a folder a sample reads back whole: the first, the last, and some between."""


@dataclass(slots=True)
class SentMessages:
    """The messages that a folder took, a hundred octets each."""

    knows_uids: bool = True
    _waiting: dict[int, tuple[str, int, tuple[str, ...], datetime]] = field(default_factory=dict)
    _places: array[int] = field(default_factory=lambda: array("q"))
    _uids: array[int] = field(default_factory=lambda: array("q"))
    _octets: array[int] = field(default_factory=lambda: array("q"))
    _dates: array[int] = field(default_factory=lambda: array("q"))
    _flags: list[tuple[str, ...]] = field(default_factory=list)
    _digests: bytearray = field(default_factory=bytearray)
    _known_flags: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._places)

    def expect(self, place: int, digest: str, octets: int, flags: tuple[str, ...], date: datetime) -> None:
        """Remember a message on its way."""
        self._waiting[place] = (digest, octets, flags, date)

    def forget(self, place: int) -> None:
        """Let go of one that was not taken."""
        self._waiting.pop(place, None)

    def confirm(self, place: int, uid: int | None) -> None:
        """Keep one that was taken."""
        digest, octets, flags, date = self._waiting.pop(place)
        self.knows_uids = self.knows_uids and uid is not None
        self._places.append(place)
        self._uids.append(uid or 0)
        self._octets.append(octets)
        self._dates.append(int(date.timestamp()))
        self._flags.append(self._known_flags.setdefault(flags, flags))
        self._digests += bytes.fromhex(digest)

    def locate(self, uids: npt.NDArray[np.int64]) -> None:
        """Take the UIDs from a look at the folder, where the server did not tell them.

        :param uids: the UID of each archived message by its place, 0 where it was not found.
        """
        self._uids = array("q", (int(uids[place]) for place in self._places))

    def found(self) -> dict[int, int]:
        """Return the number of each message by its UID, as far as that is known."""
        return {uid: number for number, uid in enumerate(self._uids) if uid}

    def sent(self, number: int) -> tuple[int, datetime, tuple[str, ...]]:
        """Return size, date and flags of one message as it was archived."""
        date = datetime.fromtimestamp(self._dates[number], UTC)
        return self._octets[number], date, self._flags[number]

    def digest(self, number: int) -> str:
        """Return the SHA-256 of one message."""
        return self._digests[number * 32 : number * 32 + 32].hex()


def read_back(client: ImapClient, sent: SentMessages, tally: RestoreTally, how: ReadBack) -> None:
    """Compare what was sent with what the open folder shows.

    :raises ConnectionLost: if the server goes away.
    """
    waiting = sent.found()
    tally.alterations["absence"] += len(sent) - len(waiting)
    for message in fetch_facts(client, sorted(waiting)):
        number = waiting.pop(message.uid, None)
        if number is None:
            continue
        tally.checked += 1
        octets, date, flags = sent.sent(number)
        for kind in find_alterations(octets, date, flags, message):
            tally.alterations[kind] += 1
            tally.name(sent.digest(number), f"another {kind} as UID {message.uid}")
    tally.alterations["absence"] += len(waiting)
    if how in (ReadBack.SAMPLE, ReadBack.ALL):
        _read_octets(client, sent, tally, how)
    tally.alterations = +tally.alterations


def _read_octets(client: ImapClient, sent: SentMessages, tally: RestoreTally, how: ReadBack) -> None:
    numbers = sent.found()
    uids = sorted(numbers)
    if how is ReadBack.SAMPLE and len(uids) > SAMPLE:
        uids = [uids[place] for place in np.linspace(0, len(uids) - 1, SAMPLE).astype(int).tolist()]
    with tempfile.TemporaryDirectory(prefix="mailroom-restore-") as folder:
        names = _names(folder)
        for message in client.fetch_messages(uids, lambda: next(names)):
            if message.body is None or message.uid not in numbers:
                continue
            number = numbers[message.uid]
            if digest_of(message.body) != sent.digest(number):
                tally.alterations["octets"] += 1
                tally.name(sent.digest(number), f"other octets as UID {message.uid}")
            discard(message.body)


def _names(folder: str) -> Iterator[str]:
    return (f"{folder}/{number}" for number in count())
