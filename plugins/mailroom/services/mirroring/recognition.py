"""Which new messages of a mailbox the archive holds already: those are recorded, and not downloaded.

Here: the ways to know them, the surest first, and the row of each. Not here: the ways themselves:
another number (``renumbering``), ids of messages (``known_objects``), what just left another folder
(``moved_mail``), what is or was anywhere in the account (``known_looks``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from mailroom.archive import Archive, ArchiveWriter
from mailroom.archive.reading.objects import ArchivedObject
from mailroom.client.imap import ImapClient
from mailroom.model import FetchedMessage, LocationRow, RunContext
from mailroom.policy.uid_sets import Uids, ascending, is_among, joined
from mailroom.services.mirroring.contents import identities_of
from mailroom.services.mirroring.known_looks import known_looks
from mailroom.services.mirroring.known_objects import known_objects
from mailroom.services.mirroring.mailbox_download import place_row
from mailroom.services.mirroring.mailbox_holdings import Holdings, Rows
from mailroom.services.mirroring.mirror_report import MirrorTally
from mailroom.services.mirroring.moved_mail import Leavers, moved_here
from mailroom.services.mirroring.renumbering import Recognised, recognise

__all__ = ["Recognition"]

Known = tuple[FetchedMessage, Recognised | ArchivedObject | None]
"""A message on the server and the archived one that it is; None where nothing has happened to it."""


@dataclass(slots=True, kw_only=True)
class Recognition:
    """What the archive holds of the open mailbox's new messages.

    :param leavers: what left other folders since the last run.
    :ivar found: the UIDs of messages that were recognised, ascending.
    """

    client: ImapClient
    archive: Archive
    writer: ArchiveWriter
    context: RunContext
    folder: str
    holdings: Holdings
    leavers: Leavers
    now: Callable[[], datetime]
    tally: MirrorTally
    found: Uids = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def without_known(self, uids: Uids) -> Uids:
        """Record those of some messages that are known, and return the others in their order.

        :raises ConnectionLost: if the server goes away.
        :raises ArchiveError: if the archive cannot be read or written.
        """
        former, left = self.holdings.former, self.leavers.rows(self.folder)
        before = self.leavers.last_look
        if former is not None and len(uids):
            uids = self._without(uids, self._numbered_anew(uids, former))
            if len(uids):
                self.writer.expect(identities_of(self.archive, former()), folder=self.folder)
        if self.client.identifiers and len(uids):
            self.writer.flush()  # what this run has brought counts too
            account = self.context.account
            uids = self._without(uids, known_objects(self.client, self.archive, account, uids))
        if left is not None and len(uids):
            uids = self._without(uids, self._moved(uids, left))
        if before is not None and not self.client.identifiers and len(uids):
            account = self.context.account
            uids = self._without(uids, known_looks(self.client, self.archive, account, uids, before))
        return uids

    def _moved(self, uids: Uids, left: Rows) -> Iterator[Known]:
        """Yield messages that left other folders."""
        for known in moved_here(self.client, self.archive, ascending(uids), left):
            self.leavers.note_found(known)
            yield known.message, known

    def _numbered_anew(self, uids: Uids, former: Rows) -> Iterator[Known]:
        """Yield messages known by another number; one that kept its number has been recorded before."""
        for known in recognise(self.client, self.archive, uids, former):
            is_as_it_was = self.holdings.is_same_numbering and known.former_uid == known.message.uid
            yield known.message, None if is_as_it_was else known

    def _without(self, uids: Uids, known: Iterable[Known]) -> Uids:
        """Record what is known of some messages, and return the others."""
        found: list[int] = []
        self.writer.record(self._rows(known, found))
        self.found = joined(self.found, ascending(found))
        return uids[~is_among(uids, self.found)]

    def _rows(self, known: Iterable[Known], found: list[int]) -> Iterator[LocationRow]:
        """Yield the rows of messages that are known; ``found`` gets their UIDs."""
        for message, archived in known:
            found.append(message.uid)
            if archived is None:
                continue
            self.tally.recognised += 1
            self.tally.added += 1
            self.tally.changed(self.folder, added=1, recognised=1)
            self.tally.steps += 1
            yield place_row(
                message,
                self.context,
                self.folder,
                self.holdings.uid_validity,
                self.now(),
                sha256=archived.sha256,
                archived_at=archived.archived_at,
            )
