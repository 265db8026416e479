"""Archived messages added to one folder of the server, because somebody asked for it.

Here: APPEND, once each, whatever is killed when. Not here: what a whole account or folder is brought
back by (``mailbox_restore``), how messages travel (``client.imap_append``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mailroom.archive import Described
from mailroom.change_request import ChangeRequest, RequestState
from mailroom.client.imap_append import AppendOutcome, Outgoing, append_messages
from mailroom.client.imap_folders import append_limit, permanent_flags, unselect
from mailroom.exceptions import CommandRejected, IntegrityError
from mailroom.model import Change, LocationRow, MailProtocol
from mailroom.policy.restore import sendable_flags
from mailroom.services.pushing.push_desk import TEMPORARY, Desk, Outcomes, reason_of
from mailroom.services.pushing.push_search import DOUBTFUL, find_arrived, row_to_find
from mailroom.services.restoring.restore_contents import ArchivedContents

__all__ = ["AppendPush"]

BATCH = 500
"""How many messages are begun, sent and written down at a time."""


@dataclass(slots=True, kw_only=True)
class AppendPush:
    """The messages that go to one folder in one session.

    :param requests: in the order in which they were asked for.
    """

    desk: Desk
    folder: str
    requests: Sequence[ChangeRequest]

    def push(self) -> None:
        """Add what is not there yet.

        :raises ConnectionLost: if the server goes away; the next session finds out what was added.
        """
        desk = self.desk
        try:
            desk.make_sure_of(self.folder)
            permanent = permanent_flags(desk.client, self.folder)
            limit = append_limit(desk.client, self.folder)
            self._conclude_arrived()
            unselect(desk.client)
        except CommandRejected as error:
            desk.refuse(self.requests, error)
            return
        with ArchivedContents(desk.archive) as contents:
            for start in range(0, len(self.requests), BATCH):
                if desk.stop.is_set():
                    return
                batch = self.requests[start : start + BATCH]
                if not self._add(batch, permanent, limit, contents):
                    return

    def _conclude_arrived(self) -> None:
        """Close what an interrupted run had added already, and what it may have added."""
        begun = [request for request in self.requests if request.attempt is not None]
        if not begun:
            return
        arrived = find_arrived(self.desk, self.folder, begun, row_to_find)
        done = [request for request in begun if request.change_id in arrived.there]
        doubtful = [request for request in begun if request.change_id in arrived.doubtful]
        self._note_there(done)
        self.desk.close(done, RequestState.PUSHED)
        self.desk.close(doubtful, RequestState.CONFLICT, DOUBTFUL.format(folder=self.folder))
        over = arrived.there.keys() | arrived.doubtful
        self.requests = [request for request in self.requests if request.change_id not in over]

    def _add(
        self,
        batch: Sequence[ChangeRequest],
        permanent: frozenset[str] | None,
        limit: int | None,
        contents: ArchivedContents,
    ) -> bool:
        """Add some messages; return whether it makes sense to go on."""
        desk = self.desk
        outcomes: Outcomes = {}
        described = desk.archive.describe({r.sha256 for r in batch if r.sha256 is not None})
        fit = [r for r in batch if _fits(r, described, limit, outcomes)]
        try:
            standing = desk.standing_of(self.folder)
        except CommandRejected as error:
            desk.refuse(batch, error)
            return False
        begun = desk.begin(fit, standing)
        left: list[ChangeRequest] = []
        refusal: CommandRejected | None = None
        outgoing = contents.ahead(_outgoing(begun, described, permanent))
        for outcome in append_messages(desk.client, self.folder, outgoing, contents.open):
            request = begun[outcome.message.place]
            if isinstance(outcome.refusal, CommandRejected) and outcome.refusal.code in TEMPORARY:
                left.append(request)
                refusal = outcome.refusal
            else:
                outcomes[request.change_id] = _outcome(request, outcome)
        added = [request for request, state, _ in outcomes.values() if state is RequestState.PUSHED]
        self._note_there(added)
        desk.conclude(outcomes)
        if refusal is not None:
            desk.leave(left, reason_of(refusal))
        return refusal is None

    def _note_there(self, requests: Sequence[ChangeRequest]) -> None:
        """Record that messages which came into the archive to be added here are now the server's."""
        desk = self.desk
        desk.writer.record(
            LocationRow(
                account=request.account,
                protocol=MailProtocol.IMPORT,
                folder=request.folder,
                change=Change.EXPUNGED,
                at=desk.now(),
                run_id=desk.context.run_id,
                sha256=request.sha256,
                internal_date=request.internal_date,
            )
            for request in requests
            if request.is_new
        )
        desk.writer.flush()


def _fits(
    request: ChangeRequest, described: Mapping[str, Described], limit: int | None, outcomes: Outcomes
) -> bool:
    held = described.get(request.sha256 or "")
    why = None
    if held is None:
        why = "the archive's tables do not know it; run mailroom verify"
    elif limit is not None and held.size > limit:
        why = f"it is larger than the {limit:,} octets that the server takes"
    if why is not None:
        outcomes[request.change_id] = (request, RequestState.REFUSED, why)
    return why is None


def _outgoing(
    begun: Sequence[ChangeRequest], described: Mapping[str, Described], permanent: frozenset[str] | None
) -> Iterator[Outgoing]:
    for place, request in enumerate(begun):
        held = described[request.sha256 or ""]
        flags, _ = sendable_flags(request.add, permanent)
        yield Outgoing(
            place=place,
            digest=held.sha256,
            octets=held.size,
            flags=flags,
            internal_date=request.internal_date,
        )


def _outcome(
    request: ChangeRequest, outcome: AppendOutcome
) -> tuple[ChangeRequest, RequestState, str | None]:
    if outcome.refusal is None:
        return request, RequestState.PUSHED, None
    if isinstance(outcome.refusal, IntegrityError):
        return request, RequestState.REFUSED, "its archived copy is missing or damaged; run mailroom verify"
    return request, RequestState.REFUSED, reason_of(outcome.refusal)
