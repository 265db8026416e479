"""The mail of an archive as data: filtered lazily, handed to Arrow, pandas, Polars or DuckDB.

    from mailroom.tables import attachments, messages

    messages("~/mail").filter(from_address="*@supplier.example", since="2026-01-01").to_pandas()
    attachments("~/mail").filter(content_type="application/pdf").to_polars()

A function a table: ``messages``, ``texts``, ``attachments``, ``locations`` (where mail is now;
``location_history`` is the log), ``folders`` (likewise), ``runs``, ``deliveries``, and what
``mailroom inspect`` found: ``authentication``, ``envelopes``, ``links``. Nothing is read
before rows are asked for, and then only the columns and rows that are. ``connect`` opens
all tables in DuckDB, for SQL. All columns are described in docs/archive.md.

Does not belong here: writing. Neither Airflow nor a table library is imported with this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from mailroom.archive import Archive
from mailroom.exceptions import ConfigurationError
from mailroom.tables.rows import Rows

if TYPE_CHECKING:
    import duckdb

    from mailroom.archive.storage.store import Root

__all__ = [
    "Rows",
    "attachments",
    "authentication",
    "connect",
    "deliveries",
    "envelopes",
    "folder_history",
    "folders",
    "links",
    "location_history",
    "locations",
    "messages",
    "runs",
    "texts",
]


def messages(root: Root | Archive, **options: Any) -> Rows:
    """Return the distinct messages: one row each, with who, when and what about.

    :param root: the archive: a path, URL, ``UPath``, Airflow's ``ObjectStoragePath``, or an ``Archive``.
    :param options: ``storage_options`` for the file system of a URL.
    """
    return _rows(root, "messages", options)


def texts(root: Root | Archive, **options: Any) -> Rows:
    """Return the readable text of each message; see ``messages`` for the parameters."""
    return _rows(root, "texts", options)


def attachments(root: Root | Archive, **options: Any) -> Rows:
    """Return the attachments: one row each; see ``messages`` for the parameters."""
    return _rows(root, "attachments", options)


def locations(
    root: Root | Archive, *, gone: bool = False, as_of: datetime | date | str | None = None, **options: Any
) -> Rows:
    """Return where messages are on servers: the newest row of each place.

    All rows of the log are read to know which are the newest; of a very large archive, narrow
    ``location_history`` down instead.

    :param gone: also places from which the message is gone (expunged, deleted, not listed).
    :param as_of: as it was known then: a moment (UTC unless it says otherwise), or the start of a day.
    """
    from mailroom.model import Change

    live = [change.value for change in Change if change.is_live]
    found = _newest(root, "locations", as_of, options)
    return found if gone else found.filter(change=live)


def location_history(root: Root | Archive, **options: Any) -> Rows:
    """Return the whole log of what happened to messages on servers, oldest first within a folder."""
    return _rows(root, "locations", options)


def folders(
    root: Root | Archive, *, gone: bool = False, as_of: datetime | date | str | None = None, **options: Any
) -> Rows:
    """Return the folders of accounts: the newest row of each.

    :param gone: also folders that the server no longer lists.
    :param as_of: as it was known then, as for ``locations``.
    """
    found = _newest(root, "folders", as_of, options)
    return found if gone else found.filter(deleted=[False, None])


def folder_history(root: Root | Archive, **options: Any) -> Rows:
    """Return every state that folders were seen in."""
    return _rows(root, "folders", options)


def runs(root: Root | Archive, **options: Any) -> Rows:
    """Return the runs that changed something or failed."""
    return _rows(root, "runs", options)


def deliveries(root: Root | Archive, **options: Any) -> Rows:
    """Return what was delivered to object stores: one row an attachment."""
    return _rows(root, "deliveries", options)


def authentication(root: Root | Archive, **options: Any) -> Rows:
    """Return what receiving servers found of who messages are from: SPF, DKIM, DMARC, one row a message."""
    return _rows(root, "authentication", options)


def envelopes(root: Root | Archive, **options: Any) -> Rows:
    """Return in which envelopes messages travelled: one row a message that was inspected."""
    return _rows(root, "envelopes", options)


def links(root: Root | Archive, **options: Any) -> Rows:
    """Return the links in messages that were inspected: one row each."""
    return _rows(root, "links", options)


def connect(
    root: Root | Archive, connection: duckdb.DuckDBPyConnection | None = None, **options: Any
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection in which each table of the archive is a view, read lazily.

    Besides the tables there are ``locations_now`` and ``folders_now`` (the newest row of each place),
    ``threads`` (which thread each message is in), ``contacts`` (who wrote and was written to) and
    ``authenticated_messages`` (messages with ``spf``, ``dkim``, ``dkim_domain`` and ``dmarc``).

        connect("~/mail").sql("SELECT from_address, count(*) FROM messages GROUP BY ALL").show()

    :param connection: where to make the views; by default a new database in memory.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    import duckdb

    from mailroom.archive.delta.datasets import open_dataset
    from mailroom.archive.delta.derived_sql import VIEWS
    from mailroom.archive.delta.schemas import TABLES

    archive = _archive(root, options)
    made = duckdb.connect() if connection is None else connection
    made.execute("SET TimeZone = 'UTC'")
    for name in TABLES:
        made.register(name, open_dataset(archive, name))
    for name, query in VIEWS.items():
        made.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")
    return made


def _rows(root: Root | Archive, table: str, options: Mapping[str, Any]) -> Rows:
    return Rows(table=table, _archive=_archive(root, options))


def _newest(
    root: Root | Archive, table: str, as_of: datetime | date | str | None, options: Mapping[str, Any]
) -> Rows:
    log = _rows(root, table, options)
    return replace(log if as_of is None else log.filter(before=as_of), _newest=True)


def _archive(root: Root | Archive, options: Mapping[str, Any]) -> Archive:
    found = root if isinstance(root, Archive) else Archive(root, **options)
    if not found.exists():
        raise ConfigurationError(f"There is no archive at {found.url}; check the path.")
    return found
