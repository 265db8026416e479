"""What of a maildrop is due and stays under legal hold, told apart once and noted for the runs after.

Here: what the sessions of one run found, and whether it may be noted. Not here: what a hold means
(``policy.holds``), the note and what makes it void (``archive.reading.bookmarks``).

A run whose every message is known and that has nothing to delete but what is held does nothing; the note
has the next one know that without a table. It counts for the very table of holds that was obeyed, and no
longer than these holds do.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from mailroom.archive.ledgers import read_holds
from mailroom.archive.reading.bookmarks import HeldMail
from mailroom.policy.deletion import Candidate, Keep
from mailroom.policy.holds import holds_on
from mailroom.services.deleting.held import find_held
from mailroom.services.fetching.maildrop_ledger import INBOX

if TYPE_CHECKING:
    from mailroom.archive import Archive

__all__ = ["HeldInMaildrop"]

MAX_NOTED = 100_000
"""Of more held messages nothing is noted, for to remember these takes thirty megabytes."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class HeldInMaildrop:
    """The messages that one run left on the server because they are under legal hold.

    :ivar messages: UIDL and SHA-256 of each, as far as they are noted.
    """

    archive: Archive
    account: str
    messages: set[tuple[str | None, str | None]] = field(default_factory=set)
    _until: datetime | None = None
    _versions: set[int] = field(default_factory=set)

    def spare(self, candidates: Sequence[Candidate], now: datetime) -> list[Candidate]:
        """Return the candidates, those that are under hold marked to stay.

        :raises StoreUnavailable: if the archive cannot be read.
        """
        if not candidates:
            return []
        holds = read_holds(self.archive)
        read = self.archive.opened("holds")
        held = find_held(self.archive, self.account, INBOX, [c.row for c in candidates], now, holds=holds)
        if held and read is not None:
            _log.info("%d messages of %s are due and stay, under legal hold", len(held), self.account)
            self._versions.add(read.version)
            ends = self._until, holds_on(holds, self.account, INBOX, now).first_end
            self._until = min(filter(None, ends), default=None)
        found = ((c.row.uidl, c.row.sha256) for c in candidates if c.row.sha256 in held)
        self.messages.update(islice(found, MAX_NOTED + 1 - len(self.messages)))
        return [replace(c, keep=Keep.HELD) if c.row.sha256 in held else c for c in candidates]

    def to_note(self) -> HeldMail | None:
        """Return what may be noted; None where nothing is held, or holds changed while the run was on."""
        if not 0 < len(self.messages) <= MAX_NOTED or len(self._versions) != 1:
            return None
        (version,) = self._versions
        return HeldMail(messages=self.messages, until=self._until, version=version)
