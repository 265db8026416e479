"""One POP3 session of a fetch: retrieve what is new, archive it, mark what may go.

Here: the order that makes it safe. A message is archived and committed (``flush``) before
its DELE is sent; that its deletion is recorded only after QUIT is ``maildrop_deletion``.
Not here: how many sessions a run takes (``fetch``), what to retrieve (``policy.fetch``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from mailroom.archive import Archive, ArchiveWriter, Described, MaildropState
from mailroom.client.pop3 import Pop3Client, Retrieved
from mailroom.model import Body, Change, LocationRow, RunContext
from mailroom.policy.deletion import Candidate, DeletionPlan, Keep
from mailroom.policy.fetch import FetchPlan, Retrieval, Why, plan_fetch, shared_uidls, uidl_of_content
from mailroom.policy.fetch_mode import FetchMode
from mailroom.services.deleting.brought_back import came_back
from mailroom.services.deleting.maildrop_deletion import MaildropDeletion, digest_of, discard
from mailroom.services.fetching.asked_ahead import PLAN_MESSAGES, Ahead
from mailroom.services.fetching.held_mail import HeldInMaildrop
from mailroom.services.fetching.maildrop_identity import NamedListing
from mailroom.services.fetching.maildrop_ledger import INBOX, MaildropLedger
from mailroom.services.fetching.maildrop_tally import SessionTally
from mailroom.services.mirroring.contents import identities_of
from mailroom.services.progress import Progress

__all__ = ["MaildropSession"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """A message that has arrived: its row where it is known already, else what to find its row by."""

    item: Retrieval
    uidl: str
    digest: str | None
    row: LocationRow | None = None


@dataclass(slots=True, kw_only=True)
class MaildropSession:
    """One listing, worked off.

    :param state: what the archive knew of the maildrop when the session began.
    :param expected: archived messages that may come in under other bytes; what this listing adds is put in.
    :param held: takes what stays under legal hold.
    :param passed_over: names that this run has dealt with already.
    :param ahead: messages that were asked for while the archive was opened.
    """

    client: Pop3Client
    archive: Archive
    writer: ArchiveWriter
    context: RunContext
    mode: FetchMode
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    ledger: MaildropLedger
    state: MaildropState
    listing: NamedListing
    held: HeldInMaildrop
    expected: dict[str, list[Described]]
    passed_over: frozenset[str] = frozenset()
    ahead: Ahead | None = None
    tally: SessionTally = field(default_factory=SessionTally)
    deletion: MaildropDeletion = field(init=False)
    _added: set[tuple[str, str]] = field(init=False, default_factory=set)
    _seen: dict[str, set[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare the deletions, none so far."""
        self.deletion = MaildropDeletion(self.client, self.archive)

    def work(self) -> None:
        """Retrieve, archive and mark for deletion until done or told to stop.

        :raises ConnectionLost: if the server goes away; ``tally.in_flight`` names what it was sending.
        """
        shared = shared_uidls(self.listing.messages)
        waiting = (m for m in self.listing.messages if m.uidl not in self.passed_over)
        while part := list(islice(waiting, PLAN_MESSAGES)):
            rows = self.state.rows({m.uidl for m in part if m.uidl is not None})
            plan = plan_fetch(part, rows, self.mode, self.now(), shared=shared)
            self._work_off(plan, rows)
            if self.stop.is_set():
                return
        self.tally.superseded = list(self._superseded())

    def _work_off(self, plan: FetchPlan, rows: Mapping[str, Sequence[LocationRow]]) -> None:
        """Apply the plan for one part of the listing."""
        self.tally.left += plan.left
        self.tally.listed_again += self.ledger.record(plan.listed_again, Change.ADDED)
        self._retrieve_all(plan.retrieve, rows)
        if not self.stop.is_set():
            self._retrieve_all(self._delete_earlier(self._due(plan.due)), rows)
        self.writer.flush()

    def _retrieve_all(self, items: Sequence[Retrieval], rows: Mapping[str, Sequence[LocationRow]]) -> None:
        """Retrieve into the archive, commit, and mark what may go.

        There is nothing to win by deleting earlier: until QUIT the server deletes nothing.
        """
        again = {i.uidl for i in items if i.why is not Why.NEW and i.uidl in rows}
        if again:
            known = (row for uidl in again for row in rows[uidl or ""])
            self.expected.update(identities_of(self.archive, known))
            self.writer.expect(self.expected, folder=INBOX, keep_bytes=self.mode.deletes)
        arrivals = list(self._retrieve(items, rows))
        if self.mode.deletes or any(arrival.item.why is not Why.NEW for arrival in arrivals):
            self._settle(arrivals, self.writer.flush())

    def _retrieve(
        self, items: Sequence[Retrieval], rows: Mapping[str, Sequence[LocationRow]]
    ) -> Iterator[_Arrival]:
        """Retrieve until done or told to stop; what the server refuses becomes an error of the tally."""
        tally = self.tally
        answers = self._asked_for([item.number for item in items])
        for item in items:
            if self.stop.is_set():
                return
            tally.in_flight = item
            retrieved = next(answers)
            tally.in_flight = None
            if retrieved.body is None:
                self._refuse(item, retrieved.error or "no reason given")
                continue
            if item.octets and not retrieved.body.octets:
                self._refuse(item, f"it came empty, and the server lists it with {item.octets} octets")
                continue
            tally.retrieved += 1
            tally.octets += retrieved.body.octets
            self.progress.advance(1, retrieved.body.octets)
            arrival = self._take(item, retrieved.body, rows)
            if arrival is not None:
                yield arrival

    def _asked_for(self, numbers: Sequence[int]) -> Iterator[Retrieved]:
        """Ask for messages, unless just these were asked for before."""
        ahead, self.ahead = self.ahead, None
        if ahead is not None and ahead.numbers == numbers:
            return ahead.answers
        return self.client.retrieve(numbers, self.archive.new_spool)

    def _refuse(self, item: Retrieval, error: str) -> None:
        _log.warning("Message %r of %s was not delivered: %s", item.uidl, self.context.account, error)
        if item.uidl is None:
            self.tally.nameless_errors.append(error)
        else:
            self.tally.errors[item.uidl] = (item.octets, error)
            self.tally.tried.add(item.uidl)

    def _take(
        self, item: Retrieval, body: Body, rows: Mapping[str, Sequence[LocationRow]]
    ) -> _Arrival | None:
        """Hand one message to the archive, unless it turns out to be one that is known at this place.

        None where only its content could tell that this run has dealt with it already: a server that
        confirms deletions and does not carry them out would otherwise keep the run going for ever.
        """
        if item.why is Why.NEW and item.uidl is not None and not self.mode.deletes:
            self._add(item.uidl, item.octets, body)
            return _Arrival(item=item, uidl=item.uidl, digest=None)
        digest = digest_of(body)
        if item.why is Why.NEW and item.uidl is not None:
            self._add(item.uidl, item.octets, body._replace(sha256=digest))
            return _Arrival(item=item, uidl=item.uidl, digest=digest)
        known: Sequence[LocationRow]
        if item.uidl is None:
            uidl = uidl_of_content(digest)
            self.tally.contents.add(uidl)
            if uidl in self.passed_over:
                discard(body)
                return None
            known = self.state.rows({uidl}).get(uidl, ())
        else:
            uidl, known = item.uidl, rows.get(item.uidl, ())
        row = next((row for row in known if _is_same(item, digest, row)), None)
        if row is not None or (uidl, digest) in self._added:
            discard(body)
        else:
            self._added.add((uidl, digest))
            self._add(uidl, item.octets, body._replace(sha256=digest))
        return _Arrival(item=item, uidl=uidl, digest=digest, row=row)

    def _add(self, uidl: str, octets: int, body: Body) -> None:
        self.writer.add(body, self.ledger.new_row(uidl, octets, body.sha256, Change.ADDED))
        self.tally.added += 1

    def _settle(self, arrivals: Sequence[_Arrival], committed: Sequence[LocationRow]) -> None:
        """Look what arrived up in what the archive says it stored, and mark what may go."""
        by_uidl: dict[str | None, dict[str | None, LocationRow]] = {}
        for stored in committed:
            by_uidl.setdefault(stored.uidl, {})[stored.sha256] = stored
        found: list[tuple[_Arrival, LocationRow]] = []
        for arrival in arrivals:
            row = arrival.row or _row_of(arrival, by_uidl.get(arrival.uidl, {}))
            if row is None:
                continue
            if arrival.item.why is not Why.NEW:
                self._seen.setdefault(arrival.uidl, set()).add(row.sha256 or "")
            if arrival.item.why is Why.DIFFERS and arrival.row is None:
                self._report_different(arrival)
            else:
                found.append((arrival, row))
        self._delete_retrieved(found)

    def _report_different(self, arrival: _Arrival) -> None:
        self.tally.differing += 1
        self.tally.tried.add(arrival.uidl)
        _log.warning(
            "Message %r of %s is not the one archived under this UIDL: archived as well, kept on the server",
            arrival.uidl,
            self.context.account,
        )

    def _delete_retrieved(self, found: Sequence[tuple[_Arrival, LocationRow]]) -> None:
        now = self.now()
        cutoff = self.mode.cutoff(now)
        if cutoff is None:
            return
        candidates = [
            Candidate(key=arrival.item.number, row=row, since=row.archived_at)
            for arrival, row in found
            if self.mode.is_due(row.archived_at, now)
        ]
        self.tally.left += len(found) - len(candidates)
        candidates = self._due(candidates)
        if any(arrival.row is not None for arrival, _ in found):
            self.writer.secure()  # committed by an earlier run, which may have been killed before its sync
        spared = self.held.spare(candidates, now)
        retrieved = {
            arrival.item.number: arrival.digest for arrival, _ in found if arrival.digest is not None
        }
        self._count_kept(self.deletion.mark_retrieved(spared, retrieved, cutoff=cutoff))

    def _due(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return those that are due; what was deleted and somebody brought back counts from its return."""
        if self.mode.delete_after is None:
            return list(candidates)
        back = came_back(self.state, [candidate.row for candidate in candidates])
        now, found = self.now(), []
        for candidate in candidates:
            returned = back.get((candidate.row.uidl, candidate.row.sha256 or ""))
            if returned is None or self.mode.is_due(returned, now):
                found.append(candidate if returned is None else replace(candidate, since=returned))
        self.tally.left += len(candidates) - len(found)
        return found

    def _delete_earlier(self, due: Sequence[Candidate]) -> list[Retrieval]:
        """Mark what earlier sessions archived and proves it; return what answered differently."""
        cutoff = self.mode.cutoff(self.now())
        if cutoff is None or not due:
            return []
        again: list[Retrieval] = []
        listed = self.listing.listing.sizes
        sizes = {candidate.key: listed.get(candidate.key, 0) for candidate in due}
        self.writer.secure()
        spared = self.held.spare(due, self.now())
        for plan in self.deletion.prove_and_mark(spared, sizes, cutoff=cutoff):
            self._count_kept(plan)
            for keep, why in ((Keep.DIFFERS, Why.DIFFERS), (Keep.RE_ENCODED, Why.RE_ENCODED)):
                for decision in plan.kept_for(keep):
                    number, row = decision.candidate.key, decision.candidate.row
                    again.append(Retrieval(number=number, octets=sizes[number], uidl=row.uidl, why=why))
            if self.stop.is_set():
                break
        return again

    def _count_kept(self, plan: DeletionPlan) -> None:
        """Note what stays although it is due; it needs no second look in this run."""
        kept = plan.kept()
        self.tally.damaged += kept[Keep.NOT_VERIFIED]
        self.tally.held += kept[Keep.HELD]
        self.tally.tried |= {d.candidate.row.uidl or "" for d in plan.decisions if d.keep is not None}

    def _superseded(self) -> Iterator[LocationRow]:
        """Yield live rows of UIDLs whose messages were all retrieved, and were other bytes."""
        for uidl, rows in self.state.rows(set(self._seen)).items():
            if uidl not in self.tally.errors:
                for row in rows:
                    if row.change.is_live and row.sha256 not in self._seen[uidl]:
                        yield row


def _is_same(item: Retrieval, digest: str, row: LocationRow) -> bool:
    """Return whether a live row stands for a message that was just retrieved, as it is listed now."""
    if not row.change.is_live:
        return False
    return item.uidl is None or (row.sha256 == digest and row.size in (None, item.octets))


def _row_of(arrival: _Arrival, stored: Mapping[str | None, LocationRow]) -> LocationRow | None:
    """Return the committed row of a message: by its digest, else the only one of its UIDL.

    The archive may have stored it as a location of a message whose bytes another server
    had given differently, so its own digest need not be there.
    """
    if arrival.digest in stored:
        return stored[arrival.digest]
    return next(iter(stored.values())) if len(stored) == 1 else None
