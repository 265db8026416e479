"""IMAP folders beside the archive's: which messages of the server it holds.

Here: one session over all folders, opened with EXAMINE. Not here: what a run makes of it
(``check``). UIDs are compared as sets where they mean the same (RFC 3501 section 2.3.1.1);
else each message is asked who it is, as after a change of numbering.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress

import numpy as np
import numpy.typing as npt

from mailroom.archive import Archive, FolderState
from mailroom.client.imap import ImapClient
from mailroom.client.imap_facts import fetch_facts
from mailroom.client.imap_folders import list_foreign
from mailroom.client.imap_selected import SelectedFolder
from mailroom.exceptions import CommandRejected
from mailroom.message import fingerprint_of_header
from mailroom.model import Body, FolderRow, LocationRow
from mailroom.policy.folders import match_folders
from mailroom.policy.mailbox_plan import may_be_another
from mailroom.policy.uid_sets import Uids, ascending, common, is_among, joined, without
from mailroom.services.checking.check_report import FolderCheck
from mailroom.services.checking.lost_mail import LostMail
from mailroom.services.fetching.maildrop_ledger import INBOX
from mailroom.services.mirroring.renumbering import recognise
from mailroom.services.progress import Progress

__all__ = ["MailboxCheck"]

ASKED_ROWS = 4096
"""How many rows are compared at a time where size or date differ."""

_NONE: Uids = np.empty(0, dtype=np.int64)


@dataclass(slots=True, kw_only=True)
class MailboxCheck:
    """One session that compares folders; ``problems`` gets those that cannot be compared."""

    client: ImapClient
    archive: Archive
    account: str
    quick: bool
    lost: LostMail
    progress: Progress
    stop: threading.Event
    problems: list[str]
    last: dict[str, FolderRow] = field(default_factory=dict)

    def check(self, patterns: tuple[str, ...], exclude: tuple[str, ...]) -> Iterator[FolderCheck]:
        """Yield the state of each chosen folder, and of those that only the archive has.

        :raises ConfigurationError: if a pattern means no folder.
        :raises ConnectionLost: if the server goes away.
        """
        self.last = self.archive.last_folders(self.account)
        live = self.archive.live_counts(self.account)
        own = self.client.list_folders()
        folders = [*own, *list_foreign(self.client, own, (name for name, count in live.items() if count))]
        listed = {folder.name: folder.special_use for folder in folders if folder.is_selectable}
        past = [name for name, count in live.items() if count and name not in listed]
        uses = listed | {name: row.special_use if (row := self.last.get(name)) else None for name in past}
        for name in match_folders(patterns, exclude, uses, special_use=uses, must_choose=True):
            if self.stop.is_set():
                return
            if name in listed:
                yield from self._examine(name)
            else:
                yield FolderCheck(folder=name, gone=live[name], note="no longer on the server")

    def _examine(self, name: str) -> Iterator[FolderCheck]:
        try:
            selected = self.client.examine(name)
        except CommandRejected as error:
            why = error.text or "no reason given"
            self.problems.append(
                f"Folder {name!r} of {self.account} was not checked: the server does not open it: {why}."
            )
            return
        self.progress.start(name, selected.exists, None)
        yield self._compare(selected)
        self.progress.finish()

    def _compare(self, selected: SelectedFolder) -> FolderCheck:
        """Return how one open folder and the archive stand to each other."""
        state = self.archive.folder_state(self.account, selected.name)
        listed, unlisted = self._list(selected)
        facts = _Facts() if self.quick else self._facts(listed)
        if state.uid_validity is None:
            held, note = _Held(), self._why_not(selected.name) if len(listed) else None
        elif selected.uid_validity == state.uid_validity:
            held, note = self._trusted(state, listed, facts)
        else:
            held, note = self._recognised(state, listed), "numbered anew since the last mirror"
        missing = without(listed, held.uids)
        lost = self.lost.among(held.digests)
        healed = self.lost.fetch_again(lost, self._fetch)
        repaired = sum(digest in healed for digest in lost.values())
        last = self.last.get(selected.name)
        is_same = last is not None and last.uid_validity == selected.uid_validity
        first_new = last.uid_next if last is not None and is_same else None
        return FolderCheck(
            folder=selected.name,
            messages=len(listed) + unlisted,
            archived=len(held.uids),
            arrived=0 if first_new is None else int((missing >= first_new).sum()),
            unlisted=unlisted,
            gone=max(0, len(state.live) - len(held.uids)),
            octets=None if self.quick else facts.octets,
            archived_octets=held.octets,
            damaged=len(lost) - repaired,
            repaired=repaired,
            is_part=last is not None and _is_part(last),
            note=note,
        )

    def _fetch(self, uids: Sequence[int]) -> Iterator[Body | None]:
        return (message.body for message in self.client.fetch_messages(uids, self.archive.new_spool))

    def _why_not(self, folder: str) -> str:
        """Return why no message of a folder is known by an IMAP number."""
        fetched = folder == INBOX and self.archive.maildrop_state(self.account).live_uidls()
        return "fetched by POP3: check it by POP3" if fetched else "not in the archive"

    def _list(self, selected: SelectedFolder) -> tuple[Uids, int]:
        """Return the UIDs the server lists, and how many more it counts."""
        listed = ascending(self.client.search("ALL"))
        if len(listed) >= selected.exists:
            return listed, 0
        listed = joined(listed, ascending(message.uid for message in self.client.fetch_flags("1:*")))
        counted = self.client.folder_status(selected.name).get("MESSAGES", 0)
        return listed, max(0, min(counted, selected.exists) - len(listed))

    def _facts(self, listed: Uids) -> _Facts:
        facts = _Facts()
        for message in fetch_facts(self.client, listed):
            facts.add(message.uid, message.octets, message.internal_date)
            self.progress.advance(1, 0)  # asked about, not moved
        return facts

    def _trusted(self, state: FolderState, listed: Uids, facts: _Facts) -> tuple[_Held, str | None]:
        """Return the listed messages that the archive holds, without those that are others by now."""
        there = common(state.live, listed)
        others = ascending(self._others(state, facts.differing(state, there)))
        uids = without(there, others)
        mine = is_among(state.live, uids)
        held = _Held(
            uids=uids,
            octets=sum(size or 0 for size in state.column("size")[mine].tolist()),
            digests=_digests_of(state, uids),
        )
        if not len(others):
            return held, None
        return held, f"{len(others):,} numbers stand for another message than was archived"

    def _others(self, state: FolderState, doubtful: Uids) -> Iterator[int]:
        """Yield the UIDs under which the server has another message than the archive."""
        for start in range(0, len(doubtful), ASKED_ROWS):
            asked = doubtful[start : start + ASKED_ROWS]
            rows = {row.uid: row for row in state.rows(asked)}
            described = self.archive.describe({row.sha256 for row in rows.values() if row.sha256})
            for message in self.client.fetch_fingerprints(asked):
                row = rows.get(message.uid)
                if row is None or not may_be_another(row, message):
                    continue
                held = described.get(row.sha256 or "")
                name = fingerprint_of_header(message.header or b"").message_id
                if held is None or held.message_id is None or held.message_id != name:
                    yield message.uid

    def _recognised(self, state: FolderState, listed: Uids) -> _Held:
        """Return the listed messages that the archive holds under another number."""

        def former() -> Iterable[LocationRow]:
            return chain(state.live_rows(), state.past_live_rows())

        uids, octets = array("q"), 0
        digests: list[tuple[list[int], list[str]]] = []
        for known in recognise(self.client, self.archive, listed, former):
            uids.append(known.message.uid)
            octets += known.message.octets or 0
            if not digests or len(digests[-1][0]) >= ASKED_ROWS:
                digests.append(([], []))
            digests[-1][0].append(known.message.uid)
            digests[-1][1].append(known.sha256)
        return _Held(uids=ascending(uids), octets=octets, digests=digests)


def _digests_of(state: FolderState, uids: Uids) -> Iterator[tuple[Sequence[int], Sequence[str]]]:
    """Yield UIDs and digests of these live messages, some thousand at a time."""
    for found, digests in state.digests():
        mine = is_among(found, uids)
        yield found[mine].tolist(), list(compress(digests, mine.tolist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """Messages of a folder that are archived: their UIDs there, their size, and their digests by UID."""

    uids: Uids = field(default_factory=lambda: _NONE)
    octets: int = 0
    digests: Iterable[tuple[Sequence[int], Sequence[str]]] = ()


@dataclass(slots=True)
class _Facts:
    """Size and date of many messages in columns, as the server states them now."""

    octets: int = 0
    _uids: array[int] = field(default_factory=lambda: array("q"))
    _sizes: array[int] = field(default_factory=lambda: array("q"))
    _dates: array[int] = field(default_factory=lambda: array("q"))

    def add(self, uid: int, octets: int | None, date: object) -> None:
        """Add what the server says of one message."""
        self.octets += octets or 0
        self._uids.append(uid)
        self._sizes.append(-1 if octets is None else octets)
        self._dates.append(_seconds(date))

    def differing(self, state: FolderState, held: Uids) -> Uids:
        """Return the UIDs whose size or date is not what was stated when they were archived."""
        uids = np.frombuffer(self._uids, dtype=np.int64)
        if not len(uids) or not len(held):
            return _NONE
        mine = is_among(state.live, held)
        then_sizes = np.array([-1 if size is None else size for size in state.column("size")], dtype=np.int64)
        then_dates = np.array([_seconds(date) for date in state.column("internal_date")], dtype=np.int64)
        order = np.argsort(uids, kind="stable")
        places = np.minimum(np.searchsorted(uids[order], held), len(uids) - 1)
        told = order[places]
        is_told = uids[told] == held
        differs = _differs(then_sizes[mine], np.frombuffer(self._sizes, dtype=np.int64)[told])
        differs |= _differs(then_dates[mine], np.frombuffer(self._dates, dtype=np.int64)[told])
        found: Uids = held[is_told & differs]
        return found


def _is_part(last: FolderRow) -> bool:
    """Return whether the last mirror took or was shown a part only; POP3 cannot show that it was all."""
    return last.windowed and not last.deleted and last.uid_validity is not None


def _differs(then: Uids, now: Uids) -> npt.NDArray[np.bool_]:
    """Return where both are known and not the same."""
    found: npt.NDArray[np.bool_] = (then != now) & (then >= 0) & (now >= 0)
    return found


def _seconds(date: object) -> int:
    timestamp = getattr(date, "timestamp", None)
    return -1 if timestamp is None else int(timestamp())
