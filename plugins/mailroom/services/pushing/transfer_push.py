"""Messages on their way from one folder to another: MOVE, or COPY and EXPUNGE where that is all there is.

Here: the order in which a kill neither loses a message nor leaves it twice. The source is emptied only
of what is seen in the target. Not here: whether a message may be moved at all (``mailbox_push``).
RFC 6851.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mailroom.change_request import Attempt, ChangeRequest, RequestState
from mailroom.client.imap_changes import copy_messages, move_messages
from mailroom.exceptions import CommandRejected
from mailroom.model import LocationRow
from mailroom.services.deleting.mailbox_deletion import delete_messages
from mailroom.services.pushing.push_desk import NUMBERED_ANEW, TEMPORARY, Desk, Outcomes, reason_of
from mailroom.services.pushing.push_proof import Asked
from mailroom.services.pushing.push_search import DOUBTFUL, Arrivals, find_arrived, row_to_find

__all__ = ["Transfer"]

_log = logging.getLogger(__name__)

LOST_SIGHT = (
    "it left its folder while a run that was interrupted moved it, and is not where it was to go; "
    "the server's side has moved or deleted it"
)


@dataclass(slots=True, kw_only=True)
class Transfer:
    """Messages of the open folder that go to one other folder.

    :param uid_validity: UIDVALIDITY of the open folder, by which the numbers of the messages mean something.
    :param rows: what the archive says of each, by UID.
    :param prove: returns those that are provably the archived ones, and puts the others into ``outcomes``.
    :param outcomes: gets what became of each that is over.
    :ivar landed: where messages are in the target, as far as it is known: UIDVALIDITY and UID by change.
    """

    desk: Desk
    folder: str
    uid_validity: int | None
    target: str
    rows: dict[int, LocationRow]
    prove: Callable[[Sequence[ChangeRequest]], Asked]
    outcomes: Outcomes
    landed: dict[str, tuple[int, int]] = field(default_factory=dict)

    def run(self, fresh: Sequence[ChangeRequest], interrupted: Sequence[ChangeRequest]) -> None:
        """Move what can be moved.

        :param fresh: changes that no run has begun.
        :param interrupted: changes that an earlier run had begun.
        :raises ConnectionLost: if the server goes away.
        """
        desk = self.desk
        try:
            desk.make_sure_of(self.target)
            standing = desk.standing_of(self.target)
            arrived = self._arrived(interrupted, strict=True)
        except CommandRejected as error:
            self._refuse([*fresh, *interrupted], error)
            return
        if arrived is None:
            self._conflict([*fresh, *interrupted], NUMBERED_ANEW)
            return
        present = self._present(interrupted)
        for request in interrupted:
            if request.uid not in present:
                is_there = request.change_id in arrived.there
                state = RequestState.PUSHED if is_there else RequestState.CONFLICT
                self.outcomes[request.change_id] = (request, state, None if is_there else LOST_SIGHT)
        left = [request for request in interrupted if request.uid in present]
        doubtful = [request for request in left if request.change_id in arrived.doubtful]
        self._conflict(doubtful, DOUBTFUL.format(folder=self.target))
        over = arrived.there.keys() | arrived.doubtful
        to_move = self.prove([*fresh, *(r for r in left if r.change_id not in over)])
        to_finish = self.prove([r for r in left if r.change_id in arrived.there])
        chosen = [request for request, _, _ in (*to_move, *to_finish)]
        begun = {request.change_id: request for request in desk.begin(chosen, standing)}
        moving = [begun[r.change_id] for r, _, _ in to_move if r.change_id in begun]
        finishing = [begun[r.change_id] for r, _, _ in to_finish if r.change_id in begun]
        self._take_away(finishing)
        if moving and desk.client.supports("MOVE"):
            self._move(moving)
        elif moving:
            self._take_away(self._copy(moving))

    def _arrived(self, requests: Sequence[ChangeRequest], *, strict: bool) -> Arrivals | None:
        """Return which messages are in the target; the source is open for changes afterwards.

        :returns: None where the source is another folder by now, made or numbered anew meanwhile.
        :raises CommandRejected: if the target cannot be looked at, or the source not opened again.
        """
        if not requests:
            return Arrivals()
        found = find_arrived(
            self.desk,
            self.target,
            requests,
            lambda r: row_to_find(r, self.rows.get(r.uid or 0)),
            strict=strict,
        )
        selected = self.desk.client.select(self.folder)
        for change_id, (uid_validity, uid) in found.there.items():
            if uid_validity:
                self.landed[change_id] = (uid_validity, uid)
        return found if selected.uid_validity == self.uid_validity else None

    def _refuse(self, requests: Sequence[ChangeRequest], error: CommandRejected) -> None:
        if error.code in TEMPORARY:
            self.desk.leave(requests, reason_of(error))
        else:
            self._end(requests, RequestState.REFUSED, reason_of(error))

    def _conflict(self, requests: Sequence[ChangeRequest], why: str) -> None:
        self._end(requests, RequestState.CONFLICT, why)

    def _end(self, requests: Sequence[ChangeRequest], state: RequestState, why: str) -> None:
        for request in requests:
            self.outcomes[request.change_id] = (request, state, why)

    def _present(self, requests: Sequence[ChangeRequest]) -> set[int]:
        if not requests:
            return set()
        self.desk.client.noop()
        return set(self.desk.client.search("ALL").tolist())

    def _move(self, requests: Sequence[ChangeRequest]) -> None:
        refusal: CommandRejected | None = None
        landed: dict[int, tuple[int, int]] = {}
        try:
            move_messages(self.desk.client, _uids(requests), self.target, landed)
        except CommandRejected as error:
            refusal = error
        present = self._present(requests)
        moved = [request for request in requests if request.uid not in present]
        for request in moved:
            self.outcomes[request.change_id] = (request, RequestState.PUSHED, None)
        self._note_landed(moved, landed)
        left = [request for request in requests if request.uid in present]
        if refusal is not None:
            self.desk.refuse(left, refusal)
        else:
            self.desk.leave(left, "the server left them where they are")

    def _note_landed(self, moved: Sequence[ChangeRequest], landed: dict[int, tuple[int, int]]) -> None:
        """Note where moved messages are now; those of which the server does not say it are looked for.

        What it says is believed where it can be so: numbers that the folder had not given when the run set
        out, and no other message's.
        """
        said = Counter(landed.values())
        unsaid = []
        for request in moved:
            place, before = landed.get(request.uid or 0), request.attempt or Attempt()
            if place is not None and said[place] == 1 and before.may_give(*place):
                self.landed[request.change_id] = place
            else:
                unsaid.append(request)
        try:
            self._arrived(unsaid, strict=False)
        except CommandRejected as error:
            _log.warning("where messages are that went to %r is not known: %s", self.target, error)

    def _copy(self, requests: Sequence[ChangeRequest]) -> list[ChangeRequest]:
        """Copy messages; return those that are seen in the target."""
        try:
            copy_messages(self.desk.client, _uids(requests), self.target)
        except CommandRejected as error:
            self.desk.refuse(requests, error)
            return []
        try:
            arrived = self._arrived(requests, strict=False)
        except CommandRejected as error:
            self.desk.leave(requests, f"they are in both folders now: {reason_of(error)}")
            return []
        if arrived is None:
            self._conflict(requests, f"it was copied to {self.target!r} and not removed: {NUMBERED_ANEW}")
            return []
        missing = [request for request in requests if request.change_id not in arrived.there]
        self.desk.leave(missing, "the server says that it has copied them, and does not show the copies")
        return [request for request in requests if request.change_id in arrived.there]

    def _take_away(self, requests: Sequence[ChangeRequest]) -> None:
        """Remove from the source what is in the target, each once more proved to be the archived one.

        The source was opened anew since it was proved first, and the server may have been long at work.
        """
        desk = self.desk
        present = self._present(requests)
        for request in requests:
            if request.uid not in present:
                self.outcomes[request.change_id] = (request, RequestState.PUSHED, None)
        proved = self.prove([request for request in requests if request.uid in present])
        requests = [request for request, _, _ in proved]
        by_uid = {request.uid: request for request in requests if request.uid is not None}
        if not by_uid:
            return
        desk.writer.secure()
        try:
            done = delete_messages(desk.client, by_uid, spare_flagged=False)
        except CommandRejected as error:
            desk.leave(requests, f"they are in both folders now: {reason_of(error)}")
            return
        for uid in done.gone:
            self.outcomes[by_uid[uid].change_id] = (by_uid[uid], RequestState.PUSHED, None)
        rest = [request for uid, request in by_uid.items() if uid not in done.gone]
        desk.leave(rest, f"they are in both folders now: {done.refusal or 'the server kept them'}")


def _uids(requests: Sequence[ChangeRequest]) -> list[int]:
    return sorted(request.uid for request in requests if request.uid is not None)
