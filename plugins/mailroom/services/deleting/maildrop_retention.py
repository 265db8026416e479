"""Retention over POP3: the one folder there is, counted from archiving.

Here: which listed messages are candidates, and the session around their deletion. Not
here: proof, DELE and QUIT (``maildrop_deletion``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mailroom.archive import Archive, ArchiveWriter, MaildropState
from mailroom.archive.ledgers import read_holds
from mailroom.client.pop3 import MaildropMessage, Pop3Client
from mailroom.ledger import AuditRow
from mailroom.model import Change, LocationRow, MailProtocol, RunContext
from mailroom.policy.deletion import Candidate, Keep
from mailroom.policy.fetch import may_be_there, shared_uidls
from mailroom.policy.holds import holds_on
from mailroom.policy.retention import allowance_of, find_gap
from mailroom.policy.rules import FolderRules, bind_policy
from mailroom.policy.verdicts import may_be_due
from mailroom.services.deleting.alarms import alarms_of
from mailroom.services.deleting.intent_recovery import settle_maildrop
from mailroom.services.deleting.maildrop_deletion import MaildropDeletion
from mailroom.services.deleting.message_facts import facts_of_maildrop
from mailroom.services.deleting.plan_keeping import PlanKeeper
from mailroom.services.deleting.proving import Proving
from mailroom.services.deleting.re_encoded import archive_maildrop_bytes
from mailroom.services.deleting.retention_report import FolderRetention, RetentionTally
from mailroom.services.fetching.maildrop_identity import list_maildrop
from mailroom.services.fetching.maildrop_ledger import INBOX, MaildropLedger
from mailroom.services.progress import Progress

__all__ = ["MaildropRetention"]


@dataclass(slots=True, kw_only=True)
class MaildropRetention:
    """One run over the maildrop of a POP3 account.

    :param keeper: the plan that may be carried out.
    :param proving: where each message must be found whole.
    :param writer: None in a dry run, which changes nothing anywhere.
    """

    client: Pop3Client
    archive: Archive
    proving: Proving
    writer: ArchiveWriter | None
    context: RunContext
    keeper: PlanKeeper
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    failures: list[str] = field(default_factory=list)

    def enforce(self) -> FolderRetention:
        """Delete what is due and say what became of the maildrop.

        :raises ConfigurationError: if a rule asks for what POP3 has not.
        :raises ConnectionLost: if the server goes away; then nothing was deleted.
        """
        uses: dict[str, str | None] = {INBOX: None}
        rules = bind_policy(self.keeper.policy, [INBOX], protocol=MailProtocol.POP3, uses=uses)[INBOX]
        messages = list_maildrop(self.client).messages
        if self.writer is not None:
            listed = {m.uidl for m in messages if m.uidl is not None}
            settle_maildrop(self.archive, self.writer, self.context.account, listed)
        state = self.archive.maildrop_state(self.context.account)
        known = state.rows({m.uidl for m in messages if m.uidl is not None})
        if not known:
            return FolderRetention(folder=INBOX, note="nothing of it is in the archive: fetch it first")
        last = self.archive.last_folders(self.context.account).get(INBOX)
        gap = find_gap(last, 0, allow_incomplete=self.keeper.policy.allow_incomplete)
        if gap is not None:
            self.failures.append(f"Nothing was deleted in folder {INBOX!r} of {self.context.account}: {gap}.")
            return FolderRetention(folder=INBOX, note=gap)
        rows, ambiguous = _known_rows(messages, known)
        due = self._due(state, rows, rules)
        tally = RetentionTally(
            folder=INBOX,
            basis=rules.in_words(),
            live=len(rows) + ambiguous,
            is_dry=self.writer is None,
            is_shown=self.keeper.shown is not None,
        )
        tally.kept[Keep.AMBIGUOUS] = ambiguous
        planned = self.keeper.uidls()
        if planned is not None:
            tally.lose(len(planned) - len(due))
        self.progress.start(INBOX, len(due), sum(c.row.size or 0 for c in due))
        self._mark(due, {m.number: m.octets for m in messages}, tally)
        self.progress.finish()
        return tally.result()

    def _due(
        self, state: MaildropState, rows: Mapping[int, LocationRow], rules: FolderRules
    ) -> list[Candidate]:
        """Return what is old enough by some rule, oldest first, with what all rules say of it."""
        now = self.keeper.moment()
        holds = holds_on(read_holds(self.archive), self.context.account, INBOX, self.now())
        source = facts_of_maildrop(self.archive, state, rows, rules, holds)
        source.load(rows.values())
        planned = self.keeper.uidls()
        facts = {number: source.of(number, row) for number, row in rows.items()}
        due = [
            self.keeper.judge(number, rows[number], [(rules, each)])
            for number, each in facts.items()
            if (may_be_due(rules, each, now) is not None if planned is None else rows[number].uidl in planned)
        ]
        return sorted(due, key=lambda c: (c.since or now, c.key))

    def _mark(self, due: list[Candidate], sizes: dict[int, int], tally: RetentionTally) -> None:
        """Ask what is due who it is, oldest first, delete what proves it, and record that."""
        deletion = MaildropDeletion(self.client, self.archive, self.proving)
        if self.writer is not None and due:
            self.writer.secure()
        chosen: list[Candidate] = []
        allowance = allowance_of(tally.live, self.keeper.policy.max_fraction)
        plans = deletion.prove_and_mark(
            due,
            sizes,
            cutoff=self.now(),
            allowance=allowance if self.keeper.shown is None else len(due),
            dry_run=self.writer is None,
        )
        for plan in plans:
            tally.keep(plan)
            self.failures += alarms_of(plan, INBOX, self.context.account)
            if self.writer is not None:
                archive_maildrop_bytes(
                    self.client, self.archive, self.writer, self._ledger(self.writer), plan
                )
            chosen += plan.delete
            self.progress.advance(len(plan.decisions), 0)
            if self.stop.is_set():
                break
        gone = self._confirm(deletion, {(c.row.uidl, c.row.sha256): c for c in chosen})
        for candidate in chosen:
            if gone is None or (candidate.row.uidl, candidate.row.sha256) in gone:
                tally.delete(candidate)

    def _ledger(self, writer: ArchiveWriter) -> MaildropLedger:
        return MaildropLedger(writer=writer, context=self.context, now=self.now)

    def _confirm(
        self, deletion: MaildropDeletion, chosen: Mapping[tuple[str | None, str | None], Candidate]
    ) -> set[tuple[str | None, str | None]] | None:
        """Say QUIT, record what it deleted by which rule, and return the keys of that; None in a dry run."""
        if self.writer is None:
            account, now = self.context.account, self.now()
            deletion.confirm(account, self.failures, intend=lambda rows: None, now=now)
            return None
        ledger = self._ledger(self.writer)
        change = Change.DELETED_BY_RETENTION

        def audit(row: LocationRow, at: datetime) -> AuditRow:
            return self.keeper.audit(chosen[row.uidl, row.sha256], at)

        rows = deletion.confirm(
            self.context.account,
            self.failures,
            intend=lambda rows: ledger.intend(rows, change, audit=audit),
            now=self.now(),
        )
        if rows:
            ledger.record_deleted(rows, change, audit=audit)
            self.writer.settle()
        return {(row.uidl, row.sha256) for row in rows}


def _known_rows(
    messages: Sequence[MaildropMessage], known: Mapping[str, Sequence[LocationRow]]
) -> tuple[dict[int, LocationRow], int]:
    """Return the listed messages that the archive knows, and how many share their UIDL with others."""
    shared = shared_uidls(messages)
    rows: dict[int, LocationRow] = {}
    ambiguous = 0
    for message in messages:
        found = [row for row in known.get(message.uidl or "", ()) if may_be_there(row)]
        found = [row for row in found if row.change.is_live] or found
        if len(found) == 1 and message.uidl not in shared:
            rows[message.number] = found[0]._replace(change=Change.ADDED)
        elif found:
            ambiguous += 1
    return rows, ambiguous
