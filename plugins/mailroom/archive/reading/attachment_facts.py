"""What is known of messages whose attachments are chosen: who sent them, when, and where they are.

Belongs here: looking up messages and places by digest, many at a time, over tables of
millions of rows. Does not belong here: which attachments are chosen (``policy.attachments``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.digests import halves, halves_of
from mailroom.archive.reading.places import Vocabulary

__all__ = ["MessageFacts", "MessagePlaces", "describe_senders"]

_COLUMNS = ["sha256", "from_address", "subject", "date", "archived_at", "to", "cc"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME = np.iinfo(np.int64).min
_SEPARATOR = "\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts:
    """One row of ``messages``, as far as attachments are chosen and named by it."""

    sender: str
    subject: str
    date: datetime | None
    archived_at: datetime
    recipients: tuple[str, ...] = ()


def describe_senders(archive: Archive, digests: Collection[str]) -> dict[str, MessageFacts]:
    """Return what ``messages`` says of these digests; unknown ones are left out.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    wanted = pa.array(sorted(set(digests)), pa.string())
    messages = archive.reader("messages")
    found: dict[str, MessageFacts] = {}
    for file in messages.files():
        for piece in messages.scan(["sha256"], files=[file]):
            rows = pc.indices_nonzero(pc.is_in(piece.table["sha256"], value_set=wanted))
            if not len(rows):
                continue
            for row in messages.read_rows(file, piece.group, rows, _COLUMNS).to_pylist():
                found[row["sha256"]] = MessageFacts(
                    sender=row["from_address"] or "",
                    subject=row["subject"] or "",
                    date=row["date"],
                    archived_at=row["archived_at"],
                    recipients=(*(row["to"] or ()), *(row["cc"] or ())),
                )
    return found


class MessagePlaces:
    """In which folders messages are or were, and when servers received them.

    Held as some forty octets a place, whatever happened there later.

    :param account: only places of this account.
    :raises StoreUnavailable: where the archive cannot be read.
    """

    def __init__(self, archive: Archive, account: str | None = None) -> None:
        self._names = Vocabulary()
        firsts, seconds, names, times = [], [], [], []
        equal = None if account is None else {"account": account}
        for table in archive.scan_table("locations", ["sha256", "account", "folder", "internal_date"], equal):
            first, second = halves(table["sha256"])
            places = pc.binary_join_element_wise(table["account"], table["folder"], _SEPARATOR)
            received = pc.fill_null(table["internal_date"].cast("int64"), _NO_TIME)
            firsts.append(first)
            seconds.append(second)
            names.append(self._names.numbers(places))
            times.append(received.to_numpy())
        first = np.concatenate([np.empty(0, np.uint64), *firsts])
        second = np.concatenate([np.empty(0, np.uint64), *seconds])
        order = np.lexsort((second, first))  # stable: of one message, what came first stays first
        self._first, self._second = first[order], second[order]
        self._place = np.concatenate([np.empty(0, np.int64), *names])[order]
        self._received = np.concatenate([np.empty(0, np.int64), *times])[order]

    def of(self, digest: str) -> tuple[tuple[tuple[str, str], ...], datetime | None]:
        """Return the (account, folder) pairs of a message in the order they were recorded, and its date.

        :return: the pairs, each once, and the earliest INTERNALDATE, or None.
        """
        mine = self._rows_of(*halves_of(digest))
        words = [self._names.words[number] for number in dict.fromkeys([int(self._place[at]) for at in mine])]
        pairs = tuple([(account, folder) for account, _, folder in (w.partition(_SEPARATOR) for w in words)])
        known = [time for at in mine if (time := int(self._received[at])) != _NO_TIME]
        received = _EPOCH + timedelta(microseconds=min(known)) if known else None
        return pairs, received

    def _rows_of(self, first: int, second: int) -> list[int]:
        """Return where the rows of a message are: mostly one, for which arrays cost twice as much."""
        at = int(self._first.searchsorted(np.uint64(first)))
        found: list[int] = []
        while at < len(self._first) and self._first[at] == first:
            if self._second[at] == second:
                found.append(at)
            at += 1
        return found
