"""What an account and its folders looked like at a moment, as data.

Belongs here: messages that were on the server then, with what identifies them for people. Does
not belong here: which rows those are (``as_of``), mail for export and restore, which hold more than
was on the server (``contents``, ``snapshot``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.reading.as_of import LIVE, AccountAsOf
from mailroom.archive.state import POP3_FOLDER
from mailroom.model import MailProtocol

if TYPE_CHECKING:
    from mailroom.archive.archive import Archive

__all__ = ["folder_as_of", "folders_as_of", "imported_as_of"]

_PLACED = (
    "uidvalidity",
    "uid",
    "uidl",
    "sha256",
    "size",
    "flags",
    "labels",
    "internal_date",
    "change",
    "at",
    "run_id",
)
_NAMED = ("message_id", "date", "from", "subject")


def folder_as_of(archive: Archive, account: str, folder: str, moment: datetime | None = None) -> pa.Table:
    """Return the messages that were in a folder on the server at a moment, in the order of their UIDs.

    :param folder: its name then; of a maildrop INBOX.
    :param moment: None for the newest state.
    :returns: of ``locations``: place, sha256, size, flags, labels, internal_date, and the row that was
        the newest (change, at, run_id); of ``messages``: message_id, date, from, subject.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    state = AccountAsOf(archive, account, moment)
    schema = archive.schema("locations", list(_PLACED))
    protocols = [MailProtocol.IMAP, *([MailProtocol.POP3] if folder == POP3_FOLDER else [])]
    parts = [part for protocol in protocols for part in _parts(state, protocol, folder)]
    placed = pa.concat_tables([schema.empty_table(), *(part.cast(schema) for part in parts)])
    placed = placed.sort_by([("uidvalidity", "ascending"), ("uid", "ascending"), ("at", "ascending")])
    return _described(archive, placed)


def folders_as_of(archive: Archive, account: str, moment: datetime | None = None) -> pa.Table:
    """Return the folders that an account had on the server at a moment, sorted by name.

    :returns: as ``folders`` states them, and ``live``: how many messages were archived and there.
    :raises StoreUnavailable: where the archive cannot be read.
    """
    state = AccountAsOf(archive, account, moment)
    there = {name: row for name, row in state.folders.items() if not row.deleted}
    counts = {
        name: len(state.rows(MailProtocol.IMAP, name))
        for name in {*there, *state.places(MailProtocol.IMAP).folder_names()}
    }
    maildrop = len(state.rows(MailProtocol.POP3, POP3_FOLDER))
    if maildrop:
        counts[POP3_FOLDER] = counts.get(POP3_FOLDER, 0) + maildrop
    names = sorted(name for name, count in counts.items() if count or name in there)
    columns = {
        "folder": pa.array(names, pa.string()),
        "live": pa.array([counts[name] for name in names], pa.int64()),
    }
    stated = archive.schema("folders", ["uidvalidity", "special_use", "subscribed", "windowed", "at"])
    for field in stated:
        ours = "uid_validity" if field.name == "uidvalidity" else field.name
        values = [getattr(there[name], ours) if name in there else None for name in names]
        columns[field.name] = pa.array(values, field.type)
    return pa.table(columns)


def imported_as_of(archive: Archive, account: str, moment: datetime | None = None) -> int:
    """Return how many messages of an account had come from files by a moment; they are on no server.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    state = AccountAsOf(archive, account, moment)
    names = state.places(MailProtocol.IMPORT).folder_names()
    return sum(len(state.rows(MailProtocol.IMPORT, name)) for name in names)


def _parts(state: AccountAsOf, protocol: MailProtocol, folder: str) -> Iterator[pa.Table]:
    rows = state.rows(protocol, folder, LIVE)
    for _, table in state.places(protocol).reader.read(rows, _PLACED):
        yield table


def _described(archive: Archive, placed: pa.Table) -> pa.Table:
    """Add to each row what its message says of itself."""
    wanted = placed["sha256"].unique()
    schema = archive.schema("messages", ["sha256", *_NAMED])
    found = [schema.empty_table()]
    for table in archive.scan_table("messages", schema.names):
        found.append(table.filter(pc.is_in(table["sha256"], value_set=wanted)))
    messages = pa.concat_tables(found)
    places = pc.index_in(placed["sha256"], value_set=messages["sha256"].combine_chunks())
    for name in _NAMED:
        placed = placed.append_column(messages.schema.field(name), messages[name].take(places))
    return placed
