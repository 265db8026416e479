"""Deleting from a POP3 maildrop: proof, DELE, and QUIT, whose +OK alone makes it true.

Here: what fetch and retention share. Not here: which messages are candidates. A session
that ends without a confirmed QUIT has deleted nothing (RFC 1939 section 6), so the rows
that say so are only handed out after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from mailroom.archive import Archive
from mailroom.client.pop3 import Pop3Client
from mailroom.exceptions import CommandRejected, ConnectionLost
from mailroom.message import fingerprint_of_header
from mailroom.model import Body, LocationRow
from mailroom.policy.deletion import Candidate, DeletionPlan, plan_deletions
from mailroom.policy.proof import ArchivedCopy, ServerAnswer, is_re_encoded, is_telling
from mailroom.services.deleting.held import find_held
from mailroom.services.deleting.proving import Proving
from mailroom.services.fetching.maildrop_ledger import INBOX

__all__ = ["PROOF_BATCH", "MaildropDeletion", "digest_of", "discard", "keys_of_re_encoded"]

PROOF_BATCH = 500
"""How many messages are asked who they are, and deleted, at a time."""


@dataclass(slots=True)
class MaildropDeletion:
    """The deletions of one session; nothing of it is true before `confirm`.

    :param proving: where each message must be found whole; by default in the archive.
    :param refused: what the server answered to DELE where it was not +OK, by message number.
    :param handled: UIDLs whose deletion was asked for, with whatever success.
    :param confirmed: how many messages a confirmed QUIT deleted.
    """

    client: Pop3Client
    archive: Archive
    proving: Proving | None = None
    refused: dict[int, str] = field(default_factory=dict)
    handled: set[str] = field(default_factory=set)
    confirmed: int = 0
    _marked: list[LocationRow] = field(default_factory=list)
    _kept: set[tuple[str | None, str | None]] = field(default_factory=set)

    def prove_and_mark(
        self,
        candidates: Iterable[Candidate],
        sizes: Mapping[int, int],
        *,
        cutoff: datetime,
        allowance: int | None = None,
        dry_run: bool = False,
    ) -> Iterator[DeletionPlan]:
        """Ask candidates of earlier sessions who they are, and mark those that prove it; a plan a batch.

        :param sizes: octets of each message number, as this session lists them.
        :param allowance: how many may go at most.
        :param dry_run: whether to plan only.
        :raises ConnectionLost: if the server goes away; then nothing was deleted.
        """
        waiting = iter(candidates)
        while batch := list(islice(waiting, PROOF_BATCH)):
            copies = self._read(_digests(batch))
            plan = plan_deletions(
                batch,
                self._ask([candidate for candidate in batch if candidate.keep is None], sizes, copies),
                copies,
                cutoff=cutoff,
                allowance=allowance,
            )
            if allowance is not None:
                allowance -= len(plan.delete)
            if not dry_run:
                self._mark(plan)
            yield plan

    def mark_retrieved(
        self, candidates: Sequence[Candidate], retrieved: Mapping[int, str], *, cutoff: datetime
    ) -> DeletionPlan:
        """Mark what was retrieved in this very session and is committed; only the archive is asked.

        :param retrieved: the SHA-256 of what came, by message number.
        :raises ConnectionLost: if the server goes away; then nothing was deleted.
        """
        answers = {number: ServerAnswer(sha256=digest) for number, digest in retrieved.items()}
        copies = self._read(_digests(candidates), with_headers=False)
        plan = plan_deletions(candidates, answers, copies, cutoff=cutoff)
        self._mark(plan)
        return plan

    def confirm(
        self,
        account: str,
        failures: list[str],
        *,
        intend: Callable[[list[LocationRow]], None],
        now: datetime,
        doubtful: Collection[str] = (),
    ) -> list[LocationRow]:
        """Say QUIT and return the rows of what it deleted; none where it was not answered with +OK.

        A message whose twin (same UIDL, same bytes) stays is not among them: it is still there. Where one
        came under legal hold meanwhile, QUIT is not sent, and nothing is deleted.

        :param failures: takes a sentence for each thing that did not work.
        :param intend: writes down what is about to go, before QUIT is sent.
        :param doubtful: UIDLs that also stand for a message that was not delivered, which may be that twin.
        """
        if self.refused:
            text = next(iter(self.refused.values()))
            failures.append(
                f"The server refused to delete {len(self.refused)} messages of {account}: {text}."
            )
        held = find_held(self.archive, account, INBOX, self._marked, now)
        if held:
            failures.append(
                f"Nothing was deleted in this session with {account}: {len(held)} of the messages came under "
                "legal hold meanwhile; the others go in a later session."
            )
            return []
        gone = {(row.uidl, row.sha256): row for row in self._marked}
        sure = [row for key, row in gone.items() if key not in self._kept and row.uidl not in doubtful]
        if sure:
            intend(sure)
        if not self._marked:
            self.client.leave()
            return []
        try:
            self.client.quit()
        except (CommandRejected, ConnectionLost) as error:
            failures.append(
                f"QUIT was not confirmed, so none of the {len(self._marked)} deletions asked for in "
                f"{account} counts as done; the next run asks again: {error}"
            )
            return []
        self.confirmed = len(self._marked)
        return sure

    def _read(self, digests: Collection[str], *, with_headers: bool = True) -> dict[str, ArchivedCopy]:
        proving = self.proving or Proving(archive=self.archive)
        return proving.read(digests, with_headers=with_headers)

    def _mark(self, plan: DeletionPlan) -> None:
        chosen = {candidate.key: candidate.row for candidate in plan.delete}
        self.handled |= {row.uidl for row in chosen.values() if row.uidl is not None}
        for number, error in self.client.delete(list(chosen)).items():
            if error is None:
                self._marked.append(chosen[number])
            else:
                self.refused[number] = error
                self._kept.add((chosen[number].uidl, chosen[number].sha256))
        for decision in plan.decisions:
            if decision.keep is not None:
                self._kept.add((decision.candidate.row.uidl, decision.candidate.row.sha256))

    def _ask(
        self, candidates: Sequence[Candidate], sizes: Mapping[int, int], copies: Mapping[str, ArchivedCopy]
    ) -> dict[int, ServerAnswer]:
        """Return what the server says of each: its header by TOP, or all where that tells too little."""
        answers: dict[int, ServerAnswer] = {}
        numbers = [candidate.key for candidate in candidates]
        whole = keys_of_re_encoded(candidates, copies)
        refetches = self.proving is not None and self.proving.rule.refetch
        if not refetches and (not self.client.capabilities or "TOP" in self.client.capabilities):
            for headed in self.client.top([number for number in numbers if number not in whole]):
                if headed.header is None:
                    continue
                fingerprint = fingerprint_of_header(headed.header)
                if is_telling(fingerprint):
                    answers[headed.number] = ServerAnswer(
                        fingerprint=replace(fingerprint, octets=sizes.get(headed.number))
                    )
        silent = [number for number in numbers if number not in answers]
        for retrieved in self.client.retrieve(silent, self.archive.new_spool):
            if retrieved.body is not None:
                answers[retrieved.number] = ServerAnswer(sha256=digest_of(retrieved.body))
                discard(retrieved.body)
        return answers


def keys_of_re_encoded(candidates: Iterable[Candidate], copies: Mapping[str, ArchivedCopy]) -> frozenset[int]:
    """Return which of these only fetching them whole can prove, for the archived copy has another size."""
    found = ((c.key, c.row, copies.get(c.row.sha256 or "")) for c in candidates if c.keep is None)
    return frozenset(key for key, row, copy in found if copy is not None and is_re_encoded(row, copy))


def _digests(candidates: Sequence[Candidate]) -> set[str]:
    """Return what is to be read back; what a rule keeps needs no proof."""
    return {c.row.sha256 for c in candidates if c.row.sha256 is not None and c.keep is None}


def digest_of(body: Body) -> str:
    """Return the SHA-256 of a message that has just arrived."""
    if body.sha256 is not None:
        return body.sha256
    return hashlib.sha256(body.content or b"").hexdigest()


def discard(body: Body) -> None:
    """Remove the spool file of a message that is not going into the archive."""
    if body.path is not None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(body.path)
