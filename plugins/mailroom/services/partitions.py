"""Which days or folders have new mail, or new deliveries, since somebody was told of them last.

Here: which partitions are new for a consumer, with counts, and when they count as told. Not here: the
notes of it (``archive.delivering.consumption``), who is told (``operators.partitions``).

A partition is told again whenever something in it is new: what reads it reads the whole of it. Nothing
is noted before ``note``; a kill between the telling and the note tells the same again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from itertools import islice
from typing import NamedTuple

from mailroom.archive import Archive
from mailroom.archive.delivering.consumption import Consumption, consumption_of
from mailroom.archive.delivering.delivery_store import open_delivery_store
from mailroom.archive.reading.attachment_facts import MessagePlaces, describe_senders
from mailroom.archive.storage.store import Root

__all__ = ["NewPartitions", "PartitionBy", "find_partitions", "partition_of_folder"]

MAX_ITEMS = 100_000
"""How many messages or deliveries are looked at in one run at most; the next run goes on with the rest."""

MAX_PARTITIONS = 1000
"""How many partitions are told in one run at most; Airflow writes them all in one transaction."""

MAX_KEY_CHARACTERS = 250
"""As long as a partition's key may be in Airflow."""


class PartitionBy(Enum):
    """What a partition is."""

    DAY = "day"
    FOLDER = "folder"


class _Item(NamedTuple):
    """A message, or an attachment that was delivered, in its partitions."""

    message_sha256: str
    part: str
    keys: tuple[str, ...]


class NewPartitions:
    """Partitions with something new.

    :ivar counts: new messages, or deliveries, by partition, in the order of their keys.
    :ivar items: how many there are in all; one message may be in several folders.
    """

    def __init__(self, counts: dict[str, int], items: list[_Item], consumed: Consumption) -> None:
        self.counts = dict(sorted(counts.items()))
        self.items = len(items)
        self._taken = [(item.message_sha256, item.part) for item in items]
        self._consumed = consumed

    def note(self, at: datetime, run_id: str) -> None:
        """Note that somebody was told of all of these.

        :raises StoreUnavailable: where the store refuses, or another run of this consumer was first.
        """
        self._consumed.commit(self._taken, at, run_id)


def find_partitions(
    archive: Archive,
    consumer: str,
    *,
    by: PartitionBy,
    account: str | None = None,
    destination: Root | None = None,
    since: datetime | None = None,
) -> NewPartitions:
    """Return the partitions in which something is new for a consumer.

    A day is that of the Date header, in UTC; where there is none, of the arrival, as in the names
    of delivered attachments. A folder is one that the message was seen in.

    :param consumer: whose notes count.
    :param account: only mail of this account.
    :param destination: look at what was delivered there, instead of at messages.
    :param since: nothing older than this.
    :raises ConfigurationError: where there is no archive, or the consumer has no name.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    consumed = consumption_of(archive, consumer)
    keys = _Keys(archive, by, account, since)
    if destination is None:
        found = _messages(archive, consumed, keys)
    else:
        found = _deliveries(archive, open_delivery_store(destination).url, consumed, keys)
    return _counted(islice(found, MAX_ITEMS), consumed)


def partition_of_folder(folder: str) -> str:
    """Return the key of a folder: its name, or a digest of a name that is none or too long for one.

    >>> partition_of_folder("Invoices/2026")
    'Invoices/2026'
    """
    if folder.strip() and len(folder) <= MAX_KEY_CHARACTERS:
        return folder
    return "sha256-" + hashlib.sha256(folder.encode()).hexdigest()


class _Keys:
    """Finds the partitions of a message."""

    def __init__(
        self, archive: Archive, by: PartitionBy, account: str | None, since: datetime | None
    ) -> None:
        self._archive = archive
        self._by = by
        self._account = account
        self._since = since
        self._places = MessagePlaces(archive, account)

    def of(self, digest: str, date: datetime | None) -> tuple[str, ...]:
        """Return the keys of a message; none where it is of no concern."""
        pairs, received = self._places.of(digest)
        if self._account is not None and not pairs:
            return ()
        moment = (date or received or self._archived_at(digest)).astimezone(UTC)
        if self._since is not None and moment < self._since:
            return ()
        if self._by is PartitionBy.DAY:
            return (moment.strftime("%Y-%m-%d"),)
        return tuple(dict.fromkeys(partition_of_folder(folder) for _, folder in pairs))

    def _archived_at(self, digest: str) -> datetime:
        return describe_senders(self._archive, [digest])[digest].archived_at


def _messages(archive: Archive, consumed: Consumption, keys: _Keys) -> Iterator[_Item]:
    for table in archive.scan_table("messages", ["sha256", "date"]):
        for row in consumed.untaken_messages(table).to_pylist():
            found = keys.of(row["sha256"], row["date"])
            if found:
                yield _Item(row["sha256"], "", found)


def _deliveries(archive: Archive, url: str, consumed: Consumption, keys: _Keys) -> Iterator[_Item]:
    columns = ["message_sha256", "part", "date"]
    for table in archive.scan_table("deliveries", columns, equal={"destination": url}):
        for row in table.to_pylist():
            digest, part = row["message_sha256"], row["part"]
            found = () if consumed.is_taken(digest, part) else keys.of(digest, row["date"])
            if found:
                yield _Item(digest, part, found)


def _counted(found: Iterator[_Item], consumed: Consumption) -> NewPartitions:
    """Count what is new, as far as there is room for its partitions; the rest is left for the next run."""
    counts: dict[str, int] = {}
    items = []
    for item in found:
        if len(counts) + sum(key not in counts for key in item.keys) > MAX_PARTITIONS:
            continue
        items.append(item)
        for key in item.keys:
            counts[key] = counts.get(key, 0) + 1
    return NewPartitions(counts, items, consumed)
