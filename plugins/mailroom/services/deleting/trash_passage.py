"""Messages on their way through the trash: copied there once, and where that is wanted expunged there.

Here: knowing again in the trash what a COPY or MOVE put there. Not here: COPY, MOVE and EXPUNGE themselves
(``mailbox_removal``, ``mailbox_deletion``).

A message is expunged in the trash by the run that moved it there, and by no other: what a killed run moved
stays there, and is recorded as moved. The run knows it by COPYUID (RFC 4315 section 3), believed only where
UIDVALIDITY is that of the trash and the number was free before (UIDNEXT, RFC 3501 section 2.3.1.1); else
by its SHA-256, for which the new messages in the trash that have its size are fetched. What is like it in
header and size is not it.

Two kinds of notes lie in the archive meanwhile. That of a folder says which messages may have been copied,
and permits nothing: it makes the next run look before it copies. That of the trash says which messages are
marked \\Deleted there, so that the next run takes the marks of a killed one back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mailroom.archive import Archive
from mailroom.archive.folder_notes import FolderNote, FolderNotes, NoteKind
from mailroom.client.imap import ImapClient
from mailroom.client.imap_changes import Landed
from mailroom.exceptions import CommandRejected
from mailroom.model import LocationRow
from mailroom.policy.proof import ServerAnswer
from mailroom.services.deleting.held import find_held
from mailroom.services.deleting.mailbox_deletion import DELETED, Expunged, delete_messages, find_present
from mailroom.services.deleting.mailbox_refetch import refetch

__all__ = ["Standing", "TrashPassage", "find_by_digest", "find_expunged", "find_from"]

TRASH = "\\Trash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the trash said of itself before anything was moved into it.

    :param following: the number that it gives next; whatever has a lower one was there before.
    """

    uid_validity: int | None
    following: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashPassage:
    """The way of one account's messages through its trash.

    :param trash: the name of the trash folder.
    :param uses: the special use of each folder of the account.
    """

    client: ImapClient
    archive: Archive
    account: str
    trash: str
    uses: Mapping[str, str | None]
    now: Callable[[], datetime]

    def standing(self) -> Standing:
        """Ask the trash, which is not selected, what it gives next.

        :raises CommandRejected: if the server does not say.
        """
        told = self.client.folder_status(self.trash)
        return Standing(uid_validity=told.get("UIDVALIDITY"), following=told.get("UIDNEXT", 1))

    def begin(
        self, folder: str, uid_validity: int, rows: Mapping[int, LocationRow]
    ) -> tuple[FolderNote, frozenset[int]]:
        """Write down what is about to be copied out of a folder.

        :return: the note, on the disk when the archive is synced next, and which messages an earlier run,
            which did not come to its end, may have copied already.
        :raises CommandRejected: if the server does not say what the trash gives next.
        """
        standing = self.standing()
        validity, following = standing.uid_validity, standing.following
        earlier = next((n for n in self._notes.pending() if n.folder == folder), None)
        before: dict[int, str] = {}
        if earlier is not None and earlier.uid_validity == uid_validity:
            before = dict(earlier.messages)
            following = min(following, earlier.trash_next) if earlier.trash_uid_validity == validity else 1
        note = self._notes.write(
            folder,
            uid_validity,
            {**before, **{uid: row.sha256 or "" for uid, row in rows.items()}},
            trash_uid_validity=validity,
            trash_next=following,
        )
        return note, frozenset(before)

    def find_copied(self, note: FolderNote, rows: Mapping[int, LocationRow]) -> frozenset[int]:
        """Return which of these messages have a copy in the trash, octet for octet; the trash stays open.

        :raises CommandRejected: if the server does not open it.
        """
        selected = self.client.select(self.trash)
        start = note.trash_next if selected.uid_validity == note.trash_uid_validity else 1
        return frozenset(self._find_by_digest(start, rows, frozenset()))

    def end(self, note: FolderNote, over: Collection[int]) -> None:
        """Forget what came to its end or was not copied; what the open folder has of the rest stays noted."""
        rest = frozenset(note.messages) - frozenset(over)
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

    def expunge(
        self,
        folder: str,
        rows: Mapping[int, LocationRow],
        landed: Landed,
        standing: Standing,
        *,
        spare_flagged: bool,
    ) -> Expunged:
        """Expunge in the trash what this run moved there; the trash stays open.

        Legal holds are asked once more: a minute may have gone by, and after this nothing is left.

        :param rows: the messages that were moved, by the number that they had.
        :param landed: where the server says that they are now.
        :return: which of them are gone for good, and why others are not, as the end of a sentence.
        :raises CommandRejected: if the server does not open the trash.
        """
        held = self._held(folder, rows)
        free = {uid: row for uid, row in rows.items() if row.sha256 not in held}
        selected = self.client.select(self.trash)
        places = self._places(selected.uid_validity, free, landed, standing)
        outcome = Expunged(gone=frozenset())
        if places:
            outcome = self._delete(selected.uid_validity or 0, rows, places, spare_flagged)
        gone = frozenset(uid for uid, place in places.items() if place in outcome.gone)
        stays = len(rows) - len(gone)
        if not stays:
            return replace(outcome, gone=gone, spared=frozenset())
        why = [f"{len(rows) - len(free)} are under legal hold"] if len(free) < len(rows) else []
        if len(places) < len(free):
            why.append(f"{len(free) - len(places)} cannot be told from others there")
        if outcome.spared:
            why.append(f"{len(outcome.spared)} were flagged meanwhile")
        if outcome.refusal is not None:
            why.append(outcome.refusal)
        told = f"{stays} messages were moved into {self.trash!r} and stay there: {', and '.join(why)}"
        return replace(outcome, gone=gone, spared=frozenset(), refusal=told)

    def _delete(
        self, validity: int, rows: Mapping[int, LocationRow], places: Mapping[int, int], spare_flagged: bool
    ) -> Expunged:
        note = self._notes.write(
            self.trash, validity, {place: rows[uid].sha256 or "" for uid, place in places.items()}
        )
        outcome = delete_messages(self.client, places.values(), spare_flagged=spare_flagged)
        self._notes.clear(note)
        return outcome

    def resume(self, *, copies: bool) -> None:
        """Take back marks \\\\Deleted that a killed run left in the trash.

        :param copies: whether the server only copies; else what was copied once is of no concern any more.
        :raises ConnectionLost: if the server goes away.
        """
        for note in self._notes.pending():
            if note.folder == self.trash:
                try:
                    selected = self.client.select(note.folder)
                except CommandRejected:
                    continue
                present = frozenset[int]()
                if selected.uid_validity == note.uid_validity:
                    present = find_present(self.client, note.messages)
                if present:
                    self.client.store_flags(sorted(present), remove=(DELETED,))
            elif copies:
                continue
            self._notes.clear(note)

    @property
    def _notes(self) -> FolderNotes:
        return FolderNotes(self.archive, self.account, NoteKind.TRASHED)

    def _held(self, folder: str, rows: Mapping[int, LocationRow]) -> frozenset[str | None]:
        found: set[str | None] = set()
        for name in (folder, self.trash):
            use = self.uses.get(name) or (TRASH if name == self.trash else None)
            asked = list(rows.values())
            found.update(find_held(self.archive, self.account, name, asked, self.now(), use=use))
        return frozenset(found)

    def _places(
        self, validity: int | None, rows: Mapping[int, LocationRow], landed: Landed, standing: Standing
    ) -> dict[int, int]:
        """Return the number in the trash, which is open, of each message that is surely there."""
        if validity is None or validity != standing.uid_validity:
            return {}
        known = {
            uid: place
            for uid, (stated, place) in landed.items()
            if uid in rows and stated == validity and place >= standing.following
        }
        if len(set(known.values())) < len(known):
            known = {}
        present = find_present(self.client, known.values()) if known else frozenset()
        found = {uid: place for uid, place in known.items() if place in present}
        rest = {uid: row for uid, row in rows.items() if uid not in known}
        return {**found, **self._find_by_digest(standing.following, rest, frozenset(found.values()))}

    def _find_by_digest(
        self, start: int, rows: Mapping[int, LocationRow], taken: Collection[int]
    ) -> dict[int, int]:
        """Return the number in the open trash of each message that is there, octet for octet.

        :param start: the lowest number that it can have.
        :param taken: numbers that are known to be those of others.
        """
        if not rows:
            return {}
        new = find_from(self.client, start) - set(taken)
        return find_by_digest(self.client, self.archive, new, rows)


def find_from(client: ImapClient, start: int) -> set[int]:
    """Return the messages of the open folder from a number on."""
    # "n:*" means the last message too, whatever its number.
    return {uid for uid in client.search("UID", f"{start}:*").tolist() if uid >= start}


def find_by_digest(
    client: ImapClient, archive: Archive, among: Collection[int], rows: Mapping[int, LocationRow]
) -> dict[int, int]:
    """Return the number in the open folder of each message that is there, octet for octet.

    :param among: the numbers that they can have; those that have the size of one are fetched.
    :param rows: the messages, by the number that they had.
    """
    sizes = {row.size for row in rows.values()}
    answers = {
        message.uid: ServerAnswer.of(message)
        for message in client.fetch_fingerprints(sorted(among))
        if message.uid in among and message.octets in sizes
    }
    there: dict[str, list[int]] = defaultdict(list)
    for place, answer in sorted(refetch(client, archive, answers, answers).items()):
        if answer.sha256 is not None:
            there[answer.sha256].append(place)
    found = {}
    for uid, row in sorted(rows.items()):
        if row.sha256 is not None and there[row.sha256]:
            found[uid] = there[row.sha256].pop()
    return found


def find_expunged(client: ImapClient, archive: Archive, account: str, trash: str) -> frozenset[str]:
    """Return the digests of what a killed run had begun to expunge in the trash and is there no more.

    :raises ConnectionLost: if the server goes away.
    """
    notes = FolderNotes(archive, account, NoteKind.TRASHED).pending()
    note = next((note for note in notes if note.folder == trash), None)
    if note is None:
        return frozenset()
    try:
        selected = client.select(trash)
    except CommandRejected:
        return frozenset()
    if selected.uid_validity != note.uid_validity:
        return frozenset()
    present = find_present(client, note.messages)
    stays = {note.messages[uid] for uid in present}
    return frozenset(note.messages.values()) - stays - {""}
