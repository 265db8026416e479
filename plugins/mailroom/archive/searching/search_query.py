"""Questions to the search index: words and facts in, messages out, newest first.

Belongs here: SQL that reads. Does not belong here: what somebody may type (``services.search``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mailroom.archive.searching.search_rows import spaced

__all__ = ["Found", "SearchQuery", "count", "find"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MIN_PREFIX = 3
"""Shorter words are found whole only. Characters."""

_ALL = ("subject", "sender", "recipients", "text", "files")

_STORED = {
    "subject": ("subject",),
    "sender": ("sender", "address"),
    "recipients": ("recipients",),
    "message_id": ("message_id",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One message that was found."""

    sha256: str
    date: datetime | None
    sender: str | None
    subject: str | None
    size: int
    attachments: int
    message_id: str | None


@dataclass(slots=True, kw_only=True)
class SearchQuery:
    """Conditions as they are added, all of which must hold."""

    _matches: list[str] = field(default_factory=list)
    _wheres: list[str] = field(default_factory=lambda: ["is_indexed"])
    _values: list[str | int] = field(default_factory=list)

    def add_words(self, words: str, columns: Sequence[str] = _ALL, *, is_turned: bool = False) -> None:
        """Ask for words that follow each other in one of these columns.

        The last is the beginning of one, unless it is so short that half of all mail would be found.
        """
        phrase = '"' + spaced(words).replace('"', '""') + '"'
        is_short = len(words.split()[-1]) < MIN_PREFIX
        match = f"{{{' '.join(columns)}}} : {phrase}{'' if is_short else ' *'}"
        if is_turned:
            self._add("id NOT IN (SELECT rowid FROM words WHERE words MATCH ?)", [match])
        else:
            self._matches.append(match)

    def add_pattern(self, pattern: str, column: str, *, is_turned: bool = False) -> None:
        """Ask for a whole value that a shell pattern means: ``sender``, ``files`` and so on."""
        like = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        like = like.replace("*", "%").replace("?", "_")
        if column == "files":
            where = "sha256 IN (SELECT sha256 FROM names WHERE name LIKE ? ESCAPE '\\')"
            self._add(f"NOT {where}" if is_turned else where, [like])
            return
        # Recipients are lines of one value.
        tests = [f"char(10) || {name} || char(10) LIKE ? ESCAPE '\\'" for name in _STORED[column]]
        where = f"coalesce({' OR '.join(tests)}, 0)"
        self._add(f"NOT {where}" if is_turned else where, [f"%\n{like}\n%"] * len(tests))

    def add_date(self, moment: datetime, comparison: str, *, is_turned: bool = False) -> None:
        """Ask for mail sent ``>=`` or ``<`` a moment."""
        where = f"coalesce(date {comparison} ?, 0)"
        self._add(f"NOT {where}" if is_turned else where, [int((moment - _EPOCH).total_seconds())])

    def add_size(self, octets: int, comparison: str, *, is_turned: bool = False) -> None:
        """Ask for messages of ``>=`` or ``<=`` so many octets."""
        where = f"size {comparison} ?"
        self._add(f"NOT {where}" if is_turned else where, [octets])

    def add_id(self, message_id: str, *, is_turned: bool = False) -> None:
        """Ask for a piece of a Message-ID."""
        where = "coalesce(instr(lower(message_id), lower(?)), 0)"
        self._add(f"NOT {where}" if is_turned else where, [message_id])

    def sql(self, what: str, end: str = "") -> tuple[str, list[str | int]]:
        """Return the statement and its values."""
        wheres, values = list(self._wheres), list(self._values)
        if self._matches:
            wheres.append("id IN (SELECT rowid FROM words WHERE words MATCH ?)")
            values.append(" AND ".join(f"({match})" for match in self._matches))
        return f"SELECT {what} FROM docs WHERE {' AND '.join(wheres)} {end}", values

    def _add(self, where: str, values: Sequence[str | int]) -> None:
        self._wheres.append(where)
        self._values += values


def count(connection: sqlite3.Connection, query: SearchQuery) -> int:
    """Return how many messages there are."""
    return int(connection.execute(*query.sql("count(*)")).fetchone()[0])


def find(connection: sqlite3.Connection, query: SearchQuery, limit: int) -> Iterator[Found]:
    """Yield messages, the newest first; those without a date last."""
    columns = "sha256, date, sender, subject, size, attachments, message_id"
    end = "ORDER BY date IS NULL, date DESC, sha256 LIMIT ?"
    statement, values = query.sql(columns, end)
    for sha256, date, sender, subject, size, attachments, message_id in connection.execute(
        statement, [*values, limit]
    ):
        yield Found(
            sha256=sha256,
            date=None if date is None else _EPOCH + timedelta(seconds=date),
            sender=sender,
            subject=subject,
            size=size,
            attachments=attachments or 0,
            message_id=message_id,
        )
