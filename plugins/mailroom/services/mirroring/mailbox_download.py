"""Messages of one mailbox brought into the archive, whatever the server does in between.

Here: asking for bodies in pieces, by several connections where there are more, once more
alone for each that did not come, and the row that a message nobody delivers leaves. Not
here: which messages (``policy.mirror``), and whose turn it is (``crew``).

Three things look alike at first: a message that went away since it was listed, one that the
server lists and cannot deliver, and one at which the connection breaks. The first is normal;
the second is recorded, and tried again in each run; the third is left to the run, which
counts how often each message was next when a connection broke (``suspects``). A large one of
which more came than before is no suspect: the next session goes on where that one broke.
"""

from __future__ import annotations

import logging
import threading
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from mailroom.archive import Archive, ArchiveWriter
from mailroom.client.imap import ImapClient
from mailroom.model import Body, Change, FetchedMessage, LocationRow, MailProtocol, RunContext
from mailroom.policy.mailbox_plan import normal_flags
from mailroom.policy.uid_sets import Uids, ascending, is_among
from mailroom.services.mirroring.crew import BREAKING_ERRORS, Crew
from mailroom.services.mirroring.mirror_report import MirrorTally
from mailroom.services.mirroring.suspects import Suspects
from mailroom.services.progress import Progress

__all__ = ["MailboxDownload", "place_row"]

PIECE_MESSAGES = 20_000
"""How many messages are asked for before it is looked at what came; one round trip each."""

PIECE_SHARED = 500
"""The same where several connections may take pieces: small enough that all end at about the same time."""

PIECE_NEWEST_FIRST = 500
"""The same where the newest come first: servers answer in ascending order within a piece."""

MAX_BREAKS = 2
"""How often the connection may break at one message before it is passed over in this run."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class MailboxDownload:
    """The download of one mailbox in one session, and whoever helps with it.

    :param is_divisible: whether other connections may help.
    :param tried_before: UIDs that earlier runs have recorded as ``unfetchable``.
    """

    client: ImapClient
    archive: Archive
    writer: ArchiveWriter
    context: RunContext
    folder: str
    uid_validity: int
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    tally: MirrorTally
    suspects: Suspects
    crew: Crew
    is_divisible: bool
    tried_before: frozenset[int]
    failed: set[int] = field(default_factory=set)
    _pieces: deque[Uids] = field(default_factory=deque)
    _missing: list[int] = field(default_factory=list)
    _helpers: int = 0
    _is_given_up: bool = False
    _added: array[int] = field(default_factory=lambda: array("q"))

    @property
    def added(self) -> Uids:
        """The UIDs that came, ascending."""
        return ascending(self._added)

    def fetch(self, uids: Uids, *, retry: Uids, order: str = "oldest") -> None:
        """Bring messages into the archive.

        :param uids: messages never asked for before, first things first.
        :param retry: messages that were not delivered in earlier runs; asked for last, one by one.
        :raises ConnectionLost: if the server goes away; what came is with the writer.
        """
        self._cut(self._without_suspects(uids), order)
        self._missing = []
        try:
            if self.is_divisible and len(self._pieces) > 1:
                with self.crew.offer(self):
                    self._fetch_pieces(self.client)
                self._await_helpers()
            else:
                self._fetch_pieces(self.client)
        except BaseException:
            self._give_up_all()
            raise
        if self.stop.is_set():
            return
        missing = self._missing
        if missing:
            listed = set(self.client.search("ALL").tolist())
            self.tally.vanished += sum(uid not in listed for uid in missing)
            missing = sorted(uid for uid in missing if uid in listed)
        for uid in [*missing, *self._without_suspects(retry).tolist()]:
            if self.stop.is_set():
                return
            if self._fetch_piece(self.client, np.array([uid], dtype=np.int64)):
                self._give_up(uid, "the server lists it and does not deliver it")

    def assist(self, client: ImapClient) -> None:
        """Fetch pieces by another connection, if that shows the same mailbox.

        :raises ConnectionLost: if the server goes away; what this connection did not bring is
            for others again, as after any other error of the server.
        """
        self._helpers += 1
        try:
            if client.examine(self.folder).uid_validity == self.uid_validity:
                self._fetch_pieces(client)
            else:
                self.crew.withdraw(self)
        finally:
            self._helpers -= 1
            self.crew.notify()

    @property
    def has_pieces(self) -> bool:
        """Whether there is anything to help with."""
        return bool(self._pieces)

    def _cut(self, uids: Uids, order: str) -> None:
        size = PIECE_SHARED if self.is_divisible and self.crew.has_helpers else PIECE_MESSAGES
        if order != "oldest":
            size = PIECE_NEWEST_FIRST
        self._pieces.extend(np.sort(uids[start : start + size]) for start in range(0, len(uids), size))

    def _fetch_pieces(self, client: ImapClient) -> None:
        """Ask for one piece after the other until none is left."""
        while self._pieces and not self._is_stopped:
            piece = self._pieces.popleft()
            came = len(self._added)
            try:
                self._missing += self._fetch_piece(client, piece)
            except BaseException:
                self._pieces.appendleft(piece[~is_among(piece, ascending(self._added[came:]))])
                raise

    def _await_helpers(self) -> None:
        """Wait until all pieces have come; what a helper left behind is fetched here."""
        while (self._helpers or self._pieces) and not self._is_stopped:
            if self._pieces:
                self._fetch_pieces(self.client)
            else:
                self.crew.wait()

    def _give_up_all(self) -> None:
        """Take nothing more: this mailbox is to be looked at anew."""
        self._is_given_up = True
        self._pieces.clear()

    @property
    def _is_stopped(self) -> bool:
        return self.stop.is_set() or self._is_given_up or self.crew.is_over

    def _fetch_piece(self, client: ImapClient, uids: Uids) -> list[int]:
        """Ask for messages, ascending; return those that did not come."""
        waiting = dict.fromkeys(uids.tolist())
        added = 0
        try:
            halves = self.suspects.halves
            for message in client.fetch_messages(uids, self.archive.new_spool, halves=halves):
                if self._is_given_up or self.crew.is_over:
                    break
                body = message.body
                if body is None or message.uid not in waiting or not _is_delivered(message, body):
                    continue  # what the server says of other messages in between
                del waiting[message.uid]
                self._take(message, body)
                added += 1
                if self.stop.is_set():
                    break
        except BREAKING_ERRORS:
            if client is self.client:
                self.tally.steps += self.suspects.note(self.folder, self.uid_validity, waiting)
            raise
        finally:
            self.tally.changed(self.folder, added=added)
        return list(waiting)

    def _take(self, message: FetchedMessage, body: Body) -> None:
        row = place_row(message, self.context, self.folder, self.uid_validity, self.now())
        self.writer.add(body, row)
        octets = body.octets
        self._added.append(message.uid)
        self.tally.added += 1
        self.tally.octets += octets
        self.tally.steps += 1
        self.progress.advance(1, octets)

    def _without_suspects(self, uids: Uids) -> Uids:
        """Give up messages at which the connection has broken too often, and return the others."""
        if not self.suspects:
            return uids
        passed_over = []
        for (folder, uid_validity, uid), breaks in self.suspects.items():
            if (folder, uid_validity) == (self.folder, self.uid_validity) and uid not in self.failed:
                limit = 1 if uid in self.tried_before else MAX_BREAKS
                if breaks >= limit and uid in uids:
                    passed_over.append(uid)
                    self._give_up(uid, "the connection breaks when it is asked for")
        return uids[~is_among(uids, ascending(passed_over))] if passed_over else uids

    def _give_up(self, uid: int, reason: str) -> None:
        """Record a message that does not come, unless that is recorded already."""
        self.failed.add(uid)
        self.tally.unfetchable += 1
        text = f"Message with UID {uid} in folder {self.folder!r} of {self.context.account}: {reason}."
        self.tally.warnings.append(text)
        _log.warning("%s It is tried again in each run", text)
        if uid in self.tried_before:
            return
        self.tally.steps += 1
        self.writer.record([_unfetchable_row(self.context, self.folder, self.uid_validity, uid, self.now())])


def _is_delivered(message: FetchedMessage, body: Body) -> bool:
    """Return whether a message came; an empty one that has a size did not (servers in trouble do that)."""
    return bool(body.octets or not message.octets)


def place_row(
    message: FetchedMessage,
    context: RunContext,
    folder: str,
    uid_validity: int,
    at: datetime,
    *,
    sha256: str | None = None,
    archived_at: datetime | None = None,
) -> LocationRow:
    """Return the row that says a message was found at its place."""
    return LocationRow(
        account=context.account,
        protocol=MailProtocol.IMAP,
        folder=folder,
        change=Change.ADDED,
        at=at,
        run_id=context.run_id,
        uid_validity=uid_validity,
        uid=message.uid,
        sha256=sha256,
        size=message.octets,
        flags=normal_flags(message.flags),
        internal_date=message.internal_date,
        modseq=message.modseq,
        object_id=message.object_id,
        labels=message.labels or (),
        archived_at=archived_at,
    )


def _unfetchable_row(
    context: RunContext, folder: str, uid_validity: int, uid: int, at: datetime
) -> LocationRow:
    return LocationRow(
        account=context.account,
        protocol=MailProtocol.IMAP,
        folder=folder,
        change=Change.UNFETCHABLE,
        at=at,
        run_id=context.run_id,
        uid_validity=uid_validity,
        uid=uid,
    )
