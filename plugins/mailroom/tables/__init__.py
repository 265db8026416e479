"""The mail of an archive as data: filtered lazily, handed to Arrow, pandas, Polars or DuckDB.

    from mailroom.tables import attachments, messages

    messages("~/mail").filter(from_address="*@supplier.example", since="2026-01-01").to_pandas()
    attachments("~/mail").filter(content_type="application/pdf").to_polars()

A function a table: ``messages``, ``texts``, ``attachments``, ``locations`` (where mail is now;
``location_history`` is the log), ``folders`` (likewise), ``runs``, ``deliveries``, ``consumed``,
what ``mailroom inspect`` found (``authentication``, ``envelopes``, ``links``), and the records of
what was done or is to be done: ``plans``, ``audit``, ``changes``, ``holds``, ``seals``,
``tombstones``, ``erasures``; what zip archives held (``zip_members``); what follows from messages:
``threads``, ``contacts``. Nothing is read before rows are asked for,
and then only the columns and rows that are. ``connect`` opens all tables in DuckDB, for SQL. All
columns are described in docs/archive.md.

Does not belong here: writing. Neither Airflow nor a table library is imported with this module.
"""

from __future__ import annotations

import re
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
    "audit",
    "authentication",
    "changes",
    "connect",
    "consumed",
    "contacts",
    "deliveries",
    "envelopes",
    "erasures",
    "folder_history",
    "folders",
    "holds",
    "links",
    "location_history",
    "locations",
    "messages",
    "plans",
    "runs",
    "seals",
    "texts",
    "threads",
    "tombstones",
    "zip_members",
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


def consumed(root: Root | Archive, **options: Any) -> Rows:
    """Return what tasks were handed of new mail, so that they are handed it once."""
    return _rows(root, "consumed", options)


def zip_members(root: Root | Archive, **options: Any) -> Rows:
    """Return the files in zip archives that deliveries looked into: one row each."""
    return _rows(root, "zip_members", options)


def threads(root: Root | Archive, **options: Any) -> Rows:
    """Return which thread each message is in, by References, else In-Reply-To: one row a message.

    It is what the messages say that are archived now: what ``mailroom optimize`` stored where that is up to
    date, else worked out when rows are asked for, which writes nothing, and takes less than a second for
    100,000 messages.
    """
    return _rows(root, "threads", options)


def contacts(root: Root | Archive, **options: Any) -> Rows:
    """Return who wrote and was written to: one row an address; up to date as ``threads`` is."""
    return _rows(root, "contacts", options)


def plans(root: Root | Archive, **options: Any) -> Rows:
    """Return what deletions were planned, and who agreed to them."""
    return _rows(root, "plans", options)


def audit(root: Root | Archive, **options: Any) -> Rows:
    """Return which messages were deleted, moved to trash or forgotten: by whom, and why."""
    return _rows(root, "audit", options)


def changes(root: Root | Archive, **options: Any) -> Rows:
    """Return the changes that were asked for, and what became of them."""
    return _rows(root, "changes", options)


def holds(root: Root | Archive, **options: Any) -> Rows:
    """Return which messages must be kept, by whose word and for how long."""
    return _rows(root, "holds", options)


def seals(root: Root | Archive, **options: Any) -> Rows:
    """Return the digests by which rows written before are known to be unchanged."""
    return _rows(root, "seals", options)


def tombstones(root: Root | Archive, **options: Any) -> Rows:
    """Return which messages are on their way out of the archive: the log."""
    return _rows(root, "tombstones", options)


def erasures(root: Root | Archive, **options: Any) -> Rows:
    """Return digests of rows that were removed from sealed tables."""
    return _rows(root, "erasures", options)


def connect(
    root: Root | Archive,
    connection: duckdb.DuckDBPyConnection | None = None,
    prefix: str = "",
    **options: Any,
) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB connection in which each table of the archive is a view, read lazily.

    Besides the tables there are ``locations_now`` and ``folders_now`` (the newest row of each place),
    ``threads`` (which thread each message is in), ``contacts`` (who wrote and was written to) and
    ``authenticated_messages`` (messages with ``spf``, ``dkim``, ``dkim_domain`` and ``dmarc``).

        connect("~/mail").sql("SELECT from_address, count(*) FROM messages GROUP BY ALL").show()

    :param connection: where to make the views; by default a new database in memory.
    :param prefix: how the names of all views begin, such as ``mail_``, where the database of
        ``connection`` has tables of its own.
    :raises ConfigurationError: where a table or view of the database has the name of one of these.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    import duckdb

    from mailroom.archive.delta.datasets import open_dataset
    from mailroom.archive.delta.derived import is_current
    from mailroom.archive.delta.derived_sql import DERIVED, VIEWS, views
    from mailroom.archive.delta.schemas import TABLES

    if not re.fullmatch(r"(?:[A-Za-z_][A-Za-z0-9_]*)?", prefix):
        raise ConfigurationError(f"{prefix[:40]!r} is no prefix of names: write letters, digits and _.")
    archive = _archive(root, options)
    made = duckdb.connect() if connection is None else connection
    stored = [name for name in TABLES if name not in DERIVED or is_current(archive, name)]
    derived = views(prefix, [name for name in VIEWS if name not in stored])
    _check_names(made, [*(f"{prefix}{name}" for name in stored), *derived])
    made.execute("SET TimeZone = 'UTC'")
    for name in DERIVED:  # whoever connected before may have got the other kind of view
        made.execute(f"DROP VIEW IF EXISTS temp.{prefix}{name}")
    for name in stored:
        made.register(f"{prefix}{name}", open_dataset(archive, name))
    for name, query in derived.items():
        made.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")
    return made


def _check_names(connection: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    """Refuse to stand before tables and views that are not ours; ours are temporary views."""
    taken = connection.execute(
        "SELECT lower(table_name) FROM duckdb_tables() WHERE NOT internal "
        "UNION SELECT lower(view_name) FROM duckdb_views() WHERE NOT internal AND NOT temporary"
    ).fetchall()
    met = sorted({name for (name,) in taken} & {name.lower() for name in names})
    if met:
        raise ConfigurationError(
            f"The database has {', '.join(met[:5])} of its own, which a view would stand before; "
            'connect with a prefix, such as prefix="mail_".',
            argument="prefix",
        )


def _rows(root: Root | Archive, table: str, options: Mapping[str, Any]) -> Rows:
    return Rows(table=table, _archive=_archive(root, options))


def _newest(
    root: Root | Archive, table: str, as_of: datetime | date | str | None, options: Mapping[str, Any]
) -> Rows:
    log = _rows(root, table, options)
    return replace(log if as_of is None else log.filter(before=as_of), _newest=True)


def _archive(root: Root | Archive, options: Mapping[str, Any]) -> Archive:
    found = root if isinstance(root, Archive) else Archive(root, **options)
    found.require()
    return found
