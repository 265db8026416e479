"""What a deletion does to a folder besides deleting, written down before, so that a kill leaves none of it.

Belongs here: one small file a folder below ``lifted/`` and ``trashed/``, there only while a deletion is
under way. Does not belong here: doing it, and undoing or finishing it after a kill (``services``).
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailroom.archive.checking.signed_notes import not_signed, read_note, sign_note
from mailroom.exceptions import ArchiveError

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive

__all__ = ["FolderNote", "FolderNotes", "NoteKind"]


class NoteKind(enum.Enum):
    """What notes are about, and the folder of the archive that they lie in."""

    LIFTED = "lifted"
    """Marks \\Deleted of other people, taken off for a moment on a server without UIDPLUS."""

    TRASHED = "trashed"
    """Messages that are on their way through the trash: copied, or to be expunged there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderNote:
    """Some messages of a folder.

    :param path: the file that says so.
    :param messages: UIDs, and of those on their way through the trash a digest of who each is.
    :param trash_uid_validity: the numbering of the trash; ``trash_next`` the first number that was free in
        it, so that copies have this or a higher one (RFC 3501 section 2.3.1.1).
    """

    path: str
    folder: str
    uid_validity: int
    messages: Mapping[int, str] = field(default_factory=dict)
    trash_uid_validity: int | None = None
    trash_next: int = 1


class FolderNotes:
    """The notes of one kind about one account.

    :raises StoreUnavailable: from every method, where the store refuses.
    """

    def __init__(self, archive: Archive, account: str, kind: NoteKind) -> None:
        self._archive = archive
        self._store = archive.store
        self._kind = kind.value
        self._place = f"{kind.value}/{_name(account)}"

    def write(
        self,
        folder: str,
        uid_validity: int,
        messages: Mapping[int, str],
        *,
        trash_uid_validity: int | None = None,
        trash_next: int = 1,
    ) -> FolderNote:
        """Write a note in place of the folder's last one; on the disk when the archive is synced next."""
        note = FolderNote(
            path=f"{self._place}/{_name(folder)}.json",
            folder=folder,
            uid_validity=uid_validity,
            messages=messages,
            trash_uid_validity=trash_uid_validity,
            trash_next=trash_next,
        )
        said = {
            "folder": folder,
            "uid_validity": uid_validity,
            "messages": list(messages.items()),
            "trash": [trash_uid_validity, trash_next],
        }
        self._store.replace_file(note.path, sign_note(self._kind, said, self._archive.seal_key))
        return note

    def pending(self) -> list[FolderNote]:
        """Return the notes of what may not have been brought to its end.

        :raises ArchiveError: where a file cannot be understood, or is not signed with the key that is given.
        """
        paths = self._store.list_files(self._place)
        contents = self._store.read_files(paths) if paths else []
        return [self._read(path, content) for path, content in zip(paths, contents, strict=True) if content]

    def clear(self, note: FolderNote) -> None:
        """Forget what was brought to its end."""
        self._store.remove(note.path)

    def _read(self, path: str, content: bytes) -> FolderNote:
        try:
            said, is_ours = read_note(self._kind, content, self._archive.seal_key)
            note = _note_of(path, said)
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveError(
                f"The note {path} of a deletion that was cut off cannot be read; look at it, and delete it."
            ) from error
        if not is_ours:
            raise not_signed(path)
        return note


def _name(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _note_of(path: str, said: Mapping[str, Any]) -> FolderNote:
    trash_uid_validity, trash_next = said["trash"]
    return FolderNote(
        path=path,
        folder=str(said["folder"]),
        uid_validity=int(said["uid_validity"]),
        messages={int(uid): str(who) for uid, who in said["messages"]},
        trash_uid_validity=trash_uid_validity,
        trash_next=int(trash_next),
    )
