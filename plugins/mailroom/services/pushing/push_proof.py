"""Whether the message behind a number is the one that a change was asked for.

Here: asking the server again, in the session that changes it, and comparing. Not here: what is done
then (``mailbox_push``, ``flags_push``), the comparison itself (``policy.proof``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mailroom.archive import FolderState
from mailroom.change_request import ChangeRequest, RequestState
from mailroom.message import fingerprint_of_header
from mailroom.model import FetchedMessage, LocationRow
from mailroom.policy.mailbox_plan import may_be_another
from mailroom.policy.proof import ServerAnswer, find_difference, is_re_encoded
from mailroom.services.deleting.archived_copies import read_copies
from mailroom.services.deleting.mailbox_refetch import refetch
from mailroom.services.pushing.push_desk import Desk, Outcomes

__all__ = ["GONE", "Asked", "Inquiry"]

GONE = "it is no longer in the folder, moved or deleted on the server since"
ANOTHER = "its number belongs to another message by now"
DAMAGED = "its archived copy is missing or damaged; run mailroom verify"
RE_ENCODED = "the archive holds it with other bytes than the server, which would be gone for good"

Asked = list[tuple[ChangeRequest, LocationRow, FetchedMessage]]
"""Changes with what archive and server say of their messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """Asks about messages of the open folder.

    :param state: the folder as the archive knows it.
    """

    desk: Desk
    state: FolderState

    def recognised(self, requests: Iterable[ChangeRequest], outcomes: Outcomes) -> Asked:
        """Return the requests whose message looks like the archived one; ``outcomes`` gets the others.

        Enough for what deletes nothing: size, date and object id as the server stated them, else the
        Message-ID.
        """
        asked = self._asked(requests, outcomes)
        doubtful = {row.sha256 for _, row, message in asked if may_be_another(row, message) and row.sha256}
        known = self.desk.archive.describe(doubtful)
        found = []
        for request, row, message in asked:
            held = known.get(row.sha256 or "")
            name = fingerprint_of_header(message.header or b"").message_id
            if may_be_another(row, message) and (held is None or not name or held.message_id != name):
                outcomes[request.change_id] = (request, RequestState.CONFLICT, ANOTHER)
            else:
                found.append((request, row, message))
        return found

    def proved(self, requests: Iterable[ChangeRequest], outcomes: Outcomes, *, exact: bool) -> Asked:
        """Return the requests whose message is provably the archived one; ``outcomes`` gets the others.

        :param exact: whether the exact bytes must be archived, for the message goes away or into the trash;
            one that moves to another folder may be archived as another server gave it.
        """
        asked = self._asked(requests, outcomes)
        copies = read_copies(self.desk.archive, {row.sha256 for _, row, _ in asked if row.sha256})
        if not exact:
            copies = {digest: replace(copy, octets=None) for digest, copy in copies.items()}
        answers = {message.uid: ServerAnswer.of(message) for _, _, message in asked}
        doubtful = {
            message.uid
            for _, row, message in asked
            if (copy := copies.get(row.sha256 or "")) is not None and is_re_encoded(row, copy)
        }
        answers = refetch(self.desk.client, self.desk.archive, answers, doubtful)
        proved = []
        for request, row, message in asked:
            copy = copies.get(row.sha256 or "")
            answer = answers.get(message.uid, ServerAnswer())
            difference = None if copy is None else find_difference(row, copy, answer)
            if copy is None or not copy.is_intact:
                outcomes[request.change_id] = (request, RequestState.REFUSED, DAMAGED)
            elif difference is not None and is_re_encoded(row, copy):
                outcomes[request.change_id] = (request, RequestState.REFUSED, RE_ENCODED)
            elif difference is not None:
                why = f"{ANOTHER} ({difference} differs)"
                outcomes[request.change_id] = (request, RequestState.CONFLICT, why)
            else:
                proved.append((request, row, message))
        return proved

    def _asked(self, requests: Iterable[ChangeRequest], outcomes: Outcomes) -> Asked:
        """Return the requests whose messages are there, with what archive and server say of them.

        ``outcomes`` gets those whose message is gone, or that the archive knows to be gone.
        """
        by_uid = {request.uid: request for request in requests if request.uid is not None}
        rows = {row.uid: row for row in self.state.rows(by_uid)}
        self.desk.client.noop()
        messages = {message.uid: message for message in self.desk.client.fetch_fingerprints(sorted(by_uid))}
        found = []
        for uid, request in by_uid.items():
            row, message = rows.get(uid), messages.get(uid)
            is_known = row is not None and row.sha256 == request.sha256 and row.change.is_live
            if message is not None and row is not None and is_known:
                found.append((request, row, message))
            elif message is None and request.attempt is not None and request.expunge:
                outcomes[request.change_id] = (request, RequestState.PUSHED, None)
            else:
                outcomes[request.change_id] = (request, RequestState.CONFLICT, GONE)
        return found
