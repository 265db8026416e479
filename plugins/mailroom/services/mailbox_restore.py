"""One archived folder brought back: asked what is there, what is missing added, and looked at again.

Here: the order of questions in one folder. Not here: which folders (``restore_run``), how a message
is recognised (``restore_presence``), how messages travel (``client.imap_append``). Nothing that is
on the server is changed or deleted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailroom.archive import Archive, Described
from mailroom.client.imap import ImapClient
from mailroom.client.imap_append import AppendOutcome, Outgoing, append_messages
from mailroom.client.imap_folders import append_limit, create_folder, permanent_flags, subscribe, unselect
from mailroom.exceptions import CommandRejected, IntegrityError
from mailroom.model import LocationRow
from mailroom.policy.restore import ReadBack, sendable_flags
from mailroom.policy.restore_folders import Placement
from mailroom.services.progress import Progress
from mailroom.services.restore_check import SentMessages, read_back
from mailroom.services.restore_contents import ArchivedContents
from mailroom.services.restore_presence import Presence, describe_rows, find_present
from mailroom.services.restore_report import RestoreTally

__all__ = ["MailboxRestore"]

SETTLE_SECONDS = 1.0
"""How long a folder must stay as it is before anything is added to it: a server may still be storing
what a run sent that was killed a moment ago."""

MAX_SETTLE_SECONDS = 60.0
"""After so long the folder is taken as it is: somebody else is at work there."""

MAX_OVER_QUOTA = 20
"""After so many refusals in a row for want of room, nothing more is sent to the account."""

NO_ROOM = "not sent, the account has no room"

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""No mail came before; a date that says so is a slip of its sender."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Session:
    """What the folders of one session share.

    :param is_settled: whether a folder was already seen to stay as it is.
    :param over_quota: how many messages in a row were refused for want of room.
    """

    client: ImapClient
    contents: ArchivedContents
    is_settled: bool = False
    over_quota: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the account has no room for more."""
        return self.over_quota >= MAX_OVER_QUOTA


@dataclass(slots=True, kw_only=True)
class MailboxRestore:
    """One folder in one session.

    :param rows: the archived messages that belong here, in the same order at each call.
    """

    session: Session
    archive: Archive
    placement: Placement
    rows: Callable[[], Iterable[LocationRow]]
    read_back: ReadBack
    progress: Progress
    stop: threading.Event
    tally: RestoreTally
    permanent: frozenset[str] | None = None
    limit: int | None = None
    sent: SentMessages = field(default_factory=SentMessages)
    has_vanished: bool = False
    can_make_again: bool = True

    def plan(self) -> Presence | None:
        """Ask what is there already; None where the folder is not.

        :raises CommandRejected: if the server does not open the folder.
        :raises ConnectionLost: if it goes away.
        """
        if not self.placement.exists and not self.tally.created:
            return None
        self.session.client.examine(self.placement.target)
        return find_present(self.session.client, self.archive, self.rows)

    def count(self, presence: Presence | None) -> None:
        """Take into the tally what a run would do; for a dry run."""
        for place, row, described in describe_rows(self.archive, self.rows()):
            self.tally.chosen += 1
            if presence is not None and presence.uids[place]:
                self.tally.already += 1
            elif row.sha256 is not None and described is not None:
                self.tally.added += 1
                self.tally.octets += described.size
        self.tally.altered_before = presence.altered if presence is not None else 0

    def restore(self) -> None:
        """Add what is missing, and look at it again.

        :raises CommandRejected: if the server does not make or open the folder.
        :raises ConnectionLost: if it goes away; what was added by then is found by the next session.
        """
        self._make()
        presence = self._settled_plan()
        if presence.missing and self.session.is_full:
            self.tally.refused[NO_ROOM] += presence.missing
        elif presence.missing and not self.stop.is_set():
            self._add(presence)
            if self.has_vanished and not self.stop.is_set():
                self._make_again()
                self._add(self._settled_plan())
        self._compare()

    def _make(self) -> None:
        if self.placement.exists or self.tally.created:
            return
        create_folder(self.session.client, self.placement.target, self.placement.special_use)
        self.tally.created = True
        try:
            subscribe(self.session.client, self.placement.target)
        except CommandRejected as error:
            self.tally.note = f"not subscribed: {error.text or 'no reason given'}"

    def _make_again(self) -> None:
        """Make a folder that somebody deleted while it was being filled (TRYCREATE)."""
        create_folder(self.session.client, self.placement.target, self.placement.special_use)
        self.has_vanished, self.can_make_again = False, False
        self.tally.created = True

    def _settled_plan(self) -> Presence:
        """Return what is there, seen at a time when nothing is on its way in."""
        client, target = self.session.client, self.placement.target
        client.examine(target)
        presence = find_present(client, self.archive, self.rows)
        while presence.missing and not self.session.is_settled:
            unselect(client)
            before = client.folder_status(target)
            waited = 0.0
            while not self.stop.wait(SETTLE_SECONDS):
                waited += SETTLE_SECONDS
                now = client.folder_status(target)
                if now == before or waited >= MAX_SETTLE_SECONDS:
                    break
                before = now
            self.session.is_settled = True
            client.examine(target)
            presence = find_present(client, self.archive, self.rows)
        self.tally.plan(len(presence.uids), len(presence.uids) - presence.missing, presence.altered)
        return presence

    def _add(self, presence: Presence) -> None:
        client, target = self.session.client, self.placement.target
        self.permanent = permanent_flags(client, target)
        self.limit = append_limit(client, target)
        unselect(client)
        self.progress.start(target, presence.missing, None)
        outgoing = self.session.contents.ahead(self._outgoing(presence))
        for outcome in append_messages(client, target, outgoing, self.session.contents.open):
            self._take(outcome)
        self.progress.finish()

    def _outgoing(self, presence: Presence) -> Iterator[Outgoing]:
        """Yield what is to be sent, and count what cannot be."""
        left = presence.missing
        for place, row, described in describe_rows(self.archive, self.rows()):
            if presence.uids[place]:
                continue
            if self.stop.is_set():
                return
            if self.session.is_full:
                self.tally.refused[NO_ROOM] += left
                return
            left -= 1
            if row.sha256 is None or described is None:
                self.tally.refused["unknown to the archive's tables"] += 1
            elif self.limit is not None and described.size > self.limit:
                self._refuse(row.sha256, f"larger than the {self.limit:,} octets that the server takes")
            else:
                yield self._message(place, row, described)

    def _message(self, place: int, row: LocationRow, described: Described) -> Outgoing:
        flags, _ = sendable_flags(row.flags, self.permanent)
        date = date_to_send(row, described)
        message = Outgoing(
            place=place,
            digest=described.sha256,
            octets=described.size,
            flags=flags,
            internal_date=date,
        )
        self.sent.expect(place, described, row.flags, date)
        return message

    def _take(self, outcome: AppendOutcome) -> None:
        """Count what became of one message."""
        message, refusal = outcome.message, outcome.refusal
        if refusal is None:
            self.session.over_quota = 0
            self.tally.added += 1
            self.tally.octets += message.octets
            self.sent.confirm(message.place, outcome.uid)
            self.progress.advance(1, message.octets)
            return
        self.sent.forget(message.place)
        if isinstance(refusal, IntegrityError):
            self._refuse(message.digest, "its archived copy is missing or damaged")
        elif refusal.code == "TRYCREATE" and self.can_make_again:
            self.has_vanished = True
        else:
            is_for_room = refusal.code == "OVERQUOTA"
            self.session.over_quota = self.session.over_quota + 1 if is_for_room else 0
            code = f"[{refusal.code}] " if refusal.code else ""
            self._refuse(message.digest, f"{code}{refusal.text or 'no reason given'}")

    def _refuse(self, digest: str, reason: str) -> None:
        self.tally.refused[reason] += 1
        self.tally.name(digest, f"not taken, {reason}")
        _log.warning("message %s not taken into %r: %s", digest, self.placement.target, reason)

    def _compare(self) -> None:
        """Look at what was added, and count what the server shows otherwise."""
        if not len(self.sent) or self.read_back is ReadBack.NONE or self.stop.is_set():
            return
        client = self.session.client
        client.examine(self.placement.target)
        if not self.sent.knows_uids:
            presence = find_present(client, self.archive, self.rows)
            self.sent.locate(presence.uids)
        read_back(client, self.sent, self.tally, self.read_back)


def date_to_send(row: LocationRow, described: Described) -> datetime:
    """Return the date a message gets: the one it had, or for POP3, which has none, when it was sent."""
    if row.internal_date is not None:
        return row.internal_date
    sent = described.date
    is_credible = sent is not None and EARLIEST <= sent <= described.archived_at
    return sent if sent is not None and is_credible else described.archived_at
