"""One restore over the folders of an account, as many sessions as it takes.

Here: which folders, where they go, and what to do when a session breaks. Not here: one folder
(``mailbox_restore``). After a break the folder in hand is asked again what it holds, so that what was
added and not confirmed is not added twice.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from mailroom.archive import Archive
from mailroom.archive.reading.snapshot import Snapshot
from mailroom.client.imap import ImapClient
from mailroom.client.imap_folders import personal_namespace
from mailroom.exceptions import CommandRejected, ConfigurationError, ConnectionLost
from mailroom.model import FolderRow, LocationRow
from mailroom.policy.folders import match_folders
from mailroom.policy.query import QUERY_COLUMNS, parse_query
from mailroom.policy.restore import RestoreSelection
from mailroom.policy.restore_folders import Archived, Placement, TargetAccount, place_folders
from mailroom.services.progress import Progress
from mailroom.services.restoring.mailbox_restore import MailboxRestore, Session
from mailroom.services.restoring.restore_contents import ArchivedContents
from mailroom.services.restoring.restore_report import RestoreTally
from mailroom.services.restoring.restore_supply import ArchivedSupply

__all__ = ["RestoreRun"]

MAX_IDLE_BREAKS = 4
"""How many sessions in a row may break without a message added before the run gives up."""

BREAK_SECONDS = 1.0
"""Pause before the next session, times the breaks without a step forward."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class RestoreRun:
    """The state of one run.

    :param account: the archived account.
    """

    connect: Callable[[], ImapClient]
    archive: Archive
    account: str
    selection: RestoreSelection
    dry_run: bool
    progress: Progress
    stop: threading.Event
    snapshot: Snapshot = field(init=False)
    waiting: deque[Placement] | None = None
    tallies: dict[str, RestoreTally] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    target: str = ""
    _named: dict[str, list[LocationRow]] = field(default_factory=dict)
    _meant: set[str] | None = None

    def __post_init__(self) -> None:
        """Prepare to read the archive."""
        self.snapshot = Snapshot(
            self.archive,
            self.account,
            as_of=self.selection.as_of,
            with_deleted=self.selection.with_deleted,
        )

    def run(self) -> None:
        """Bring all chosen folders back.

        :raises ConfigurationError: if a pattern means no folder, or nothing is there to restore.
        :raises ConnectionLost: if the server cannot be reached, or keeps going away.
        """
        sources = self._choose()
        breaks, reached = 0, -1
        with ArchivedContents(self.archive) as contents:
            while (self.waiting is None or self.waiting) and not self.stop.is_set():
                if breaks and self.stop.wait(BREAK_SECONDS * breaks):
                    return
                try:
                    self._session(sources, contents)
                except ConnectionLost as error:
                    added = sum(tally.added for tally in self.tallies.values())
                    breaks = breaks + 1 if added == reached else 1
                    reached = added
                    if self.waiting is None or breaks >= MAX_IDLE_BREAKS:
                        raise
                    _log.warning("the session of %s broke: %s", self.target, error)

    def _session(self, sources: list[Archived], contents: ArchivedContents) -> None:
        with self.connect() as client:
            if self.waiting is None:
                self.waiting = deque(self._place(client, sources))
            session = Session(client=client)
            while self.waiting and not self.stop.is_set():
                self._work_off(session, self.waiting[0], contents)
                self.waiting.popleft()

    def _choose(self) -> list[Archived]:
        """Return the archived folders that are to be restored."""
        selection = self.selection
        if selection.messages:
            return self._choose_messages()
        if selection.run is not None:
            return self._choose_run(selection.run)
        if selection.query is not None:
            self._meant = self._meant_by(selection.query)
        folders = self.snapshot.folders
        if not folders:
            when = f" as of {selection.as_of:%Y-%m-%d %H:%M} UTC" if selection.as_of else ""
            raise ConfigurationError(f"The archive has no folder of {self.account}{when}.")
        uses = {name: row.special_use for name, row in folders.items()}
        chosen = match_folders(selection.folders, selection.exclude, uses, special_use=uses)
        found = [_archived(name, folders[name]) for name in chosen]
        if selection.is_partial:
            found = [folder for folder in found if any(True for _ in self._rows(folder.name))]
        return found

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
        self.problems += [
            f"The archive has no message {digest} of {self.account}."
            for digest in self.selection.messages
            if digest not in held
        ]
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

    def _place(self, client: ImapClient, sources: Iterable[Archived]) -> list[Placement]:
        prefix, delimiter = personal_namespace(client)
        folders = {folder.name: folder for folder in client.list_folders()}
        account = TargetAccount(
            delimiter=delimiter,
            prefix=prefix,
            folders={name: folder.special_use for name, folder in folders.items() if folder.is_selectable},
        )
        return place_folders(
            sources, account, into=self.selection.into, names=dict(self.selection.folder_names)
        )

    def _work_off(self, session: Session, placement: Placement, contents: ArchivedContents) -> None:
        """Bring one folder back; one that the server refuses stops no other."""
        tally = self.tallies.setdefault(
            placement.source, RestoreTally(folder=placement.source, target=placement.target)
        )
        mailbox = MailboxRestore(
            session=session,
            supply=ArchivedSupply(
                archive=self.archive, rows=lambda: self._rows(placement.source), contents=contents
            ),
            placement=placement,
            read_back=self.selection.read_back,
            with_flags=self.selection.with_flags,
            progress=self.progress,
            stop=self.stop,
            tally=tally,
        )
        try:
            if self.dry_run:
                mailbox.count(mailbox.plan())
                tally.created = not placement.exists
            else:
                mailbox.restore()
        except CommandRejected as error:
            tally.note = f"refused: {error.text or 'no reason given'}"
            self.problems.append(
                f"Folder {placement.source!r} of {self.account} was not restored into {placement.target!r}: "
                f"{error.text or 'no reason given'}."
            )


def _archived(name: str, row: FolderRow | None) -> Archived:
    return Archived(
        name=name,
        delimiter=row.delimiter if row is not None else None,
        special_use=row.special_use if row is not None else None,
    )
