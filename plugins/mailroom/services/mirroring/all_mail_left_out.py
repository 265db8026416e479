"""Mail that was archived on a server with labels, while the folder that holds everything is left out.

Here: looking for messages that left their last folder in All Mail, and recording that they are there.
Not here: All Mail as a folder that is mirrored (``mirror_run`` begins with it). Gmail's way to archive a
message is to take its last label away; it is in no other folder then, and is not gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

from mailroom.exceptions import CommandRejected
from mailroom.model import Change, Folder, FolderRow, LocationRow, RunContext
from mailroom.services.mirroring.mirror_report import MirrorTally

if TYPE_CHECKING:
    from mailroom.archive import Archive, ArchiveWriter
    from mailroom.client.imap import ImapClient
    from mailroom.services.mirroring.mailbox_mirror import Standing

__all__ = ["AllMailLeftOut"]

MOST_LOOKED_FOR = 20_000
"""How many messages are looked for in one run, which keeps memory small."""

ASKED_TOGETHER = 40
"""How many messages one SEARCH asks for: a command of some two thousand octets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllMailLeftOut:
    """What may have gone to All Mail alone.

    :param folder: All Mail, which is not among the folders that are mirrored.
    """

    archive: Archive
    writer: ArchiveWriter
    context: RunContext
    now: Callable[[], datetime]
    tally: MirrorTally
    folder: Folder

    def record(self, client: ImapClient, standings: Sequence[Standing]) -> None:
        """Record the messages as being in All Mail that left their last folder and are there.

        :param standings: how the mirrored folders stand, with the rows of what they have no longer.
        :raises ConnectionLost: if the server goes away.
        :raises ArchiveError: if the archive cannot be read or written.
        """
        from mailroom.archive.reading.losses import last_places

        rows = chain.from_iterable(standing.gone() for standing in standings if standing.gone is not None)
        named = (row for row in rows if row.change is Change.EXPUNGED and row.object_id is not None)
        going = list(islice(named, MOST_LOOKED_FOR))
        if not going:
            return
        self.writer.flush()
        lonely = {row.object_id: row for row in last_places(self.archive, self.context.account, going)}
        if lonely:
            self._look(client, lonely)

    def _look(self, client: ImapClient, lonely: Mapping[str | None, LocationRow]) -> None:
        try:
            selected = client.examine(self.folder.name)
        except CommandRejected:
            return
        if selected.uid_validity is None:
            return
        # Read first, so that another run that writes there at the same time is noticed.
        known = self.archive.folder_state(self.context.account, self.folder.name)
        self.writer.record(self._rows(client, lonely, selected.uid_validity))
        last = self.archive.last_folders(self.context.account).get(self.folder.name)
        if last is None and known.uid_validity is None:
            self.writer.close_folder(
                FolderRow(
                    account=self.context.account,
                    folder=self.folder.name,
                    at=self.now(),
                    run_id=self.context.run_id,
                    delimiter=self.folder.delimiter,
                    special_use=self.folder.special_use,
                    uid_validity=selected.uid_validity,
                    messages=selected.exists,
                    complete=False,
                    windowed=True,
                )
            )

    def _rows(
        self, client: ImapClient, lonely: Mapping[str | None, LocationRow], uid_validity: int
    ) -> Iterator[LocationRow]:
        """Yield the rows of messages that are in All Mail, which is open."""
        from mailroom.client.imap_facts import fetch_object_ids
        from mailroom.services.mirroring.mailbox_download import place_row

        ids = [object_id for object_id in lonely if object_id is not None and object_id.isdigit()]
        for start in range(0, len(ids), ASKED_TOGETHER):
            for message in fetch_object_ids(
                client, client.search(_any_of(ids[start : start + ASKED_TOGETHER]))
            ):
                row = lonely.get(message.object_id)
                if row is None or row.size != message.octets:
                    continue
                self.tally.added += 1
                self.tally.recognised += 1
                self.tally.steps += 1
                yield place_row(
                    message,
                    self.context,
                    self.folder.name,
                    uid_validity,
                    self.now(),
                    sha256=row.sha256,
                    archived_at=row.archived_at,
                )


def _any_of(ids: Sequence[str]) -> str:
    """Return the SEARCH key for messages with one of these X-GM-MSGIDs.

    >>> _any_of(["1", "2", "3"])
    'OR X-GM-MSGID 1 OR X-GM-MSGID 2 X-GM-MSGID 3'
    """
    *others, last = (f"X-GM-MSGID {number}" for number in ids)
    return "".join(f"OR {key} " for key in others) + last
