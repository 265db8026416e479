"""One run of a mirror over the folders of an account, as many sessions as it takes.

Here: which folders, in which order, and what to do when a session breaks. Not here: one folder
(``mailbox_mirror``), what is gone (``departures``), and how several connections work side by
side (``crew``).
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from mailroom.client.imap_statuses import states_with_list, with_statuses
from mailroom.exceptions import CommandRejected, ConnectionLost, MailroomError
from mailroom.policy.folders import match_folders
from mailroom.policy.mirror import MirrorSelection, is_unchanged
from mailroom.services.mirroring.begun_folders import with_begun
from mailroom.services.mirroring.crew import BREAKING_ERRORS, WORTHWHILE_SECONDS, Crew
from mailroom.services.mirroring.departures import Departures, is_gone
from mailroom.services.mirroring.mirror_report import MirrorReport, MirrorTally
from mailroom.services.mirroring.moved_mail import Leavers
from mailroom.services.mirroring.settled import as_listed
from mailroom.services.mirroring.suspects import Suspects
from mailroom.services.progress import Progress

if TYPE_CHECKING:
    from mailroom.archive import Archive, ArchiveWriter
    from mailroom.client.imap import ImapClient
    from mailroom.client.imap_selected import SelectedFolder
    from mailroom.client.transport import Transcript
    from mailroom.model import Folder, FolderRow, RunContext
    from mailroom.services.mirroring.all_mail_left_out import AllMailLeftOut
    from mailroom.services.mirroring.mailbox_mirror import Standing

__all__ = ["MirrorRun"]

MAX_FOLDER_BREAKS = 2
"""How often a session may break at one folder without a step forward before the folder is left aside."""

MAX_IDLE_BREAKS = 4
"""How many sessions in a row may break without any step forward before the run gives up."""

BREAK_SECONDS = 1.0
"""Pause before the next session, times the breaks without a step forward."""

OVERLOADS = frozenset({"LIMIT", "INUSE", "UNAVAILABLE"})
"""Response codes by which a server says that it is asked too much at once (RFC 5530)."""

MESSAGES_A_CONNECTION = 500
"""New messages that make one more connection worth its while."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class MirrorRun:
    """The state of one run, from the list of folders to the report.

    :param connections: how many connections may be open at once.
    :param listed: the folders that can be opened, as first listed, and all that was ``heard`` until then.
    :param live: how many messages the archive held as live in each folder when the run began.
    :param refused: folders that a further connection was not let into.
    :param left_out: what looks into the folder that holds every message, where it is not mirrored.
    :param leading: the folder that no other may be begun before, as long as it is not done.
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
    listed: Mapping[str, Folder] = field(default_factory=dict)
    heard: Transcript | None = None
    waiting: deque[Folder] = field(default_factory=deque)
    leading: str | None = None
    left_out: AllMailLeftOut | None = None
    in_hand: int = 0
    departures: Departures = field(init=False)
    leavers: Leavers = field(init=False)
    standings: list[Standing] = field(default_factory=list)
    suspects: Suspects = field(default_factory=Suspects)
    refused: set[str] = field(default_factory=set)
    broken: dict[str, MailroomError] = field(default_factory=dict)
    folder_breaks: Counter[str] = field(default_factory=Counter)
    idle_breaks: int = 0
    reached: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        """Make ready to connect."""
        self.crew = Crew(self.connect, self.connections)
        self.departures = Departures(
            archive=self.archive,
            writer=self.writer,
            context=self.context,
            selection=self.selection,
            now=self.now,
            stop=self.stop,
            tally=self.tally,
        )
        self.leavers = Leavers(archive=self.archive, account=self.context.account, departures=self.departures)

    def run(self) -> MirrorReport:
        """Work off all folders, then record what is gone.

        :raises ConfigurationError: if a pattern means no folder, or too much is gone.
        :raises ConnectionLost: if the server cannot be reached, or keeps going away.
        """
        known = self.archive.noted.overview(self.context.account)
        self.last, self.live = known.folders, known.live
        self.departures.last = with_begun(self.archive, self.context.account, known, self.context.started)
        self.departures.live = known.live
        with closing(self.suspects), self.crew.at_work():
            while self.chosen is None or self._is_unfinished():
                self._session()
        self._report_broken()
        self.departures.settle(self.standings)
        self.departures.compare_counts(self.standings)
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
                if not self.leavers.is_known:
                    self.leavers.find(client, self.waiting, self.last, self.live)
                    self.waiting = deque(sorted(self.waiting, key=lambda f: self.leavers.lost_some(f.name)))
                    self.crew.hire(self._helpers_wanted(client), self._help)
                self._work(client, in_hand, is_helper=False)
                if self.left_out is not None and not self.waiting and not self.stop.is_set():
                    self.left_out.record(client, self.standings)
        except BREAKING_ERRORS as error:
            if self.chosen is None:
                raise
            self.crew.dismiss()
            self._outlive(error, in_hand)

    def _help(self, client: ImapClient) -> None:
        """Work off folders beside the first connection, which does again what this one does not bring home.

        :raises MailroomError: what this connection ended by.
        """
        in_hand: list[Folder] = []
        try:
            self._work(client, in_hand, is_helper=True)
        except BREAKING_ERRORS:
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
            folder = self._next_folder(is_helper=is_helper)
            if folder is not None:
                in_hand.append(folder)
                self.in_hand += 1
                try:
                    self._work_off(client, folder, progress, suspects, is_helper=is_helper)
                    if folder.name == self.leading and folder not in self.waiting:
                        self.leading = None
                    in_hand.clear()
                finally:
                    self.in_hand -= 1
                    self.crew.notify()
            elif (download := self.crew.offered) is not None:
                download.assist(client)
            else:
                self.crew.wait()

    def _next_folder(self, *, is_helper: bool) -> Folder | None:
        """Return a folder to work off; those that a helper was not let into are for the first connection."""
        for number, folder in enumerate(self.waiting):
            if self.leading not in (None, folder.name):
                continue  # what it brings, the others know
            if not is_helper or folder.name not in self.refused:
                del self.waiting[number]
                return folder
        return None

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
        listed = client.list_folders(other_namespaces=selection.other_namespaces, with_subscriptions=True)
        self.listed = folders = {folder.name: folder for folder in listed if folder.is_selectable}
        self.heard = client.wire.transport.take_transcript(client.capabilities)
        known = {n: r for n, r in self.departures.last.items() if not r.deleted and n not in folders}
        uses = {name: folder.special_use for name, folder in folders.items()}
        uses |= {name: row.special_use for name, row in known.items()}
        chosen = match_folders(selection.folders, selection.exclude, uses, special_use=uses, must_choose=True)
        if selection.lane is not None:
            chosen = [name for name in chosen if name in selection.lane]
        self.departures.find(client, chosen, folders)
        here = [folders[name] for name in chosen if name in folders]
        self.waiting.extend(here if states_with_list(client) else with_statuses(client, here))
        self._begin_with_all_mail(client, folders)
        self.chosen = tuple(chosen)
        new = sum(map(self._new_messages, self.waiting))
        self.writer.announce(new)
        found = (len(self.waiting), len(folders), len(self.departures.folders))
        messages = sum((folder.status or {}).get("MESSAGES", 0) for folder in self.waiting)
        text = "%s: %d of %d folders chosen, %d gone; %d messages listed, about %d of them new"
        _log.info(text, self.context.account, *found, messages, new)

    def _new_messages(self, folder: Folder) -> int:
        """Return how many messages of a folder the archive lacks, as far as its number of them says."""
        return max(0, (folder.status or {}).get("MESSAGES", 0) - self.live.get(folder.name, 0))

    def _begin_with_all_mail(self, client: ImapClient, folders: Mapping[str, Folder]) -> None:
        """Put the folder first that holds every message, so that all others find theirs archived.

        Say so where a server with labels has such a folder and it is left out: mail that was archived
        there carries no label, and is in no other folder. What leaves its last folder is looked for there.
        """
        everything = next((f for f in folders.values() if f.has_attribute("\\All")), None)
        if not client.states_labels or everything is None:
            return
        first = next((folder for folder in self.waiting if folder.name == everything.name), None)
        if first is not None:
            self.waiting.remove(first)
            self.waiting.appendleft(first)
            self.leading = first.name
        elif "*" in self.selection.folders and self.selection.lane is None:
            text = (
                f"Folder {everything.name!r} of {self.context.account} is left out: mail that is archived "
                "there carries no label, is in no other folder, and is not mirrored unless it was before."
            )
            self.tally.warnings.append(text)
            _log.warning("%s", text)
            from mailroom.services.mirroring.all_mail_left_out import AllMailLeftOut

            self.left_out = AllMailLeftOut(
                archive=self.archive,
                writer=self.writer,
                context=self.context,
                now=self.now,
                tally=self.tally,
                folder=everything,
            )

    def _work_off(
        self, client: ImapClient, folder: Folder, progress: Progress, suspects: Suspects, *, is_helper: bool
    ) -> None:
        """Bring one folder in step, unless STATUS says that it is."""
        last = self.last.get(folder.name)
        if last is not None and is_unchanged(folder.status, last, self.live.get(folder.name, 0)):
            self._leave_unopened(folder, last)
            return
        from mailroom.services.mirroring.mailbox_holdings import NO_UID_VALIDITY, Holdings
        from mailroom.services.mirroring.mailbox_mirror import MailboxMirror

        selected = self._examined(client, folder, is_helper=is_helper)
        if selected is None:
            return
        if folder.name in self.departures.renames:
            last = self.departures.bring_along(client, selected) or last
        state = self.archive.folder_state(self.context.account, folder.name)
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
            leavers=self.leavers,
            holdings=Holdings(
                state=state,
                uid_validity=selected.uid_validity or NO_UID_VALIDITY,
                moved=self.departures.rows if self.departures.folders else None,
            ),
        )
        standing = mailbox.mirror()
        self.standings.append(standing)
        self.tally.folders += 1
        if standing.gone is None and standing.row is not None:
            self.writer.close_folder(standing.row)

    def _examined(self, client: ImapClient, folder: Folder, *, is_helper: bool) -> SelectedFolder | None:
        """Open a folder; None where that is left to the first connection, or reported as refused."""
        try:
            return client.examine(folder.name)
        except CommandRejected as error:
            refusal = error
        if is_helper:
            self.refused.add(folder.name)
            if refusal.code in OVERLOADS:
                raise refusal
            self.waiting.append(folder)
            return None
        if self.crew.has_helpers:  # alone it may be let in
            self.crew.dismiss()
            self.crew.part()
            return self._examined(client, folder, is_helper=False)
        if is_gone(client, folder.name):
            _log.info("%s is listed and is not there; the folders are listed once more", folder.name)
            self.tally.not_there += 1
        else:
            self._fail(folder.name, f"the server does not open it: {refusal.text or 'no reason given'}")
        return None

    def _leave_unopened(self, folder: Folder, last: FolderRow) -> None:
        """Record what LIST says of a folder in which nothing has changed, where that is something new."""
        self.tally.folders += 1
        self.tally.unchanged += 1
        now = as_listed(last, folder)
        if now != last:
            self.writer.close_folder(replace(now, at=self.now(), run_id=self.context.run_id))

    def _outlive(self, error: MailroomError, in_hand: Sequence[Folder]) -> None:
        """Commit what came, and go on unless the last sessions brought nothing at all.

        :raises MailroomError: the error, where going on is of no use.
        """
        self.writer.flush()
        self.waiting.extendleft(in_hand)
        _log.warning("The session of %s broke: %s", self.context.account, error)
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
                self.leading = None

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
