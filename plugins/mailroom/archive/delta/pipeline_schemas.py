"""The columns of the tables that pipelines keep their place in; as ``schemas``, of which it is a part."""

from __future__ import annotations

import pyarrow as pa

from mailroom.archive.delta.table_spec import TIME, table_spec

__all__ = ["CONSUMED"]

CONSUMED = table_spec(
    "consumed",
    "One row a message or attachment that a pipeline has taken, so that it gets each once.",
    [
        ("consumer", pa.string(), "name of the pipeline, such as dag_id/task_id"),
        ("message_sha256", pa.string(), "the message"),
        ("part", pa.string(), "IMAP part path of the attachment; empty for the message itself"),
        ("at", TIME, "when the pipeline was done with it"),
        ("run_id", pa.string(), "the run that took it"),
    ],
    bounds=("consumer",),
    unique=("message_sha256",),
)
