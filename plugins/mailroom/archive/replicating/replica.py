"""The small file that says that an archive is a copy of another one, and how far the copy has come.

Belongs here: ``replica.json`` at the root of a copy. Does not belong here: copying (``replication``).
While it is there, no run archives into the copy: what the copy had alone would clash with what comes
from its source. Whoever needs the copy as an archive deletes the file; from then on it is one of its own.
No table library is imported here, because every writer asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailroom.archive.storage.store import Store
from mailroom.exceptions import ArchiveError, ConfigurationError

__all__ = [
    "REPLICA_FILE",
    "CopiedFiles",
    "ReplicaMark",
    "archive_identity",
    "read_mark",
    "refuse_replica",
    "write_mark",
]

REPLICA_FILE = "replica.json"
"""Where the mark lies, below the root of a copy."""

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedFiles:
    """One table at the end of a replication that copied all of it.

    :param source: paths of the source's data files.
    :param copy: paths of the copy's data files.
    """

    source: frozenset[str] = frozenset()
    copy: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaMark:
    """What a copy says of itself.

    :param of: the source's identity, which does not change with its URL.
    :param url: where the source lay, for people.
    :param is_whole: whether the last replication came to its end.
    :param tables: what was copied by then.
    """

    of: str
    url: str
    is_whole: bool = False
    tables: Mapping[str, CopiedFiles] = field(default_factory=dict)


def archive_identity(archive: Archive) -> str:
    """Return what makes an archive this one, wherever it is moved: the id of its first table.

    :raises ConfigurationError: where there is no mail in it.
    :raises StoreUnavailable: where the store refuses.
    """
    messages = archive.reader("messages")
    if messages.version < 0:
        raise ConfigurationError(
            f"There is no mail in the archive at {archive.url}; check the path, or fetch first."
        )
    return str(messages.delta.metadata().id)


def read_mark(store: Store) -> ReplicaMark | None:
    """Return what a place says of being a copy; None where it says nothing.

    :raises ArchiveError: where the file cannot be understood.
    :raises StoreUnavailable: where the store refuses.
    """
    content = store.read_files([REPLICA_FILE])[0]
    if content is None:
        return None
    try:
        said = json.loads(content)
        tables = {
            name: CopiedFiles(source=frozenset(files["source"]), copy=frozenset(files["copy"]))
            for name, files in said["tables"].items()
        }
        return ReplicaMark(
            of=str(said["of"]), url=str(said["url"]), is_whole=bool(said["is_whole"]), tables=tables
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(
            f"{store.url}/{REPLICA_FILE} is damaged; if {store.url} is a copy, empty it and replicate again."
        ) from error


def write_mark(store: Store, mark: ReplicaMark) -> None:
    """Say of a place that it is a copy.

    :raises StoreUnavailable: where the store refuses.
    """
    said = {
        "format": _FORMAT,
        "about": "This archive is a copy; delete this file to use it as an archive of its own.",
        "of": mark.of,
        "url": mark.url,
        "is_whole": mark.is_whole,
        "tables": {
            name: {"source": sorted(files.source), "copy": sorted(files.copy)}
            for name, files in mark.tables.items()
        },
    }
    store.replace_file(REPLICA_FILE, json.dumps(said, indent=1).encode())


def refuse_replica(store: Store) -> None:
    """Refuse to archive into a copy.

    :raises ConfigurationError: where the place is one.
    :raises StoreUnavailable: where the store cannot tell.
    """
    mark = read_mark(store)
    if mark is not None:
        raise ConfigurationError(
            f"{store.url} is a copy of the archive at {mark.url}, so nothing is archived into it; use that "
            f"archive, or delete {REPLICA_FILE} in the copy to make it an archive of its own."
        )
