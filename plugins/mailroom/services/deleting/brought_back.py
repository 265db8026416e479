"""What retention took away before, so that what somebody brings back is known.

Here: asking the archive once a run, and only where something may be due. Not here: what follows from it
(``message_facts``, ``maildrop_session``). Whoever brings mail back may do so into any folder of the account.
In trash and junk only what was taken out of that very folder counts: what retention itself moved into the
trash came back nowhere. By POP3 it is back under another UIDL; under the one that it had, a server may have
confirmed a deletion and not carried it out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from mailroom.archive import FolderState, MaildropState
    from mailroom.archive.reading.digest_times import DigestTimes
    from mailroom.model import LocationRow

__all__ = ["TakenAway", "came_back"]


def came_back(state: MaildropState, rows: Collection[LocationRow]) -> dict[tuple[str | None, str], datetime]:
    """Return when each of these messages of a maildrop came back after it was deleted, by UIDL and SHA-256.

    :param rows: the rows of messages that are there; those that did not come back are left out.
    :raises StoreUnavailable: if the archive cannot be read.
    """
    returns = state.returns([row.sha256 for row in rows], [row.at for row in rows])
    return {(row.uidl, row.sha256 or ""): at for row, at in zip(rows, returns, strict=True) if at is not None}


@dataclass(slots=True)
class TakenAway:
    """What retention took away from one account before this moment; sixteen octets of memory a message."""

    _anywhere: DigestTimes | None = field(init=False, default=None)

    def before(self, state: FolderState, *, is_discarding: bool) -> Callable[[], DigestTimes]:
        """Return what to ask for one folder; the archive is read at the first question.

        :param is_discarding: whether it is a trash or junk folder.
        """
        return cache(state.taken_away) if is_discarding else lambda: self._from_anywhere(state)

    def _from_anywhere(self, state: FolderState) -> DigestTimes:
        if self._anywhere is None:
            self._anywhere = state.taken_away(anywhere=True)
        return self._anywhere
