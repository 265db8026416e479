"""Marks \\Deleted of other people that were taken off for a moment, written down so that a kill loses none.

Belongs here: one small file a folder below ``lifted/``, there only while a deletion is under way on a
server without UIDPLUS. Does not belong here: lifting them and putting them back (``services``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass

from mailroom.archive.storage.store import Store
from mailroom.exceptions import ArchiveError

__all__ = ["LiftedMarks", "MarkJournal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftedMarks:
    """Messages that somebody else had marked \\Deleted.

    :param path: the file that says so.
    """

    path: str
    folder: str
    uid_validity: int
    uids: frozenset[int]


class MarkJournal:
    """The lifted marks of one account.

    :raises StoreUnavailable: from every method, where the store refuses.
    """

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._place = f"lifted/{_name(account)}"

    def write(self, folder: str, uid_validity: int, uids: Collection[int]) -> LiftedMarks:
        """Write down whose marks are about to be lifted; on the disk when the archive is synced next."""
        path = f"{self._place}/{_name(folder)}.json"
        said = {"folder": folder, "uid_validity": uid_validity, "uids": sorted(uids)}
        self._store.replace_file(path, json.dumps(said).encode())
        return LiftedMarks(path=path, folder=folder, uid_validity=uid_validity, uids=frozenset(uids))

    def pending(self) -> list[LiftedMarks]:
        """Return the marks that were lifted and may not have been put back.

        :raises ArchiveError: where a file cannot be understood.
        """
        paths = self._store.list_files(self._place)
        contents = self._store.read_files(paths) if paths else []
        return [_read(path, content) for path, content in zip(paths, contents, strict=True) if content]

    def clear(self, marks: LiftedMarks) -> None:
        """Forget marks that are put back."""
        self._store.remove(marks.path)


def _name(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _read(path: str, content: bytes) -> LiftedMarks:
    try:
        said = json.loads(content)
        uids = frozenset(int(uid) for uid in said["uids"])
        return LiftedMarks(
            path=path, folder=str(said["folder"]), uid_validity=int(said["uid_validity"]), uids=uids
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(
            f"The note {path} of marks that were lifted cannot be read; look at it, and delete it."
        ) from error
