"""What retention took away before, so that what somebody brings back is known.

Here: asking the archive once a run, and only where something may be due. Not here: what follows from it
(``message_facts``). Whoever brings mail back may do so into any folder of the account. In trash and junk only
what was taken out of that very folder counts: what retention itself moved into the trash came back nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailroom.archive import FolderState
    from mailroom.archive.reading.digest_times import DigestTimes

__all__ = ["TakenAway"]


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
