"""A folder that has another name now: its messages recorded as moved, none downloaded.

Here: whether the server's messages are those that the archive knows by the same numbers, and the
rows that say where they came from. Not here: which folder it may be (``policy.renames``), and
the rows of the name that is gone (``mirror_run``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import numpy as np

from mailroom.archive import Archive, FolderState
from mailroom.client.imap import ImapClient
from mailroom.client.imap_selected import SelectedFolder
from mailroom.message import fingerprint_of_header
from mailroom.model import Change, FetchedMessage, LocationRow, RunContext
from mailroom.policy.mailbox_plan import may_be_another
from mailroom.policy.uid_sets import common

__all__ = ["is_another", "moved_rows"]

WITNESSES = 16
"""How many messages are asked who they are before a folder counts as renamed."""


def moved_rows(
    client: ImapClient,
    archive: Archive,
    context: RunContext,
    selected: SelectedFolder,
    before: FolderState,
    now: Callable[[], datetime],
) -> Iterator[LocationRow] | None:
    """Return the rows that bring the messages of a renamed folder to its new name; None if it is another one.

    What a run that was killed brought already is left out.

    :param selected: the folder under its new name, open.
    :param before: what the archive knew of it under its former name.
    :raises ConnectionLost: if the server goes away.
    """
    if before.uid_validity is not None and before.uid_validity != selected.uid_validity:
        return None
    if not _is_same(client, archive, before):
        return None
    after = archive.folder_state(context.account, selected.name)
    return _rows(before, after, context, now)


def is_another(archive: Archive, row: LocationRow, message: FetchedMessage) -> bool:
    """Return whether a message that the server shows is not the one the archive knows by its number."""
    if not may_be_another(row, message) or row.sha256 is None:
        return False
    held = archive.describe({row.sha256}).get(row.sha256)
    name = fingerprint_of_header(message.header or b"").message_id
    return held is None or held.message_id is None or held.message_id != name


def _is_same(client: ImapClient, archive: Archive, before: FolderState) -> bool:
    """Ask some of the messages that the archive knows who they are; those that are gone say nothing."""
    if not len(before.live):
        return True
    there = common(before.live, client.search("ALL"))
    if not len(there):
        return False
    asked = there[np.unique(np.linspace(0, len(there) - 1, WITNESSES).astype(np.intp))]
    rows = {row.uid: row for row in before.rows(asked)}
    told = [m for m in client.fetch_fingerprints(asked) if m.uid in rows]
    return bool(told) and not any(is_another(archive, rows[m.uid], m) for m in told)


def _rows(
    before: FolderState, after: FolderState, context: RunContext, now: Callable[[], datetime]
) -> Iterator[LocationRow]:
    is_same = after.uid_validity == before.uid_validity
    brought = iter(after.each(common(before.live, after.live)) if is_same else ())
    there = next(brought, None)
    for row in before.each(before.live):
        while there is not None and there.uid is not None and there.uid < (row.uid or 0):
            there = next(brought, None)
        if there is not None and (there.uid, there.sha256) == (row.uid, row.sha256):
            continue
        yield row._replace(
            folder=after.folder,
            change=Change.MOVED,
            at=now(),
            run_id=context.run_id,
            moved_from=before.folder,
        )
