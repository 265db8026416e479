"""Taking messages away from a folder as a policy and a server want it: for good, or into the trash.

Here: what servers differ in. Not here: which messages (``policy``), STORE and EXPUNGE themselves
(``mailbox_deletion``), what lies in the trash (``trash_passage``).

Without UIDPLUS, EXPUNGE takes every message marked \\Deleted. Marks of other people are lifted while ours
are expunged, and put back; they are written down before, and the next run puts back what a killed one
did not. On Gmail an EXPUNGE outside the trash may only archive, so there messages go into the trash, and
unless they are to stay there, are expunged from it by the run that moved them, right after. Without MOVE,
messages are copied into the trash and expunged; what a killed run copied is not copied again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.folder_notes import FolderNote, FolderNotes, NoteKind
from mailroom.client.imap import ImapClient
from mailroom.client.imap_changes import copy_messages, move_messages
from mailroom.exceptions import CommandRejected
from mailroom.ledger import AuditAction
from mailroom.model import LocationRow
from mailroom.policy.rules import ForeignMarks, RetentionPolicy
from mailroom.services.deleting.mailbox_deletion import (
    DELETED,
    Expunged,
    delete_messages,
    find_flagged,
    find_foreign,
    find_marked,
    find_present,
    refused,
)
from mailroom.services.deleting.trash_passage import Standing, TrashPassage

__all__ = ["MailboxRemoval", "Preparation"]

GMAIL = "X-GM-EXT-1"

OVERQUOTA = "OVERQUOTA"
"""What a server says that has no room for a copy (RFC 5530 section 3)."""

FULL = "; the account is full: empty the trash first, by a rule for it, or delete for good"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What was asked and written down before messages are taken away from a folder.

    :param rows: where the archive knows the messages, by UID.
    :param foreign: marks \\Deleted of others, which are lifted meanwhile.
    :param passing: the messages that are copied into the trash; ``copied`` of these may be there already.
    :param trash: what the trash said of itself, where messages are to be expunged in it.
    """

    folder: str
    uid_validity: int
    rows: Mapping[int, LocationRow]
    foreign: FolderNote | None = None
    passing: FolderNote | None = None
    copied: frozenset[int] = frozenset()
    trash: Standing | None = None

    def rows_of(self, uids: Collection[int]) -> dict[int, LocationRow]:
        """Return the rows of some of the messages."""
        return {uid: self.rows[uid] for uid in uids}


@dataclass(slots=True, kw_only=True)
class MailboxRemoval:
    """How one run takes messages away.

    :param carry_out: is told which messages go, right before they do.
    :param uses: the special use of each folder.
    :param trash: the account's trash folder, or None where it has none.
    """

    client: ImapClient
    archive: Archive
    account: str
    policy: RetentionPolicy
    now: Callable[[], datetime]
    carry_out: Callable[[Collection[int]], None]
    uses: Mapping[str, str | None] = field(default_factory=dict)
    trash: str | None = None

    def resume(self) -> None:
        """Take back what a killed run left: marks of others that it lifted, and its own in the trash.

        :raises ConnectionLost: if the server goes away.
        :raises ArchiveError: if the archive cannot be read.
        """
        for note in self._marks.pending():
            try:
                selected = self.client.select(note.folder)
            except CommandRejected:
                _log.warning("Folder %r cannot be opened to put back marks \\Deleted", note.folder)
                continue
            if selected.uid_validity == note.uid_validity:
                self._put_back(note)
                _log.warning("Put back %d marks \\Deleted in folder %r", len(note.messages), note.folder)
            else:
                self._marks.clear(note)
        if self.trash is not None:
            self._passage.resume(copies=not self.client.supports("MOVE"))

    def moves_from(self, folder: str) -> bool:
        """Return whether messages of a folder go into the trash, be it to stay there or not."""
        return folder != self.trash and (self.policy.to_trash or self.client.supports(GMAIL))

    def intended_in(self, folder: str) -> AuditAction:
        """Return what becomes of messages of a folder at least, as soon as any are taken away."""
        return AuditAction.MOVED_TO_TRASH if self.moves_from(folder) else AuditAction.DELETED

    def action_in(self, folder: str) -> AuditAction:
        """Return what the audit says of a message of a folder when all was carried out."""
        stays = self.moves_from(folder) and self.policy.to_trash
        return AuditAction.MOVED_TO_TRASH if stays else AuditAction.DELETED

    def find_obstacle(self, folder: str) -> str | None:
        """Return why nothing can be taken away from a folder, as the end of a sentence, or None."""
        if self.moves_from(folder) and self.trash is None:
            return "messages are to be moved into the trash, and the server names no folder as \\Trash"
        return None

    def prepare(self, folder: str, uid_validity: int, rows: Mapping[int, LocationRow]) -> Preparation:
        """Write down what a kill must not leave behind; durable when the archive is synced next.

        :param rows: where the archive knows the messages, by UID.
        :raises CommandRejected: if the server does not say what the trash holds.
        """
        moves = self.moves_from(folder)
        can_move = self.client.supports("MOVE")
        foreign = passing = standing = None
        copied: frozenset[int] = frozenset()
        if not (moves and can_move):
            foreign = self._note_foreign(folder, uid_validity, rows)
        if moves and not can_move:
            passing, copied = self._passage.begin(folder, uid_validity, rows)
        if moves and can_move and not self.policy.to_trash:
            standing = self._passage.standing()
        return Preparation(
            folder=folder,
            uid_validity=uid_validity,
            rows=rows,
            foreign=foreign,
            passing=passing,
            copied=copied,
            trash=standing,
        )

    def _note_foreign(self, folder: str, uid_validity: int, uids: Collection[int]) -> FolderNote | None:
        if self.client.supports("UIDPLUS") or self.policy.foreign_marks is ForeignMarks.REFUSE:
            return None
        foreign = find_marked(self.client) - frozenset(uids)
        return (
            self._marks.write(folder, uid_validity, dict.fromkeys(sorted(foreign), "")) if foreign else None
        )

    def remove(self, prepared: Preparation, *, spare_flagged: bool) -> Expunged:
        """Take these messages of the selected folder away, and only these.

        :raises ConnectionLost: if the server goes away; the next run finds out what had gone.
        """
        if self.policy.mark_seen:
            try:
                self.client.store_flags(sorted(prepared.rows), add=("\\Seen",))
            except CommandRejected as error:
                self._drop(prepared)
                return Expunged(gone=frozenset(), refusal=refused("mark messages as read", error))
        if self.moves_from(prepared.folder):
            return self._move(prepared, spare_flagged)
        return self._delete(prepared.rows, prepared.foreign, spare_flagged)

    def _delete(self, uids: Collection[int], foreign: FolderNote | None, spare_flagged: bool) -> Expunged:
        if foreign is not None:
            try:
                self.client.store_flags(sorted(foreign.messages), remove=(DELETED,))
            except CommandRejected as error:
                self._put_back(foreign)
                return Expunged(gone=frozenset(), refusal=refused("lift the marks of others", error))
        outcome = delete_messages(self.client, uids, spare_flagged=spare_flagged, carry_out=self.carry_out)
        if foreign is not None:
            self._put_back(foreign)
        return outcome

    def _move(self, prepared: Preparation, spare_flagged: bool) -> Expunged:
        """Move into the trash, and expunge there what is not to stay."""
        self.client.noop()
        spared = find_flagged(self.client) & frozenset(prepared.rows) if spare_flagged else frozenset()
        wanted = frozenset(prepared.rows) - spared
        if not wanted:
            self._drop(prepared)
            return Expunged(gone=frozenset(), spared=spared)
        if self.client.supports("MOVE"):
            outcome = self._move_at_once(prepared, wanted, spare_flagged)
        else:
            outcome = self._copy_and_delete(prepared, wanted, prepared.copied, spare_flagged)
            outcome = replace(outcome, in_trash=outcome.gone)
            if prepared.passing is not None and not outcome.is_lost:
                self._passage.end(prepared.passing, outcome.gone | (spared - prepared.copied))
        return replace(outcome, spared=outcome.spared | spared)

    def _move_at_once(self, prepared: Preparation, wanted: frozenset[int], spare_flagged: bool) -> Expunged:
        """MOVE; on Gmail the messages are then expunged in the trash, where the policy does not keep them."""
        landed: dict[int, tuple[int, int]] = {}
        refusal = None
        self.carry_out(wanted)
        try:
            move_messages(self.client, sorted(wanted), self.trash or "", landed)
        except CommandRejected as error:
            refusal = self._not_moved(error)
        remaining = find_present(self.client, wanted)
        gone = wanted - remaining
        if landed:
            gone &= landed.keys()  # the others are gone by somebody else
        if remaining and refusal is None:
            refusal = f"the server kept {len(remaining)} of {len(wanted)} messages"
        if prepared.trash is None or not gone:
            return Expunged(gone=gone, in_trash=gone, refusal=refusal)
        try:
            outcome = self._passage.expunge(
                prepared.folder,
                prepared.rows_of(gone),
                landed,
                prepared.trash,
                spare_flagged=spare_flagged,
            )
        except CommandRejected as error:
            outcome = Expunged(gone=frozenset(), refusal=self._not_expunged(len(gone), error))
        lost = self._reopen(prepared)
        return Expunged(
            gone=gone,
            in_trash=gone - outcome.gone,
            refusal="; ".join(filter(None, (refusal, outcome.refusal, lost))) or None,
            is_lost=lost is not None,
            is_broken=outcome.is_broken,
        )

    def _copy_and_delete(
        self, prepared: Preparation, wanted: frozenset[int], copied: frozenset[int], spare_flagged: bool
    ) -> Expunged:
        """COPY, then expunge; in an account that has no room for all copies at once, part by part.

        :param copied: which of them may be in the trash already.
        """
        obstacle = find_foreign(self.client, wanted) if prepared.foreign is None else None
        if obstacle is not None:
            return Expunged(gone=frozenset(), refusal=obstacle)
        there, obstacle, is_lost = self._find_copied(prepared, wanted & copied)
        if obstacle is not None:
            return Expunged(gone=frozenset(), refusal=obstacle, is_lost=is_lost)
        try:
            copy_messages(self.client, sorted(wanted - there), self.trash or "")
        except CommandRejected as error:
            if error.code != OVERQUOTA or len(wanted) == 1 or prepared.foreign is not None:
                if prepared.foreign is not None:
                    self._put_back(prepared.foreign)
                return Expunged(gone=frozenset(), refusal=self._not_moved(error))
        else:
            return self._delete(wanted, prepared.foreign, spare_flagged)
        uids = sorted(wanted)
        halves = [frozenset(uids[: len(uids) // 2]), frozenset(uids[len(uids) // 2 :])]
        gone: frozenset[int] = frozenset()
        spared: frozenset[int] = frozenset()
        for half in halves:
            outcome = self._copy_and_delete(prepared, half, wanted, spare_flagged)
            gone, spared = gone | outcome.gone, spared | outcome.spared
            if outcome.refusal is not None:
                break
        return replace(outcome, gone=gone, spared=spared)

    def _find_copied(
        self, prepared: Preparation, uids: frozenset[int]
    ) -> tuple[frozenset[int], str | None, bool]:
        """Return which are in the trash already, why that cannot be said, and whether the folder is lost."""
        if prepared.passing is None or not uids:
            return frozenset(), None, False
        found, why = frozenset[int](), None
        try:
            found = self._passage.find_copied(prepared.passing, prepared.rows_of(uids))
        except CommandRejected as error:
            why = refused("show what the trash holds", error)
        lost = self._reopen(prepared)
        return found, lost or why, lost is not None

    def _reopen(self, prepared: Preparation) -> str | None:
        """Open the folder again after the trash was open; return why nothing may be done in it, if so."""
        try:
            selected = self.client.select(prepared.folder)
        except CommandRejected as error:
            return refused("open the folder again", error)
        if selected.uid_validity != prepared.uid_validity:
            return "somebody made the folder anew meanwhile, so that its numbers mean other messages"
        return None

    def _not_expunged(self, count: int, error: CommandRejected) -> str:
        why = refused("open it", error)
        return f"{count} messages were moved into {self.trash!r} and stay there: {why}"

    def _not_moved(self, error: CommandRejected) -> str:
        advice = FULL if error.code == OVERQUOTA else ""
        return f"the server moves no messages into {self.trash!r}: {error.text or 'no reason given'}{advice}"

    def _drop(self, prepared: Preparation) -> None:
        """Forget what was written down of a removal that is not carried out."""
        if prepared.foreign is not None:
            self._put_back(prepared.foreign)
        if prepared.passing is not None:
            self._passage.end(prepared.passing, prepared.rows.keys() - prepared.copied)

    def _put_back(self, note: FolderNote) -> None:
        present = find_present(self.client, note.messages)
        if present:
            self.client.store_flags(sorted(present), add=(DELETED,))
        self._marks.clear(note)

    @property
    def _marks(self) -> FolderNotes:
        return FolderNotes(self.archive, self.account, NoteKind.LIFTED)

    @property
    def _passage(self) -> TrashPassage:
        return TrashPassage(
            client=self.client,
            archive=self.archive,
            account=self.account,
            trash=self.trash or "",
            uses=self.uses,
            now=self.now,
        )
