"""Where the parts of a push meet: what is written down before and after anything is done.

Here: the order that a kill cannot hurt. A change is ``begun`` in the archive, durably, before the
server hears of it, and over when the server has answered. Not here: what is done (``mailbox_push``,
``append_push``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mailroom.archive import AccountChanges, Archive, ArchiveWriter
from mailroom.change_request import Attempt, ChangeRequest, RequestState
from mailroom.client.imap import ImapClient
from mailroom.client.imap_folders import create_folder, list_foreign, personal_namespace, subscribe
from mailroom.exceptions import CommandRejected
from mailroom.model import Folder, RunContext
from mailroom.policy.restore_folders import TargetAccount, place_target
from mailroom.services.progress import Progress
from mailroom.services.pushing.push_report import PushTally

__all__ = ["NUMBERED_ANEW", "TEMPORARY", "Desk", "Outcomes", "reason_of"]

TEMPORARY = frozenset(
    {"OVERQUOTA", "INUSE", "UNAVAILABLE", "LIMIT", "SERVERBUG", "CONTACTADMIN", "EXPUNGEISSUED"}
)
"""Response codes after which a change waits for the next run (RFC 5530)."""

Outcomes = dict[str, tuple[ChangeRequest, RequestState, str | None]]
"""What became of changes: state and reason of each, by its id."""

NUMBERED_ANEW = "the server has numbered the folder anew since; mirror it, and ask again"
"""Why nothing is done by numbers that mean nothing any more."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Desk:
    """What all folders of a push share.

    :param folders: the folders of the account, by name; those that are made are added.
    :param foreign: those that are shared, or other users', as far as something is asked for there.
    """

    archive: Archive
    changes: AccountChanges
    writer: ArchiveWriter
    context: RunContext
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    tally: PushTally
    client: ImapClient
    folders: dict[str, Folder] = field(default_factory=dict)
    foreign: dict[str, Folder] = field(default_factory=dict)
    _placed: dict[str, str] = field(default_factory=dict)
    _looked_for: set[str] = field(default_factory=set)

    def place(self, folder: str) -> str:
        """Return the server's name of the folder that was asked for, whether it is there or is to be made.

        :raises ConnectionLost: if the server goes away.
        """
        if self.known(folder) is not None:
            return folder
        if folder not in self._placed:
            prefix, delimiter = personal_namespace(self.client)
            account = TargetAccount(
                delimiter=delimiter,
                prefix=prefix,
                folders={name: known.special_use for name, known in self.folders.items()},
                foreign=self.client.namespaces().foreign_prefixes,
            )
            self._placed[folder] = place_target(folder, account)
        return self._placed[folder]

    def look_for(self, names: set[str]) -> None:
        """Find out which folders are shared, or other users', of those in which something is asked for.

        :raises ConnectionLost: if the server goes away.
        """
        names -= self._looked_for
        self._looked_for |= names
        self.foreign |= {f.name: f for f in list_foreign(self.client, self.folders.values(), names)}

    def known(self, folder: str) -> Folder | None:
        """Return what the server lists of a folder, or None."""
        return self.folders.get(folder) or self.foreign.get(folder)

    def begin(self, requests: Sequence[ChangeRequest], attempt: Attempt) -> list[ChangeRequest]:
        """Write down, durably, that a run sets out; return the changes that are this run's.

        A change that an earlier run set out for keeps what was noted then.
        """
        return self.changes.record(
            [
                replace(
                    request,
                    state=RequestState.BEGUN,
                    attempt=request.attempt or attempt,
                    at=self.now(),
                    run_id=self.context.run_id,
                )
                for request in requests
            ]
        )

    def close(
        self, requests: Iterable[ChangeRequest], state: RequestState, reason: str | None = None
    ) -> None:
        """Write down what became of changes, all of them the same."""
        self.conclude({request.change_id: (request, state, reason) for request in requests})

    def conclude(self, outcomes: Outcomes) -> None:
        """Write down what became of changes, durably, and tell of those that were not done."""
        rows = [
            replace(request, state=state, reason=reason, at=self.now(), run_id=self.context.run_id)
            for request, state, reason in outcomes.values()
        ]
        for row in self.changes.record(rows):
            told = self.tally.take(row)
            if told is not None:
                _log.warning("%s", told)
            self.progress.advance(1, 0)

    def leave(self, requests: Sequence[ChangeRequest], why: str) -> None:
        """Leave changes to the next run."""
        if requests:
            text = (
                f"{len(requests)} changes in folder {requests[0].folder!r} of {self.context.account} wait "
                f"for the next run: {why}."
            )
            self.tally.warnings.append(text)
            _log.warning("%s", text)

    def refuse(self, requests: Sequence[ChangeRequest], error: CommandRejected) -> None:
        """Close what the server refuses for good, and leave what it refuses for now."""
        if error.code in TEMPORARY:
            self.leave(requests, reason_of(error))
        else:
            self.close(requests, RequestState.REFUSED, reason_of(error))

    def make_sure_of(self, folder: str) -> None:
        """Make a folder, and subscribe to it, unless it is there.

        :raises CommandRejected: if the server does not make it.
        """
        known = self.known(folder)
        if known is not None and known.is_selectable:
            return
        create_folder(self.client, folder)
        self.folders[folder] = Folder(name=folder)
        try:
            subscribe(self.client, folder)
        except CommandRejected as error:
            _log.warning("folder %r was made and not subscribed: %s", folder, reason_of(error))

    def standing_of(self, folder: str) -> Attempt:
        """Return where a folder stands before anything is added to it.

        :raises CommandRejected: if there is no such folder.
        """
        status = self.client.folder_status(folder)
        return Attempt(uid_validity=status.get("UIDVALIDITY"), uid_next=status.get("UIDNEXT"))


def reason_of(error: CommandRejected) -> str:
    """Return the server's words, as the end of a sentence."""
    code = f"[{error.code}] " if error.code else ""
    return f"the server refused: {code}{error.text or 'no reason given'}"
