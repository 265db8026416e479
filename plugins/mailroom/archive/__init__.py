"""The archive: the only place that writes. Raw objects, Delta tables, integrity.

The map:

- ``archive``: the public face; ``writer``: one run's way in; ``state``: where a plan starts
- ``store``, ``object_store``: from a root to a place; ``failures``: foreign errors to ours
- ``raw``, ``raw_file``, ``raw_objects``: the exact bytes, named by their SHA-256; ``durability``: sync
- ``schemas``, ``pipeline_schemas``, ``table_spec``: columns; ``tables``, ``data_files``,
  ``file_statistics``, ``rows``, ``upkeep``, ``maintenance``: Delta tables; ``memory``: kept small;
  ``migration``: of an older version; ``datasets``, ``derived_sql``: for other libraries
- ``intake``, ``indexing``, ``indexed``, ``index_worker``: from bytes to rows
- ``engine``, ``batch``, ``pipeline``, ``committer``, ``message_tables``, ``locations``: from rows to commits
- ``known``, ``digests``, ``places``, ``descriptions``: what is held already; ``bookmarks``,
  ``noted``: what an account's tables said last
- ``leaving``, ``removal``, ``tombstones``, ``sweep``, ``uncut``, ``delivered``: mail on its way out
- ``seals``, ``seal_keys``, ``seal_check``, ``row_digests``: that rows were changed by hand shows
- ``audit_log``: who deleted what; ``intents``: deletions under way; ``clock``: whether the time is right
- ``torn``, ``repair``: after a power cut or a kill; ``integrity``, ``problems``: checking all of it
- ``as_of``: an account as of a moment; ``history``: what a folder looked like then
- ``contents``, ``read_ahead``; ``exports``, ``export_store``, ``export_zip``: mail on its way out, as files
- ``search_index``, ``search_rows``, ``search_query``: words, in a database beside the tables
- ``imports``, ``import_source``, ``import_zip``: files that mail is imported from
- ``changes``, ``change_log``: what is to be changed on servers
- ``replication``, ``object_copies``, ``row_keys``, ``replica``: a copy of all of it at a second root
- ``deliveries``, ``delivery_store``, ``attachment_facts``: attachments in other stores, each once;
  ``consumption``: what pipelines have taken; ``parquet_bytes``: rows for other places

Names are imported when first asked for: pyarrow and deltalake are slow to start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive
    from mailroom.archive.bookmarks import AccountOverview, MaildropOverview, digest_of_listing
    from mailroom.archive.changes import AccountChanges, NewMessage, Requested
    from mailroom.archive.described import Described
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
    "AccountOverview": "bookmarks",
    "MaildropOverview": "bookmarks",
    "digest_of_listing": "bookmarks",
    "Archive": "archive",
    "ArchiveWriter": "writer",
    "Described": "described",
    "FolderState": "state",
    "MaildropState": "state",
}


def __getattr__(name: str) -> Any:  # Any: whatever the module of that name defines
    if name in _HOMES:
        return getattr(import_module(f"mailroom.archive.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
