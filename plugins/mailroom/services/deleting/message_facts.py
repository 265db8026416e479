"""What retention rules ask about messages: dates, authors, holds, and which are the newest.

Here: gathering it from the archive, only as far as some rule asks. Not here: what follows
from it (``policy.verdicts``), what the server says (``mailbox_retention``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mailroom.archive import Archive, FolderState, MaildropState
from mailroom.model import LocationRow, return_of
from mailroom.policy.holds import FolderHolds
from mailroom.policy.retention import Basis
from mailroom.policy.rules import FolderRules
from mailroom.policy.verdicts import MessageFacts
from mailroom.services.deleting.brought_back import came_back
from mailroom.services.deleting.first_seen import first_seen, read_since

if TYPE_CHECKING:
    from mailroom.archive.reading.digest_times import DigestTimes
    from mailroom.services.deleting.labelled import LabelledMail

__all__ = ["FactSource", "facts_of_folder", "facts_of_maildrop", "sort_by_date"]

LOOK_UP_MESSAGES = 20_000
"""How many messages' dates are looked up in the archive at a time."""


@dataclass(slots=True, kw_only=True)
class FactSource:
    """The facts of one folder, message by message.

    :param dates: for each basis, the instant by UID or message number.
    :param ranks: how many are newer, by UID or number; empty where nobody asks.
    :param state: by IMAP, the folder.
    :param taken: by IMAP, asked for what retention took away before, when it is first needed.
    :param back: by POP3, when messages came back that were deleted, by UIDL and SHA-256.
    :param labelled: where a message is one in all folders that have it, as on Gmail, what the others ask.

    What retention deleted and somebody brought back counts its time anew, from when it came back.
    """

    archive: Archive
    rules: FolderRules
    holds: FolderHolds
    dates: Mapping[Basis, Mapping[int, datetime]]
    ranks: Mapping[int, int] = field(default_factory=dict)
    state: FolderState | None = None
    taken: Callable[[], DigestTimes] | None = None
    back: Mapping[tuple[str | None, str], datetime] = field(default_factory=dict)
    labelled: LabelledMail | None = None
    _first_seen: dict[int, datetime] | None = field(init=False, default=None)
    _digests: set[str] = field(init=False, default_factory=set)
    _fields: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)

    def load(self, rows: Iterable[LocationRow]) -> None:
        """Look up what the archive says of the contents of these messages, and of no others.

        :raises StoreUnavailable: if the archive cannot be read.
        """
        self._digests = {row.sha256 for row in rows if row.sha256 is not None}
        self._look_up()

    def obey(self, holds: FolderHolds) -> None:
        """Take over the holds of now; what they ask of the messages that are loaded is looked up.

        :raises StoreUnavailable: if the archive cannot be read.
        """
        if holds.names != self.holds.names:
            self.holds = holds
            self._look_up()

    def _look_up(self) -> None:
        asks_others = self.labelled is not None and self.labelled.asks_sender
        columns = set(self.holds.columns)
        columns |= {"from_address"} if self.rules.asks_sender or asks_others else set()
        self._fields = self.archive.message_fields(self._digests if columns else set(), sorted(columns))

    def of(
        self,
        key: int,
        row: LocationRow,
        *,
        flags: Iterable[str] | None = None,
        save_date: datetime | None = None,
    ) -> MessageFacts:
        """Return the facts of one message; its row must have been loaded.

        :param flags: its flags of now, or None where they are not known.
        :param save_date: what the server says of when it came into its folder.
        """
        fields = self._fields.get(row.sha256 or "")
        dates = {basis: found[key] for basis, found in self.dates.items() if key in found}
        if save_date is not None and Basis.SAVED in self.dates:
            dates[Basis.SAVED] = save_date
        returned = self._returned_at(key, row)
        if returned is not None:
            dates = {basis: max(date, returned) for basis, date in dates.items()}
        return MessageFacts(
            octets=row.size,
            sender=None if fields is None else fields.get("from_address") or "",
            flags=None if flags is None else frozenset(flag.lower() for flag in flags),
            dates=dates,
            returned=returned,
            rank=self.ranks.get(key, 0),
            hold=self.holds.reason(fields if self.holds.columns else {}) if self.holds else None,
        )

    def _returned_at(self, key: int, row: LocationRow) -> datetime | None:
        """Return when a message came here that retention had taken away before, or None."""
        if self.state is None:
            return self.back.get((row.uidl, row.sha256 or ""))
        taken = None if self.taken is None else self.taken().latest(row.sha256)
        if taken is None:
            return None
        if self._first_seen is None:
            self._first_seen = first_seen(self.archive, self.state)
        return return_of(self._first_seen.get(key), taken)


def facts_of_folder(
    archive: Archive,
    state: FolderState,
    rules: FolderRules,
    holds: FolderHolds,
    *,
    present: npt.NDArray[np.int64] | None = None,
    taken: Callable[[], DigestTimes] | None = None,
    labelled: LabelledMail | None = None,
) -> FactSource:
    """Return the facts of an IMAP folder, by UID.

    :param taken: asked for what retention took away before; None where that does not matter.
    :param labelled: where its messages may be in others as well, what the rules of those ask.
    :param present: the UIDs that the server has, so that what is gone is not among the newest; None where
        the server was not asked.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    uids = state.live.tolist()
    dates: dict[Basis, Mapping[int, datetime]] = {}
    for basis in rules.bases if labelled is None else rules.bases | labelled.bases:
        if basis is Basis.SAVED:
            dates[basis] = first_seen(archive, state)
        elif basis is Basis.SEEN:
            dates[basis] = read_since(archive, state)
        elif basis is Basis.DATE:
            dates[basis] = _sent(archive, dict(zip(uids, state.column("sha256"), strict=True)))
        else:
            column = state.column("internal_date" if basis is Basis.INTERNAL else "archived_at")
            dates[basis] = {uid: date for uid, date in zip(uids, column, strict=True) if date is not None}
    ranks: dict[int, int] = {}
    if rules.keep_newest:
        ranks = _ranked(dict(zip(uids, state.column("internal_date"), strict=True)), _gone(state, present))
    return FactSource(
        archive=archive,
        rules=rules,
        holds=holds,
        dates=dates,
        ranks=ranks,
        state=state,
        taken=taken,
        labelled=labelled,
    )


def _gone(state: FolderState, present: npt.NDArray[np.int64] | None) -> frozenset[int]:
    """Return the UIDs that the archive takes for live, and the server has no longer."""
    return frozenset() if present is None else frozenset(np.setdiff1d(state.live, present).tolist())


def facts_of_maildrop(
    archive: Archive,
    state: MaildropState,
    rows: Mapping[int, LocationRow],
    rules: FolderRules,
    holds: FolderHolds,
) -> FactSource:
    """Return the facts of a POP3 maildrop, by message number.

    :raises StoreUnavailable: if the archive cannot be read.
    """
    archived = {number: row.archived_at for number, row in rows.items()}
    dates: dict[Basis, Mapping[int, datetime]] = {
        Basis.ARCHIVED: {number: at for number, at in archived.items() if at is not None}
    }
    if Basis.DATE in rules.bases:
        dates[Basis.DATE] = _sent(archive, {number: row.sha256 for number, row in rows.items()})
    return FactSource(
        archive=archive,
        rules=rules,
        holds=holds,
        dates=dates,
        ranks=_ranked(archived) if rules.keep_newest else {},
        back=came_back(state, rows.values()),
    )


def sort_by_date(source: FactSource, keys: Sequence[int]) -> list[int]:
    """Return keys oldest first, by the earliest date that counts for any rule; unknown dates come last."""
    known = list(source.dates.values())

    def earliest(key: int) -> tuple[float, int]:
        return min((found[key].timestamp() for found in known if key in found), default=float("inf")), key

    return sorted(keys, key=earliest)


def _sent(archive: Archive, digests: Mapping[int, str | None]) -> dict[int, datetime]:
    """Return when each message says it was sent; looked up in parts, so that memory holds the dates only."""
    found: dict[int, datetime] = {}
    waiting = iter(digests.items())
    while part := dict(islice(waiting, LOOK_UP_MESSAGES)):
        fields = archive.message_fields({digest for digest in part.values() if digest is not None}, ["date"])
        for key, digest in part.items():
            date = fields.get(digest or "", {}).get("date")
            if date is not None:
                found[key] = date
    return found


def _ranked(dates: Mapping[int, datetime | None], gone: Collection[int] = ()) -> dict[int, int]:
    """Return how many are newer than each; where dates are equal or not known, the numbers decide.

    :param gone: what is no longer there, and so the oldest of all.
    """

    def age(key: int) -> tuple[bool, float, int]:
        date = dates[key]
        return key not in gone, (date.timestamp() if date is not None else 0.0), key

    return {key: rank for rank, key in enumerate(sorted(dates, key=age, reverse=True))}
