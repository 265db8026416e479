"""What became of deletions that a kill or a lost connection cut off: the server is asked.

Here: from an intent and what the server still has, to rows that tell the truth. Not here: the journal
(``archive.intents``), deleting.

A message of an intent that the server has no longer went by that deletion, if the deletion was begun, and
if nothing else was recorded of it since, and if it did not come, octet for octet, into another folder of the
account since: what a person moved is not recorded as deleted by us. What came since has a number that the
folder had not given yet (UIDNEXT, which the intent says), or is in a folder made since; an equal copy with a
lower number is no sign of anything, and of a folder numbered anew nothing is believed. What is still there,
or was moved, was not deleted; a mark \\Deleted that our side left on it is
taken back, for another client's EXPUNGE would carry it out. What was moved into
the trash is recorded as moved, also where it was to be expunged there, unless that was begun and it is gone.
What a run at work is deleting is left to that run. By POP3, which names nobody, what is gone after such a
session counts as deleted by it: the intent was written right before QUIT.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mailroom.archive.audit_log import audited
from mailroom.archive.intents import IntentJournal
from mailroom.client.imap_statuses import states_with_list, with_statuses
from mailroom.exceptions import CommandRejected
from mailroom.ledger import AuditAction
from mailroom.model import Change, LocationRow, MailProtocol
from mailroom.services.deleting.mailbox_deletion import DELETED, find_marked, find_present
from mailroom.services.deleting.trash_passage import find_by_digest, find_expunged, find_from

if TYPE_CHECKING:
    from mailroom.archive import Archive, ArchiveWriter
    from mailroom.archive.intents import Following, Intent
    from mailroom.client.imap import ImapClient
    from mailroom.client.imap_selected import SelectedFolder
    from mailroom.ledger import AuditRow
    from mailroom.model import Folder

__all__ = ["NextNumbers", "settle_mailboxes", "settle_maildrop"]

MAX_AGE = timedelta(minutes=1)
"""How old what folders number next may be when a batch of messages is asked who they are."""

FOUND_GONE = ", which was cut off; found gone by a later run"
"""What the audit adds to who it was where nobody saw the deletion itself."""

Found = list[tuple["AuditRow", LocationRow]]
"""What was deleted: what the audit says of each message, and its place."""

_log = logging.getLogger(__name__)


class NextNumbers:
    """What each folder numbers next, for the intents of one run.

    It is asked before the messages of a batch are, so that what somebody moves after that has a number from
    it on; and again once it is a minute old, so that no copy that somebody makes during a long run looks like
    what was moved after it.

    :param folders: those that LIST has just named, with their counts where it said them along.
    """

    def __init__(
        self, client: ImapClient, folders: Mapping[str, Folder], now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._folders = folders
        self._now = now
        self._since = now()
        self._told: Following | None = None

    def ask(self) -> Following:
        """Return UIDVALIDITY and UIDNEXT of each folder, at most a minute old.

        :raises ConnectionLost: where the server goes away.
        """
        now = self._now()
        if now - self._since > MAX_AGE:
            listed = self._client.list_folders() if states_with_list(self._client) else ()
            fresh = {folder.name: folder for folder in listed}
            self._folders = {
                name: fresh.get(name, replace(each, status=None)) for name, each in self._folders.items()
            }
            self._since, self._told = now, None
        if self._told is None:
            self._told = self._following()
        return self._told

    def _following(self) -> Following:
        """Return what LIST said along, and of other folders what STATUS says."""
        silent = [folder for folder in self._folders.values() if "UIDNEXT" not in (folder.status or {})]
        asked = {folder.name: folder for folder in with_statuses(self._client, silent)}
        found: dict[str, tuple[int, int]] = {}
        for name, folder in self._folders.items():
            told = asked.get(name, folder).status or {}
            following = told.get("UIDNEXT", 0)
            found[name] = (told.get("UIDVALIDITY", 0) if following else 0, following)
        return found


def settle_maildrop(archive: Archive, writer: ArchiveWriter, account: str, listed: Collection[str]) -> int:
    """Record what earlier sessions deleted on a POP3 account and could not record; return how many.

    A session that ended before QUIT was carried out has deleted nothing (RFC 1939 section 6): then all of
    its messages are listed.

    :param listed: the UIDLs that the server lists now.
    :raises ArchiveError: where the archive cannot be read or written.
    """

    def find(intent: Intent) -> Found:
        gone = [row for row in intent.rows if row.uidl not in listed]
        known = archive.maildrop_state(account).rows({row.uidl for row in gone if row.uidl})
        by_key = {(row.uidl, row.sha256): row for found in known.values() for row in found}
        return _paired(gone, [by_key.get((row.uidl, row.message_sha256)) for row in gone])

    return _settle(archive, writer, account, MailProtocol.POP3, find)


def settle_mailboxes(
    client: ImapClient, archive: Archive, writer: ArchiveWriter, account: str, *, trash: str | None
) -> int:
    """Record what earlier sessions deleted on an IMAP account and could not record; return how many.

    What a folder that cannot be asked now had is asked by a later run.

    :param trash: the account's trash folder, or None where it has none.
    :raises ArchiveError: where another run is deleting now, or the archive cannot be read or written.
    :raises ConnectionLost: where the server goes away.
    """
    IntentJournal(archive).refuse_others(account)

    def find(intent: Intent) -> Found | None:
        rows = intent.rows
        folder, validity = rows[0].folder, rows[0].uid_validity
        uids = {row.uid for row in rows if row.uid is not None}
        try:
            selected = client.select(folder)
        except CommandRejected:
            return None if folder in {each.name for each in client.list_folders()} else []
        if selected.uid_validity != validity:
            return []
        present = _still_there(client, selected, uids)
        gone = [row for row in rows if row.uid not in present]
        state = archive.folder_state(account, folder)
        if not gone or not intent.is_begun or state.uid_validity != validity:
            return []
        by_uid = {row.uid: row for row in state.rows([row.uid for row in gone if row.uid is not None])}
        ours = _untouched(intent, _paired(gone, [by_uid.get(row.uid) for row in gone]))
        ours = _not_elsewhere(client, archive, intent, ours, trash)
        ours = _not_known_since(archive, intent, ours, trash)
        if trash is None or folder == trash or not ours:
            return ours
        expunged = find_expunged(client, archive, account, trash)
        return [(_as_it_came(row, expunged), place) for row, place in ours]

    return _settle(archive, writer, account, MailProtocol.IMAP, find)


def _as_it_came(row: AuditRow, expunged: Collection[str]) -> AuditRow:
    return replace(row, action=AuditAction.DELETED) if row.message_sha256 in expunged else row


def _untouched(intent: Intent, found: Found) -> Found:
    """Leave out what something else was recorded of, at its place, since the intent was written."""
    first = intent.rows[0]

    def is_untouched(place: LocationRow) -> bool:
        is_told = (place.change, place.run_id) == (intent.change, first.run_id)
        return is_told or place.change is Change.EXPUNGED or place.at <= first.at

    return [(row, place) for row, place in found if is_untouched(place)]


def _not_known_since(archive: Archive, intent: Intent, found: Found, trash: str | None) -> Found:
    """Leave out what the archive knows to have come into another folder since the intent was written."""
    digests = {place.sha256 for _, place in found}
    moved: set[str | None] = set()
    for name in intent.following:
        if not found or _is_passed_over(name, intent, trash):
            continue
        state = archive.folder_state(intent.rows[0].account, name)
        start = _first_since(intent, name, state.uid_validity)
        if start is not None and len(state.live) and state.live[-1] >= start:
            known = zip(state.live.tolist(), state.column("sha256"), strict=True)
            moved.update(digest for uid, digest in known if uid >= start and digest in digests)
    return [(row, place) for row, place in found if place.sha256 not in moved]


def _not_elsewhere(
    client: ImapClient, archive: Archive, intent: Intent, found: Found, trash: str | None
) -> Found:
    """Leave out what came into another folder, and take back the mark \\Deleted that it was moved with."""
    for folder in client.list_folders() if found else ():
        if not found:
            break
        if not folder.is_selectable or _is_passed_over(folder.name, intent, trash):
            continue
        rows = {place.uid: place for _, place in found if place.uid is not None}
        try:
            start = _first_since(intent, folder.name, client.examine(folder.name).uid_validity)
            if start is None:
                continue
            there = find_from(client, start)
        except CommandRejected:
            continue
        moved = find_by_digest(client, archive, there, rows) if there else {}
        if moved:
            _still_there(client, client.select(folder.name), set(moved.values()))
            found = [(row, place) for row, place in found if place.uid not in moved]
    return found


def _is_passed_over(folder: str, intent: Intent, trash: str | None) -> bool:
    """Return whether a folder tells nothing: that of the intent, and the trash where mail was moved by us."""
    first = intent.rows[0]
    return folder == first.folder or (folder == trash and first.action is AuditAction.MOVED_TO_TRASH)


def _first_since(intent: Intent, folder: str, uid_validity: int | None) -> int | None:
    """Return the lowest number of what came into a folder since an intent, or None where nobody can say."""
    validity, following = intent.following.get(folder, (0, 0))
    if validity:
        return following if validity == uid_validity else None
    numberings = {each for each, _ in intent.following.values()}
    is_new = bool(numberings) and folder not in intent.following and uid_validity not in numberings
    return 1 if is_new and uid_validity is not None else None


def _settle(
    archive: Archive,
    writer: ArchiveWriter,
    account: str,
    protocol: MailProtocol,
    find: Callable[[Intent], Found | None],
) -> int:
    count = 0
    journal = IntentJournal(archive)
    for intent in journal.pending(account):
        if intent.rows[0].protocol is not protocol or journal.is_held(intent):
            continue
        found = find(intent)
        if found is None:
            _log.warning(
                "Folder %r of %s cannot be opened now, to ask what run %s deleted in it before it was cut "
                "off; the next run asks again",
                intent.rows[0].folder,
                account,
                intent.run_id,
            )
            continue
        recorded = _record(archive, writer, intent, found)
        journal.clear(intent.path)
        if recorded:
            _log.warning(
                "%d messages of %s are gone, or in the trash, since run %s was to delete them and was cut "
                "off before it could record that; it is recorded now, and mailroom restore --run %s (in "
                "Airflow, deleted_in_run) brings them back",
                recorded,
                account,
                intent.run_id,
                intent.run_id,
            )
        count += recorded
    return count


def _record(archive: Archive, writer: ArchiveWriter, intent: Intent, gone: Found) -> int:
    """Commit what is not recorded yet; the audit is committed before places, so either may be missing."""
    told = audited(archive, intent.rows[0].run_id)
    missing_rows = (row for row, _ in gone if (row.folder, row.uid, row.uidl, row.message_sha256) not in told)
    writer.audit(replace(row, who=f"{row.who}{FOUND_GONE}") for row in missing_rows)
    first = intent.rows[0]
    missing = [place for _, place in gone if (place.change, place.run_id) != (intent.change, first.run_id)]
    writer.record(place._replace(change=intent.change, at=first.at, run_id=first.run_id) for place in missing)
    writer.flush()
    return len(missing)


def _paired(rows: Sequence[AuditRow], places: Sequence[LocationRow | None]) -> Found:
    return [(row, place) for row, place in zip(rows, places, strict=True) if place is not None]


def _still_there(client: ImapClient, selected: SelectedFolder, uids: Collection[int]) -> frozenset[int]:
    """Return which of these the folder has, their marks taken back."""
    present = find_present(client, uids)
    marked = present & find_marked(client)
    if marked and not selected.read_only:
        client.store_flags(sorted(marked), remove=(DELETED,))
    return present
