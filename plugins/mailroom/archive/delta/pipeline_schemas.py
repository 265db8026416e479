"""The columns of the tables of pipelines: their place, and what they know; a part of ``schemas``."""

from __future__ import annotations

import pyarrow as pa

from mailroom.archive.delta.table_spec import TIME, table_spec

__all__ = ["CONSUMED", "ZIP_MEMBERS"]

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

ZIP_MEMBERS = table_spec(
    "zip_members",
    "One row a file in a zip archive that a delivery looked into, so that no later one opens it to look.",
    [
        ("message_sha256", pa.string(), "the message that the archive came with"),
        ("archive", pa.string(), "part of the outermost archive in its message, such as 2"),
        (
            "part",
            pa.string(),
            "part as in deliveries, such as 2.zip1; empty in the only row of an archive without files",
        ),
        ("filename", pa.string(), "its name in the archive, without folders; not safe as a path"),
        ("size", pa.int64(), "unpacked size as the archive states it, in octets"),
        ("detected_type", pa.string(), "media type the content looks like"),
        ("at", TIME, "when it was looked at"),
    ],
    unique=("message_sha256", "filename"),
)
