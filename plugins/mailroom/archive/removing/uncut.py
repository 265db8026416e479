"""Notes that rows were dropped, and that files of before, which hold them, are still to be deleted.

Belongs here: one small file a removal below ``uncut/``, until a sweep has cut the history of the tables.
Does not belong here: dropping rows (``removal``), cutting (``sweep``).

Delta keeps replaced files for a while, so that this cannot be done at once; and a sweep that was killed, or
that finds no object to delete, must know all the same that there is something to cut.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from mailroom.archive.storage.store import Store
from mailroom.exceptions import ArchiveError

__all__ = ["due_notes", "note_uncut"]

FOLDER = "uncut"


def note_uncut(store: Store, run_id: str, at: datetime) -> None:
    """Note that a run is about to drop rows; on the disk when the archive is synced next.

    :raises StoreUnavailable: where the store refuses.
    """
    path = f"{FOLDER}/{hashlib.sha256(run_id.encode()).hexdigest()[:32]}.json"
    store.replace_file(path, json.dumps({"run_id": run_id, "at": at.isoformat()}).encode())


def due_notes(store: Store, until: datetime) -> list[str]:
    """Return the files of the notes that were made up to a moment, to be removed when all is cut.

    :raises ArchiveError: where a note cannot be understood.
    :raises StoreUnavailable: where the store refuses.
    """
    paths = store.list_files(FOLDER)
    contents = store.read_files(paths) if paths else []
    return [
        path
        for path, content in zip(paths, contents, strict=True)
        if content is not None and _made_at(path, content) <= until
    ]


def _made_at(path: str, content: bytes) -> datetime:
    try:
        return datetime.fromisoformat(json.loads(content)["at"])
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(
            f"The note {path} of a removal cannot be read; delete it, and cut the history with mailroom "
            "optimize."
        ) from error
