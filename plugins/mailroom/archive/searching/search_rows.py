"""What the search index holds: its schema, and rows of the archive's tables on their way into it.

Belongs here: SQL that writes. Does not belong here: when it is written (``search_index``), and
what is asked of it (``search_query``). Texts are not stored, only their words.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailroom.archive.delta.data_files import DataFile
    from mailroom.archive.delta.tables import Table

__all__ = ["FORMAT", "TAKERS", "Advance", "make_empty", "spaced", "transaction"]

FORMAT = 2
"""Grows when the index holds something else, so that an older one is built anew."""

ROWS_AT_ONCE = 1_000
"""Rows of a table in memory, and in a transaction, at a time; texts may be long."""

Advance = Callable[[int], None]
"""Is told how many texts more are indexed; may raise to stop there."""

_SCHEMA = """
DROP TABLE IF EXISTS state;
DROP TABLE IF EXISTS taken;
DROP TABLE IF EXISTS docs;
DROP TABLE IF EXISTS names;
DROP TABLE IF EXISTS words;
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE taken (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE docs (id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, size INTEGER, message_id TEXT,
    date INTEGER, sender TEXT, address TEXT, recipients TEXT, subject TEXT, attachments INTEGER,
    is_indexed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX docs_by_date ON docs (date DESC);
CREATE TABLE names (sha256 TEXT, part TEXT, name TEXT, PRIMARY KEY (sha256, part)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (subject, sender, recipients, text, files,
    content='', prefix='3', tokenize="unicode61 remove_diacritics 2");
"""
# Three letters, with which a thousand words of all messages may begin, are looked up in an index of their
# own: to join what is known of each word takes 14 times as long (measured). Longer beginnings have few words.

_UNSPACED = re.compile("([\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff])")
"""Letters of scripts that put no blanks between words: each counts as a word, and words are phrases."""

_MESSAGE = [
    "sha256",
    "size",
    "message_id",
    "date",
    "from",
    "from_address",
    "to",
    "cc",
    "subject",
    "attachment_count",
]


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what a block writes, or nothing; another process may write between two of them."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def spaced(text: str) -> str:
    """Return a text with blanks around letters of scripts that write none.

    >>> spaced("請求書 7")
    ' 請  求  書  7'
    """
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", text)


def make_empty(connection: sqlite3.Connection) -> None:
    """Make the tables of the index anew, within the transaction at hand."""
    for statement in _SCHEMA.split(";\n"):
        if statement.strip():
            connection.execute(statement)


def _take_messages(connection: sqlite3.Connection, table: Table, file: DataFile, _: Advance) -> bool:
    for piece in table.scan(_MESSAGE, files=[file]):
        for start in range(0, piece.table.num_rows, ROWS_AT_ONCE):
            rows = piece.table.slice(start, ROWS_AT_ONCE).to_pylist()
            with transaction(connection):
                connection.executemany(
                    "INSERT OR IGNORE INTO docs (sha256, size, message_id, date, sender, address, "
                    "recipients, subject, attachments) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    map(_doc, rows),
                )
    return True


def _doc(row: dict[str, Any]) -> tuple[Any, ...]:  # Any: a row of ``messages``
    date = row["date"]
    return (
        row["sha256"],
        row["size"],
        row["message_id"],
        None if date is None else int(date.timestamp()),
        row["from"],
        row["from_address"],
        "\n".join([*(row["to"] or ()), *(row["cc"] or ())]),
        row["subject"],
        row["attachment_count"],
    )


def _take_names(connection: sqlite3.Connection, table: Table, file: DataFile, _: Advance) -> bool:
    for piece in table.scan(["message_sha256", "part", "filename"], files=[file]):
        columns = [piece.table[name].to_pylist() for name in ("message_sha256", "part", "filename")]
        with transaction(connection):
            connection.executemany("INSERT OR IGNORE INTO names VALUES (?, ?, ?)", zip(*columns, strict=True))
    return True


def _take_texts(connection: sqlite3.Connection, table: Table, file: DataFile, advance: Advance) -> bool:
    """Index the messages whose texts these are; False where one lacks rows that are not committed yet."""
    is_complete = True
    with table.parquet(file) as parquet:
        for batch in parquet.iter_batches(ROWS_AT_ONCE, columns=["sha256", "text"], use_threads=False):
            rows = zip(batch["sha256"].to_pylist(), batch["text"], strict=True)
            with transaction(connection):
                for sha256, text in rows:
                    is_complete &= _index(connection, sha256, text)
            advance(batch.num_rows)
    return is_complete


def _index(connection: sqlite3.Connection, sha256: str, text: Any) -> bool:  # Any: an Arrow scalar
    doc = connection.execute(
        "SELECT id, subject, sender, address, recipients, attachments, is_indexed FROM docs WHERE sha256 = ?",
        (sha256,),
    ).fetchone()
    if doc is None:
        return False
    number, subject, sender, address, recipients, attachments, is_indexed = doc
    if is_indexed:
        return True
    names = connection.execute("SELECT name FROM names WHERE sha256 = ?", (sha256,)).fetchall()
    if len(names) < (attachments or 0):
        return False
    people = (
        sender or "" if address and address in (sender or "").lower() else f"{sender or ''} {address or ''}"
    )
    values = (
        subject or "",
        people,
        recipients or "",
        text.as_py() or "",
        "\n".join(n or "" for (n,) in names),
    )
    connection.execute(
        "INSERT INTO words (rowid, subject, sender, recipients, text, files) VALUES (?, ?, ?, ?, ?, ?)",
        (number, *map(spaced, values)),
    )
    connection.execute("UPDATE docs SET is_indexed = 1 WHERE id = ?", (number,))
    return True


TAKERS: dict[str, Callable[[sqlite3.Connection, Table, DataFile, Advance], bool]] = {
    "messages": _take_messages,
    "attachments": _take_names,
    "texts": _take_texts,
}
"""How a new file of each table is taken in, in the order that it has to be; texts last, because a message is
indexed when all else of it is there. Each says whether the file needs no second look."""
