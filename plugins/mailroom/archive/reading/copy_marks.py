"""Marks of a copy: what both accounts looked like, so that nothing need be compared again.

Belongs here: the small file that a run leaves in an archive or in a folder of its own. Does not belong here:
what follows from it (``in_step``, ``services``). No table library is imported. It says nothing that
the two servers do not say; deleting it makes the next run compare all messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Self

from mailroom.archive.reading.bookmarks import account_prefix, decoded, encoded
from mailroom.archive.storage.store import Root, Store, open_store
from mailroom.in_step import InStep

__all__ = ["ArchivedFacts", "CopyMarks"]

_FORMAT = 1

ArchivedFacts = tuple[str | None, str | None, bool | None, str | None]
"""Delimiter, special use, whether subscribed, and the digest of the messages of an archived folder."""


class CopyMarks:
    """The marks of one account's copy at another one.

    :param source: the account that is copied.
    :param target: the one that it is copied to.
    :param store: where the file is: an archive's, or one of its own.
    :raises StoreUnavailable: if it cannot be read.
    """

    def __init__(self, store: Store, source: str, target: str) -> None:
        self._store = store
        self._names = (source, target)
        digest = hashlib.sha256(target.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self._path = f"{account_prefix(source)}.copy-{digest}.json"
        self._archived: tuple[str, dict[str, ArchivedFacts]] | None = None
        self._marks = self._read()
        self._is_changed = False

    @classmethod
    def at(cls, root: Root, source: str, target: str) -> Self:
        """Return the marks that are kept below a root, which need be no archive.

        :raises ConfigurationError: where the root names no place that can hold files.
        :raises StoreUnavailable: if they cannot be read.
        """
        return cls(open_store(root), source, target)

    def get(self, source: str, target: str) -> InStep | None:
        """Return what is known of a folder and the one it goes to."""
        return self._marks.get((source, target))

    def put(self, source: str, target: str, mark: InStep | None) -> None:
        """Take in what is known now; None where it is not in step."""
        if self._marks.get((source, target)) == mark:
            return
        self._is_changed = True
        if mark is None:
            del self._marks[source, target]
        else:
            self._marks[source, target] = mark

    def archived(self, edition: str | None) -> Mapping[str, ArchivedFacts] | None:
        """Return what was noted of the source's folders in the archive when it said the same as now, or None.

        :param edition: what stands for all that the archive says of the account; None where nothing does.
        """
        if self._archived is None or self._archived[0] != edition:
            return None
        return self._archived[1]

    def note_archived(self, edition: str, folders: Mapping[str, ArchivedFacts]) -> None:
        """Take in what the archive says of the source's folders."""
        noted = (edition, dict(folders))
        self._is_changed |= self._archived != noted
        self._archived = noted

    def save(self) -> None:
        """Leave it for the next run, where anything is new.

        :raises StoreUnavailable: if it cannot be written.
        """
        if not self._is_changed:
            return
        said = {
            "format": _FORMAT,
            "accounts": self._names,
            "folders": [[*names, mark.as_facts()] for names, mark in self._marks.items()],
            "archived": self._archived,
        }
        self._store.replace_file(self._path, encoded(said))
        self._is_changed = False

    def _read(self) -> dict[tuple[str, str], InStep]:
        (octets,) = self._store.read_files([self._path])
        try:
            said = None if octets is None else decoded(octets)
            if said is None or said["format"] != _FORMAT or tuple(said["accounts"]) != self._names:
                return {}
            self._archived = _archived(said.get("archived"))
            return {(source, target): InStep.from_facts(facts) for source, target, facts in said["folders"]}
        except (KeyError, TypeError, ValueError):
            return {}  # whatever is wrong with it: the servers know


def _archived(said: Any) -> tuple[str, dict[str, ArchivedFacts]] | None:  # Any: whatever lies in a file
    """Return what was noted of an archive, or None.

    :raises TypeError, ValueError: where it is something else.
    """
    if said is None:
        return None
    edition, folders = said
    return edition, {
        name: (delimiter, use, subscribed, mark)
        for name, (delimiter, use, subscribed, mark) in folders.items()
    }
