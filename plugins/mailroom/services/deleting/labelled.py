"""What other folders say of a message that is in several at once, as on Gmail.

Here: the rules, legal holds and newest messages of every folder whose label a message has. On a server with
labels (X-GM-EXT-1) a folder shows what has its label, and a message that goes into the trash loses all of
them: whoever deletes it in INBOX deletes it in ``Contracts`` as well. So the rules of all its folders decide
together, and a folder that no rule means, or that is excluded, keeps it. Labels are those that the server
states in the session that deletes. Not here: servers on which each folder has a copy of its own.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mailroom.archive import Archive
from mailroom.ledger import HoldRow
from mailroom.model import LocationRow
from mailroom.policy.deletion import Candidate, Keep
from mailroom.policy.proof import ServerAnswer
from mailroom.policy.rules import FolderRules, joined_rules
from mailroom.policy.verdicts import MessageFacts
from mailroom.services.deleting.held import find_held

__all__ = ["Judge", "LabelledMail", "folders_of_labels"]

Judge = Callable[[int, LocationRow, FolderRules, MessageFacts], Candidate]
"""Says what rules make of a message."""

ALL = "\\All"

VIEWS = frozenset({"\\all", "\\flagged", "\\important"})
"""Special uses, in small letters, of folders that show what others hold: leaving them out says nothing."""

_USES = {"\\sent": "\\sent", "\\draft": "\\drafts", "\\starred": "\\flagged", "\\important": "\\important"}
"""The special use of the folder that shows what has a label of the system, both in small letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledMail:
    """The folders of one account, as far as they concern messages that have several labels.

    :param bound: the rules of each folder in which something may be deleted.
    :param uses: the special use of every folder that exists.
    :param judge: is asked about what is in several folders, with the rules of all.
    """

    archive: Archive
    account: str
    bound: Mapping[str, FolderRules]
    uses: Mapping[str, str | None]
    judge: Judge
    _newest: dict[str, frozenset[str]] = field(init=False, default_factory=dict)

    @property
    def asks_sender(self) -> bool:
        """Whether some rule of some folder asks for authors."""
        return any(rules.asks_sender for rules in self.bound.values())

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
        others = {key: self._others(folder, answers.get(key)) for key in due}
        for key, names in others.items():
            due[key] = self._judged(folder, due[key], names, facts[key])
        for name in sorted(set().union(*others.values())):
            having = [due[key].row for key, names in others.items() if name in names]
            held = find_held(
                self.archive, self.account, name, having, now, use=self.uses.get(name), holds=holds
            )
            for key, names in others.items():
                if name in names and due[key].row.sha256 in held:
                    due[key] = replace(due[key], keep=due[key].keep or Keep.HELD)
        return [due.get(c.key, c) for c in candidates]

    def _others(self, folder: str, answer: ServerAnswer | None) -> frozenset[str]:
        """Return the other folders that a message is in, by its labels."""
        if answer is None or answer.labels is None:
            return frozenset()
        return folders_of_labels(answer.labels, self.uses) - {folder}

    def _judged(
        self, folder: str, candidate: Candidate, names: Collection[str], facts: MessageFacts
    ) -> Candidate:
        """Return a candidate as the rules of all its folders decide."""
        if any(name not in self.bound and not self._is_view(name) for name in names):
            return replace(candidate, keep=Keep.ELSEWHERE)
        others = [self.bound[name] for name in sorted(names) if name in self.bound]
        if not others:
            return candidate
        rules = joined_rules([self.bound[folder], *others])
        judged = self.judge(candidate.key, candidate.row, rules, facts)
        among = any(candidate.row.sha256 in self._newest_of(name) for name in names)
        return replace(judged, keep=judged.keep or (Keep.NEWEST if among else None))

    def _is_view(self, name: str) -> bool:
        return (self.uses.get(name) or "").casefold() in VIEWS

    def _newest_of(self, name: str) -> frozenset[str]:
        """Return the digests of the newest messages of a folder, as many as its rules keep."""
        count = self.bound[name].keep_newest if name in self.bound else 0
        if count and name not in self._newest:
            state = self.archive.folder_state(self.account, name)
            dates, uids, digests = state.column("internal_date"), state.live.tolist(), state.column("sha256")
            dated = (
                (date.timestamp() if date else 0.0, uid, digest)
                for date, uid, digest in zip(dates, uids, digests, strict=True)
            )
            self._newest[name] = frozenset(digest for *_, digest in heapq.nlargest(count, dated))
        return self._newest.get(name, frozenset())


def folders_of_labels(labels: Iterable[str], uses: Mapping[str, str | None]) -> frozenset[str]:
    r"""Return the folders that show a message with these labels; the one that shows all mail is among them.

    A label that is shown as no folder is left out.

    >>> uses = {"INBOX": None, "Clientes": None, "[Gmail]/Sent": "\\Sent", "[Gmail]/All Mail": "\\All"}
    >>> sorted(folders_of_labels(["Clientes", "\\Inbox", "Hidden"], uses))
    ['Clientes', 'INBOX', '[Gmail]/All Mail']
    """
    by_use = {(use or "").casefold(): name for name, use in uses.items()}
    found = {by_use.get(ALL.casefold())}
    for label in labels:
        small = label.casefold()
        if small == "\\inbox":
            found.add("INBOX")
        elif small.startswith("\\"):
            found.add(by_use.get(_USES.get(small, small)))
        else:
            found.add(label if label in uses else None)
    return frozenset(name for name in found if name is not None)
