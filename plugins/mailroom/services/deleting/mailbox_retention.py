"""Retention over IMAP: folder by folder, oldest first, in bounded batches.

Here: asking each message again who it is, in the session that deletes, and recording
what went. Not here: the decision (``policy.deletion``), the deletion itself
(``mailbox_deletion``). A batch is asked, proved, deleted and recorded before the next, so
that what was asked is fresh and a kill leaves little to find out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mailroom.archive import Archive, ArchiveWriter, FolderState
from mailroom.archive.intents import Following
from mailroom.archive.ledgers import read_holds
from mailroom.client.imap import ImapClient
from mailroom.exceptions import CommandRejected
from mailroom.ledger import AuditAction, HoldRow
from mailroom.model import Change, Folder, LocationRow, MailProtocol, RunContext
from mailroom.policy.deletion import Candidate, DeletionPlan, Keep, plan_deletions
from mailroom.policy.holds import FolderHolds, holds_on
from mailroom.policy.proof import ServerAnswer
from mailroom.policy.retention import Basis, allowance_of, discarding_folders, find_gap, find_trash, uses_of
from mailroom.policy.rules import FolderRules, bind_policy
from mailroom.policy.verdicts import MessageFacts, may_be_due
from mailroom.services.deleting.alarms import alarms_of
from mailroom.services.deleting.brought_back import TakenAway
from mailroom.services.deleting.intent_recovery import NextNumbers, settle_mailboxes
from mailroom.services.deleting.labelled import LabelledMail
from mailroom.services.deleting.mailbox_deletion import refused
from mailroom.services.deleting.mailbox_refetch import refetch
from mailroom.services.deleting.mailbox_removal import MailboxRemoval
from mailroom.services.deleting.maildrop_deletion import keys_of_re_encoded
from mailroom.services.deleting.message_facts import FactSource, facts_of_folder, sort_by_date
from mailroom.services.deleting.plan_keeping import PlanKeeper
from mailroom.services.deleting.proving import Proving
from mailroom.services.deleting.re_encoded import archive_mailbox_bytes
from mailroom.services.deleting.retention_report import FolderRetention, RetentionTally
from mailroom.services.progress import Progress

__all__ = ["MailboxRetention"]

BATCH_MESSAGES = 2_000
"""How many messages are asked, proved, deleted and recorded at a time.

Some servers look through the whole folder for each EXPUNGE, so fewer, larger batches are faster.
"""

CHUNK_MESSAGES = 20_000
"""How many messages' contents are looked up in the archive at a time, so that memory stays flat."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class MailboxRetention:
    """One run over the folders of an IMAP account.

    :param keeper: the plan that may be carried out.
    :param proving: where each message must be found whole.
    :param writer: None in a dry run, which changes nothing anywhere.
    """

    client: ImapClient
    archive: Archive
    proving: Proving
    writer: ArchiveWriter | None
    context: RunContext
    keeper: PlanKeeper
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    failures: list[str] = field(default_factory=list)
    _is_over: bool = field(init=False, default=False)
    _removal: MailboxRemoval = field(init=False)
    _next: NextNumbers = field(init=False)
    _uses: dict[str, str | None] = field(init=False)
    _taken: TakenAway = field(init=False, default_factory=TakenAway)

    def enforce(self) -> Iterator[FolderRetention]:
        """Yield what became of each folder that some rule means.

        :raises ConfigurationError: if a pattern means no folder.
        :raises ConnectionLost: if the server goes away; what it deleted so far is recorded.
        """
        folders = {f.name: f for f in self.client.list_folders() if f.is_selectable}
        self._next = NextNumbers(self.client, folders, self.now)
        self._uses = uses = uses_of(folders.values())
        trash = find_trash(folders.values())
        if self.writer is not None:
            settle_mailboxes(self.client, self.archive, self.writer, self.context.account, trash=trash)
        self._removal = MailboxRemoval(
            client=self.client,
            archive=self.archive,
            account=self.context.account,
            policy=self.keeper.policy,
            now=self.now,
            carry_out=self._carry_out,
            uses=uses,
            trash=trash,
        )
        if self.writer is not None:
            self._removal.resume()
        discarding = discarding_folders(folders.values())
        bound = bind_policy(
            self.keeper.policy,
            folders,
            protocol=MailProtocol.IMAP,
            uses=uses,
            discarding=discarding,
        )
        labelled = self._find_labelled(bound, discarding)
        planned = self.keeper.folders()
        # Trash and junk first: what they give free is room for what has to be moved.
        for name, rules in sorted(bound.items(), key=lambda each: each[0] not in discarding):
            if planned is not None and name not in planned:
                continue
            if self.stop.is_set() or self._is_over:
                return
            yield self._enforce_on(folders[name], rules, labelled, is_discarding=name in discarding)

    def _find_labelled(
        self, bound: Mapping[str, FolderRules], discarding: Collection[str]
    ) -> LabelledMail | None:
        """Return what decides for mail that is in several folders, or None where the server has no labels."""
        if not self.client.states_labels:
            return None
        labelled = LabelledMail(
            archive=self.archive,
            account=self.context.account,
            bound=bound,
            uses=self._uses,
            discarding=discarding,
            judge=self.keeper.judge,
        )
        labelled.ask_for_newest(self.client)
        return labelled

    def _enforce_on(
        self, folder: Folder, rules: FolderRules, labelled: LabelledMail | None, *, is_discarding: bool
    ) -> FolderRetention:
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
        obstacle = self._removal.find_obstacle(folder.name)
        if obstacle is not None:
            return self._refuse(folder, obstacle)
        last = self.archive.last_folders(self.context.account).get(folder.name)
        gap = find_gap(
            last,
            len(state.unfetchable),
            allow_incomplete=self.keeper.policy.allow_incomplete,
            is_part=last is not None and last.windowed,
        )
        if gap is not None:
            return self._refuse(folder, gap)
        present = self.client.search("ALL") if rules.keep_newest else None
        holds = self._holds_on(folder.name, read_holds(self.archive))
        source = facts_of_folder(
            self.archive,
            state,
            rules,
            holds,
            present=present,
            taken=self._taken.before(state, is_discarding=is_discarding),
            # What lies in trash and junk is in no other folder, whatever labels it has still.
            labelled=None if is_discarding else labelled,
        )
        return self._work_off(folder, state, source)

    def _holds_on(self, folder: str, holds: Sequence[HoldRow]) -> FolderHolds:
        return holds_on(holds, self.context.account, folder, self.now(), use=self._uses[folder])

    def _work_off(self, folder: Folder, state: FolderState, source: FactSource) -> FolderRetention:
        """Go through what may be due, oldest first."""
        tally = RetentionTally(
            folder=folder.name,
            basis=source.rules.in_words(),
            live=len(state.live),
            is_dry=self.writer is None,
            is_shown=self.keeper.shown is not None,
        )
        allowance = allowance_of(tally.live, self.keeper.policy.max_fraction)
        wanted = self._ask_for(source, state)
        planned = self.keeper.uids(folder.name, state.uid_validity)
        if planned is not None:
            allowance, wanted = len(planned), sort_by_date(source, sorted(planned & set(state.live.tolist())))
            tally.lose(len(planned) - len(wanted))
        self.progress.start(folder.name, len(wanted), None)
        for rows in self._batches(source, state, wanted):
            refusal = self._take(rows, source, allowance, tally)
            self.progress.advance(len(rows), sum(row.size or 0 for row in rows))
            if refusal is not None:
                self.failures.append(f"Folder {folder.name!r} of {self.context.account}: {refusal}.")
                break
            if self.stop.is_set():
                break
        self.progress.finish()
        return tally.result()

    def _take(
        self, rows: Sequence[LocationRow], source: FactSource, allowance: int, tally: RetentionTally
    ) -> str | None:
        """Prove and delete one batch; return why the folder must be left alone, if so."""
        following = self._next.ask() if self.writer is not None else {}
        try:
            plan = self._plan(rows, source, allowance - tally.deleted)
        except CommandRejected as error:
            return refused("say who the messages are", error)
        return self._apply(plan, tally, source, following)

    def _ask_for(self, source: FactSource, state: FolderState) -> list[int]:
        """Return the UIDs that may be due by date, oldest first; all of them where only the server knows."""
        if self._asks_save_date(source):
            return sort_by_date(source, state.live.tolist())
        now = self.keeper.moment()
        longest = {bound.basis: bound.length for bound in source.rules.deleting}
        for bound in source.rules.deleting:
            longest[bound.basis] = min(longest[bound.basis], bound.length)
        due = {
            uid
            for basis, length in longest.items()
            for uid, date in source.dates[basis].items()
            if now - date >= length
        }
        return sort_by_date(source, list(due))

    def _batches(
        self, source: FactSource, state: FolderState, uids: Sequence[int]
    ) -> Iterator[list[LocationRow]]:
        """Yield the rows of messages that may be due, a batch at a time; their facts are loaded."""
        for start in range(0, len(uids), CHUNK_MESSAGES):
            chunk = uids[start : start + CHUNK_MESSAGES]
            found = {row.uid: row for row in state.rows(chunk)}
            rows = [found[uid] for uid in chunk if uid in found]
            source.load(rows)
            if self.keeper.shown is None and not self._asks_save_date(source):
                rows = [row for row in rows if self._may_be_due(row, source)]
            for first in range(0, len(rows), BATCH_MESSAGES):
                yield rows[first : first + BATCH_MESSAGES]

    def _may_be_due(self, row: LocationRow, source: FactSource) -> bool:
        facts = source.of(row.uid or 0, row)
        return may_be_due(source.rules, facts, self.keeper.moment()) is not None

    def _asks_save_date(self, source: FactSource) -> bool:
        return Basis.SAVED in source.rules.bases and self.client.supports("SAVEDATE")

    def _plan(self, rows: Sequence[LocationRow], source: FactSource, allowance: int) -> DeletionPlan:
        """Ask the server and the archive about a batch, and decide; holds that came meanwhile are obeyed."""
        by_uid = {row.uid: row for row in rows if row.uid is not None}
        self.client.noop()
        asked = self.client.fetch_fingerprints(sorted(by_uid), with_save_date=self._asks_save_date(source))
        answers = {message.uid: ServerAnswer.of(message) for message in asked if message.uid in by_uid}
        if self.proving.rule.refetch:
            answers = refetch(self.client, self.archive, answers, answers)
        candidates = self._judge(by_uid, answers, source)
        due = {c.row.sha256 for c in candidates if c.keep is None and c.row.sha256 is not None}
        copies = self.proving.read(due)
        answers = refetch(self.client, self.archive, answers, keys_of_re_encoded(candidates, copies))
        return plan_deletions(candidates, answers, copies, cutoff=self.keeper.moment(), allowance=allowance)

    def _judge(
        self,
        by_uid: Mapping[int, LocationRow],
        answers: Mapping[int, ServerAnswer],
        source: FactSource,
    ) -> list[Candidate]:
        """Return the messages of a batch with what the rules, and the holds of now, say of them."""
        folder = next(iter(by_uid.values())).folder
        holds = read_holds(self.archive)
        source.obey(self._holds_on(folder, holds))
        facts: dict[int, MessageFacts] = {}
        for uid, row in by_uid.items():
            answer = answers.get(uid, ServerAnswer())
            facts[uid] = source.of(uid, row, flags=answer.flags, save_date=answer.save_date)
        judged = [self.keeper.judge(uid, row, [(source.rules, facts[uid])]) for uid, row in by_uid.items()]
        if source.labelled is None:
            return judged
        return source.labelled.reconsider(folder, judged, answers, facts, holds=holds, now=self.now())

    def _apply(
        self, plan: DeletionPlan, tally: RetentionTally, source: FactSource, following: Following
    ) -> str | None:
        """Delete what the plan says and record it; return why the folder must be left alone, if so."""
        tally.keep(plan)
        self.failures += alarms_of(plan, tally.folder, self.context.account)
        if self.writer is not None:
            archive_mailbox_bytes(self.client, self.archive, self.writer, self.context, plan, now=self.now)
        chosen = {candidate.key: candidate for candidate in plan.delete}
        if self.writer is None or not chosen:
            for candidate in chosen.values():
                tally.delete(candidate)
            return None
        at, name = self.now(), tally.folder
        action = self._removal.action_in(name)
        validity = plan.delete[0].row.uid_validity or 0
        try:
            prepared = self._removal.prepare(name, validity, {uid: each.row for uid, each in chosen.items()})
        except CommandRejected as error:
            return refused("say what the trash holds", error)
        self.writer.intend(
            [self.keeper.audit(each, at, self._removal.intended_in(name)) for each in chosen.values()],
            Change.DELETED_BY_RETENTION,
            following=following,
        )
        outcome = self._removal.remove(prepared, spare_flagged=source.rules.keep_flagged)
        self._is_over = outcome.is_broken
        tally.kept[Keep.FLAGGED] += len(outcome.spared)
        self._record(
            [
                (chosen[uid], AuditAction.MOVED_TO_TRASH if uid in outcome.in_trash else action)
                for uid in sorted(outcome.gone)
            ],
            self.writer,
        )
        for uid in outcome.gone:
            tally.delete(chosen[uid])
        return outcome.refusal

    def _carry_out(self, uids: Collection[int]) -> None:
        if self.writer is not None:
            self.writer.carry_out(uids)

    def _record(self, gone: Sequence[tuple[Candidate, AuditAction]], writer: ArchiveWriter) -> None:
        at = self.now()
        writer.audit(self.keeper.audit(each, at, action) for each, action in gone)
        writer.record(
            each.row._replace(change=Change.DELETED_BY_RETENTION, at=at, run_id=self.context.run_id)
            for each, _ in gone
        )
        writer.settle()

    def _refuse(self, folder: Folder, reason: str) -> FolderRetention:
        self.failures.append(
            f"Nothing was deleted in folder {folder.name!r} of {self.context.account}: {reason}."
        )
        return _passed_over(folder, reason)


def _passed_over(folder: Folder, note: str) -> FolderRetention:
    _log.info("folder %r passed over: %s", folder.name, note)
    return FolderRetention(folder=folder.name, note=note)
