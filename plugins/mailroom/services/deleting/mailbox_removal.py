"""Taking messages away from a folder as a policy and a server want it: for good, or into the trash.

Here: what servers differ in. Not here: which messages (``policy``), STORE and EXPUNGE themselves
(``mailbox_deletion``).

Without UIDPLUS, EXPUNGE takes every message marked \\Deleted. Marks of other people are lifted while ours
are expunged, and put back; they are written down before, and the next run puts back what a killed one
did not. On Gmail an EXPUNGE outside the trash may only archive, so there messages go into the trash.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

from mailroom.archive import Archive
from mailroom.archive.lifted_marks import LiftedMarks, MarkJournal
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

__all__ = ["MailboxRemoval"]

GMAIL = "X-GM-EXT-1"

_log = logging.getLogger(__name__)


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

    def restore_marks(self) -> None:
        """Put back the marks that a killed run had lifted.

        :raises ConnectionLost: if the server goes away.
        :raises ArchiveError: if the archive cannot be read.
        """
        for marks in MarkJournal(self.archive.store, self.account).pending():
            try:
                selected = self.client.select(marks.folder)
            except CommandRejected:
                _log.warning("Folder %r cannot be opened to put back marks \\Deleted", marks.folder)
                continue
            if selected.uid_validity == marks.uid_validity:
                self._put_back(marks)
                _log.warning("Put back %d marks \\Deleted in folder %r", len(marks.uids), marks.folder)
            else:
                MarkJournal(self.archive.store, self.account).clear(marks)

    def moves_from(self, folder: str) -> bool:
        """Return whether messages of a folder go into the trash, not away for good."""
        return folder != self.trash and (self.policy.to_trash or self.client.supports(GMAIL))

    def action_in(self, folder: str) -> AuditAction:
        """Return what the audit says of a message that is taken away from a folder."""
        return AuditAction.MOVED_TO_TRASH if self.moves_from(folder) else AuditAction.DELETED

    def find_obstacle(self, folder: str) -> str | None:
        """Return why nothing can be taken away from a folder, as the end of a sentence, or None."""
        if self.moves_from(folder) and self.trash is None:
            return "messages are to be moved into the trash, and the server names no folder as \\Trash"
        return None

    def note_foreign(self, folder: str, uid_validity: int, uids: Collection[int]) -> LiftedMarks | None:
        """Write down the marks of others that must be lifted; durable when the archive is synced next."""
        if self.client.supports("UIDPLUS") or self.policy.foreign_marks is ForeignMarks.REFUSE:
            return None
        if self.moves_from(folder) and self.client.supports("MOVE"):
            return None
        foreign = find_marked(self.client) - frozenset(uids)
        if not foreign:
            return None
        return MarkJournal(self.archive.store, self.account).write(folder, uid_validity, foreign)

    def remove(
        self, folder: str, uids: Collection[int], foreign: LiftedMarks | None, *, spare_flagged: bool
    ) -> Expunged:
        """Take these messages of the selected folder away, and only these.

        :param foreign: the marks of others that were noted, which are lifted meanwhile.
        :raises ConnectionLost: if the server goes away; the next run puts back what was lifted.
        """
        if self.policy.mark_seen:
            try:
                self.client.store_flags(sorted(uids), add=("\\Seen",))
            except CommandRejected as error:
                if foreign is not None:
                    MarkJournal(self.archive.store, self.account).clear(foreign)
                return Expunged(gone=frozenset(), refusal=refused("mark messages as read", error))
        if self.moves_from(folder):
            return self._move(uids, foreign, spare_flagged)
        return self._delete(uids, foreign, spare_flagged)

    def _delete(self, uids: Collection[int], foreign: LiftedMarks | None, spare_flagged: bool) -> Expunged:
        if foreign is None:
            return delete_messages(self.client, uids, spare_flagged=spare_flagged)
        try:
            self.client.store_flags(sorted(foreign.uids), remove=(DELETED,))
        except CommandRejected as error:
            outcome = Expunged(gone=frozenset(), refusal=refused("lift the marks of others", error))
        else:
            outcome = delete_messages(self.client, uids, spare_flagged=spare_flagged)
        self._put_back(foreign)
        return outcome

    def _move(self, uids: Collection[int], foreign: LiftedMarks | None, spare_flagged: bool) -> Expunged:
        """Move into the trash; a server that refuses, for want of room, has moved nothing."""
        trash = self.trash or ""
        self.client.noop()
        spared = find_flagged(self.client) & frozenset(uids) if spare_flagged else frozenset()
        wanted = frozenset(uids) - spared
        if not wanted:
            return Expunged(gone=frozenset(), spared=spared)
        try:
            if not self.client.supports("MOVE"):
                obstacle = find_foreign(self.client, wanted) if foreign is None else None
                if obstacle is not None:
                    return Expunged(gone=frozenset(), spared=spared, refusal=obstacle)
                copy_messages(self.client, sorted(wanted), trash)
                return self._delete(wanted, foreign, spare_flagged)
            move_messages(self.client, sorted(wanted), trash)
        except CommandRejected as error:
            gone = wanted - find_present(self.client, wanted)
            why = f"the server does not move messages into {trash!r}: {error.text or 'no reason given'}"
            return Expunged(gone=gone, spared=spared, refusal=why)
        remaining = find_present(self.client, wanted)
        refusal = f"the server kept {len(remaining)} of {len(wanted)} messages" if remaining else None
        return Expunged(gone=wanted - remaining, spared=spared, refusal=refusal)

    def _put_back(self, marks: LiftedMarks) -> None:
        present = find_present(self.client, marks.uids)
        if present:
            self.client.store_flags(sorted(present), add=(DELETED,))
        MarkJournal(self.archive.store, self.account).clear(marks)
