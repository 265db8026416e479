"""Flags of messages of one folder, set and taken away because somebody asked for it.

Here: deciding by what the server says now, changing only what nobody changed meanwhile, and looking
again. Not here: the rule (``policy.two_way``). RFC 3501 section 6.4.6, RFC 7162 section 3.1.3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from mailroom.change_request import Attempt, ChangeRequest, RequestState
from mailroom.client.imap_changes import change_flags
from mailroom.exceptions import CommandRejected
from mailroom.model import FetchedMessage
from mailroom.policy.mailbox_plan import normal_flags
from mailroom.policy.two_way import decide_flags, split_flags
from mailroom.services.pushing.push_desk import Desk, Outcomes
from mailroom.services.pushing.push_proof import GONE, Inquiry

__all__ = ["FlagsPush"]

MAX_ROUNDS = 5
"""How often flags are decided anew where others change the same messages meanwhile."""


@dataclass(slots=True, kw_only=True)
class FlagsPush:
    """Changes of flags in the open folder.

    :param permanent: the flags that it keeps, in small letters; None where it does not say.
    """

    desk: Desk
    inquiry: Inquiry
    permanent: frozenset[str] | None

    def push(self, batch: Sequence[ChangeRequest]) -> None:
        """Change the flags of some messages, none of them twice.

        :raises ConnectionLost: if the server goes away.
        """
        outcomes: Outcomes = {}
        asked = self.inquiry.recognised(batch, outcomes)
        highest = max((message.modseq or 0 for _, _, message in asked), default=0) or None
        begun = {r.change_id: r for r in self.desk.begin([r for r, _, _ in asked], Attempt(modseq=highest))}
        messages = {
            begun[request.change_id].change_id: message
            for request, _, message in asked
            if request.change_id in begun
        }
        waiting = dict(begun)
        first_try = {r.change_id for r in batch if r.attempt is not None}
        for _ in range(MAX_ROUNDS):
            waiting = self._change_flags(waiting, messages, outcomes, interrupted=first_try)
            first_try = set()
            if not waiting:
                break
        for change_id, request in waiting.items():
            why = "the server did not keep the flags, or others change them all the time"
            outcomes[change_id] = (request, RequestState.REFUSED, why)
        self.desk.conclude(outcomes)

    def _change_flags(
        self,
        waiting: dict[str, ChangeRequest],
        messages: dict[str, FetchedMessage],
        outcomes: Outcomes,
        *,
        interrupted: set[str],
    ) -> dict[str, ChangeRequest]:
        """Decide by the flags at hand and send one round of changes; return what must be looked at again.

        :param interrupted: changes that a killed run had begun.
        """
        groups: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
        left: dict[str, ChangeRequest] = {}
        for change_id, request in waiting.items():
            message = messages.get(change_id)
            if message is None:
                outcomes[change_id] = (request, RequestState.CONFLICT, GONE)
                continue
            step = self._flag_step(request, message, outcomes, was_begun=change_id in interrupted)
            if step is not None:
                groups[step].append(change_id)
                left[change_id] = request
        for (sign, flags), ids in groups.items():
            uids = sorted(uid for one in ids if (uid := left[one].uid) is not None)
            since = max((messages[one].modseq or 0 for one in ids), default=0) or None
            try:
                change_flags(self.desk.client, uids, sign, flags, unchanged_since=since)
            except CommandRejected as error:
                self.desk.refuse([left.pop(one) for one in ids], error)
        uids = sorted({uid for request in left.values() if (uid := request.uid) is not None})
        if uids:
            self.desk.client.noop()
        now = {message.uid: message for message in self.desk.client.fetch_flags(uids)} if uids else {}
        messages.clear()
        messages.update({one: now[r.uid] for one, r in left.items() if r.uid is not None and r.uid in now})
        return left

    def _flag_step(
        self, request: ChangeRequest, message: FetchedMessage, outcomes: Outcomes, *, was_begun: bool
    ) -> tuple[str, tuple[str, ...]] | None:
        """Return the next STORE for a message; None where nothing is left to do, as ``outcomes`` says."""
        kept, dropped = split_flags(request.add, self.permanent)
        decision = decide_flags(kept, request.remove, request.before, normal_flags(message.flags))
        known = request.attempt.modseq if request.attempt is not None else None
        if was_begun and not decision.is_done and known and (message.modseq or 0) > known:
            why = "its flags were changed on the server while a run that was interrupted changed them"
            outcomes[request.change_id] = (request, RequestState.CONFLICT, why)
            return None
        if decision.add:
            return "+", decision.add
        if decision.remove:
            return "-", decision.remove
        state, reason = RequestState.PUSHED, None
        if decision.overruled:
            named = ", ".join(decision.overruled)
            state, reason = RequestState.CONFLICT, f"the server's side has changed {named} since"
        elif dropped:
            state, reason = RequestState.REFUSED, f"the folder does not keep {', '.join(dropped)}"
        outcomes[request.change_id] = (request, state, reason)
        return None
