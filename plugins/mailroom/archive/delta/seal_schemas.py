"""The columns of the tables by which changes made by hand show.

Belongs here: ``seals`` and ``erasures``. Does not belong here: the other tables (``schemas``).
"""

from __future__ import annotations

import pyarrow as pa

from mailroom.archive.delta.table_spec import TEXTS, TIME, table_spec

__all__ = ["ERASURES", "SEALS"]

SEALS = table_spec(
    "seals",
    "One row a run and account: a Merkle root over the rows that the run wrote, chained.",
    [
        ("account", pa.string(), "connection id, or user@host"),
        ("run_id", pa.string(), "the run; empty for all rows that are older than the account's first seal"),
        ("root", pa.string(), "hex Merkle root over the digests of the run's rows in the sealed tables"),
        ("rows", pa.int64(), "how many rows those were"),
        ("previous", pa.string(), "seal of the account's row before; null in its first"),
        (
            "seal",
            pa.string(),
            "hex SHA-256 over account, seq, run_id, root, rows, previous, at, sealed_by, marks and tables",
        ),
        ("algorithm", pa.string(), "hmac-sha256 or ed25519, or null where it is not signed"),
        ("key_id", pa.string(), "which key signed it"),
        ("signature", pa.string(), "hex signature of seal"),
        ("at", TIME, "when it was sealed"),
        ("seq", pa.int64(), "number of the seal within the account, from 0, without gaps"),
        ("sealed_by", pa.string(), "the run that sealed it, where its own was killed or wrote more; or null"),
        ("marks", TEXTS, "numbers of the files below unsealed/ that it settles; null in older rows"),
        (
            "hints",
            pa.list_(pa.int64()),
            "first 8 octets of the digest of each row, sorted; null in older rows",
        ),
        ("tables", TEXTS, "tables whose rows it is over; null: locations, folders, audit, erasures"),
    ],
    bounds=("account", "run_id"),
    unique=("run_id", "root", "previous", "seal", "signature", "at", "marks", "hints"),
)

ERASURES = table_spec(
    "erasures",
    "Digests of rows that were removed from sealed tables, so that the seals over them still hold.",
    [
        ("account", pa.string(), "the account whose rows they were"),
        ("of_run", pa.string(), "the run that had written the row"),
        ("leaf", pa.string(), "hex digest of the row, see seals"),
        ("at", TIME, "when it was removed"),
        ("run_id", pa.string(), "the run that removed it"),
    ],
    bounds=("account", "run_id"),
    unique=("leaf",),
)
