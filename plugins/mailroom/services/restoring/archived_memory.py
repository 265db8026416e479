"""An archived account's folders and marks as they were last read, for as long as its tables say nothing new.

Here: what a copy by way of an archive need not read again. Not here: where it is kept (``copy_marks``), how
it is known that nothing was recorded since (``bookmarks``). With nothing new no table is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailroom.archive import Archive
from mailroom.archive.reading.copy_marks import ArchivedFacts, CopyMarks
from mailroom.policy.restore_folders import Archived

__all__ = ["ArchivedMemory"]


@dataclass(slots=True, kw_only=True)
class ArchivedMemory:
    """What is remembered of one account.

    :param marks: where it is kept between runs.
    """

    archive: Archive
    account: str
    marks: CopyMarks
    _edition: str | None = field(init=False)
    _facts: dict[str, ArchivedFacts] = field(init=False)

    def __post_init__(self) -> None:
        """Read it, unless the tables may say something else by now."""
        self._edition = self.archive.noted.edition(self.account)
        self._facts = dict(self.marks.archived(self._edition) or {})

    def folders(self) -> dict[str, Archived] | None:
        """Return all folders of the account; None where they are to be read."""
        if not self._facts:
            return None
        return {
            name: Archived(name=name, delimiter=delimiter, special_use=use, subscribed=subscribed)
            for name, (delimiter, use, subscribed, _) in self._facts.items()
        }

    def note_folders(self, folders: Mapping[str, Archived]) -> None:
        """Remember the folders of the account, as they were read."""
        self._facts = {
            name: (folder.delimiter, folder.special_use, folder.subscribed, None)
            for name, folder in folders.items()
        }
        self._keep()

    def mark(self, folder: str) -> str | None:
        """Return the digest of a folder's messages, or None where it is to be reckoned."""
        facts = self._facts.get(folder)
        return None if facts is None else facts[3]

    def note_mark(self, folder: str, mark: str) -> None:
        """Remember the digest of a folder's messages."""
        if folder in self._facts:
            self._facts[folder] = (*self._facts[folder][:3], mark)
            self._keep()

    def _keep(self) -> None:
        if self._edition is not None:
            self.marks.note_archived(self._edition, self._facts)
