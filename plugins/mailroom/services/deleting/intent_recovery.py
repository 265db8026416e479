"""What became of deletions that a kill or a lost connection cut off: the server is asked.

Here: from an intent and what the server still has, to rows that tell the truth. Not here: the journal
(``archive.intents``), deleting.

A message of an intent that the server has no longer went by that deletion, if the deletion was begun, and
if nothing else was recorded of it since, here or, by its digest, in another folder of the account, and if it
is not among what the archive does not know yet in another folder: what a person moved is not recorded as
deleted by us. One that is still there was not deleted; a mark \\Deleted that
our side left on it is taken back, for another client's EXPUNGE would carry it out. What was moved into
the trash is recorded as moved, also where it was to be expunged there, unless that was begun and it is gone.
What a run at work is deleting is left to that run. By POP3, which names nobody, what is gone after such a
session counts as deleted by it: the intent was written right before QUIT.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mailroom.archive.audit_log import audited
from mailroom.archive.intents import IntentJournal
from mailroom.exceptions import CommandRejected
from mailroom.ledger import AuditAction
from mailroom.model import Change, LocationRow, MailProtocol
from mailroom.services.deleting.mailbox_deletion import DELETED, find_marked, find_present
from mailroom.services.deleting.trash_passage import find_by_digest, find_expunged

if TYPE_CHECKING:
    from mailroom.archive import Archive, ArchiveWriter
    from mailroom.archive.intents import Intent
    from mailroom.client.imap import ImapClient
    from mailroom.client.imap_selected import SelectedFolder
    from mailroom.ledger import AuditRow

__all__ = ["settle_mailboxes", "settle_maildrop"]

Found = list[tuple["AuditRow", LocationRow]]
"""What was deleted: what the audit says of each message, and its place."""

_log = logging.getLogger(__name__)


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
        ours = _not_known_since(archive, _not_elsewhere(client, archive, ours, trash), trash)
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


def _not_known_since(archive: Archive, found: Found, trash: str | None) -> Found:
    """Leave out what the archive knows to have come into another folder since the intent was written."""
    if not found:
        return found
    moved = _live_since(archive, found[0][0], {place.sha256 for _, place in found}, trash)
    return [(row, place) for row, place in found if place.sha256 not in moved]


def _not_elsewhere(client: ImapClient, archive: Archive, found: Found, trash: str | None) -> Found:
    """Leave out what came into another folder, and take back the mark \\Deleted that it was moved with."""
    for folder in client.list_folders() if found else ():
        first = found[0][0]
        is_ours = folder.name == trash and first.action is AuditAction.MOVED_TO_TRASH
        if not folder.is_selectable or folder.name == first.folder or is_ours:
            continue
        try:
            selected = client.examine(folder.name)
        except CommandRejected:
            continue
        there = set(client.search("ALL").tolist())
        state = archive.folder_state(first.account, folder.name)
        if state.uid_validity == selected.uid_validity:
            known = zip(state.live.tolist(), state.column("at"), strict=True)
            there.difference_update(uid for uid, at in known if at <= first.at)
        rows = {place.uid: place for _, place in found if place.uid is not None}
        moved = find_by_digest(client, archive, there, rows) if there else {}
        if moved:
            selected = client.select(folder.name)
            _still_there(client, selected, set(moved.values()))
            found = [(row, place) for row, place in found if place.uid not in moved]
        if not found:
            break
    return found


def _live_since(
    archive: Archive, first: AuditRow, digests: Collection[str | None], trash: str | None
) -> frozenset[str | None]:
    """Return which of these came, or changed, in another folder of the account since the intent."""
    found: set[str | None] = set()
    for name in archive.last_folders(first.account):
        if name == first.folder or (name == trash and first.action is AuditAction.MOVED_TO_TRASH):
            continue
        state = archive.folder_state(first.account, name)
        rows = zip(state.column("sha256"), state.column("at"), strict=True)
        found.update(digest for digest, at in rows if digest in digests and at > first.at)
    return frozenset(found)


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
                "%d messages of %s were deleted or moved into the trash by run %s, which was cut off before "
                "it could record that; it is recorded now, and mailroom restore --run %s brings them back",
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
    writer.audit(row for row, _ in gone if (row.folder, row.uid, row.uidl, row.message_sha256) not in told)
    first = intent.rows[0]
    missing = [place for _, place in gone if (place.change, place.run_id) != (intent.change, first.run_id)]
    writer.record(replace(place, change=intent.change, at=first.at, run_id=first.run_id) for place in missing)
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
