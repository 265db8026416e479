"""What the archive holds of one mailbox, in terms of the numbers the server uses now.

Here: which UIDs of the archive still mean what they meant, which messages may be there under
another number, and the rows that close what is gone. Not here: finding out (``mailbox_mirror``).
RFC 3501 section 2.3.1.1: a UID means something only beside its UIDVALIDITY.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from mailroom.archive import FolderState
from mailroom.model import Change, LocationRow

__all__ = ["NO_UID_VALIDITY", "Holdings", "Rows"]

Uids = npt.NDArray[np.int64]
Rows = Callable[[], Iterable[LocationRow]]
"""Rows that can be gone through more than once."""

NO_UID_VALIDITY = 0
"""Stands for the UIDVALIDITY of a server that states none: numbers prove nothing there."""

_NONE: Uids = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """One mailbox in the archive, seen from the server's present numbering.

    :param uid_validity: the server's present one.
    :param moved: rows of messages whose folders are gone; they may turn up in a new folder.
    :param is_restored: whether the server has given UIDs a second time under the UIDVALIDITY it had.
    """

    state: FolderState
    uid_validity: int
    moved: Rows | None = None
    is_restored: bool = False

    @property
    def is_numbered(self) -> bool:
        """Whether the archive's UIDs mean what the server's do."""
        return self.is_same_numbering and self.uid_validity != NO_UID_VALIDITY and not self.is_restored

    @property
    def is_same_numbering(self) -> bool:
        """Whether rows of a UID now and then are rows of one place, whatever message lies there."""
        return self.uid_validity == self.state.uid_validity

    @property
    def is_divisible(self) -> bool:
        """Whether messages may be fetched in any order and by any connection that names this UIDVALIDITY."""
        return self.uid_validity != NO_UID_VALIDITY and not self.is_restored

    @property
    def live(self) -> Uids:
        """UIDs known to be there, ascending; none where numbers prove nothing."""
        return self.state.live if self.is_numbered else _NONE

    @property
    def recorded(self) -> Uids:
        """UIDs that are live in the archive under the present numbering, whatever message lies there."""
        return self.state.live if self.is_same_numbering else _NONE

    @property
    def unfetchable(self) -> Uids:
        """UIDs that were never delivered, ascending."""
        return self.state.unfetchable if self.is_same_numbering and not self.is_restored else _NONE

    @property
    def past(self) -> Rows | None:
        """Rows whose numbers are void: they are live still, and must be recognised or closed."""
        state = self.state
        if self.uid_validity != state.uid_validity and state.uid_validity is not None:
            return lambda: chain(state.live_rows(), state.past_live_rows())
        return state.past_live_rows if next(iter(state.past_live_rows()), None) is not None else None

    @property
    def former(self) -> Rows | None:
        """Rows of messages that may be there under another number or name, or None."""
        if self.is_same_numbering and not self.is_numbered:
            return self.state.live_rows
        return self.past or (self.moved if self.state.uid_validity is None else None)

    def closing_rows(
        self, gone: Uids, given_up: Uids, *, is_proof: bool, shown_from: int | None = None
    ) -> Iterator[LocationRow]:
        """Yield the rows that close what is gone: by number, and all of a void numbering.

        :param is_proof: whether the listing was complete, so that absence is proof.
        :param shown_from: the UID from which on it was complete where it was not as a whole.
        """
        for row in chain(self.state.each(gone), self.state.each(given_up)):
            is_shown = shown_from is not None and row.uid is not None and row.uid >= shown_from
            yield row._replace(change=self._closing_change(is_proof or is_shown))
        for row in (self.past or tuple)():
            yield row._replace(change=self._closing_change(is_proof))

    def _closing_change(self, is_proof: bool) -> Change:
        return Change.EXPUNGED if is_proof and self._can_prove else Change.NOT_LISTED

    def expunged(self, gone: Uids, *, is_proof: bool, shown_from: int | None = None) -> int:
        """Return how many messages ``closing_rows`` would call expunged, at most."""
        if not self._can_prove:
            return 0
        if not is_proof:
            return 0 if shown_from is None else int((gone >= shown_from).sum())
        known = len(gone) if self.is_same_numbering else len(self.state.live)
        return known + self.state.past_count

    @property
    def _can_prove(self) -> bool:
        return NO_UID_VALIDITY not in (self.uid_validity, self.state.uid_validity)

    def has_gone(self, gone: Uids, given_up: Uids) -> bool:
        """Return whether there is anything to close."""
        return bool(len(gone) or len(given_up) or self.past is not None)
