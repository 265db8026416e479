"""Tables that follow from others, worked out when their rows are asked for: threads and contacts.

Belongs here: their columns, and having DuckDB work them out. Does not belong here: the queries
(``archive.delta.derived_sql``), conditions on their rows (``rows``). A thread changes with mail that comes
later, and a contact with every message, so that a copy of either would be wrong most of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailroom.archive import Archive

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DERIVED", "derived_schema", "derived_table"]

DERIVED = {
    "threads": (
        ("sha256", "text", "the message"),
        ("thread", "text", "Message-ID of the first message of its thread; a digest where that has none"),
    ),
    "contacts": (
        ("address", "text", "address, lower case"),
        ("name", "text", "name as last written beside it, or null"),
        ("sent", "integer", "messages from this address"),
        ("received", "integer", "messages to it, in To or Cc"),
        ("first", "timestamp (UTC)", "date of the first message from or to it"),
        ("last", "timestamp (UTC)", "date of the last one"),
    ),
}
"""Columns by table: name, type, meaning."""


def derived_schema(name: str) -> pa.Schema:
    """Return the schema of one of these tables."""
    import pyarrow as pa

    types = {"text": pa.string(), "integer": pa.int64(), "timestamp (UTC)": pa.timestamp("us", tz="UTC")}
    return pa.schema([pa.field(column, types[kind]) for column, kind, _ in DERIVED[name]])


def derived_table(archive: Archive, name: str) -> pa.Table:
    """Return one of these tables, worked out from the messages as they are now.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    import duckdb

    from mailroom.archive.delta.datasets import open_dataset
    from mailroom.archive.delta.derived_sql import VIEWS
    from mailroom.archive.failures import translated

    with translated(archive.url), duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("messages", open_dataset(archive, "messages"))
        found = connection.sql(VIEWS[name]).to_arrow_table()
    return found.cast(derived_schema(name))
