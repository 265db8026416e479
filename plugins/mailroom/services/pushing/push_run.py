"""One push of the changes that wait for an account, as many sessions as it takes.

Here: which folders, in which order, and what to do when a session breaks. Not here: one folder
(``mailbox_push``, ``append_push``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from mailroom.archive import AccountChanges, Archive, ArchiveWriter
from mailroom.change_request import ChangeRequest, RequestKind
from mailroom.client.imap import ImapClient
from mailroom.exceptions import CommandRejected, ConnectionLost
from mailroom.model import RunContext
from mailroom.services.progress import Progress
from mailroom.services.pushing.append_push import AppendPush
from mailroom.services.pushing.mailbox_push import MailboxPush
from mailroom.services.pushing.push_desk import Desk, reason_of
from mailroom.services.pushing.push_report import PushTally

__all__ = ["PushRun"]

MAX_IDLE_BREAKS = 4
"""How many sessions in a row may break without a change done before the run gives up."""

BREAK_SECONDS = 1.0
"""Pause before the next session, times the breaks without a step forward."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class PushRun:
    """The state of one push."""

    connect: Callable[[], ImapClient]
    archive: Archive
    changes: AccountChanges
    writer: ArchiveWriter
    context: RunContext
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    tally: PushTally = field(default_factory=PushTally)

    def run(self) -> None:
        """Push all that waits.

        :raises ConnectionLost: if the server cannot be reached, or keeps going away.
        """
        breaks, reached = 0, -1
        while not self.stop.is_set():
            if breaks and self.stop.wait(BREAK_SECONDS * breaks):
                return
            self.tally.warnings = [w for w in self.tally.warnings if "wait for the next run" not in w]
            try:
                self._session()
                return
            except ConnectionLost as error:
                breaks = breaks + 1 if self.tally.steps == reached else 1
                reached = self.tally.steps
                if breaks >= MAX_IDLE_BREAKS:
                    raise
                _log.warning("The session of %s broke: %s", self.context.account, error)

    def _session(self) -> None:
        total = self.changes.count()
        if not total:
            return
        with self.connect() as client:
            desk = Desk(
                archive=self.archive,
                changes=self.changes,
                writer=self.writer,
                context=self.context,
                now=self.now,
                progress=self.progress,
                stop=self.stop,
                tally=self.tally,
                client=client,
                folders={folder.name: folder for folder in client.list_folders()},
            )
            self.progress.start("push", total, None)
            try:
                for waiting in self.changes.pages():
                    desk.look_for({name for r in waiting for name in (r.folder, r.target) if name})
                    self._push(desk, waiting)
            finally:
                self.progress.finish()

    def _push(self, desk: Desk, waiting: Sequence[ChangeRequest]) -> None:
        """Push the changes of some folders, one folder after the other."""
        for (is_append, folder), requests in _by_folder(waiting):
            if self.stop.is_set():
                return
            try:
                if is_append:
                    AppendPush(desk=desk, folder=desk.place(folder), requests=requests).push()
                else:
                    MailboxPush(desk=desk, folder=folder, requests=requests).push()
            except CommandRejected as error:
                self._note_refused(folder, error)

    def _note_refused(self, folder: str, error: CommandRejected) -> None:
        """Tell of a folder where the server refused what it never should; all else goes on."""
        text = (
            f"The changes of folder {folder!r} of {self.context.account} that are not done yet wait for the "
            f"next run: {reason_of(error)} ({error.command})."
        )
        if text not in self.tally.failures:
            self.tally.failures.append(text)
        _log.error("%s", text)


def _by_folder(waiting: Sequence[ChangeRequest]) -> list[tuple[tuple[bool, str], list[ChangeRequest]]]:
    """Return changes by kind and folder: those of messages that are there first, each in its order."""

    def key(request: ChangeRequest) -> tuple[bool, str]:
        return request.kind is RequestKind.APPEND, request.folder

    return [(name, list(group)) for name, group in groupby(sorted(waiting, key=key), key=key)]
