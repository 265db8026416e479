"""The archive's attachments, with all that rules and names ask of them.

Here: going through the tables a few thousand rows at a time, joining an attachment to its
message and places, and choosing. Not here: rules (``policy.attachments``), delivery
(``attachments``). What a message's row cannot change is asked of an attachment first, so
that messages are looked up only for those that may be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailroom.archive import Archive
from mailroom.archive.attachment_facts import MessageFacts, MessagePlaces, describe_senders
from mailroom.policy.attachments import Attachment, AttachmentRule, Place, choose, may_choose
from mailroom.services.delivery_report import DeliveryTally

__all__ = ["AttachmentChoice"]

BATCH_ATTACHMENTS = 20_000
"""How many attachments are joined to their messages at a time."""

Row = Mapping[str, Any]  # Any: a row of the table as pyarrow gives it


@dataclass(slots=True, kw_only=True)
class AttachmentChoice:
    """The choice of one run.

    :param is_delivered: whether an attachment of a message was delivered before.
    """

    archive: Archive
    rules: Sequence[AttachmentRule]
    account: str | None
    is_delivered: Callable[[str, str], bool]
    tally: DeliveryTally
    _places: MessagePlaces | None = field(default=None, init=False)

    def chosen(self) -> Iterator[tuple[Attachment, Place]]:
        """Yield what is to be delivered, oldest mail first within each batch.

        :raises StoreUnavailable: if the archive cannot be read.
        """
        batch: list[Row] = []
        for table in self.archive.scan_table("attachments"):
            batch += [row for row in table.to_pylist() if self._may_be_chosen(row)]
            if len(batch) >= BATCH_ATTACHMENTS:
                yield from self._choose(batch)
                batch = []
        yield from self._choose(batch)

    def _may_be_chosen(self, row: Row) -> bool:
        self.tally.examined += 1
        if not may_choose(self.rules, row["filename"] or "", row["content_type"] or "", row["size"] or 0):
            return False
        if self.is_delivered(row["message_sha256"], row["part"]):
            self.tally.already += 1
            return False
        return True

    def _choose(self, rows: Sequence[Row]) -> Iterator[tuple[Attachment, Place]]:
        if not rows:
            return
        if self._places is None:
            self._places = MessagePlaces(self.archive, self.account)
        facts = describe_senders(self.archive, {row["message_sha256"] for row in rows})
        joined = [
            _joined(row, facts[row["message_sha256"]], self._places)
            for row in rows
            if row["message_sha256"] in facts
        ]
        joined.sort(key=lambda one: (one.moment, one.message_sha256, one.part))
        yield from choose(self.rules, joined, self.account)


def _joined(row: Row, facts: MessageFacts, places: MessagePlaces) -> Attachment:
    pairs, received = places.of(row["message_sha256"])
    return Attachment(
        message_sha256=row["message_sha256"],
        part=row["part"],
        filename=row["filename"] or "",
        content_type=row["content_type"] or "",
        disposition=row["disposition"],
        size=row["size"],
        sha256=row["sha256"],
        sender=facts.sender,
        author=facts.author,
        subject=facts.subject,
        date=facts.date,
        moment=facts.date or received or facts.archived_at,
        places=tuple(Place(account=account, folder=folder) for account, folder in pairs),
    )
