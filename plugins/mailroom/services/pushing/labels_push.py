"""Labels of messages of one folder, given because somebody asked for it: Gmail's, and nobody else's.

Here: deciding by what the server says now, giving what is lacking, and looking again. Not here: the rule
(``policy.two_way``), how the command is spelled (``client.imap_changes``).

To give a label twice is to give it once, so what a killed run had begun is just done again. A folder of
Gmail is a label too, which messages in it do not name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailroom.change_request import Attempt, ChangeRequest, RequestState
from mailroom.client.imap_changes import add_labels
from mailroom.exceptions import CommandRejected
from mailroom.model import FetchedMessage
from mailroom.policy.two_way import FlagDecision, decide_flags
from mailroom.services.pushing.push_desk import Desk, Outcomes
from mailroom.services.pushing.push_proof import Inquiry

__all__ = ["NO_LABELS", "LabelsPush"]

NO_LABELS = "this server has no labels, which only Gmail has; use keyword:NAME, flag or move:FOLDER instead"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsPush:
    """Labels for messages of the open folder, which is called ``folder``."""

    desk: Desk
    inquiry: Inquiry
    folder: str

    def push(self, batch: Sequence[ChangeRequest]) -> None:
        """Label some messages, none of them twice.

        :raises ConnectionLost: if the server goes away.
        """
        if not self.desk.client.states_labels:
            self.desk.close(batch, RequestState.REFUSED, NO_LABELS)
            return
        outcomes: Outcomes = {}
        asked = self.inquiry.recognised(batch, outcomes)
        begun = {r.change_id: r for r in self.desk.begin([r for r, _, _ in asked], Attempt())}
        lacking: dict[tuple[str, ...], list[ChangeRequest]] = defaultdict(list)
        for request, _, message in asked:
            ours = begun.get(request.change_id)
            if ours is not None:
                decision = self._decide(ours, message)
                if decision.add:
                    lacking[decision.add].append(ours)
                else:
                    outcomes[ours.change_id] = (ours, *_end(decision))
        for labels, requests in lacking.items():
            self._label(requests, labels, outcomes)
        self.desk.conclude(outcomes)

    def _label(self, requests: Sequence[ChangeRequest], labels: tuple[str, ...], outcomes: Outcomes) -> None:
        """Give labels to messages that lack them, and look whether they have them now."""
        client = self.desk.client
        uids = sorted(request.uid for request in requests if request.uid is not None)
        try:
            for label in labels:
                self.desk.make_sure_of(label)
            add_labels(client, uids, labels)
        except CommandRejected as error:
            self.desk.refuse(requests, error)
            return
        client.noop()
        now = {message.uid: message for message in client.fetch_flags(uids)}
        for request in requests:
            message = now.get(request.uid or 0)
            if message is not None and not self._decide(request, message).add:
                outcomes[request.change_id] = (request, RequestState.PUSHED, None)
            else:
                why = "the server did not keep the label"
                outcomes[request.change_id] = (request, RequestState.REFUSED, why)

    def _decide(self, request: ChangeRequest, message: FetchedMessage) -> FlagDecision:
        return decide_flags(request.add, (), request.before, [*(message.labels or ()), self.folder])


def _end(decision: FlagDecision) -> tuple[RequestState, str | None]:
    """Return what became of a change of which nothing is left to do."""
    if decision.overruled:
        return RequestState.CONFLICT, f"the label {_named(decision.overruled)} was taken off since"
    return RequestState.PUSHED, None


def _named(labels: Iterable[str]) -> str:
    return ", ".join(map(repr, labels))
