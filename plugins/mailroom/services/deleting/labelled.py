"""What other folders say of a message that is in several at once, as on Gmail.

Here: the rules, legal holds and newest messages of every folder whose label a message has. On a server with
labels (X-GM-EXT-1) a folder shows what has its label, and a message that goes into the trash loses all of
them: whoever deletes it in INBOX deletes it in ``Contracts`` as well. So it goes when the last of its folders
lets it go, and a folder that no rule means, or that is excluded, keeps it. Labels are those that the server
states in the session that deletes; where it states none, or one that no folder shows, the message stays. Not
here: servers on which each folder has a copy of its own.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mailroom.archive import Archive
from mailroom.exceptions import CommandRejected
from mailroom.ledger import HoldRow
from mailroom.model import LocationRow
from mailroom.policy.deletion import Candidate, Keep
from mailroom.policy.proof import ServerAnswer
from mailroom.policy.retention import Basis
from mailroom.policy.rules import VIEWS, FolderRules, is_view
from mailroom.policy.verdicts import MessageFacts
from mailroom.services.deleting.first_seen import came_into
from mailroom.services.deleting.held import find_held

if TYPE_CHECKING:
    from mailroom.archive.reading.digest_times import DigestTimes
    from mailroom.client.imap import ImapClient

__all__ = ["Judge", "LabelledMail", "folders_of_labels"]

Judge = Callable[[int, LocationRow, Sequence[tuple[FolderRules, MessageFacts]]], Candidate]
"""Says what the rules of several folders make of a message, as it is in each of them."""

ALL = "\\all"

MUTED = "\\muted"
"""A label of the system that no folder shows: it says how new mail is announced."""

_USES = {"\\sent": "\\sent", "\\draft": "\\drafts", "\\starred": "\\flagged", "\\important": "\\important"}
"""The special use of the folder that shows what has a label of the system, both in small letters."""

Newest = frozenset[str | None] | None
"""The digests of the newest messages of a folder, or None where nobody knows which they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledMail:
    """The folders of one account, as far as they concern messages that have several labels.

    :param bound: the rules of each folder in which something may be deleted.
    :param uses: the special use of every folder that exists.
    :param discarding: trash and junk folders.
    :param judge: is asked about what is in several folders, with the rules of all.
    """

    archive: Archive
    account: str
    bound: Mapping[str, FolderRules]
    uses: Mapping[str, str | None]
    discarding: Collection[str]
    judge: Judge
    _newest: dict[str, Newest] = field(init=False, default_factory=dict)
    _came: dict[str, DigestTimes] = field(init=False, default_factory=dict)

    @property
    def asks_sender(self) -> bool:
        """Whether some rule of some folder asks for authors."""
        return any(rules.asks_sender for rules in self.bound.values())

    @property
    def bases(self) -> frozenset[Basis]:
        """What dates the rules of its folders count from; in trash and junk mail is in no other folder."""
        several = [rules for name, rules in self.bound.items() if name not in self.discarding]
        return frozenset(basis for rules in several for basis in rules.bases)

    def ask_for_newest(self, client: ImapClient) -> None:
        """Ask the server, once a run, what each folder has whose newest messages stay: what is gone is none.

        :raises ConnectionLost: if the server goes away.
        :raises StoreUnavailable: if the archive cannot be read.
        """
        for name, rules in self.bound.items():
            if not rules.keep_newest or name in self.discarding:
                continue
            try:
                selected = client.examine(name)
                self._newest[name] = self._find_newest(name, selected.uid_validity, client.search("ALL"))
            except CommandRejected:
                self._newest[name] = None

    def reconsider(
        self,
        folder: str,
        candidates: Sequence[Candidate],
        answers: Mapping[int, ServerAnswer],
        facts: Mapping[int, MessageFacts],
        *,
        holds: Sequence[HoldRow],
        now: datetime,
    ) -> list[Candidate]:
        """Return the candidates of one folder; of those that are due, what other folders keep is to stay.

        :param facts: what is known of each, as the folder's own rules were told it.
        :raises StoreUnavailable: if the archive cannot be read.
        """
        due = {c.key: c for c in candidates if c.keep is None}
        others: dict[int, frozenset[str]] = {}
        for key, candidate in due.items():
            names = self._others(folder, answers.get(key))
            if names is None:
                due[key] = replace(candidate, keep=Keep.ELSEWHERE)
            else:
                others[key], due[key] = names, self._judged(folder, candidate, names, facts[key])
        for name in sorted(set().union(*others.values())):
            having = [due[key].row for key, names in others.items() if name in names]
            held = find_held(
                self.archive, self.account, name, having, now, use=self.uses.get(name), holds=holds
            )
            for key, names in others.items():
                if name in names and due[key].row.sha256 in held:
                    due[key] = replace(due[key], keep=due[key].keep or Keep.HELD)
        return [due.get(c.key, c) for c in candidates]

    def _others(self, folder: str, answer: ServerAnswer | None) -> frozenset[str] | None:
        """Return the other folders that a message is in, by its labels, or None where nobody can say.

        What the server does not answer for is in none; it is not deleted anyway.
        """
        if answer is None:
            return frozenset()
        found = None if answer.labels is None else folders_of_labels(answer.labels, self.uses)
        return None if found is None else found - {folder}

    def _judged(
        self, folder: str, candidate: Candidate, names: Collection[str], facts: MessageFacts
    ) -> Candidate:
        """Return a candidate as the rules of all its folders decide."""
        if any(name not in self.bound and not is_view(self.uses.get(name)) for name in names):
            return replace(candidate, keep=Keep.ELSEWHERE)
        others = [name for name in sorted(names) if name in self.bound]
        if not others:
            return candidate
        here = self.bound[folder], facts
        there = [(self.bound[name], self._facts_in(name, candidate.row, facts)) for name in others]
        judged = self.judge(candidate.key, candidate.row, [here, *there])
        if judged.keep is Keep.NO_RULE:
            return replace(candidate, keep=Keep.ELSEWHERE)
        among = any(self._is_newest(name, candidate.row) for name in names)
        return replace(judged, keep=judged.keep or (Keep.NEWEST if among else None))

    def _facts_in(self, name: str, row: LocationRow, facts: MessageFacts) -> MessageFacts:
        """Return what is known of a message in another folder, where it may have come another day."""
        if Basis.SAVED not in self.bound[name].bases:
            return facts
        if name not in self._came:
            state = self.archive.folder_state(self.account, name)
            self._came[name] = came_into(self.archive, state)
        came = self._came[name].latest(row.sha256)
        dates = dict(facts.dates)
        dates.pop(Basis.SAVED, None)
        if came is not None:
            dates[Basis.SAVED] = max(came, facts.returned or came)
        return replace(facts, dates=dates)

    def _is_newest(self, name: str, row: LocationRow) -> bool:
        """Return whether a message is, or may be, among the newest of a folder, as many as its rules keep."""
        if name not in self.bound or not self.bound[name].keep_newest:
            return False
        if name not in self._newest:
            state = self.archive.folder_state(self.account, name)
            self._newest[name] = self._find_newest(name, state.uid_validity, state.live)
        newest = self._newest[name]
        return newest is None or row.sha256 in newest

    def _find_newest(self, name: str, validity: int | None, present: npt.NDArray[np.int64]) -> Newest:
        """Return the newest messages of a folder of those that are archived, and there.

        :param validity: the UIDVALIDITY that the numbers of those that are there belong to.
        """
        state = self.archive.folder_state(self.account, name)
        if validity is None or state.uid_validity != validity:
            return None
        there = np.isin(state.live, present).tolist()
        columns = (state.column("internal_date"), state.live.tolist(), state.column("sha256"))
        dated = (
            (date.timestamp() if date else 0.0, uid, digest)
            for is_there, date, uid, digest in zip(there, *columns, strict=True)
            if is_there
        )
        return frozenset(digest for *_, digest in heapq.nlargest(self.bound[name].keep_newest, dated))


def folders_of_labels(labels: Iterable[str], uses: Mapping[str, str | None]) -> frozenset[str] | None:
    r"""Return the folders that show a message with these labels; the one that shows all mail is among them.

    None where a label is shown as no folder, for nobody can say what keeps such mail: it is hidden from IMAP,
    came since the folders were listed, or is no proper modified UTF-7. Hidden views are left out.

    >>> uses = {"INBOX": None, "Clientes": None, "[Gmail]/Sent": "\\Sent", "[Gmail]/All Mail": "\\All"}
    >>> sorted(folders_of_labels(["Clientes", "\\Inbox", "\\Important"], uses))
    ['Clientes', 'INBOX', '[Gmail]/All Mail']
    >>> folders_of_labels(["Clientes", "Hidden"], uses) is None
    True
    """
    by_use = {(use or "").casefold(): name for name, use in uses.items() if use}
    found = {by_use.get(ALL)}
    for label in labels:
        small = label.casefold()
        use = _USES.get(small, small)
        name = label if label in uses else None
        if small.startswith("\\"):
            name = "INBOX" if small == "\\inbox" else by_use.get(use)
        if name is None and use not in (*VIEWS, MUTED):
            return None
        found.add(name)
    return frozenset(name for name in found if name is not None)
