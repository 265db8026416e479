"""Rows that are committed together, and what makes two of them one place.

Belongs here: what is waiting for a commit. Does not belong here: when a batch is full
(``writer``), how it is committed (``committer``). No table library is imported here, so
that a run with nothing new needs none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailroom.archive.writing.arrivals import Arrival
    from mailroom.ledger import AuditRow, PlanRow
    from mailroom.model import FolderRow, LocationRow

__all__ = ["Batch", "key_of"]


class Batch:
    """Rows that are committed together, in the order they were handed in."""

    def __init__(self) -> None:
        self.entries: list[tuple[LocationRow, Arrival | None]] = []
        self.folders: list[FolderRow] = []
        self.plans: list[PlanRow] = []
        self.audits: list[AuditRow] = []
        self.keys: set[tuple[object, ...]] = set()
        self.octets = 0
        self.arrivals = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.entries or self.folders or self.plans or self.audits)


def key_of(row: LocationRow) -> tuple[object, ...]:
    """Return what makes a place: two rows of one key in one commit could not be told apart."""
    # An enumeration is hashed by a method of its own, which counts where there are many rows.
    return (row.account, row.protocol._value_, row.folder, row.uid_validity, row.uid, row.uidl)
