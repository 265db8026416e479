"""Changes to the messages of one folder, pushed to the server: flags, labels, moves, deletions.

Here: asking each message who it is before anything is done to it, and what follows. Not here: what
is written down and when (``push_desk``), the rule for changes on both sides (``policy.two_way``),
messages on their way to another folder (``transfer_push``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from mailroom.archive import FolderState
from mailroom.archive.audit_log import audited
from mailroom.change_request import Attempt, ChangeRequest, RequestKind, RequestState
from mailroom.client.imap_folders import permanent_flags
from mailroom.exceptions import CommandRejected
from mailroom.ledger import AuditAction, audit_of
from mailroom.model import Change, LocationRow
from mailroom.policy.mailbox_plan import normal_flags
from mailroom.policy.retention import discarding_folders, find_trash
from mailroom.policy.two_way import flags_differ
from mailroom.services.deleting.held import find_held
from mailroom.services.deleting.mailbox_deletion import DELETED, delete_messages, find_marked
from mailroom.services.pushing.flags_push import FlagsPush
from mailroom.services.pushing.labels_push import LabelsPush
from mailroom.services.pushing.moved_rows import record_moved
from mailroom.services.pushing.push_desk import NUMBERED_ANEW, Desk, Outcomes, reason_of
from mailroom.services.pushing.push_proof import Asked, Inquiry
from mailroom.services.pushing.transfer_push import Transfer

__all__ = ["MailboxPush"]

BATCH = 500
"""How many changes are begun, done and written down at a time; a kill leaves so many to find out about."""


@dataclass(slots=True, kw_only=True)
class MailboxPush:
    """The changes of one folder in one session.

    :param requests: in the order in which they were asked for.
    """

    desk: Desk
    folder: str
    requests: Sequence[ChangeRequest]
    state: FolderState = field(init=False)
    inquiry: Inquiry = field(init=False)
    permanent: frozenset[str] | None = None

    def push(self) -> None:
        """Do what was asked for, as far as it can be.

        :raises ConnectionLost: if the server goes away; the next session finds out what was done.
        """
        desk = self.desk
        self.state = desk.archive.folder_state(desk.context.account, self.folder)
        if desk.known(self.folder) is None:
            desk.close(self.requests, RequestState.CONFLICT, "the folder is no longer on the server")
            return
        requests = self._open(self.requests)
        if not requests:
            return
        self.inquiry = Inquiry(desk=desk, state=self.state)
        self._mark(requests)
        for target, moves in self._by_target(requests).items():
            if target == self.folder:  # asked for by another name of it
                desk.close(moves, RequestState.PUSHED)
            else:
                self._transfer(moves, target)
        removals = [r for r in requests if r.kind is RequestKind.DELETE]
        self._discard([r for r in removals if not r.expunge])
        for batch in _batches([r for r in removals if r.expunge]):
            if not desk.stop.is_set():
                self._expunge(self._open(batch))

    def _mark(self, requests: Sequence[ChangeRequest]) -> None:
        """Set and take away flags, and give labels."""
        desk, inquiry = self.desk, self.inquiry
        for kind, marking in (
            (RequestKind.FLAGS, FlagsPush(desk=desk, inquiry=inquiry, permanent=self.permanent)),
            (RequestKind.LABELS, LabelsPush(desk=desk, inquiry=inquiry, folder=self.folder)),
        ):
            for batch in _rounds([r for r in requests if r.kind is kind]):
                if not desk.stop.is_set():
                    marking.push(self._open(batch))

    def _open(self, requests: Sequence[ChangeRequest]) -> list[ChangeRequest]:
        """Open the folder for changes, unless it is; return the requests whose numbers mean what they meant.

        Another folder may have been opened in between, or none, where the server refused one. The other
        requests are closed.
        """
        desk = self.desk
        try:
            validity = self._opened()
        except CommandRejected as error:
            desk.refuse(requests, error)
            return []
        void = [r for r in requests if r.uid_validity != validity]
        desk.close(void, RequestState.CONFLICT, NUMBERED_ANEW)
        return [r for r in requests if r.uid_validity == validity]

    def _opened(self) -> int | None:
        """Open the folder for changes, unless it is; return its UIDVALIDITY."""
        client = self.desk.client
        selected = client.selected
        if selected is None or selected.name != self.folder or selected.read_only:
            self.permanent = permanent_flags(client, self.folder)
            selected = client.selected
        return None if selected is None else selected.uid_validity

    def _by_target(self, requests: Iterable[ChangeRequest]) -> dict[str, list[ChangeRequest]]:
        """Return the moves among the requests by the folder they go to, as the server calls it."""
        found: dict[str, list[ChangeRequest]] = defaultdict(list)
        for request in requests:
            if request.kind is RequestKind.MOVE and request.target is not None:
                found[self.desk.place(request.target)].append(request)
        return found

    def _transfer(self, requests: Sequence[ChangeRequest], target: str, *, deleting: bool = False) -> None:
        """Move messages to another folder.

        :param deleting: whether it is the trash, so that changed flags keep a message where it is.
        """
        for batch in _batches(requests):
            if self.desk.stop.is_set():
                return
            batch = self._open(batch)
            if not batch:
                continue
            outcomes: Outcomes = {}
            begun_before = [r for r in batch if r.attempt is not None]
            transfer = Transfer(
                desk=self.desk,
                folder=self.folder,
                uid_validity=batch[0].uid_validity,
                target=target,
                rows={row.uid or 0: row for row in self.state.rows(r.uid for r in batch if r.uid)},
                prove=partial(self._movable, outcomes=outcomes, target=None if deleting else target),
                outcomes=outcomes,
            )
            transfer.run([r for r in batch if r.attempt is None], begun_before)
            if deleting:
                self._audit_trashed(outcomes)
            record_moved(desk=self.desk, source=self.state, target=target, transfer=transfer)
            self._conclude(outcomes)

    def _audit_trashed(self, outcomes: Outcomes) -> None:
        """Record who has moved messages to the trash; a killed run may have recorded some of it."""
        done = [r for r, state, _ in outcomes.values() if state is RequestState.PUSHED]
        rows = {row.uid: row for row in self.state.rows(r.uid for r in done if r.uid is not None)}
        self._audit([(r, rows[r.uid]) for r in done if r.uid in rows], AuditAction.MOVED_TO_TRASH)
        self.desk.writer.flush()

    def _audit(self, done: Sequence[tuple[ChangeRequest, LocationRow]], action: AuditAction) -> None:
        """Put changes into the audit that the runs which set out for them have not put there."""
        desk, at = self.desk, self.desk.now()
        runs = {request.run_id for request, _ in done if request.run_id is not None}
        told = {place for run_id in runs for place in audited(desk.archive, run_id)}
        desk.writer.audit(
            audit_of(row, desk.context, at=at, rule=f"asked for by {request.requested_by}", action=action)
            for request, row in done
            if (row.folder, row.uid, row.uidl, row.sha256) not in told
        )

    def _movable(self, requests: Sequence[ChangeRequest], outcomes: Outcomes, *, target: str | None) -> Asked:
        proved = self.inquiry.proved(requests, outcomes, exact=target is None)
        if target is None:
            return self._untouched(proved, outcomes)
        return self._within_holds(proved, outcomes, target)

    def _conclude(self, outcomes: Outcomes) -> None:
        """Write down what became of changes; a message that stays keeps no mark \\Deleted of ours.

        A killed run may have left it, and the next EXPUNGE of any client would carry it out.
        """
        marked_by_us = [
            request
            for request, state, _ in outcomes.values()
            if request.leaves
            and request.attempt is not None
            and state is not RequestState.PUSHED
            and DELETED not in request.before
        ]
        if marked_by_us:
            validity = self._opened()
            staying = {r.uid for r in marked_by_us if r.uid is not None and r.uid_validity == validity}
            marked = find_marked(self.desk.client) & staying
            if marked:
                self.desk.client.store_flags(sorted(marked), remove=(DELETED,))
        self.desk.conclude(outcomes)

    def _held(self, proved: Asked, folder: str) -> dict[str | None, str]:
        """Return which messages are under legal hold while they are in a folder, by digest, and why."""
        desk, known = self.desk, self.desk.known(folder)
        return find_held(
            desk.archive,
            desk.context.account,
            folder,
            [row for _, row, _ in proved],
            desk.now(),
            use=known.special_use if known else None,
        )

    def _within_holds(self, proved: Asked, outcomes: Outcomes, target: str) -> Asked:
        """Return those under no legal hold, and those held in the target too, if nothing vanishes there."""
        kept, held = [], self._held(proved, self.folder)
        everything = (*self.desk.folders.values(), *self.desk.foreign.values())
        is_kept = target not in discarding_folders(everything)
        held_there = self._held(proved, target) if held and is_kept else {}
        for request, row, message in proved:
            if row.sha256 in held and row.sha256 not in held_there:
                why = f"it is under legal hold: {held[row.sha256]}"
                outcomes[request.change_id] = (request, RequestState.REFUSED, why)
            else:
                kept.append((request, row, message))
        return kept

    def _untouched(self, proved: Asked, outcomes: Outcomes) -> Asked:
        """Return those that may go: under no legal hold, and their flags as when it was asked for."""
        kept = []
        held = self._held(proved, self.folder)
        for request, row, message in proved:
            now = normal_flags(message.flags)
            if row.sha256 in held:
                why = f"it is under legal hold: {held[row.sha256]}"
                outcomes[request.change_id] = (request, RequestState.REFUSED, why)
            elif flags_differ(request.before, now):
                why = f"its flags were changed on the server since ({' '.join(now) or 'none'})"
                outcomes[request.change_id] = (request, RequestState.CONFLICT, why)
            else:
                kept.append((request, row, message))
        return kept

    def _discard(self, requests: Sequence[ChangeRequest]) -> None:
        """Move messages to the trash."""
        if not requests:
            return
        trash = find_trash(self.desk.folders.values())
        if trash is None:
            why = "the account has no trash that could be told; ask for it to be removed at once (expunge)"
            self.desk.close(requests, RequestState.REFUSED, why)
        elif trash == self.folder:
            why = "it is in the trash already; ask for it to be removed at once (expunge)"
            self.desk.close(requests, RequestState.REFUSED, why)
        else:
            self._transfer(requests, trash, deleting=True)

    def _expunge(self, batch: Sequence[ChangeRequest]) -> None:
        """Remove messages at once, once each is proved to be the archived one and untouched."""
        desk, outcomes = self.desk, Outcomes()
        proved = self._untouched(self.inquiry.proved(batch, outcomes, exact=True), outcomes)
        self._record_removed(r for r, state, _ in outcomes.values() if state is RequestState.PUSHED)
        self._conclude(outcomes)
        begun = {request.change_id: request for request in desk.begin([r for r, _, _ in proved], Attempt())}
        desk.writer.secure()
        for is_flagged in (False, True):
            chosen = {
                message.uid: (begun[request.change_id], row)
                for request, row, message in proved
                if request.change_id in begun
                and is_flagged == ("\\flagged" in {flag.lower() for flag in message.flags or ()})
            }
            if chosen:
                self._expunge_now(chosen, spare_flagged=not is_flagged)

    def _record_removed(self, requests: Iterable[ChangeRequest]) -> None:
        """Record, durably, what a push has removed: in the audit, and as our own doing, which is no loss.

        A killed run may have recorded some of it, or all but that its changes are over.
        """
        desk, at = self.desk, self.desk.now()
        removed = list(requests)
        if not removed:
            return
        rows = {row.uid: row for row in self.state.rows(r.uid for r in removed if r.uid is not None)}
        known = [(r, rows[r.uid]) for r in removed if r.uid in rows and rows[r.uid].sha256 == r.sha256]
        self._audit(known, AuditAction.DELETED)
        desk.writer.record(
            row._replace(change=Change.DELETED_BY_REQUEST, at=at, run_id=desk.context.run_id)
            for _, row in known
            if row.change is not Change.DELETED_BY_REQUEST
        )
        desk.writer.flush()

    def _expunge_now(
        self, chosen: dict[int, tuple[ChangeRequest, LocationRow]], *, spare_flagged: bool
    ) -> None:
        desk = self.desk
        try:
            done = delete_messages(desk.client, chosen, spare_flagged=spare_flagged)
        except CommandRejected as error:
            desk.leave([request for request, _ in chosen.values()], reason_of(error))
            return
        self._record_removed(chosen[uid][0] for uid in sorted(done.gone))
        desk.close([chosen[uid][0] for uid in done.gone], RequestState.PUSHED)
        why = "it was flagged on the server at the last moment"
        spared = [chosen[uid][0] for uid in done.spared]
        self._conclude({request.change_id: (request, RequestState.CONFLICT, why) for request in spared})
        rest = [request for uid, (request, _) in chosen.items() if uid not in done.gone | done.spared]
        desk.leave(rest, done.refusal or "the server did not remove them")


def _batches(requests: Sequence[ChangeRequest]) -> list[Sequence[ChangeRequest]]:
    return [requests[start : start + BATCH] for start in range(0, len(requests), BATCH)]


def _rounds(requests: Sequence[ChangeRequest]) -> list[Sequence[ChangeRequest]]:
    """Return requests in batches that hold no message twice, each message's in their order."""
    turns: dict[object, int] = defaultdict(int)
    rounds: dict[int, list[ChangeRequest]] = defaultdict(list)
    for request in requests:
        rounds[turns[request.place]].append(request)
        turns[request.place] += 1
    return [batch for number in sorted(rounds) for batch in _batches(rounds[number])]
