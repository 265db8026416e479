"""Messages of a mailbox that was numbered anew, renamed or moved to another host, recognised.

Here: asking the server who its messages are, and telling the writer which archived messages
they are. Not here: the match (``policy.rematch``), the download of the rest. RFC 3501 section
2.3.1.1: when UIDVALIDITY changes, all numbers are void; the messages are mostly the same.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

import numpy as np
import numpy.typing as npt

from mailroom.archive import Archive
from mailroom.client.imap import ImapClient
from mailroom.message import fingerprint_of_header
from mailroom.model import FetchedMessage, LocationRow
from mailroom.policy.rematch import Appearance, Appearances, match_appearances

__all__ = ["Recognised", "recognise"]

Uids = npt.NDArray[np.int64]

DESCRIBE_ROWS = 50_000
"""How many rows are described at a time; each time the table of messages is looked through once."""

DIGEST_OCTETS = 32

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_TIME = -(2**62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A message on the server that the archive holds already.

    :param former_uid: the UID that it had before, and ``former_folder`` where that was.
    """

    message: FetchedMessage
    sha256: str
    archived_at: datetime | None
    former_uid: int
    former_folder: str


def recognise(
    client: ImapClient,
    archive: Archive,
    uids: Uids,
    former: Callable[[], Iterable[LocationRow]],
    *,
    as_received: bool = False,
) -> Iterator[Recognised]:
    """Yield those of the messages ``uids`` of the open mailbox that are among the former ones.

    :param former: the rows of messages that may turn up under another number.
    :param as_received: whether the date of arrival has to be the same; else the Date header may be instead.
    :raises ConnectionLost: if the server goes away.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    held = _Held()
    rows = iter(former())
    while chunk := list(islice(rows, DESCRIBE_ROWS)):
        held.add(archive, chunk)
    if not len(held.appearances):
        return
    told = _Told()
    for message in client.fetch_fingerprints(uids):
        if message.octets is not None and message.header is not None:
            told.add(message)
    matches = match_appearances(held.appearances, held.contents(), told.appearances, as_received=as_received)
    for place in np.flatnonzero(matches >= 0).tolist():
        yield held.recognised(int(matches[place]), told.message(place))


@dataclass(slots=True)
class _Held:
    """Former messages in columns, eighty octets each."""

    appearances: Appearances = field(default_factory=Appearances)
    _digests: bytearray = field(default_factory=bytearray)
    _archived: array[int] = field(default_factory=lambda: array("q"))
    _uids: array[int] = field(default_factory=lambda: array("q"))
    _folders: list[str] = field(default_factory=list)
    _numbers_of_folders: dict[str, int] = field(default_factory=dict)
    _folder_numbers: array[int] = field(default_factory=lambda: array("l"))

    def add(self, archive: Archive, rows: list[LocationRow]) -> None:
        """Add rows with what the archive knows of their messages."""
        described = archive.describe({row.sha256 for row in rows if row.sha256 is not None})
        for row in rows:
            message = described.get(row.sha256 or "")
            if row.sha256 is None or message is None:
                continue
            self.appearances.add(
                Appearance(
                    octets=row.size,
                    internal_date=row.internal_date,
                    message_id=message.message_id,
                    object_id=row.object_id,
                    date=message.date,
                )
            )
            self._digests += bytes.fromhex(row.sha256)
            self._archived.append(_ticks(row.archived_at))
            self._uids.append(row.uid or 0)
            self._folder_numbers.append(self._number_of(row.folder))

    def contents(self) -> npt.NDArray[np.uint64]:
        """Return the first 128 bits of each digest."""
        return np.frombuffer(bytes(self._digests), dtype=np.uint64).reshape(-1, 4)[:, :2]

    def recognised(self, place: int, message: FetchedMessage) -> Recognised:
        """Return what one match means."""
        return Recognised(
            message=message,
            sha256=self._digests[place * DIGEST_OCTETS : (place + 1) * DIGEST_OCTETS].hex(),
            archived_at=_moment(self._archived[place]),
            former_uid=self._uids[place],
            former_folder=self._folders[self._folder_numbers[place]],
        )

    def _number_of(self, folder: str) -> int:
        number = self._numbers_of_folders.setdefault(folder, len(self._folders))
        if number == len(self._folders):
            self._folders.append(folder)
        return number


@dataclass(slots=True)
class _Told:
    """Messages on the server in columns, so that a million fit."""

    appearances: Appearances = field(default_factory=Appearances)
    _numbers: array[int] = field(default_factory=lambda: array("q"))
    _flags: list[tuple[str, ...]] = field(default_factory=list)
    _object_ids: list[str | None] = field(default_factory=list)
    _known_flags: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    def add(self, message: FetchedMessage) -> None:
        """Add one message."""
        fingerprint = fingerprint_of_header(message.header or b"")
        self.appearances.add(
            Appearance(
                octets=message.octets,
                internal_date=message.internal_date,
                message_id=fingerprint.message_id,
                object_id=message.object_id,
                date=_date_of(fingerprint.date),
            )
        )
        self._numbers.extend(
            (message.uid, message.octets or 0, message.modseq or 0, _ticks(message.internal_date))
        )
        flags = message.flags or ()
        self._flags.append(self._known_flags.setdefault(flags, flags))
        self._object_ids.append(message.object_id)

    def message(self, place: int) -> FetchedMessage:
        """Return a message as it was added, but for its header."""
        uid, octets, modseq, received = self._numbers[place * 4 : place * 4 + 4]
        return FetchedMessage(
            uid=uid,
            flags=self._flags[place],
            internal_date=_moment(received),
            octets=octets,
            modseq=modseq or None,
            object_id=self._object_ids[place],
        )


def _date_of(text: str | None) -> datetime | None:
    """Return a fingerprint's date, which is a moment in ISO 8601 wherever the header's could be read."""
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _ticks(moment: datetime | None) -> int:
    return _NO_TIME if moment is None else (moment - _EPOCH) // _MICROSECOND


def _moment(ticks: int) -> datetime | None:
    return None if ticks == _NO_TIME else _EPOCH + ticks * _MICROSECOND
