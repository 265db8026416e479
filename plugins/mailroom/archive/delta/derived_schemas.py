"""The tables that follow from ``messages``: which thread a message is in, and who people are.

Belongs here: their columns. Does not belong here: what is in them (``derived_sql``), and when they are
brought up to date (``derived``).
"""

from __future__ import annotations

import pyarrow as pa

from mailroom.archive.delta.table_spec import TIME, table_spec

__all__ = ["CONTACTS", "THREADS"]

THREADS = table_spec(
    "threads",
    "Which thread each message is in; follows from messages, and is brought up to date by mailroom optimize.",
    [
        ("sha256", pa.string(), "the message"),
        (
            "thread",
            pa.string(),
            "Message-ID of the first message of its thread, archived or not; a digest where there is none",
        ),
        ("at", TIME, "when this was worked out"),
    ],
    unique=("sha256",),
)

CONTACTS = table_spec(
    "contacts",
    "Who wrote and was written to; follows from messages, and is brought up to date by mailroom optimize.",
    [
        ("address", pa.string(), "address, lower case"),
        ("name", pa.string(), "name as last written beside it, or null"),
        ("sent", pa.int64(), "messages from this address"),
        ("received", pa.int64(), "messages to it, in To or Cc"),
        ("first", TIME, "date of the first message from or to it"),
        ("last", TIME, "date of the last one"),
        ("at", TIME, "when this was worked out"),
    ],
    unique=("address", "name"),
)
