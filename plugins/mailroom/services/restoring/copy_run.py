"""One copy of an account to another, folder by folder, as many sessions as it takes.

Here: which folders, where they go, and what to do when a session breaks. Not here: one folder
(``mailbox_restore``, which cannot tell an account from an archive), its messages (``live_supply``).
After a break the folder in hand is compared again, so that what was added and not confirmed is not
added twice.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mailroom.client.imap import ImapClient
from mailroom.client.imap_folders import personal_namespace
from mailroom.exceptions import CommandRejected, ConnectionLost
from mailroom.model import Folder
from mailroom.policy.folders import match_folders
from mailroom.policy.restore import RestoreSelection
from mailroom.policy.restore_folders import Archived, Placement, TargetAccount, place_folders
from mailroom.services.progress import Progress
from mailroom.services.restoring.live_supply import LiveSupply
from mailroom.services.restoring.mailbox_restore import MailboxRestore, Session
from mailroom.services.restoring.restore_report import RestoreTally

__all__ = ["CopyRun", "named_folders"]

MAX_IDLE_BREAKS = 4
"""How many sessions in a row may break without a message added before the run gives up."""

BREAK_SECONDS = 1.0
"""Pause before the next session, times the breaks without a step forward."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class CopyRun:
    """The state of one run.

    :param account: the source, for people.
    :param target: where it goes, for people.
    """

    connect_source: Callable[[], ImapClient]
    connect_target: Callable[[], ImapClient]
    account: str
    target: str
    selection: RestoreSelection
    dry_run: bool
    progress: Progress
    stop: threading.Event
    waiting: deque[Placement] | None = None
    tallies: dict[str, RestoreTally] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Copy all chosen folders.

        :raises ConfigurationError: if a pattern means no folder.
        :raises ConnectionLost: if a server cannot be reached, or keeps going away.
        """
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
                _log.warning("a session of %s or %s broke: %s", self.account, self.target, error)

    def _session(self) -> None:
        with self.connect_source() as source, self.connect_target() as target:
            if self.waiting is None:
                self.waiting = deque(self._place(source.list_folders(), target))
            session = Session(client=target)
            while self.waiting and not self.stop.is_set():
                self._work_off(source, session, self.waiting[0])
                self.waiting.popleft()
                if session.is_full and self.waiting:
                    self.problems.append(
                        f"The account {self.target} has no room for more: {len(self.waiting)} folders of "
                        f"{self.account} were not looked at. Make room, and run again."
                    )
                    self.waiting.clear()

    def _place(self, listed: Iterable[Folder], target: ImapClient) -> list[Placement]:
        folders = {folder.name: folder for folder in listed if folder.is_selectable}
        uses = {name: folder.special_use for name, folder in folders.items()}
        chosen = match_folders(self.selection.folders, self.selection.exclude, uses, special_use=uses)
        prefix, delimiter = personal_namespace(target)
        there = {folder.name: folder for folder in target.list_folders()}
        account = TargetAccount(
            delimiter=delimiter,
            prefix=prefix,
            folders={name: folder.special_use for name, folder in there.items() if folder.is_selectable},
        )
        sources = [
            Archived(name=name, delimiter=folders[name].delimiter, special_use=uses[name]) for name in chosen
        ]
        names = named_folders(self.selection, sources)
        return place_folders(sources, account, into=self.selection.into, names=names)

    def _work_off(self, source: ImapClient, session: Session, placement: Placement) -> None:
        """Copy one folder; one that a server refuses stops no other."""
        tally = self.tallies.setdefault(
            placement.source, RestoreTally(folder=placement.source, target=placement.target)
        )
        try:
            expected = source.examine(placement.source).exists
            with LiveSupply(source=source, expected=expected) as supply:
                if supply.is_partial:
                    tally.note = (
                        f"the source says that it has {expected:,} messages and shows {len(supply.held):,}"
                    )
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
        except CommandRejected as error:
            tally.note = f"refused: {error.text or 'no reason given'}"
            self.problems.append(
                f"Folder {placement.source!r} of {self.account} was not copied into {placement.target!r}: "
                f"{error.text or 'no reason given'}."
            )


def named_folders(selection: RestoreSelection, sources: Iterable[Archived]) -> dict[str, str]:
    """Return where folders go that the user has named, if they are among those chosen."""
    known = {source.name for source in sources}
    return {old: new for old, new in selection.folder_names if old in known}
