"""An archive that knows one huge folder, made of the archive's own tables without fetching anything.

Run as ``python -m benchmarks.huge_archive ROOT STATE`` with the STATE of ``scripted_imap``. Every
message has its row in ``messages``, ``texts`` and ``locations``, and the latter are sealed; raw objects
there are none, for a run with nothing new reads none.
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from benchmarks.scripted_imap import State
from mailroom.archive import Archive
from mailroom.archive.checking.sealer import Sealer
from mailroom.archive.checking.seals import SEALED
from mailroom.archive.delta.rows import folders_table
from mailroom.archive.delta.tables import Append, Table
from mailroom.model import FolderRow, RunContext

__all__ = ["ACCOUNT", "build"]

ACCOUNT = "huge"
FILE_ROWS = 250_000
"""Rows of a data file; upkeep would have joined small ones to about this."""

GROUP_ROWS = 50_000

RECEIVED = datetime(2020, 1, 1, tzinfo=UTC)
RUN = "run-1"


def build(root: str, state: State) -> None:
    """Write the tables of an archive that has seen all of the state."""
    archive = Archive(root)
    archive.prepare().close()
    context = RunContext(run_id=RUN, what="mirror", account=ACCOUNT, started=RECEIVED, who="benchmark")
    sealer = Sealer(archive, context)
    for name in ("messages", "texts", "locations"):
        table = _opened(archive, name, sealer)
        for number, first in enumerate(range(1, state.messages + 1, FILE_ROWS)):
            last = min(first + FILE_ROWS, state.messages + 1)
            rows = [
                _rows(archive, name, range(start, min(start + GROUP_ROWS, last)), state, number)
                for start in range(first, last, GROUP_ROWS)
            ]
            identifier = f"{ACCOUNT}/INBOX" if name == "locations" else name
            _append(table, rows, {identifier: number})
    folder = FolderRow(
        account=ACCOUNT,
        folder="INBOX",
        at=RECEIVED,
        run_id=RUN,
        delimiter="/",
        uid_validity=state.uid_validity,
        uid_next=state.messages + 1,
        highest_modseq=state.modseq,
        messages=state.messages,
    )
    row = folders_table([folder], [0])
    _append(_opened(archive, "folders", sealer), [row], {ACCOUNT: 0})
    sealer.seal()


def _opened(archive: Archive, name: str, sealer: Sealer) -> Table:
    table = archive.table(name)
    table.watcher = sealer if name in SEALED else None
    return table


def _append(table: Table, rows: list[pa.Table], transactions: dict[str, int]) -> None:
    table.append(lambda: Append(rows=rows, transactions=transactions))


def _rows(archive: Archive, name: str, uids: range, state: State, seq: int) -> pa.Table:
    """Return rows of one table for some messages; columns not named here are null."""
    schema = archive.schema(name)
    values: dict[str, Any] = {
        "sha256": [hashlib.sha256(b"%d" % uid).hexdigest() for uid in uids],
        "size": 1000,
        "archived_at": RECEIVED,
    }
    if name == "messages":
        values |= {
            "identity": [hashlib.sha256(b"identity %d" % uid).hexdigest() for uid in uids],
            "message_id": [f"<{uid}@example.org>" for uid in uids],
            "date": RECEIVED,
            "date_source": "header",
            "subject": [f"Message {uid}" for uid in uids],
            "attachment_count": 0,
            "to": [],
            "cc": [],
            "references": [],
            "defects": [],
        }
    elif name == "texts":
        values["text"] = [f"This is message {uid}." for uid in uids]
    else:
        values |= {
            "account": ACCOUNT,
            "protocol": "imap",
            "folder": "INBOX",
            "uidvalidity": state.uid_validity,
            "uid": list(uids),
            "flags": ["\\Seen"],
            "internal_date": RECEIVED,
            "modseq": 1,
            "change": "added",
            "at": RECEIVED,
            "run_id": RUN,
            "seq": seq,
        }
    return pa.table([_column(values.get(f.name), f, len(uids)) for f in schema], schema=schema)


def _column(value: Any, field: pa.Field, count: int) -> pa.Array:
    is_one = not isinstance(value, list) or (pa.types.is_list(field.type) and len(value) != count)
    return pa.array([value] * count if is_one else value, field.type)


def main() -> None:
    """Build what the command line names."""
    build(sys.argv[1], State(**json.loads(sys.argv[2])))


if __name__ == "__main__":
    main()
