"""One account filled from a source, folder by folder, as many sessions as it takes.

Here: where folders go, what need not be looked at again, and what to do when a session breaks. Not here:
where the mail comes from (``archived_source``, ``live_source``), one folder (``mailbox_restore``). After a
break the folder in hand is asked again what it holds, so that what was added and not confirmed is not
added twice.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from mailroom.archive.reading.copy_marks import CopyMarks
from mailroom.client.imap import ImapClient
from mailroom.client.imap_folders import personal_namespace
from mailroom.client.imap_statuses import states_with_list, with_statuses
from mailroom.exceptions import ArchiveError, CommandRejected, ConnectionLost
from mailroom.in_step import FolderMark, InStep
from mailroom.model import Folder
from mailroom.policy.restore import RestoreSelection
from mailroom.policy.restore_folders import Archived, Placement, TargetAccount, place_folders, unknown_names
from mailroom.services.progress import Progress
from mailroom.services.restoring.mailbox_restore import MailboxRestore, Session
from mailroom.services.restoring.restore_report import RestoreReport, RestoreTally
from mailroom.services.restoring.restore_supply import Supply

__all__ = ["AccountFill", "Source"]

MAX_IDLE_BREAKS = 4
"""How many sessions in a row may break without a message added before the run gives up."""

BREAK_SECONDS = 1.0
"""Pause before the next session, times the breaks without a step forward."""

_log = logging.getLogger(__name__)


class Source(Protocol):
    """Where the mail comes from: an archive, or another account."""

    @property
    def done(self) -> str:
        """What is done with its folders, such as ``restored``."""

    @property
    def stops_when_full(self) -> bool:
        """Whether folders are left alone once the target has no room, for looking at them is costly."""

    def session(self) -> AbstractContextManager[object]:
        """Be ready for questions, for as long as one session with the target lasts."""

    def choose(self) -> list[Archived]:
        """Return the folders that are chosen.

        :raises ConfigurationError: if a pattern means no folder, or nothing is there.
        """

    def problems(self) -> list[str]:
        """Return a sentence for each thing that was asked for and is not there."""

    def mark(self, folder: str) -> FolderMark | str | None:
        """Return what a folder looks like, told without opening it; None where that is not known."""

    def supply(self, folder: str, in_step: InStep | None) -> AbstractContextManager[Supply]:
        """Give the messages of a folder.

        :param in_step: what it and its copy looked like when they were last compared.
        """


@dataclass(slots=True, kw_only=True)
class AccountFill:
    """The state of one run.

    :param account: the source, for people; ``target`` likewise.
    :param marks: what is known of earlier runs, or None where nothing is remembered.
    """

    connect: Callable[[], ImapClient]
    source: Source
    account: str
    target: str
    selection: RestoreSelection
    dry_run: bool
    progress: Progress
    stop: threading.Event
    marks: CopyMarks | None = None
    waiting: deque[Placement] | None = None
    there: dict[str, Folder] = field(default_factory=dict)
    tallies: dict[str, RestoreTally] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def run(self) -> RestoreReport:
        """Fill all chosen folders.

        :raises ConfigurationError: if a pattern means no folder, or nothing is there to bring over.
        :raises ConnectionLost: if a server cannot be reached, or keeps going away.
        :raises ArchiveError: if an archive cannot be read.
        """
        try:
            self._sessions()
        finally:
            self._save_marks()
        return RestoreReport(
            account=self.account,
            target=self.target,
            dry_run=self.dry_run,
            folders=tuple(tally.result() for tally in self.tallies.values()),
            problems=(*self.source.problems(), *self.problems),
            hints=tuple(self.hints),
            interrupted=self.stop.is_set(),
        )

    def _sessions(self) -> None:
        breaks, reached = 0, -1
        while (self.waiting is None or self.waiting) and not self.stop.is_set():
            if breaks and self.stop.wait(BREAK_SECONDS * breaks):
                return
            try:
                self._session()
            except ConnectionLost as error:
                added = sum(tally.added for tally in self.tallies.values())
                breaks = breaks + 1 if added == reached else 1
                reached = added
                if self.waiting is None or breaks >= MAX_IDLE_BREAKS:
                    raise
                _log.warning("A session of %s or %s broke: %s", self.account, self.target, error)

    def _session(self) -> None:
        with self.source.session():
            chosen = self.source.choose() if self.waiting is None else []
            with self.connect() as client:
                if self.waiting is None:
                    self.waiting = deque(self._place(client, chosen))
                session = Session(client=client)
                while self.waiting and not self.stop.is_set():
                    self._work_off(session, self.waiting[0])
                    self.waiting.popleft()
                    if session.is_full and self.waiting and self.source.stops_when_full:
                        self._stop_for_room()

    def _place(self, client: ImapClient, sources: list[Archived]) -> list[Placement]:
        names = dict(self.selection.folder_names)
        self.hints = [
            f"No folder {name!r} of {self.account} is chosen: where it is to go does not matter."
            for name in unknown_names(sources, names)
        ]
        prefix, delimiter = personal_namespace(client)
        listed = client.list_folders(with_subscriptions=True)
        if self.marks is not None and not states_with_list(client):
            listed = with_statuses(client, listed)
        self.there = {folder.name: folder for folder in listed if folder.is_selectable}
        account = TargetAccount(
            delimiter=delimiter,
            prefix=prefix,
            folders={name: folder.special_use for name, folder in self.there.items()},
        )
        placed = place_folders(sources, account, into=self.selection.into, names=names)
        return [self._with_subscription(placement) for placement in placed]

    def _with_subscription(self, placement: Placement) -> Placement:
        """Return a placement without a wish to be subscribed where the folder is so, or nobody knows."""
        there = self.there.get(placement.target)
        if there is None or there.subscribed is False:
            return placement
        return replace(placement, subscribed=None)

    def _work_off(self, session: Session, placement: Placement) -> None:
        """Fill one folder; one that a server refuses stops no other."""
        tally = self.tallies.setdefault(
            placement.source, RestoreTally(folder=placement.source, target=placement.target)
        )
        mark = self._known(placement)
        if mark is not None and self._is_in_step(mark, placement):
            tally.in_step = mark.messages
            return
        try:
            # Flags may have changed in messages that were there before, so all are looked at.
            before = None if self.selection.with_flags else mark
            with self.source.supply(placement.source, before) as supply:
                tally.note = supply.note
                self._fill(session, placement, supply, tally)
        except CommandRejected as error:
            reason = error.text or "no reason given"
            tally.note = f"refused: {reason}"
            self.problems.append(
                f"Folder {placement.source!r} of {self.account} was not {self.source.done} into "
                f"{placement.target!r}: {reason}."
            )

    def _fill(self, session: Session, placement: Placement, supply: Supply, tally: RestoreTally) -> None:
        mailbox = MailboxRestore(
            session=session,
            supply=supply,
            placement=placement,
            read_back=self.selection.read_back,
            with_flags=self.selection.with_flags,
            progress=self.progress,
            stop=self.stop,
            tally=tally,
        )
        if self.dry_run:
            mailbox.count(mailbox.plan())
            tally.created = not placement.exists
            return
        mailbox.restore()
        if self.marks is not None:
            self.marks.put(placement.source, placement.target, mailbox.in_step())

    def _known(self, placement: Placement) -> InStep | None:
        if self.marks is None or not placement.exists:
            return None
        return self.marks.get(placement.source, placement.target)

    def _is_in_step(self, mark: InStep, placement: Placement) -> bool:
        """Return whether both sides are as they were when the one last held all of the other."""
        there = self.there.get(placement.target)
        target = FolderMark.of(there.status if there is not None else None)
        return mark.holds(self.source.mark(placement.source), target, with_flags=self.selection.with_flags)

    def _stop_for_room(self) -> None:
        left = len(self.waiting or ())
        self.problems.append(
            f"The account {self.target} has no room for more: {left} folders of {self.account} were not "
            "looked at. Make room, and run again."
        )
        self.waiting = deque()

    def _save_marks(self) -> None:
        try:
            if self.marks is not None and not self.dry_run:
                self.marks.save()
        except ArchiveError as error:
            self.problems.append(f"The next run will compare all messages again: {error}")
