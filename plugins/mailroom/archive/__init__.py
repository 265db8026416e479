"""The archive: the only place that writes. Raw objects, Delta tables, integrity.

The map, modules first, then the rooms behind them:

- ``archive``: the public face; ``writer``: one run's way in; ``state``: where a plan starts
- ``changes``, ``change_log``, ``open_changes``: what is to be changed on servers;
  ``ledgers``: holds and plans; ``intents``, ``folder_notes``: deletions under way;
  ``audit_log``: who deleted what; ``unannounced``: runs whose changes nobody was told of yet
- ``failures``: foreign errors to ours; ``digests``: many SHA-256 in little memory; ``memory``: kept small
- ``storage``: from a root to a place, raw objects under their SHA-256, sync
- ``delta``: columns, Parquet files, Delta logs; upkeep, migration, commits that a power cut tore
- ``writing``: from bytes to rows (``intake``, ``indexing``), from rows to commits (``engine``,
  ``pipeline``, ``committer``); ``repair`` after a kill
- ``reading``: places of an account, now or as of a moment; ``bookmarks``: what its tables said last,
  ``shortcuts``: what the server did
- ``checking``: integrity, seals, whether the clock is right
- ``removing``: mail on its way out of the archive; ``replicating``: a copy of all of it
- ``exchanging``: files that mail comes from and goes to; ``searching``: words, in a database beside
- ``delivering``: attachments in other stores, each once, and what pipelines have taken

Names are imported when first asked for: pyarrow and deltalake are slow to start.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing takes longer to load than all that a run with nothing new loads of this
if TYPE_CHECKING:
    from typing import Any

    from mailroom.archive.archive import Archive
    from mailroom.archive.changes import AccountChanges, NewMessage, Requested
    from mailroom.archive.reading.bookmarks import AccountOverview, MaildropOverview, digest_of_listing
    from mailroom.archive.reading.described import Described
    from mailroom.archive.state import FolderState, MaildropState
    from mailroom.archive.writer import ArchiveWriter

__all__ = [
    "AccountChanges",
    "AccountOverview",
    "Archive",
    "ArchiveWriter",
    "Described",
    "FolderState",
    "MaildropOverview",
    "MaildropState",
    "NewMessage",
    "Requested",
    "digest_of_listing",
]

_HOMES = {
    "AccountChanges": "changes",
    "NewMessage": "changes",
    "Requested": "changes",
    "AccountOverview": "reading.bookmarks",
    "MaildropOverview": "reading.bookmarks",
    "digest_of_listing": "reading.bookmarks",
    "Archive": "archive",
    "ArchiveWriter": "writer",
    "Described": "reading.described",
    "FolderState": "state",
    "MaildropState": "state",
}


# Read by the libraries when they are loaded, which happens below this package. Arrow's own allocator keeps
# 10 to 30 MB that are free. jemalloc, which deltalake brings along, keeps what was freed for ten seconds, in
# four arenas a core: 8 MB (measured); giving it back at once costs a tenth more a commit, later nothing.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:1,dirty_decay_ms:500,muzzy_decay_ms:0")


def __getattr__(name: str) -> Any:  # Any: whatever the module of that name defines
    if name in _HOMES:
        from importlib import import_module

        found = globals()[name] = getattr(import_module(f"mailroom.archive.{_HOMES[name]}"), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
