"""Messages on their way through the trash: copied there once, and where that is wanted expunged there.

Here: knowing again in the trash what a COPY or MOVE put there, also after a kill. Not here: COPY, MOVE and
EXPUNGE themselves (``mailbox_removal``, ``mailbox_deletion``).

Before anything is copied or moved, it is written down who the messages are, and the number that the trash
gives next (UIDNEXT, RFC 3501 section 2.3.1.1): whatever has a lower one was there before. COPYUID would say
the same, but its answer is lost with the connection.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mailroom.archive import Archive
from mailroom.archive.folder_notes import FolderNote, FolderNotes, NoteKind
from mailroom.client.imap import ImapClient
from mailroom.exceptions import CommandRejected
from mailroom.message import fingerprint_of_header
from mailroom.model import FetchedMessage
from mailroom.policy.proof import is_telling
from mailroom.services.deleting.mailbox_deletion import delete_messages, find_present

__all__ = ["TrashPassage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashPassage:
    """The way of one account's messages through its trash.

    :param trash: the name of the trash folder.
    """

    client: ImapClient
    archive: Archive
    account: str
    trash: str

    def begin(
        self, folder: str, uid_validity: int, uids: Collection[int]
    ) -> tuple[FolderNote, frozenset[int]]:
        """Write down what is about to be copied or moved out of the selected folder.

        :return: the note, on the disk when the archive is synced next, and which messages an earlier run,
            which did not come to its end, may have copied already.
        """
        told = self.client.folder_status(self.trash)
        validity, following = told.get("UIDVALIDITY"), told.get("UIDNEXT", 1)
        earlier = self._earlier(folder, uid_validity)
        before = dict(earlier.messages) if earlier is not None else {}
        if earlier is not None:
            following = min(following, earlier.trash_next) if earlier.trash_uid_validity == validity else 1
        known = {message.uid: _who(message) for message in self.client.fetch_fingerprints(sorted(uids))}
        note = self._notes.write(
            folder,
            uid_validity,
            {**before, **known},
            trash_uid_validity=validity,
            trash_next=following,
        )
        return note, frozenset(before)

    def find_copied(self, note: FolderNote, uids: Collection[int]) -> frozenset[int]:
        """Return which of these messages have a copy in the trash; the folder is selected again afterwards.

        :raises CommandRejected: if the server opens one of the two no more.
        """
        if not uids:
            return frozenset()
        found = self._copies(note, uids)
        self.client.select(note.folder)
        return frozenset(found)

    def expunge(self, note: FolderNote, uids: Collection[int]) -> tuple[frozenset[int], str | None]:
        """Expunge in the trash what was moved there; the folder is selected again afterwards.

        :return: which of these messages are gone for good, and why others are not, as the end of a sentence.
        :raises CommandRejected: if the server opens one of the two no more.
        """
        if not uids:
            return frozenset(), None
        found = self._copies(note, uids)
        outcome = delete_messages(self.client, found.values(), spare_flagged=False)
        self.client.select(note.folder)
        gone = frozenset(uid for uid, copy in found.items() if copy in outcome.gone)
        if len(gone) == len(uids):
            return gone, None
        why = outcome.refusal or "they cannot be told from others there"
        return gone, f"{len(uids) - len(gone)} messages were moved into {self.trash!r} and stay there: {why}"

    def end(self, note: FolderNote, gone: Collection[int]) -> None:
        """Forget what came to its end; what is left in the selected folder stays written down."""
        rest = frozenset(note.messages) - frozenset(gone)
        rest = find_present(self.client, rest) if rest else rest
        if not rest:
            self._notes.clear(note)
            return
        self._notes.write(
            note.folder,
            note.uid_validity,
            {uid: note.messages[uid] for uid in sorted(rest)},
            trash_uid_validity=note.trash_uid_validity,
            trash_next=note.trash_next,
        )

    def finish(self) -> int:
        """Expunge in the trash what a killed run had moved there to be expunged; return how many."""
        count = 0
        for note in self._notes.pending():
            try:
                selected = self.client.select(note.folder)
            except CommandRejected:
                continue
            if selected.uid_validity != note.uid_validity:
                self._notes.clear(note)
                continue
            moved = frozenset(note.messages) - find_present(self.client, note.messages)
            gone, _ = self.expunge(note, moved)
            self.end(note, moved)
            count += len(gone)
        return count

    @property
    def _notes(self) -> FolderNotes:
        return FolderNotes(self.archive, self.account, NoteKind.TRASHED)

    def _earlier(self, folder: str, uid_validity: int) -> FolderNote | None:
        found = (note for note in self._notes.pending() if note.folder == folder)
        return next((note for note in found if note.uid_validity == uid_validity), None)

    def _copies(self, note: FolderNote, uids: Iterable[int]) -> dict[int, int]:
        """Return the number in the trash, which is selected, of each message that is known again there."""
        selected = self.client.select(self.trash)
        start = note.trash_next if selected.uid_validity == note.trash_uid_validity else 1
        # "n:*" means the last message too, whatever its number.
        new = [uid for uid in self.client.search("UID", f"{start}:*").tolist() if uid >= start]
        there: dict[str, list[int]] = defaultdict(list)
        for message in self.client.fetch_fingerprints(new):
            there[_who(message)].append(message.uid)
        found = {}
        for uid in sorted(uids):
            who = note.messages.get(uid)
            if who and there[who]:
                found[uid] = there[who].pop()
        return found


def _who(message: FetchedMessage) -> str:
    """Return a digest of who a message is, the same in each folder of a server; empty where nothing tells.

    Dates of arrival are left out: COPY should keep them, and need not (RFC 3501 section 6.4.7).
    """
    header = fingerprint_of_header(message.header or b"")
    if not is_telling(header):
        return ""
    said = [message.octets, header.message_id, header.date, header.sender, header.subject]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]
