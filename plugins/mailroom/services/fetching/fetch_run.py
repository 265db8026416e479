"""One run of a POP3 fetch: as many sessions as it takes, each further than the last.

Here: when there is another session, and what a listing means against the archive. Not
here: one session (``maildrop_session``), the rows it leaves (``maildrop_ledger``).

One session is the rule. There are more where something was deleted, for a server may show
a window only (the newest 250) and its next listing then holds what the window hid; where a
message was refused, for it may have vanished since the listing; and where the connection
broke.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from mailroom.exceptions import ConnectionLost, LimitExceeded, MailroomError, RemoteProtocolError
from mailroom.ledger import AuditRow, audit_of
from mailroom.model import Change, LocationRow, RunContext
from mailroom.policy.fetch import CONTENT_PREFIX, may_be_there
from mailroom.policy.fetch_mode import FetchMode
from mailroom.services.fetching.asked_ahead import Ahead
from mailroom.services.fetching.fetch_report import FetchReport
from mailroom.services.fetching.first_look import FirstLook
from mailroom.services.fetching.held_mail import HeldInMaildrop
from mailroom.services.fetching.maildrop_identity import IdentitySource, NamedListing, name_messages
from mailroom.services.fetching.maildrop_ledger import INBOX, MaildropLedger, look_up
from mailroom.services.fetching.maildrop_tally import SessionTally
from mailroom.services.progress import Progress

if TYPE_CHECKING:
    from mailroom.archive import Archive, ArchiveWriter, Described, MaildropState
    from mailroom.client.pop3 import Pop3Client
    from mailroom.services.fetching.maildrop_session import MaildropSession

__all__ = ["FetchRun"]

MAX_LOSSES = 2
"""How often the connection may break at one message before it is passed over in this run."""

MAX_IDLE_LOSSES = 3
"""How many sessions in a row may break without any new message before the run gives up."""

BREAKING_ERRORS = (ConnectionLost, RemoteProtocolError, LimitExceeded)
"""What ends a session, but need not end the run: it may be one message's doing."""

BUSY_TRIES = 5
BUSY_SECONDS = 1.0
"""How often, and after what pause, a maildrop that is still locked by our last session is asked for again."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class FetchRun:
    """The state of one run, from its first listing to its report.

    :param first: the session to begin with, whose listing was taken already; None begins with a new one.
    """

    connect: Callable[[], Pop3Client]
    first: FirstLook | None = None
    archive: Archive
    writer: ArchiveWriter
    context: RunContext
    mode: FetchMode
    now: Callable[[], datetime]
    progress: Progress
    stop: threading.Event
    sessions: int = 0
    listed: int = 0
    remaining: int = 0
    deleted: int = 0
    vanished: int = 0
    identity: IdentitySource = IdentitySource.UIDL
    total: SessionTally = field(default_factory=SessionTally)
    state: MaildropState | None = None
    missing: set[str] = field(default_factory=set)
    expected: dict[str, list[Described]] = field(default_factory=dict)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    unfetchable: dict[str, tuple[int, str]] = field(default_factory=dict)
    losses: Counter[str] = field(default_factory=Counter)
    idle_losses: int = 0
    failures: list[str] = field(default_factory=list)
    listing: NamedListing | None = None
    ledger: MaildropLedger = field(init=False)
    held: HeldInMaildrop = field(init=False)

    def __post_init__(self) -> None:
        """Open the ledger that rows go to, and the list of what is held."""
        self.ledger = MaildropLedger(writer=self.writer, context=self.context, now=self.now)
        self.held = HeldInMaildrop(self.archive, self.context.account)

    def run(self) -> FetchReport:
        """Work until there is nothing left to get, or until told to stop.

        :raises ConnectionLost: if the server cannot be reached, or keeps going away.
        """
        while self._session() and not self.stop.is_set():
            pass
        interrupted = self.stop.is_set()
        total = self.total
        self._fail_refused()
        not_listed = self._record_missing(is_whole=not (interrupted or self.failures))
        if total.added or total.listed_again or self.deleted or not_listed:
            self.ledger.close(messages=self.remaining, is_complete=not (interrupted or self.failures))
        return FetchReport(
            account=self.context.account,
            identity=self.identity.value,
            age=self.mode.age,
            sessions=self.sessions,
            listed=self.listed,
            retrieved=total.retrieved,
            octets=total.octets,
            added=total.added,
            deleted=self.deleted,
            left=total.left,
            held=total.held,
            differing=total.differing,
            not_listed=not_listed,
            vanished=self.vanished,
            failures=tuple(self.failures),
            interrupted=interrupted,
        )

    def _session(self) -> bool:
        """Work off one listing; return whether another session may get further."""
        first, self.first = self.first, None
        with first.client if first else self._connected() as client:
            listed = first.listing if first else client.list_messages()
            self.sessions += 1
            self.listing = listing = name_messages(client, listed)
            session = self._open(client, listing)
            try:
                session.work()
            except BREAKING_ERRORS as error:
                if not self._outlive(session, error):
                    raise
                return True
            finally:
                self.progress.finish()
                self._count(session)
            deleted = self._confirm(session)
        return bool(deleted or self.refused)

    def _connected(self) -> Pop3Client:
        """Connect; after a session of ours the server may need a moment to unlock the maildrop."""
        for _ in range(BUSY_TRIES if self.sessions else 0):
            try:
                return self.connect()
            except ConnectionLost as error:
                if error.reason != "busy" or self.stop.wait(BUSY_SECONDS):
                    raise
        return self.connect()

    def _open(self, client: Pop3Client, listing: NamedListing) -> MaildropSession:
        """Compare a listing with the archive, and prepare to work it off."""
        names = {message.uidl for message in listing.messages if message.uidl is not None}
        if self.mode.deletes:
            from mailroom.services.deleting.intent_recovery import settle_maildrop

            settle_maildrop(self.archive, self.writer, self.context.account, names)
        ahead = None
        if self.archive.is_blank:  # then what indexes starts, and mail comes, while table libraries load
            self.writer.announce(len(listing.messages))
            ahead = Ahead.ask(client, listing, self.archive)
        from mailroom.services.fetching.maildrop_session import MaildropSession

        state = self.archive.maildrop_state(self.context.account)
        known = state.known_uidls()
        new = [m for m in listing.messages if m.uidl is None or m.uidl not in known]
        self.state = state
        self.remaining = len(listing.messages)
        if self.sessions == 1:
            self.identity = listing.source
            self.listed = len(listing.messages)
            self.missing = {uidl for uidl in state.live_uidls() if uidl not in names}
            if new:
                self._expect_moved(state, names, known)
        else:
            self.missing -= names
            self._forget_vanished(names)
        self.writer.announce(len(new))
        self.progress.start(INBOX, len(new), sum(m.octets for m in new))
        _log.info(
            "session %d of %s: %d messages listed, %d of them new",
            self.sessions,
            self.context.account,
            len(listing.messages),
            len(new),
        )
        return MaildropSession(
            client=client,
            archive=self.archive,
            writer=self.writer,
            context=self.context,
            mode=self.mode,
            now=self.now,
            progress=self.progress,
            stop=self.stop,
            ledger=self.ledger,
            state=state,
            listing=listing,
            held=self.held,
            expected=self.expected,
            passed_over=frozenset(self.total.tried),
            ahead=ahead,
        )

    def _expect_moved(self, state: MaildropState, names: set[str], known: set[str]) -> None:
        """Tell the archive what may turn up under a new UIDL: what went missing just now.

        Where not one UIDL is known, the account is at a new host, and what went missing in
        earlier runs (while its old host was being emptied) may turn up as well.
        """
        wanted = self.missing if names & known else self.missing | known
        from mailroom.services.mirroring.contents import identities_of

        rows = (row for row in look_up(state, wanted) if may_be_there(row))
        self.expected = identities_of(self.archive, rows)
        self.writer.expect(self.expected, folder=INBOX, keep_bytes=self.mode.deletes)

    def _forget_vanished(self, names: set[str]) -> None:
        """Tell refused messages that are gone from those that are listed still."""
        for uidl, refusal in self.refused.items():
            if uidl in names:
                self.unfetchable[uidl] = refusal
            else:
                self.vanished += 1
        self.refused.clear()

    def _outlive(self, session: MaildropSession, error: MailroomError) -> bool:
        """Return whether to go on after a broken connection; the message at which it broke is noted.

        Nothing was deleted, for there was no QUIT; what was archived is committed.
        """
        culprit = session.tally.in_flight
        if culprit is not None and culprit.uidl is not None:
            self.losses[culprit.uidl] += 1
            if self.losses[culprit.uidl] >= MAX_LOSSES:
                session.tally.tried.add(culprit.uidl)
                self.unfetchable[culprit.uidl] = (culprit.octets, str(error).rstrip("."))
        self.idle_losses = 0 if session.tally.added else self.idle_losses + 1
        _log.warning("Session %d of %s broke: %s", self.sessions, self.context.account, error)
        self.writer.flush()
        return self.idle_losses < MAX_IDLE_LOSSES

    def _count(self, session: MaildropSession) -> None:
        """Add what one session did to what the run did."""
        tally, total = session.tally, self.total
        total.retrieved += tally.retrieved
        total.octets += tally.octets
        total.added += tally.added
        total.listed_again += tally.listed_again
        total.differing += tally.differing
        total.damaged += tally.damaged
        total.held += tally.held
        total.left = tally.left
        total.tried |= tally.tried
        total.contents |= tally.contents
        total.superseded += tally.superseded
        self.refused |= tally.errors
        self.failures += [
            f"A message of {self.context.account} without unique id was not delivered: {error}."
            for error in tally.nameless_errors
        ]

    def _confirm(self, session: MaildropSession) -> int:
        """Say QUIT, record what it deleted, and return how many that were."""
        deletion = session.deletion
        change, words = Change.DELETED_BY_FETCH, self.mode.in_words()

        def audit(row: LocationRow, at: datetime) -> AuditRow:
            return audit_of(row, self.context, at=at, rule=words)

        gone = deletion.confirm(
            self.context.account,
            self.failures,
            intend=lambda rows: self.ledger.intend(rows, change, audit=audit),
            now=self.now(),
            doubtful=session.tally.errors,
        )
        if gone:
            self.ledger.record_deleted(gone, change, audit=audit)
            self.writer.settle()
        self.total.tried |= deletion.handled
        self.deleted += deletion.confirmed
        self.remaining -= deletion.confirmed
        return deletion.confirmed

    def _fail_refused(self) -> None:
        """Report what the server lists but did not deliver, and what it would not let go."""
        account = self.context.account
        refused = self.unfetchable | self.refused
        known = self.state.rows(set(refused)) if self.state is not None and refused else {}
        for uidl, (octets, error) in refused.items():
            self.failures.append(f"Message {uidl!r} of {account} is listed but was not delivered: {error}.")
            self.ledger.record_unfetchable(uidl, octets, known.get(uidl, ()))
        if self.total.damaged:
            self.failures.append(
                f"{self.total.damaged} messages of {account} stay on the server, for their archived copies "
                "are missing or damaged: mailroom check --read --repair fetches them again."
            )

    def _record_missing(self, *, is_whole: bool) -> int:
        """Record known messages that are not listed, and rows whose UIDL stands for other bytes now.

        :param is_whole: whether everything was retrieved, so that content names are complete.
        """
        if self.state is None:
            return 0
        missing = self.missing - self.total.contents
        if not is_whole:
            missing = {uidl for uidl in missing if not uidl.startswith(CONTENT_PREFIX)}
        rows = [row for row in look_up(self.state, missing) if row.change.is_live]
        once = {(row.uidl, row.sha256): row for row in [*rows, *self.total.superseded]}
        return self.ledger.record(once.values(), Change.NOT_LISTED)
