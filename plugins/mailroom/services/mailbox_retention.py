"""Retention over IMAP: folder by folder, oldest first, in bounded batches.

Here: asking each message again who it is, in the session that deletes, and recording
what went. Not here: the decision (``policy.deletion``), the deletion itself
(``mailbox_deletion``). A batch is asked, proved, deleted and recorded before the next, so
that what was asked is fresh and a kill leaves little to find out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mailroom.archive import Archive, ArchiveWriter, FolderState
from mailroom.client.imap import ImapClient
from mailroom.exceptions import CommandRejected
from mailroom.ledger import audit_of
from mailroom.message import fingerprint_of_header
from mailroom.model import Change, FetchedMessage, Folder, LocationRow, MailProtocol, RunContext
from mailroom.policy.deletion import Candidate, DeletionPlan, Keep, plan_deletions
from mailroom.policy.folders import match_folders
from mailroom.policy.proof import ServerAnswer
from mailroom.policy.retention import (
    Basis,
    RetentionRule,
    allowance_of,
    basis_of,
    counts_from,
    discarding_folders,
    find_gap,
)
from mailroom.services.first_seen import first_seen
from mailroom.services.mailbox_deletion import delete_messages
from mailroom.services.progress import Progress
from mailroom.services.proving import Proving
from mailroom.services.retention_report import FolderRetention, RetentionTally

__all__ = ["MailboxRetention"]

BATCH_MESSAGES = 500
"""How many messages are asked, proved, deleted and recorded at a time."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class MailboxRetention:
    """One run over the folders of an IMAP account.

    :param proving: where each message must be found whole.
    :param writer: None in a dry run, which changes nothing anywhere.
    """

    client: ImapClient
    archive: Archive
    proving: Proving
    writer: ArchiveWriter | None
    context: RunContext
    rule: RetentionRule
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    failures: list[str] = field(default_factory=list)

    def enforce(self) -> Iterator[FolderRetention]:
        """Yield what became of each chosen folder.

        :raises ConfigurationError: if a pattern means no folder.
        :raises ConnectionLost: if the server goes away; what it deleted so far is recorded.
        """
        folders = {f.name: f for f in self.client.list_folders() if f.is_selectable}
        discarding = discarding_folders(folders.values())
        chosen = match_folders(
            self.rule.folders,
            self.rule.exclude,
            folders,
            special_use={name: f.special_use for name, f in folders.items()},
            strict_exclude=True,
        )
        for name in chosen:
            if self.stop.is_set():
                return
            basis = basis_of(self.rule, MailProtocol.IMAP, is_discarding=name in discarding)
            yield self._enforce_on(folders[name], basis)

    def _enforce_on(self, folder: Folder, basis: Basis) -> FolderRetention:
        state = self.archive.folder_state(self.context.account, folder.name)
        if state.uid_validity is None:
            return _passed_over(folder, "not in the archive: mirror it first")
        try:
            selected = (self.client.select if self.writer else self.client.examine)(folder.name)
        except CommandRejected as error:
            return self._refuse(folder, f"the server does not open it: {error.text}")
        if selected.uid_validity is None:
            return self._refuse(folder, "the server states no UIDVALIDITY, so that its numbers prove nothing")
        if selected.uid_validity != state.uid_validity:
            return self._refuse(
                folder,
                f"the server numbered it anew (UIDVALIDITY {selected.uid_validity}, archived as "
                f"{state.uid_validity}): mirror it first",
            )
        if self.writer and selected.read_only:
            return self._refuse(folder, "the server opens it for reading only")
        last = self.archive.last_folders(self.context.account).get(folder.name)
        gap = find_gap(self.rule, last, len(state.unfetchable))
        if gap is not None:
            return self._refuse(folder, gap)
        return self._work_off(folder, state, basis)

    def _work_off(self, folder: Folder, state: FolderState, basis: Basis) -> FolderRetention:
        """Go through what may be due, oldest first."""
        cutoff = self.now() - self.rule.older_than
        dates = _dates(self.archive, state, basis)
        uids = state.live.tolist() if self._asks_save_date(basis) else _due(dates, cutoff)
        tally = RetentionTally(
            folder=folder.name, basis=basis.value, live=len(state.live), is_dry=self.writer is None
        )
        allowance = allowance_of(tally.live, self.rule.max_fraction)
        self.progress.start(folder.name, len(uids), None)
        for start in range(0, len(uids), BATCH_MESSAGES):
            rows = state.rows(uids[start : start + BATCH_MESSAGES])
            refusal = self._apply(self._plan(rows, basis, dates, cutoff, allowance - tally.deleted), tally)
            self.progress.advance(len(rows), sum(row.size or 0 for row in rows))
            if refusal is not None:
                self.failures.append(f"Folder {folder.name!r} of {self.context.account}: {refusal}.")
                break
            if self.stop.is_set():
                break
        self.progress.finish()
        return tally.result()

    def _asks_save_date(self, basis: Basis) -> bool:
        return basis is Basis.SAVED and self.client.supports("SAVEDATE")

    def _plan(
        self,
        rows: Sequence[LocationRow],
        basis: Basis,
        dates: Mapping[int, datetime],
        cutoff: datetime,
        allowance: int,
    ) -> DeletionPlan:
        """Ask the server and the archive about a batch, and decide."""
        by_uid = {row.uid: row for row in rows if row.uid is not None}
        self.client.noop()
        asked = self.client.fetch_fingerprints(sorted(by_uid), with_save_date=self._asks_save_date(basis))
        answers = {message.uid: _answer(message) for message in asked if message.uid in by_uid}
        candidates = []
        for uid, row in by_uid.items():
            save_date = answers[uid].save_date if uid in answers else None
            since = counts_from(basis, row, first_seen=dates.get(uid), save_date=save_date)
            candidates.append(Candidate(key=uid, row=row, since=since))
        due = {c.row.sha256 for c in candidates if c.since is not None and c.since <= cutoff}
        return plan_deletions(
            candidates,
            answers,
            self.proving.read({digest for digest in due if digest is not None}),
            cutoff=cutoff,
            include_flagged=self.rule.include_flagged,
            allowance=allowance,
        )

    def _apply(self, plan: DeletionPlan, tally: RetentionTally) -> str | None:
        """Delete what the plan says and record it; return why the folder must be left alone, if so."""
        tally.keep(plan)
        for decision in plan.kept_for(Keep.DIFFERS):
            _log.warning(
                "UID %d in %r is not the message that was archived (%s differs); it stays",
                decision.candidate.key,
                tally.folder,
                decision.difference,
            )
        chosen = {candidate.key: candidate for candidate in plan.delete}
        if self.writer is None or not chosen:
            for candidate in chosen.values():
                tally.delete(candidate)
            return None
        self.writer.secure()
        outcome = delete_messages(self.client, chosen.keys(), spare_flagged=not self.rule.include_flagged)
        tally.kept[Keep.FLAGGED] += len(outcome.spared)
        rule = self.rule.in_words(Basis(tally.basis))
        self._record([chosen[uid].row for uid in sorted(outcome.gone)], self.writer, rule)
        for uid in outcome.gone:
            tally.delete(chosen[uid])
        return outcome.refusal

    def _record(self, rows: Sequence[LocationRow], writer: ArchiveWriter, rule: str) -> None:
        at = self.now()
        writer.audit(audit_of(row, self.context, at=at, rule=rule) for row in rows)
        writer.record(
            replace(row, change=Change.DELETED_BY_RETENTION, at=at, run_id=self.context.run_id)
            for row in rows
        )
        writer.flush()

    def _refuse(self, folder: Folder, reason: str) -> FolderRetention:
        self.failures.append(
            f"Nothing was deleted in folder {folder.name!r} of {self.context.account}: {reason}."
        )
        return _passed_over(folder, reason)


def _dates(archive: Archive, state: FolderState, basis: Basis) -> dict[int, datetime]:
    """Return what the archive knows of when the days of each live message count from, by UID."""
    if basis is Basis.SAVED:
        return first_seen(archive, state)
    column = state.column("internal_date" if basis is Basis.INTERNAL else "archived_at")
    return {uid: date for uid, date in zip(state.live.tolist(), column, strict=True) if date is not None}


def _due(dates: Mapping[int, datetime], cutoff: datetime) -> list[int]:
    """Return the UIDs that are due, oldest first."""
    return [uid for _, uid in sorted((date, uid) for uid, date in dates.items() if date <= cutoff)]


def _answer(message: FetchedMessage) -> ServerAnswer:
    fingerprint = fingerprint_of_header(message.header or b"")
    return ServerAnswer(
        fingerprint=replace(
            fingerprint,
            octets=message.octets,
            internal_date=message.internal_date,
            object_id=message.object_id,
        ),
        flags=message.flags or (),
        save_date=message.save_date,
    )


def _passed_over(folder: Folder, note: str) -> FolderRetention:
    _log.info("folder %r passed over: %s", folder.name, note)
    return FolderRetention(folder=folder.name, note=note)
