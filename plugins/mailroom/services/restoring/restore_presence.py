"""Which archived messages a folder on a server holds already.

Here: the question that makes a restore safe to repeat. A message is recognised by its Message-ID,
size and date (``policy.rematch``); where these do not settle it, by its octets, then by the identity
of its contents, for servers re-encode; and last by what a server cannot well change both of: its
Message-ID and the date it came. Not here: what is done about the rest (``mailbox_restore``).

A message that lies twice in the archived folder is there when it is there twice.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

import numpy as np
import numpy.typing as npt

from mailroom.archive import Archive, Described
from mailroom.client.imap import ImapClient
from mailroom.message import fingerprint_of_header, index_message
from mailroom.model import Body, FetchedMessage, LocationRow
from mailroom.policy.rematch import Appearance, Appearances, match_appearances
from mailroom.services.deleting.maildrop_deletion import digest_of, discard

__all__ = ["Looks", "Places", "Presence", "Told", "describe_rows", "find_present"]

Places = npt.NDArray[np.int64]

DESCRIBE_ROWS = 20_000
"""How many rows are described at a time; each time the table of messages is looked through once."""

NOBODY = "00" * 32
"""Stands for a digest or identity that is not known."""

_NO_TIME = -(2**62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """For each archived message, in the order of its rows, where it is on the server.

    :param uids: its UID there, or 0.
    :param altered: how many were recognised though their octets are not the archive's.
    :param doubtful: places of those that are not there, where a message of their date and Message-ID is.
    """

    uids: Places
    altered: int = 0
    doubtful: frozenset[int] = frozenset()

    @property
    def missing(self) -> int:
        """How many are not there."""
        return int((self.uids == 0).sum())


def describe_rows(
    archive: Archive, rows: Iterable[LocationRow]
) -> Iterator[tuple[int, LocationRow, Described | None]]:
    """Yield rows with their places in the order given and what the archive knows of their messages.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    waiting = iter(rows)
    place = 0
    while chunk := list(islice(waiting, DESCRIBE_ROWS)):
        described = archive.describe({row.sha256 for row in chunk if row.sha256 is not None})
        for row in chunk:
            yield place, row, described.get(row.sha256 or "")
            place += 1


def find_present(
    client: ImapClient,
    archive: Archive,
    rows: Callable[[], Iterable[LocationRow]],
    *,
    first_uid: int = 1,
    strict: bool = False,
) -> Presence:
    """Ask the open folder which of these messages it holds; nothing in it changes.

    :param rows: the rows of the archived messages, in the same order at each call.
    :param first_uid: look only at messages of this UID or a higher one.
    :param strict: read each one, and take for the same only equal octets or identity; for who deletes
        what is found, or never sends it again. What only looks the same is ``doubtful``.
    :raises ConnectionLost: if the server goes away.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    held = _Held()
    for _, row, described in describe_rows(archive, rows()):
        held.add(row, described)
    told = Told()
    listed = client.search("ALL")
    for message in client.fetch_fingerprints(listed[listed >= first_uid]):
        told.add(message)
    uids = np.zeros(len(held), dtype=np.int64)
    matches = (
        np.full(len(told), -1, dtype=np.int64)
        if strict
        else match_appearances(held.looks, held.contents(), told.looks)
    )
    for found in np.flatnonzero(matches >= 0).tolist():
        uids[matches[found]] = told.uids[found]
    unknown = np.flatnonzero(matches < 0)
    missing = np.flatnonzero(uids == 0)
    if not len(unknown) or not len(missing):
        return Presence(uids=uids)
    with tempfile.TemporaryDirectory(prefix="mailroom-restore-") as folder:
        altered, rest = _look_closely(client, held, told, unknown, missing, uids, folder)
    alike = _match_rest(held, told, rest, missing, uids)
    if strict:
        uids[sorted(alike)] = 0
        return Presence(uids=uids, altered=altered, doubtful=alike)
    return Presence(uids=uids, altered=altered + len(alike))


def _look_closely(
    client: ImapClient,
    held: _Held,
    told: Told,
    unknown: npt.NDArray[np.intp],
    missing: npt.NDArray[np.intp],
    uids: Places,
    folder: str,
) -> tuple[int, list[int]]:
    """Read those of the unknown messages that may be one of the missing; fill in their UIDs.

    :returns: how many were recognised by identity, and those that are none of the missing.
    """
    sizes, names = _set(held.octets, missing), _set(held.names, missing)
    dates = _set(held.dates, missing) - {_NO_TIME}
    doubtful = {
        told.uids[at]: at
        for at in unknown.tolist()
        if told.octets[at] in sizes or (told.names[at] and told.names[at] in names) or told.dates[at] in dates
    }
    by_digest, by_identity = defaultdict(list), defaultdict(list)
    for place in missing.tolist()[::-1]:
        by_digest[held.digest(place)].append(place)
        if held.names[place] and (identity := held.identity(place)):
            by_identity[identity].append(place)
    names_of_files = (os.path.join(folder, str(number)) for number in range(2**62))
    rest: list[int] = []
    altered = 0
    for message in client.fetch_messages(sorted(doubtful), lambda: next(names_of_files)):
        if message.body is None or message.uid not in doubtful:
            continue
        digest = digest_of(message.body)
        place = _take(by_digest[digest], uids)
        if place is None and told.names[doubtful[message.uid]]:
            place = _take(by_identity[_identity(message.body)], uids)
            altered += place is not None
        if place is None:
            rest.append(doubtful[message.uid])
        else:
            uids[place] = message.uid
        discard(message.body)
    return altered, rest


def _match_rest(
    held: _Held, told: Told, rest: list[int], missing: npt.NDArray[np.intp], uids: Places
) -> frozenset[int]:
    """Match what has the same date and Message-ID, or without one, the same date and size; return which."""
    by_look = defaultdict(list)
    for place in missing.tolist()[::-1]:
        if held.dates[place] != _NO_TIME:
            by_look[held.look(place)].append(place)
    found = set()
    for at in rest:
        place = _take(by_look[told.look(at)], uids)
        if place is not None:
            uids[place] = told.uids[at]
            found.add(place)
    return frozenset(found)


def _take(places: list[int], uids: Places) -> int | None:
    """Return and remove the first of these places that was not found yet."""
    while places:
        place = places.pop()
        if not uids[place]:
            return place
    return None


def _set(column: array[int], places: npt.NDArray[np.intp]) -> set[int]:
    return {column[place] for place in places.tolist()}


def _identity(body: Body) -> str:
    if body.content is not None:
        return index_message(body.content).identity
    with (
        open(body.path or os.devnull, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m,
    ):
        return index_message(m).identity


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
        self.dates.append(_NO_TIME if received is None else int(received.timestamp()))
        self.names.append(hash(message_id) or 1 if message_id else 0)

    def look(self, place: int) -> tuple[int, int]:
        """Return what a server cannot well change both of: the date, and who it says it is."""
        return self.dates[place], self.names[place] or -self.octets[place] - 2**62


@dataclass(slots=True)
class _Held(Looks):
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
