"""Mail that is archived as another server gave it, archived once more as this one has it.

Here: fetching it whole, in a run of retention, so that a later run may delete it. Not here: that it may not
be deleted before (``policy.proof``), fetch in its deleting modes (``maildrop_session``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from mailroom.archive import Archive, ArchiveWriter
from mailroom.client.imap import ImapClient
from mailroom.client.pop3 import Pop3Client
from mailroom.model import Change, LocationRow, RunContext
from mailroom.policy.deletion import DeletionPlan, Keep
from mailroom.services.fetching.maildrop_ledger import INBOX, MaildropLedger
from mailroom.services.mirroring.contents import identities_of

__all__ = ["archive_mailbox_bytes", "archive_maildrop_bytes"]


def archive_mailbox_bytes(
    client: ImapClient,
    archive: Archive,
    writer: ArchiveWriter,
    context: RunContext,
    plan: DeletionPlan,
    *,
    now: Callable[[], datetime],
) -> None:
    """Archive what a plan keeps as re-encoded in the open mailbox, as the server has it; its time goes on.

    :raises ConnectionLost: if the server goes away.
    :raises ArchiveError: if it cannot be archived.
    """
    rows = {row.uid: row for row in _rows(plan).values() if row.uid is not None}
    if not rows:
        return
    folder = next(iter(rows.values())).folder
    writer.expect(identities_of(archive, rows.values()), folder=folder, keep_bytes=True)
    for message in client.fetch_messages(sorted(rows), archive.new_spool):
        if message.body is not None and message.body.octets and message.uid in rows:
            place = rows[message.uid]._replace(sha256=None, archived_at=None, at=now(), run_id=context.run_id)
            writer.add(message.body, place._replace(change=Change.ADDED))
    writer.flush()
    writer.expect({}, folder=folder)


def archive_maildrop_bytes(
    client: Pop3Client, archive: Archive, writer: ArchiveWriter, ledger: MaildropLedger, plan: DeletionPlan
) -> None:
    """Archive what a plan keeps as re-encoded in a maildrop, as the server has it; its time goes on.

    :raises ConnectionLost: if the server goes away.
    :raises ArchiveError: if it cannot be archived.
    """
    rows = _rows(plan)
    if not rows:
        return
    writer.expect(identities_of(archive, rows.values()), folder=INBOX, keep_bytes=True)
    replaced: list[LocationRow] = []
    for retrieved in client.retrieve(sorted(rows), archive.new_spool):
        row, body = rows[retrieved.number], retrieved.body
        if body is not None and body.octets and row.uidl is not None:
            writer.add(body, ledger.new_row(row.uidl, row.size or body.octets, None, Change.ADDED))
            replaced.append(row)
    writer.flush()
    writer.expect({}, folder=INBOX)
    ledger.record(replaced, Change.NOT_LISTED)


def _rows(plan: DeletionPlan) -> dict[int, LocationRow]:
    return {d.candidate.key: d.candidate.row for d in plan.kept_for(Keep.RE_ENCODED)}
