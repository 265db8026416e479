"""What an account has no longer at the place where the archive knows it: found, judged, recorded last.

Here: folders that are gone or have another name, the rows that say what is gone, and whether so
great a loss is to be believed. Not here: the folders that are there (``mirror_run``), one folder
that was renamed (``renaming``), what a single folder lost (``mailbox_mirror``).

Nothing is recorded as gone before all of the account was seen, for only then is it known
whether mail was moved, deleted, or the server itself is not the one it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from mailroom.exceptions import CommandRejected
from mailroom.model import Change
from mailroom.policy.mirror import (
    LOSS_ALLOWED,
    MirrorSelection,
    check_folders,
    check_loss,
    is_great_loss,
    losses_remembered,
)
from mailroom.policy.renames import find_renames
from mailroom.services.mirroring.mirror_report import MirrorTally

if TYPE_CHECKING:
    from mailroom.archive import Archive, ArchiveWriter, FolderState
    from mailroom.client.imap import ImapClient
    from mailroom.client.imap_selected import SelectedFolder
    from mailroom.model import Folder, FolderRow, LocationRow, RunContext
    from mailroom.services.mirroring.mailbox_mirror import Standing

__all__ = ["Departures", "is_gone"]

DENIALS = frozenset({"NOPERM", "INUSE", "UNAVAILABLE", "SERVERBUG", "CONTACTADMIN", "LIMIT"})
"""Response codes that refuse a folder without saying that it is gone (RFC 5530)."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Departures:
    """What one run found to be gone, or to have another name.

    :param last: the newest row of each folder when the run began (``with_begun``), and ``live`` its messages.
    :ivar folders: folders that the server has no longer.
    :ivar renames: for each folder that seems to be a known one under another name, what is known of that.
    :ivar renamed: what those names stood for whose messages were brought to another name.
    """

    archive: Archive
    writer: ArchiveWriter
    context: RunContext
    selection: MirrorSelection
    now: Callable[[], datetime]
    stop: threading.Event
    tally: MirrorTally
    last: Mapping[str, FolderRow] = field(default_factory=dict)
    live: Mapping[str, int] = field(default_factory=dict)
    chosen: Sequence[str] = ()
    folders: list[FolderRow] = field(default_factory=list)
    renames: dict[str, FolderState] = field(default_factory=dict)
    renamed: dict[str, FolderRow] = field(default_factory=dict)

    def find(self, client: ImapClient, chosen: Sequence[str], listed: Mapping[str, Folder]) -> None:
        """Find out which known folders are gone, and which of the listed ones were known by other names.

        :param chosen: names of folders that the run is about, known or listed.
        :raises ConnectionLost: if the server goes away.
        """
        self.chosen = chosen
        gone = {name: row for name, row in self.last.items() if not row.deleted and name not in listed}
        folders = dict(listed)
        if gone:
            new = [listed[name] for name in chosen if name in listed and name not in self.last]
            folders |= {f.name: replace(f, status=_status(client, f.name)) for f in new if f.status is None}
        for name, before in find_renames(self.last, folders).items():
            if name in chosen:
                self.renames[name] = self.archive.folder_state(self.context.account, before)
        asked = {*chosen, *self._former_names}
        self.folders = [row for name, row in gone.items() if name in asked and is_gone(client, name)]
        is_surely_gone = {row.folder for row in self.folders}
        self._report_unlisted([n for n in gone if n in asked and n not in is_surely_gone], bool(listed))

    def bring_along(self, client: ImapClient, selected: SelectedFolder) -> FolderRow | None:
        """Record the messages of a folder that seems to be renamed as moved to its new name, if it is that.

        :param selected: the folder, open.
        :returns: what was known of it, under its new name; None where it is another folder.
        :raises ConnectionLost: if the server goes away.
        """
        from mailroom.services.mirroring.renaming import moved_rows

        before = self.renames[selected.name]
        rows = moved_rows(client, self.archive, self.context, selected, before, self.now)
        if rows is None:
            del self.renames[selected.name]
            return None
        self.writer.record(self._counted(rows))
        self.writer.flush()
        last = self.last[before.folder]
        self.tally.renamed_folders += before.folder not in self.renamed
        self.renamed[before.folder] = last
        return replace(last, folder=selected.name, renamed_from=before.folder)

    def rows(self) -> Iterator[LocationRow]:
        """Yield the live rows of folders that are gone."""
        for row in self.folders:
            state = self.archive.folder_state(self.context.account, row.folder)
            yield from chain(state.live_rows(), state.past_live_rows())

    def settle(self, standings: Sequence[Standing]) -> None:
        """Record what is gone, if that is believable, and close the folders it is gone from.

        A lane leaves that to the mirror of the whole account after it: lanes side by side would judge
        each its own loss, and none of them sees a folder that was renamed since they were planned.

        :param standings: how the folders stand that are there.
        :raises ConfigurationError: where too much of the account seems to be gone.
        """
        if self.selection.lane is not None:
            return
        if self.stop.is_set():
            return  # what is missing here may have been moved to a folder that was not reached
        if not self.folders and all(standing.gone is None for standing in standings):
            return
        self._check_loss(standings)
        for standing in standings:
            if standing.gone is not None and standing.row is not None:
                self.writer.record(self._counted(standing.gone()))
                self.writer.close_folder(standing.row)
        self._close_folders()

    def compare_counts(self, standings: Sequence[Standing]) -> None:
        """Report folders of which the archive's rows do not add up to what was just found there.

        :raises ArchiveError: if the archive cannot be read or written.
        """
        if self.stop.is_set() or not self.tally.steps:
            return
        self.writer.flush()
        live = self.archive.live_counts(self.context.account)
        for standing in standings:
            held = live.get(standing.folder, 0)
            is_open = standing.gone is not None and self.selection.lane is not None
            if standing.live is not None and held != standing.live and not is_open:
                text = (
                    f"Folder {standing.folder!r} of {self.context.account}: the archive shows {held} "
                    f"messages and the server {standing.live}; unless another run works on the account, "
                    "run once more, and it is compared in full."
                )
                self.tally.warnings.append(text)
                _log.warning("%s", text)

    def _report_unlisted(self, names: Sequence[str], is_any_listed: bool) -> None:
        """Report folders that are not listed and yet not said to be gone: nothing new of them is archived."""
        account = self.context.account
        if names and not is_any_listed:
            self.tally.failures.append(
                f"The server lists no folder of {account}, and does not say that they are gone: nothing was "
                "mirrored. Check that this account may list its folders, and run it again."
            )
            return
        for name in names:
            text = (
                f"Folder {name!r} of {account} is listed no longer, and the server does not say that it is "
                "gone: what is new in it is not archived, and nothing in it is taken for gone. If others "
                "share it with this account, mirror with other_namespaces; else exclude it."
            )
            self.tally.warnings.append(text)
            _log.warning("%s", text)

    @property
    def _former_names(self) -> set[str]:
        """The names that seem to have been given up for others, as far as that is not disproved."""
        return {state.folder for state in self.renames.values()}

    def _check_loss(self, standings: Sequence[Standing]) -> None:
        """Compare what would be gone with what was there; counted by content only where it may be too much.

        :raises ConfigurationError: where it is too much.
        """
        account, max_gone = self.context.account, self.selection.max_gone
        known = [row for row in self.last.values() if not row.deleted]
        gone = [row.folder for row in self.folders if row.folder not in self._former_names]
        check_folders(account, len(known), len(gone), max_gone)
        meant = {*self.chosen, *(row.folder for row in self.folders)}
        held = sum(self.live.get(name, 0) for name in meant)
        going = sum(standing.expunged for standing in standings) + sum(
            self.live.get(name, 0) for name in gone
        )
        if max_gone == 1 or not going:
            return
        from mailroom.archive.reading.losses import lost_messages, recorded_losses

        runs = recorded_losses(self.archive, account, allowed_by=LOSS_ALLOWED)
        recorded, since = losses_remembered(self.now(), runs)
        if is_great_loss(going + recorded, held + recorded, max_gone):
            self.writer.flush()
            lost, before = lost_messages(self.archive, account, self._going(standings), since)
            check_loss(account, lost + before, held + before, max_gone, since)

    def _going(self, standings: Sequence[Standing]) -> Iterator[LocationRow]:
        """Yield the rows that are about to be recorded as gone, but for what went along with its folder."""
        at, waiting = self.now(), self._former_names
        for standing in standings:
            for row in standing.gone() if standing.gone is not None else ():
                if not self._went_along(row):
                    yield row
        for row in self.rows():
            if row.folder not in waiting:
                yield row._replace(change=Change.EXPUNGED, at=at)

    def _close_folders(self) -> None:
        """Record that folders are gone, and every message that was in them."""
        if not self.folders:
            return
        at, run_id = self.now(), self.context.run_id
        waiting = self._former_names - self.renamed.keys()  # for a run in which their folder can be opened
        rows = (
            row._replace(change=Change.EXPUNGED, at=at, run_id=run_id)
            for row in self.rows()
            if row.folder not in waiting
        )
        self.writer.record(self._counted(rows))
        for row in self.folders:
            if row.folder not in waiting:
                self.writer.close_folder(replace(row, at=at, run_id=run_id, messages=0, deleted=True))
                self.tally.deleted_folders += row.folder not in self.renamed
                is_renamed = "renamed_folders" if row.folder in self.renamed else "deleted_folders"
                self.tally.changed(row.folder, **{is_renamed: 1})
                self.tally.steps += 1

    def _counted(self, rows: Iterable[LocationRow]) -> Iterator[LocationRow]:
        for row in rows:
            if row.change is Change.MOVED:
                self.tally.moved += 1
                self.tally.changed(row.folder, moved=1)
            elif row.change is Change.EXPUNGED:
                is_loss = not self._went_along(row)
                self.tally.expunged += is_loss
                self.tally.changed(row.folder, expunged=int(is_loss))
            else:
                self.tally.not_listed += 1
                self.tally.changed(row.folder, not_listed=1)
            self.tally.steps += 1
            yield row

    def _went_along(self, row: LocationRow) -> bool:
        """Return whether a message left its place only because its folder has another name."""
        before = self.renamed.get(row.folder)
        return before is not None and before.uid_validity == row.uid_validity


def is_gone(client: ImapClient, folder: str) -> bool:
    """Return whether the server says that there is no such folder; not being listed is no proof.

    :raises ConnectionLost: if the server goes away.
    """
    try:
        client.folder_status(folder)
    except CommandRejected as error:
        return error.kind == "NO" and error.code not in DENIALS
    return False


def _status(client: ImapClient, folder: str) -> dict[str, int] | None:
    """Return what STATUS says of a folder, or None where the server refuses."""
    try:
        return client.folder_status(folder)
    except CommandRejected:
        return None
