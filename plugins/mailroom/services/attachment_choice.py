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

import numpy as np
import numpy.typing as npt

from mailroom.archive import Archive
from mailroom.archive.attachment_facts import MessageFacts, MessagePlaces, describe_senders
from mailroom.policy.attachments import Attachment, AttachmentRule, Place, choose, may_choose
from mailroom.services.delivery_report import DeliveryTally

__all__ = ["AttachmentChoice"]

_ASKED_FIRST = ("filename", "content_type", "size")

BATCH_ATTACHMENTS = 5_000
"""How many attachments are joined to their messages at a time."""

Row = Mapping[str, Any]  # Any: a row of the table as pyarrow gives it


@dataclass(slots=True, kw_only=True)
class AttachmentChoice:
    """The choice of one run.

    :param are_delivered: tells which rows of ``attachments`` were delivered before.
    """

    archive: Archive
    rules: Sequence[AttachmentRule]
    account: str | None
    are_delivered: Callable[[Any], npt.NDArray[np.bool_]]  # Any: a pyarrow table
    tally: DeliveryTally
    _places: MessagePlaces | None = field(default=None, init=False)

    def chosen(self) -> Iterator[tuple[Attachment, Place]]:
        """Yield what is to be delivered, oldest mail first within each batch.

        :raises StoreUnavailable: if the archive cannot be read.
        """
        batch: list[Row] = []
        for table in self.archive.scan_table("attachments"):
            batch += self._candidates(table)
            if len(batch) >= BATCH_ATTACHMENTS:
                yield from self._choose(batch)
                batch = []
        yield from self._choose(batch)

    def _candidates(self, table: Any) -> list[Row]:  # Any: a pyarrow table
        """Return the rows that a rule may choose and that were not delivered before."""
        self.tally.examined += table.num_rows
        facts = zip(*(table[name].to_pylist() for name in _ASKED_FIRST), strict=True)
        may_be_chosen = np.fromiter(
            (may_choose(self.rules, name or "", kind or "", size or 0) for name, kind, size in facts),
            dtype=bool,
            count=table.num_rows,
        )
        delivered = self.are_delivered(table)
        self.tally.already += int(np.count_nonzero(may_be_chosen & delivered))
        found: list[Row] = table.take(np.flatnonzero(may_be_chosen & ~delivered)).to_pylist()
        return found

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
