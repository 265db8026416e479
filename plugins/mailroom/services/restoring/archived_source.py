"""An archived account as the source of mail: which of its folders and messages are meant.

Here: folders, queries, single messages, what one run deleted. Not here: the messages on their way
(``restore_supply``). The archive is only read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailroom.archive import Archive
from mailroom.exceptions import ConfigurationError
from mailroom.in_step import InStep
from mailroom.model import FolderRow, LocationRow
from mailroom.policy.folders import match_folders
from mailroom.policy.query import QUERY_COLUMNS, parse_query
from mailroom.policy.restore import RestoreSelection
from mailroom.policy.restore_folders import Archived
from mailroom.services.restoring.archived_memory import ArchivedMemory
from mailroom.services.restoring.restore_contents import ArchivedContents
from mailroom.services.restoring.restore_supply import ArchivedSupply

if TYPE_CHECKING:
    from mailroom.archive.reading.snapshot import Snapshot

__all__ = ["ArchivedSource"]


@dataclass(slots=True, kw_only=True)
class ArchivedSource:
    """An account as an archive has it.

    :param memory: what earlier runs read of it; None where all is to be read.
    """

    archive: Archive
    account: str
    selection: RestoreSelection
    contents: ArchivedContents
    memory: ArchivedMemory | None = None
    done: str = "restored"
    stops_when_full: bool = False
    _unknown: list[str] = field(default_factory=list)
    _named: dict[str, list[LocationRow]] = field(default_factory=dict)
    _meant: set[str] | None = None
    _snapshot: Snapshot | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The account, read when it is first asked for."""
        if self._snapshot is None:
            from mailroom.archive.reading.snapshot import Snapshot

            self._snapshot = Snapshot(
                self.archive,
                self.account,
                as_of=self.selection.as_of,
                with_deleted=self.selection.with_deleted,
            )
        return self._snapshot

    def session(self) -> nullcontext[None]:
        """Do nothing: an archive is always ready."""
        return nullcontext()

    def choose(self) -> list[Archived]:
        """Return the archived folders that are chosen.

        :raises ConfigurationError: if a pattern means no folder, or nothing is there to restore.
        :raises ArchiveError: if the archive cannot be read.
        """
        selection = self.selection
        if selection.messages:
            return self._choose_messages()
        if selection.run is not None:
            return self._choose_run(selection.run)
        if selection.query is not None:
            self._meant = self._meant_by(selection.query)
        folders = self._folders()
        if not folders:
            when = f" as of {selection.as_of:%Y-%m-%d %H:%M} UTC" if selection.as_of else ""
            raise ConfigurationError(f"The archive has no folder of {self.account}{when}.")
        uses = {name: folder.special_use for name, folder in folders.items()}
        chosen = match_folders(selection.folders, selection.exclude, uses, special_use=uses)
        found = [folders[name] for name in chosen]
        if selection.is_partial:
            found = [folder for folder in found if any(True for _ in self._rows(folder.name))]
        return found

    def problems(self) -> list[str]:
        """Return a sentence for each message that was named and is not in the archive."""
        return [f"The archive has no message {digest} of {self.account}." for digest in self._unknown]

    def mark(self, folder: str) -> str:
        """Return a digest of all that the archive says of a folder's messages.

        :raises ArchiveError: if the archive cannot be read.
        """
        known = None if self.memory is None else self.memory.mark(folder)
        if known is not None:
            return known
        found = hashlib.sha256()
        for row in self._rows(folder):
            found.update(f"{row.sha256} {row.internal_date} {' '.join(row.flags)}\n".encode())
        if self.memory is not None:
            self.memory.note_mark(folder, found.hexdigest())
        return found.hexdigest()

    @contextmanager
    def supply(self, folder: str, in_step: InStep | None) -> Iterator[ArchivedSupply]:
        """Give the messages of a folder."""
        yield ArchivedSupply(
            archive=self.archive,
            rows=lambda: self._rows(folder),
            contents=self.contents,
            mark=lambda: self.mark(folder),
        )

    def _folders(self) -> Mapping[str, Archived]:
        """Return all folders that were there, by name."""
        known = None if self.memory is None else self.memory.folders()
        if known is None:
            known = {name: _archived(name, row) for name, row in self.snapshot.folders.items()}
            if self.memory is not None:
                self.memory.note_folders(known)
        return known

    def _choose_run(self, run_id: str) -> list[Archived]:
        self._named = self.snapshot.rows_of_run(run_id)
        if not self._named:
            raise ConfigurationError(
                f"No run {run_id!r} deleted anything of {self.account}; the table audit names those that did."
            )
        known = self.snapshot.all_folders
        chosen = match_folders(self.selection.folders, self.selection.exclude, self._named)
        return [_archived(name, known.get(name)) for name in chosen]

    def _choose_messages(self) -> list[Archived]:
        self._named = self.snapshot.rows_of(self.selection.messages)
        held = {row.sha256 for rows in self._named.values() for row in rows}
        self._unknown = [digest for digest in self.selection.messages if digest not in held]
        known = self.snapshot.all_folders
        return [_archived(name, known.get(name)) for name in self._named]

    def _meant_by(self, query: str) -> set[str]:
        is_meant = parse_query(query)
        found: set[str] = set()
        for table in self.archive.scan_table("messages", QUERY_COLUMNS):
            found.update(row["sha256"] for row in table.to_pylist() if is_meant(row))
        return found

    def _rows(self, folder: str) -> Iterator[LocationRow]:
        """Yield the rows of a folder that are chosen, in the same order each time."""
        if self.selection.messages or self.selection.run is not None:
            yield from self._named[folder]
            return
        for row in self.snapshot.rows(folder):
            if self._meant is None or row.sha256 in self._meant:
                yield row


def _archived(name: str, row: FolderRow | None) -> Archived:
    return Archived(
        name=name,
        delimiter=row.delimiter if row is not None else None,
        special_use=row.special_use if row is not None else None,
        subscribed=row.subscribed if row is not None else None,
    )
