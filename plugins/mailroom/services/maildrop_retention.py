"""Retention over POP3: the one folder there is, counted from archiving.

Here: which listed messages are candidates, and the session around their deletion. Not
here: proof, DELE and QUIT (``maildrop_deletion``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mailroom.archive import Archive, ArchiveWriter
from mailroom.client.pop3 import MaildropMessage, Pop3Client
from mailroom.model import Change, LocationRow, MailProtocol, RunContext
from mailroom.policy.deletion import Candidate, Keep
from mailroom.policy.fetch import may_be_there, shared_uidls
from mailroom.policy.retention import Basis, RetentionRule, allowance_of, basis_of, find_gap
from mailroom.services.maildrop_deletion import MaildropDeletion
from mailroom.services.maildrop_identity import list_maildrop
from mailroom.services.maildrop_ledger import INBOX, MaildropLedger
from mailroom.services.progress import Progress
from mailroom.services.proving import Proving
from mailroom.services.retention_report import FolderRetention, RetentionTally

__all__ = ["MaildropRetention"]


@dataclass(slots=True, kw_only=True)
class MaildropRetention:
    """One run over the maildrop of a POP3 account.

    :param proving: where each message must be found whole.
    :param writer: None in a dry run, which changes nothing anywhere.
    """

    client: Pop3Client
    archive: Archive
    proving: Proving
    writer: ArchiveWriter | None
    context: RunContext
    rule: RetentionRule
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    failures: list[str] = field(default_factory=list)

    def enforce(self) -> FolderRetention:
        """Delete what is due and say what became of the maildrop.

        :raises ConfigurationError: if the rule asks for what POP3 has not.
        :raises ConnectionLost: if the server goes away; then nothing was deleted.
        """
        basis = basis_of(self.rule, MailProtocol.POP3, is_discarding=False)
        messages = list_maildrop(self.client).messages
        state = self.archive.maildrop_state(self.context.account)
        known = state.rows({m.uidl for m in messages if m.uidl is not None})
        if not known:
            return FolderRetention(folder=INBOX, note="nothing of it is in the archive: fetch it first")
        gap = find_gap(self.rule, self.archive.last_folders(self.context.account).get(INBOX), 0)
        if gap is not None:
            self.failures.append(f"Nothing was deleted in folder {INBOX!r} of {self.context.account}: {gap}.")
            return FolderRetention(folder=INBOX, note=gap)
        candidates, ambiguous = _candidates(messages, known)
        cutoff = self.now() - self.rule.older_than
        due = [c for c in candidates if c.since is not None and c.since <= cutoff]
        tally = RetentionTally(
            folder=INBOX,
            basis=basis.value,
            live=len(candidates) + ambiguous,
            is_dry=self.writer is None,
        )
        tally.kept[Keep.AMBIGUOUS] = ambiguous
        self.progress.start(INBOX, len(due), sum(c.row.size or 0 for c in due))
        self._mark(due, {m.number: m.octets for m in messages}, cutoff, tally)
        self.progress.finish()
        return tally.result()

    def _mark(
        self, due: list[Candidate], sizes: dict[int, int], cutoff: datetime, tally: RetentionTally
    ) -> None:
        """Ask what is due who it is, oldest first, delete what proves it, and record that."""
        deletion = MaildropDeletion(self.client, self.archive, self.proving)
        if self.writer is not None and due:
            self.writer.secure()
        chosen: list[Candidate] = []
        plans = deletion.prove_and_mark(
            sorted(due, key=lambda c: (c.since, c.key)),
            sizes,
            cutoff=cutoff,
            allowance=allowance_of(tally.live, self.rule.max_fraction),
            dry_run=self.writer is None,
        )
        for plan in plans:
            tally.keep(plan)
            chosen += plan.delete
            self.progress.advance(len(plan.decisions), 0)
            if self.stop.is_set():
                break
        gone = self._confirm(deletion)
        for candidate in chosen:
            if gone is None or (candidate.row.uidl, candidate.row.sha256) in gone:
                tally.delete(candidate)

    def _confirm(self, deletion: MaildropDeletion) -> set[tuple[str | None, str | None]] | None:
        """Say QUIT, record what it deleted, and return the keys of that; None in a dry run."""
        rows = deletion.confirm(self.context.account, self.failures)
        if self.writer is None:
            return None
        ledger = MaildropLedger(writer=self.writer, context=self.context, now=self.now)
        ledger.record_deleted(rows, Change.DELETED_BY_RETENTION, rule=self.rule.in_words(Basis.ARCHIVED))
        self.writer.flush()
        return {(row.uidl, row.sha256) for row in rows}


def _candidates(
    messages: Sequence[MaildropMessage], known: Mapping[str, Sequence[LocationRow]]
) -> tuple[list[Candidate], int]:
    """Return the listed messages that the archive knows, and how many share their UIDL with others."""
    shared = shared_uidls(messages)
    candidates: list[Candidate] = []
    ambiguous = 0
    for message in messages:
        rows = [row for row in known.get(message.uidl or "", ()) if may_be_there(row)]
        if len(rows) == 1 and message.uidl not in shared:
            row = replace(rows[0], change=Change.ADDED)
            candidates.append(Candidate(key=message.number, row=row, since=row.archived_at))
        elif rows:
            ambiguous += 1
    return candidates, ambiguous
