"""One run of a mirror over the folders of an account, as many sessions as it takes.

Here: which folders, in which order, what to do when a session breaks, and the rows that say
what is gone, which wait for the end of the run. Not here: one folder (``mailbox_mirror``),
and how several connections work side by side (``crew``).
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from mailroom.exceptions import CommandRejected, ConnectionLost, MailroomError
from mailroom.model import Change, Folder, FolderRow, LocationRow, RunContext
from mailroom.policy.folders import match_folders
from mailroom.policy.mirror import MirrorSelection, check_loss, is_unchanged
from mailroom.services.crew import BREAKING_ERRORS, WORTHWHILE_SECONDS, Crew
from mailroom.services.mirror_report import MirrorReport, MirrorTally
from mailroom.services.progress import Progress
from mailroom.services.suspects import Suspects

if TYPE_CHECKING:
    from mailroom.archive import Archive, ArchiveWriter
    from mailroom.client.imap import ImapClient
    from mailroom.services.mailbox_mirror import Standing

__all__ = ["MirrorRun"]

MAX_FOLDER_BREAKS = 2
"""How often a session may break at one folder without a step forward before the folder is left aside."""

MAX_IDLE_BREAKS = 4
"""How many sessions in a row may break without any step forward before the run gives up."""

BREAK_SECONDS = 1.0
"""Pause before the next session, times the breaks without a step forward."""

DENIALS = frozenset({"NOPERM", "INUSE", "UNAVAILABLE", "SERVERBUG", "CONTACTADMIN", "LIMIT"})
"""Response codes that refuse a folder without saying that it is gone (RFC 5530)."""

MESSAGES_A_CONNECTION = 500
"""New messages that make one more connection worth its while."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class MirrorRun:
    """The state of one run, from the list of folders to the report.

    :param connections: how many connections may be open at once.
    :param live: how many messages the archive held as live in each folder when the run began.
    :param vanished: chosen folders that the server has no longer.
    """

    connect: Callable[[], ImapClient]
    archive: Archive
    writer: ArchiveWriter
    context: RunContext
    selection: MirrorSelection
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    connections: int = 1
    crew: Crew = field(init=False)
    tally: MirrorTally = field(default_factory=MirrorTally)
    last: Mapping[str, FolderRow] = field(default_factory=dict)
    live: Mapping[str, int] = field(default_factory=dict)
    chosen: tuple[str, ...] | None = None
    waiting: deque[Folder] = field(default_factory=deque)
    in_hand: int = 0
    vanished: list[FolderRow] = field(default_factory=list)
    standings: list[Standing] = field(default_factory=list)
    suspects: Suspects = field(default_factory=Suspects)
    broken: dict[str, MailroomError] = field(default_factory=dict)
    folder_breaks: Counter[str] = field(default_factory=Counter)
    idle_breaks: int = 0
    reached: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        """Make ready to connect."""
        self.crew = Crew(self.connect, self.connections)

    def run(self) -> MirrorReport:
        """Work off all folders, then record what is gone.

        :raises ConfigurationError: if a pattern means no folder, or too much is gone.
        :raises ConnectionLost: if the server cannot be reached, or keeps going away.
        """
        known = self.archive.overview(self.context.account)
        self.last, self.live = known.folders, known.live
        with closing(self.suspects), self.crew.at_work():
            while self.chosen is None or self._is_unfinished():
                self._session()
        self._report_broken()
        self._settle()
        self._compare_counts()
        return MirrorReport.of(self.context.account, self.tally, interrupted=self.stop.is_set())

    def _is_unfinished(self) -> bool:
        return bool(self.waiting or self.in_hand) and not self.stop.is_set()

    def _session(self) -> None:
        """Work off waiting folders until all are done or the session breaks."""
        if self.idle_breaks:
            with self.crew.given_up():
                if self.stop.wait(BREAK_SECONDS * self.idle_breaks):
                    return
        in_hand: list[Folder] = []
        try:
            with self.crew.connected() as client:
                if self.chosen is None:
                    self._choose(client)
                    self.crew.hire(self._helpers_wanted(client), self._help)
                self._work(client, in_hand, is_helper=False)
        except BREAKING_ERRORS as error:
            if self.chosen is None:
                raise
            self.crew.dismiss()
            self._outlive(error, in_hand)

    def _help(self) -> None:
        """Work off folders beside the first connection, which does again what this one does not bring home.

        :raises MailroomError: what this connection ended by.
        """
        in_hand: list[Folder] = []
        try:
            with self.crew.connected() as client:
                self._work(client, in_hand, is_helper=True)
        except MailroomError:
            self.waiting.extendleft(in_hand)
            self.writer.flush()
            raise

    def _work(self, client: ImapClient, in_hand: list[Folder], *, is_helper: bool) -> None:
        """Work off folders and help with large ones until there is nothing left to do.

        :param in_hand: holds the folder that is being worked off, if any.
        """
        progress = self.progress.beside() if is_helper else self.progress
        # One connection too many may break anywhere: that says nothing against a message.
        suspects = self.suspects.aside() if is_helper else self.suspects
        while self._is_unfinished() and not (is_helper and self.crew.is_dismissed):
            if self.waiting:
                in_hand.append(self.waiting.popleft())
                self.in_hand += 1
                try:
                    self._work_off(client, in_hand[0], progress, suspects)
                    in_hand.clear()
                finally:
                    self.in_hand -= 1
                    self.crew.notify()
            elif (download := self.crew.offered) is not None:
                download.assist(client)
            else:
                self.crew.wait()

    def _helpers_wanted(self, client: ImapClient) -> int:
        """Return how many more connections pay: on a distant server, one for each good piece of work."""
        if client.round_trip < WORTHWHILE_SECONDS:
            return 0
        folders = messages = 0
        for folder in self.waiting:
            live = self.live.get(folder.name, 0)
            if not is_unchanged(folder.status, self.last.get(folder.name), live):
                folders += 1
                messages += self._new_messages(folder)
        return max(folders - 1, messages // MESSAGES_A_CONNECTION)

    def _choose(self, client: ImapClient) -> None:
        """List the folders, choose by the patterns, and find those that are gone."""
        selection = self.selection
        listed = client.list_folders(other_namespaces=selection.other_namespaces)
        folders = {folder.name: folder for folder in listed if folder.is_selectable}
        known = {r.folder: r for r in self.last.values() if not r.deleted and r.folder not in folders}
        uses = {name: folder.special_use for name, folder in folders.items()}
        uses |= {name: row.special_use for name, row in known.items()}
        chosen = match_folders(selection.folders, selection.exclude, uses, special_use=uses)
        self.vanished = [known[name] for name in chosen if name in known and _is_gone(client, name)]
        self.waiting.extend(folders[name] for name in chosen if name in folders)
        self.chosen = tuple(chosen)
        self.writer.announce(sum(map(self._new_messages, self.waiting)))
        _log.info(
            "%s: %d of %d folders chosen, %d gone",
            self.context.account,
            len(self.waiting),
            len(folders),
            len(self.vanished),
        )

    def _new_messages(self, folder: Folder) -> int:
        """Return how many messages of a folder the archive lacks, as far as its number of them says."""
        return max(0, (folder.status or {}).get("MESSAGES", 0) - self.live.get(folder.name, 0))

    def _work_off(self, client: ImapClient, folder: Folder, progress: Progress, suspects: Suspects) -> None:
        """Bring one folder in step, unless STATUS says that it is."""
        last = self.last.get(folder.name)
        if is_unchanged(folder.status, last, self.live.get(folder.name, 0)):
            self.tally.folders += 1
            self.tally.unchanged += 1
            return
        from mailroom.services.mailbox_holdings import NO_UID_VALIDITY, Holdings
        from mailroom.services.mailbox_mirror import MailboxMirror

        state = self.archive.folder_state(self.context.account, folder.name)
        try:
            selected = client.examine(folder.name)
        except CommandRejected as error:
            self._fail(folder.name, f"the server does not open it: {error.text or 'no reason given'}")
            return
        mailbox = MailboxMirror(
            client=client,
            archive=self.archive,
            writer=self.writer,
            context=self.context,
            selection=self.selection,
            now=self.now,
            progress=progress,
            stop=self.stop,
            tally=self.tally,
            suspects=suspects,
            crew=self.crew,
            folder=folder,
            selected=selected,
            last=last,
            holdings=Holdings(
                state=state,
                uid_validity=selected.uid_validity or NO_UID_VALIDITY,
                moved=self._vanished_rows if self.vanished else None,
            ),
        )
        standing = mailbox.mirror()
        self.standings.append(standing)
        self.tally.folders += 1
        if standing.gone is None and standing.row is not None:
            self.writer.close_folder(standing.row)

    def _outlive(self, error: MailroomError, in_hand: Sequence[Folder]) -> None:
        """Commit what came, and go on unless the last sessions brought nothing at all.

        :raises MailroomError: the error, where going on is of no use.
        """
        self.writer.flush()
        self.waiting.extendleft(in_hand)
        _log.warning("the session of %s broke: %s", self.context.account, error)
        if self._progress_mark != self.reached:
            self.reached, self.idle_breaks = self._progress_mark, 0
            self.folder_breaks.clear()
            return
        self.idle_breaks += 1
        if self.idle_breaks >= MAX_IDLE_BREAKS or not self._is_unfinished():
            raise error
        for folder in in_hand:
            self.folder_breaks[folder.name] += 1
            if self.folder_breaks[folder.name] >= MAX_FOLDER_BREAKS:
                self.broken[folder.name] = error
                self.waiting.remove(folder)

    @property
    def _progress_mark(self) -> tuple[int, int]:
        """What grows with every step forward."""
        return (self.tally.steps, len(self.standings))

    def _report_broken(self) -> None:
        """Report folders at which sessions broke, unless nothing went well after them.

        :raises MailroomError: the last error, where that is so.
        """
        for folder, error in self.broken.items():
            if self._progress_mark == self.reached and isinstance(error, ConnectionLost):
                raise error
            self._fail(folder, str(error))

    def _fail(self, folder: str, reason: str) -> None:
        self.tally.folders += 1
        self.tally.failures.append(
            f"Folder {folder!r} of {self.context.account} was not mirrored: {reason.rstrip('.')}."
        )

    def _vanished_rows(self) -> Iterator[LocationRow]:
        """Yield the live rows of folders that are gone."""
        for row in self.vanished:
            state = self.archive.folder_state(self.context.account, row.folder)
            yield from chain(state.live_rows(), state.past_live_rows())

    def _settle(self) -> None:
        """Record what is gone, if that is believable, and close the folders it is gone from.

        :raises ConfigurationError: where too much of the account seems to be gone.
        """
        if self.stop.is_set():
            return  # what is missing here may have been moved to a folder that was not reached
        if not self.vanished and all(standing.gone is None for standing in self.standings):
            return
        before = sum(self.live.get(name, 0) for name in self.chosen or ())
        after = before - sum(self.live.get(row.folder, 0) for row in self.vanished)
        for standing in self.standings:
            if standing.live is not None and not standing.is_windowed:
                after += standing.live - self.live.get(standing.folder, 0)
        check_loss(self.context.account, before, after, self.selection.max_gone)
        for standing in self.standings:
            if standing.gone is not None and standing.row is not None:
                self.writer.record(self._counted(standing.gone()))
                self.writer.close_folder(standing.row)
        self._close_vanished()

    def _compare_counts(self) -> None:
        """Report folders of which the archive's rows do not add up to what was just found there."""
        if self.stop.is_set() or not self.tally.steps:
            return
        self.writer.flush()
        live = self.archive.live_counts(self.context.account)
        for standing in self.standings:
            held = live.get(standing.folder, 0)
            if standing.live is not None and held != standing.live:
                text = (
                    f"Folder {standing.folder!r} of {self.context.account}: the archive shows {held} "
                    f"messages and the server {standing.live}; unless another run works on the account, "
                    "run once more, and it is compared in full."
                )
                self.tally.warnings.append(text)
                _log.warning("%s", text)

    def _close_vanished(self) -> None:
        """Record that folders are gone, and every message that was in them."""
        if not self.vanished:
            return
        at, run_id = self.now(), self.context.run_id
        rows = (replace(row, change=Change.EXPUNGED, at=at, run_id=run_id) for row in self._vanished_rows())
        self.writer.record(self._counted(rows))
        for row in self.vanished:
            self.writer.close_folder(replace(row, at=at, run_id=run_id, messages=0, deleted=True))
            self.tally.deleted_folders += 1
            self.tally.steps += 1

    def _counted(self, rows: Iterable[LocationRow]) -> Iterator[LocationRow]:
        for row in rows:
            if row.change is Change.EXPUNGED:
                self.tally.expunged += 1
            else:
                self.tally.not_listed += 1
            self.tally.steps += 1
            yield row


def _is_gone(client: ImapClient, folder: str) -> bool:
    """Return whether the server says that there is no such folder; not being listed is no proof."""
    try:
        client.folder_status(folder)
    except CommandRejected as error:
        return error.kind == "NO" and error.code not in DENIALS
    return False
