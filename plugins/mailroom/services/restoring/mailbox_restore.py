"""One archived folder brought back: asked what is there, what is missing added, and looked at again.

Here: the order of questions in one folder. Not here: which folders (``restore_run``), how a message
is recognised (``restore_presence``), how messages travel (``client.imap_append``). Nothing that is
on the server is changed or deleted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailroom.client.imap import ImapClient
from mailroom.client.imap_append import AppendOutcome, Outgoing, append_messages
from mailroom.client.imap_folders import append_limit, create_folder, permanent_flags, subscribe, unselect
from mailroom.client.imap_quota import Room, room_in
from mailroom.exceptions import CommandRejected, IntegrityError
from mailroom.in_step import FolderMark, InStep
from mailroom.policy.restore import ReadBack, sendable_flags
from mailroom.policy.restore_folders import Placement
from mailroom.policy.windows import is_at_limit
from mailroom.services.progress import Progress
from mailroom.services.restoring.flag_update import update_flags
from mailroom.services.restoring.looks import Presence
from mailroom.services.restoring.restore_check import SentMessages, read_back
from mailroom.services.restoring.restore_report import RestoreTally
from mailroom.services.restoring.restore_supply import Supply, Wanted
from mailroom.services.restoring.settling import let_settle

__all__ = ["MailboxRestore"]

MAX_OVER_QUOTA = 20
"""After so many refusals in a row for want of room, nothing more is sent to the account."""

NO_ROOM = "not sent, the account has no room"

HIDDEN = (
    "not sent, for the folder seems to show its newest messages only, and older ones that it hides would "
    "come a second time; lift that limit on the server"
)

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Session:
    """What the folders of one session share.

    :param is_settled: whether a folder was already seen to stay as it is.
    :param over_quota: how many messages in a row were refused for want of room.
    :param room: how many octets and messages fit into the folder in hand, as far as the server says.
    """

    client: ImapClient
    is_settled: bool = False
    over_quota: int = 0
    room: Room = (None, None)

    @property
    def is_full(self) -> bool:
        """Whether the account has no room for more."""
        return self.over_quota >= MAX_OVER_QUOTA


@dataclass(slots=True, kw_only=True)
class MailboxRestore:
    """One folder in one session.

    :param supply: the messages that belong here.
    :param with_flags: whether those that are there already get their flags.
    """

    session: Session
    supply: Supply
    placement: Placement
    read_back: ReadBack
    progress: Progress
    stop: threading.Event
    tally: RestoreTally
    with_flags: bool = False
    permanent: frozenset[str] | None = None
    limit: int | None = None
    sent: SentMessages = field(default_factory=SentMessages)
    seen: FolderMark | None = None
    shown: int = 0
    uid_validity: int | None = None
    added: int = 0
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
        return self.supply.find_present(self.session.client)

    def count(self, presence: Presence | None) -> None:
        """Take into the tally what a run would do; for a dry run."""
        self.tally.in_step = self.supply.known
        for place, size in enumerate(self.supply.sizes()):
            self.tally.chosen += 1
            if presence is not None and presence.uids[place]:
                self.tally.already += 1
            elif size is not None:
                self.tally.added += 1
                self.tally.octets += size
        if presence is not None:
            self.tally.note_altered(presence)

    def restore(self) -> None:
        """Add what is missing, and look at it again.

        :raises CommandRejected: if the server does not make or open the folder.
        :raises ConnectionLost: if it goes away; what was added by then is found by the next session.
        """
        self._make()
        presence = self._settled_plan()
        if self.placement.exists and self.placement.subscribed and not self.shown:
            self._subscribe()  # made by the server for a new account, which nobody has arranged yet
        if presence.missing and self.session.is_full:
            self.tally.refused[NO_ROOM] += presence.missing
        elif self._may_be_hidden(presence):
            self.tally.refused[HIDDEN] += presence.missing
        elif presence.missing and not self.stop.is_set():
            self._add(presence)
            if self.has_vanished and not self.stop.is_set():
                self._make_again()
                presence = self._settled_plan()  # numbers of the folder that is gone mean other messages here
                self._add(presence)
        self._compare()
        if self.with_flags and not self.stop.is_set():
            self.tally.updated += update_flags(
                self.session.client,
                self.placement.target,
                presence,
                self.supply.known_flags(),
                uid_validity=self.uid_validity,
            )

    def in_step(self) -> InStep | None:
        """Return that the folder holds all there is; None where it does not, or others were at work in it.

        :raises ConnectionLost: if the server goes away.
        """
        source = self.supply.mark()
        if source is None or self.seen is None or self.tally.refused or self.stop.is_set():
            return None
        unselect(self.session.client)
        now = FolderMark.of(self.session.client.folder_status(self.placement.target))
        if now is None or not now.holds_as_many(self.seen.after(self.added)):
            return None
        return InStep(
            source=source,
            target=now,
            messages=self.tally.in_step + self.tally.chosen,
            with_flags=self.with_flags and now.is_unchanged(self.seen),
            rest=self.supply.rest,
        )

    def _may_be_hidden(self, presence: Presence) -> bool:
        """Return whether what is missing may have been sent before: the first is, and later ones are there.

        Messages are sent in their order. A run that was broken off leaves the last ones out, and mail that
        is new comes last; a server that shows the newest messages only hides the first ones.
        """
        return bool(
            presence.missing
            and not self.supply.known
            and presence.uids[0] == 0
            and presence.missing < len(presence.uids)
            and is_at_limit(self.session.client.host, self.shown)
        )

    def _make(self) -> None:
        if self.placement.exists or self.tally.created:
            return
        create_folder(self.session.client, self.placement.target, self.placement.special_use)
        self.tally.created = True
        if self.placement.subscribed is not False:
            self._subscribe()

    def _subscribe(self) -> None:
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
        presence = self._look()
        while presence.missing and not self.session.is_settled:
            let_settle(self.session.client, self.placement.target, self.stop)
            self.session.is_settled = True
            presence = self._look()
        self.tally.plan(presence, self.supply.known)
        return presence

    def _look(self) -> Presence:
        opened = self.session.client.examine(self.placement.target)
        self.shown, self.uid_validity, self.added = opened.exists, opened.uid_validity, 0
        self.seen = FolderMark.of(opened.counts)
        return self.supply.find_present(self.session.client)

    def _add(self, presence: Presence) -> None:
        client, target = self.session.client, self.placement.target
        self.permanent = permanent_flags(client, target)
        self.limit = append_limit(client, target)
        self.session.room = room_in(client, target)
        unselect(client)
        self.progress.start(target, presence.missing, None)
        outgoing = self.supply.ahead(self._outgoing(presence))
        for outcome in append_messages(client, target, outgoing, self.supply.open):
            self._take(outcome)
            self.supply.release(outcome.message.digest)
        self.progress.finish()

    def _outgoing(self, presence: Presence) -> Iterator[Outgoing]:
        """Yield what is to be sent, and count what cannot be."""
        left = presence.missing
        for wanted in self.supply.missing(presence, self._unfit):
            if self.stop.is_set():
                return
            if self.session.is_full:
                self.tally.refused[NO_ROOM] += left
                return
            left -= 1
            if wanted.problem is None:
                yield self._message(wanted)
            elif wanted.digest and wanted.problem != NO_ROOM:
                self._refuse(wanted.digest, wanted.problem)
            else:
                self.tally.refused[wanted.problem] += 1

    def _unfit(self, octets: int) -> str | None:
        """Return why a message cannot be sent, or None, and count it as sent."""
        if self.limit is not None and octets > self.limit:
            return f"larger than the {self.limit:,} octets that the server takes"
        room, number = self.session.room
        if (room is not None and octets > room) or number == 0:
            return NO_ROOM
        self.session.room = (
            None if room is None else room - octets,
            None if number is None else number - 1,
        )
        return None

    def _message(self, wanted: Wanted) -> Outgoing:
        flags, _ = sendable_flags(wanted.flags, self.permanent)
        self.sent.expect(wanted.place, wanted.digest, wanted.octets, wanted.flags, wanted.date)
        return Outgoing(
            place=wanted.place,
            digest=wanted.digest,
            octets=wanted.octets,
            flags=flags,
            internal_date=wanted.date,
        )

    def _take(self, outcome: AppendOutcome) -> None:
        """Count what became of one message."""
        message, refusal = outcome.message, outcome.refusal
        if refusal is None:
            self.session.over_quota = 0
            self.tally.added += 1
            self.added += 1
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
            presence = self.supply.find_present(client)
            self.sent.locate(presence.uids)
        read_back(client, self.sent, self.tally, self.read_back)
