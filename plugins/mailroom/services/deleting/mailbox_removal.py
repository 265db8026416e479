"""Taking messages away from a folder as a policy and a server want it: for good, or into the trash.

Here: what servers differ in. Not here: which messages (``policy``), STORE and EXPUNGE themselves
(``mailbox_deletion``), what lies in the trash (``trash_passage``).

Without UIDPLUS, EXPUNGE takes every message marked \\Deleted. Marks of other people are lifted while ours
are expunged, and put back; they are written down before, and the next run puts back what a killed one
did not. On Gmail an EXPUNGE outside the trash may only archive, so there messages go into the trash, and
unless they are to stay there, are expunged from it in the same run. Without MOVE, messages are copied into
the trash and expunged; what a run copied that did not come to its end is not copied again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace

from mailroom.archive import Archive
from mailroom.archive.folder_notes import FolderNote, FolderNotes, NoteKind
from mailroom.client.imap import ImapClient
from mailroom.client.imap_changes import copy_messages, move_messages
from mailroom.exceptions import CommandRejected
from mailroom.ledger import AuditAction
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
from mailroom.services.deleting.trash_passage import TrashPassage

__all__ = ["MailboxRemoval", "Preparation"]

GMAIL = "X-GM-EXT-1"

OVERQUOTA = "OVERQUOTA"
"""What a server says that has no room for a copy (RFC 5530 section 3)."""

FULL = "; the account is full: empty the trash first, by a rule for it, or delete for good"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What was written down before messages are taken away.

    :param foreign: marks \\Deleted of others, which are lifted meanwhile.
    :param passing: the messages that go through the trash; ``copied`` of these may be there already.
    """

    foreign: FolderNote | None = None
    passing: FolderNote | None = None
    copied: frozenset[int] = frozenset()


@dataclass(slots=True, kw_only=True)
class MailboxRemoval:
    """How one run takes messages away.

    :param trash: the account's trash folder, or None where it has none.
    """

    client: ImapClient
    archive: Archive
    account: str
    policy: RetentionPolicy
    trash: str | None = None

    def resume(self) -> None:
        """Bring to its end what a killed run had begun: marks of others, and what Gmail's trash holds of it.

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
        if self.client.supports(GMAIL) and self.trash is not None and not self.policy.to_trash:
            finished = self._passage.finish()
            if finished:
                _log.warning("Expunged %d messages that a run had left in folder %r", finished, self.trash)

    def moves_from(self, folder: str) -> bool:
        """Return whether messages of a folder go into the trash, be it to stay there or not."""
        return folder != self.trash and (self.policy.to_trash or self.client.supports(GMAIL))

    def action_in(self, folder: str) -> AuditAction:
        """Return what the audit says of a message that is taken away from a folder."""
        stays = self.moves_from(folder) and self.policy.to_trash
        return AuditAction.MOVED_TO_TRASH if stays else AuditAction.DELETED

    def find_obstacle(self, folder: str) -> str | None:
        """Return why nothing can be taken away from a folder, as the end of a sentence, or None."""
        if self.moves_from(folder) and self.trash is None:
            return "messages are to be moved into the trash, and the server names no folder as \\Trash"
        return None

    def prepare(self, folder: str, uid_validity: int, uids: Collection[int]) -> Preparation:
        """Write down what a kill must not leave behind; durable when the archive is synced next.

        :raises CommandRejected: if the server does not say what the trash holds.
        """
        moves = self.moves_from(folder)
        foreign = passing = None
        copied: frozenset[int] = frozenset()
        if not (moves and self.client.supports("MOVE")):
            foreign = self._note_foreign(folder, uid_validity, uids)
        if moves and not (self.policy.to_trash and self.client.supports("MOVE")):
            passing, copied = self._passage.begin(folder, uid_validity, uids)
        return Preparation(foreign=foreign, passing=passing, copied=copied)

    def _note_foreign(self, folder: str, uid_validity: int, uids: Collection[int]) -> FolderNote | None:
        if self.client.supports("UIDPLUS") or self.policy.foreign_marks is ForeignMarks.REFUSE:
            return None
        foreign = find_marked(self.client) - frozenset(uids)
        return (
            self._marks.write(folder, uid_validity, dict.fromkeys(sorted(foreign), "")) if foreign else None
        )

    def remove(
        self, folder: str, uids: Collection[int], prepared: Preparation, *, spare_flagged: bool
    ) -> Expunged:
        """Take these messages of the selected folder away, and only these.

        :raises ConnectionLost: if the server goes away; the next run brings to its end what was begun.
        """
        if self.policy.mark_seen:
            try:
                self.client.store_flags(sorted(uids), add=("\\Seen",))
            except CommandRejected as error:
                self._drop(prepared)
                return Expunged(gone=frozenset(), refusal=refused("mark messages as read", error))
        if self.moves_from(folder):
            return self._move(folder, uids, prepared, spare_flagged)
        return self._delete(uids, prepared.foreign, spare_flagged)

    def _delete(self, uids: Collection[int], foreign: FolderNote | None, spare_flagged: bool) -> Expunged:
        if foreign is None:
            return delete_messages(self.client, uids, spare_flagged=spare_flagged)
        try:
            self.client.store_flags(sorted(foreign.messages), remove=(DELETED,))
        except CommandRejected as error:
            outcome = Expunged(gone=frozenset(), refusal=refused("lift the marks of others", error))
        else:
            outcome = delete_messages(self.client, uids, spare_flagged=spare_flagged)
        self._put_back(foreign)
        return outcome

    def _move(
        self, folder: str, uids: Collection[int], prepared: Preparation, spare_flagged: bool
    ) -> Expunged:
        """Move into the trash, and expunge there what is not to stay."""
        self.client.noop()
        spared = find_flagged(self.client) & frozenset(uids) if spare_flagged else frozenset()
        wanted = frozenset(uids) - spared
        if not wanted:
            self._drop(prepared)
            return Expunged(gone=frozenset(), spared=spared)
        try:
            if self.client.supports("MOVE"):
                outcome = self._move_at_once(wanted, prepared.passing)
            else:
                outcome = self._copy_and_delete(wanted, prepared, prepared.copied, spare_flagged)
        except CommandRejected as error:
            self.client.select(folder)  # it may have been the trash that was open
            gone = wanted - find_present(self.client, wanted)
            outcome = Expunged(gone=gone, in_trash=gone, refusal=self._not_moved(error))
            self._drop(prepared)
        else:
            if prepared.passing is not None:
                self._passage.end(prepared.passing, outcome.gone)
        return replace(outcome, spared=outcome.spared | spared)

    def _move_at_once(self, wanted: frozenset[int], passing: FolderNote | None) -> Expunged:
        """MOVE; on Gmail the messages are then expunged in the trash, where the policy does not keep them."""
        move_messages(self.client, sorted(wanted), self.trash or "")
        remaining = find_present(self.client, wanted)
        gone = wanted - remaining
        refusal = f"the server kept {len(remaining)} of {len(wanted)} messages" if remaining else None
        if passing is None:
            return Expunged(gone=gone, refusal=refusal)
        expunged, why = self._passage.expunge(passing, gone)
        return Expunged(gone=gone, in_trash=gone - expunged, refusal=refusal or why)

    def _copy_and_delete(
        self, wanted: frozenset[int], prepared: Preparation, copied: frozenset[int], spare_flagged: bool
    ) -> Expunged:
        """COPY, then expunge; in an account that has no room for all copies at once, part by part.

        :param copied: which of them may be in the trash already.
        """
        obstacle = find_foreign(self.client, wanted) if prepared.foreign is None else None
        if obstacle is not None:
            return Expunged(gone=frozenset(), refusal=obstacle)
        there: frozenset[int] = frozenset()
        if prepared.passing is not None:
            there = self._passage.find_copied(prepared.passing, wanted & copied)
        try:
            copy_messages(self.client, sorted(wanted - there), self.trash or "")
        except CommandRejected as error:
            if error.code != OVERQUOTA or len(wanted) == 1 or prepared.foreign is not None:
                raise
        else:
            return self._delete(wanted, prepared.foreign, spare_flagged)
        uids = sorted(wanted)
        halves = [frozenset(uids[: len(uids) // 2]), frozenset(uids[len(uids) // 2 :])]
        gone: frozenset[int] = frozenset()
        spared: frozenset[int] = frozenset()
        for half in halves:
            outcome = self._copy_and_delete(half, prepared, wanted, spare_flagged)
            gone, spared = gone | outcome.gone, spared | outcome.spared
            if outcome.refusal is not None:
                break
        return replace(outcome, gone=gone, spared=spared)

    def _not_moved(self, error: CommandRejected) -> str:
        advice = FULL if error.code == OVERQUOTA else ""
        return f"the server moves no messages into {self.trash!r}: {error.text or 'no reason given'}{advice}"

    def _drop(self, prepared: Preparation) -> None:
        """Forget what was written down of a removal that is not carried out, or not to its end."""
        if prepared.foreign is not None:
            self._put_back(prepared.foreign)
        if prepared.passing is not None:
            self._passage.end(prepared.passing, ())

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
            client=self.client, archive=self.archive, account=self.account, trash=self.trash or ""
        )
