"""Bring rows back that a kill or a power cut took from the tables, from the raw objects.

Belongs here: what can be known again from the bytes. Does not belong here: finding torn
commits (``torn``), and places on servers, which only the server can tell again: the next
run lists what has no row.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from mailroom.archive.delta.tables import Table
from mailroom.archive.delta.torn import TABLES_OF_MESSAGES, mark_repaired, torn_commits
from mailroom.archive.failures import translated
from mailroom.archive.storage.raw import RawStore
from mailroom.archive.writing.indexed import Indexed, index_content
from mailroom.archive.writing.message_rows import MessageRows
from mailroom.archive.writing.message_tables import MessageTables
from mailroom.exceptions import IntegrityError

__all__ = ["Repair"]

log = logging.getLogger(__name__)

REPAIR_MESSAGES = 500
"""Messages parsed again before their rows are committed."""

REPAIR_OCTETS = 32 * 1024 * 1024
"""Octets of messages parsed again before their rows are committed."""

_Parsed = tuple[str, int, Indexed, datetime]
"""Digest and octets of a message, what was found in it, and when it was archived."""


class Repair:
    """Completes the message tables of one archive, for one writer.

    :param url: the archive's root, for messages to people.
    :param leaving: messages whose objects wait to be deleted, and which get no row again.
    """

    def __init__(
        self,
        *,
        raw: RawStore,
        tables: MessageTables,
        locations: Table,
        url: str,
        leaving: Collection[str] = (),
    ) -> None:
        self._leaving = leaving
        self._raw = raw
        self._tables = tables
        self._locations = locations
        self._url = url

    def complete(self) -> int:
        """Add the texts and attachments that a kill between two commits left out; return how many messages.

        :raises StoreUnavailable: where the store refuses.
        """
        texts, attachments = self._tables.lacking()
        lacking = sorted(texts | attachments)
        if lacking:
            log.info("Completing texts and attachments of %d messages for another run", len(lacking))
        for rows in self._parsed(lacking):
            self._tables.append_texts(rows.among(texts))
            self._tables.append_attachments(rows.among(attachments))
        return len(lacking)

    def rebuild_torn(self, root: str) -> int:
        """Where commits of the message tables were set aside, add their messages again; return how many.

        :raises StoreUnavailable: where the store refuses.
        """
        with translated(self._url):
            torn = [path for name in TABLES_OF_MESSAGES for path in torn_commits(f"{root}/tables/{name}")]
        if not torn:
            return 0
        count = self.rebuild()
        self._tables.drop_unowned()
        self.complete()
        with translated(self._url):
            mark_repaired(torn)
        return count

    def rebuild(self) -> int:
        """Add a row of ``messages`` for every raw object that has none and is what its name says.

        :returns: how many.

        :raises StoreUnavailable: where the store refuses.
        """
        self._tables.load()
        lacking = [
            digest
            for digest, _ in self._raw.objects()
            if self._tables.archived_at(digest) is None and digest not in self._leaving
        ]
        return self.rebuild_some(lacking)

    def rebuild_some(self, digests: Sequence[str]) -> int:
        """Add a row of ``messages`` for these raw objects, where they have none; return how many.

        :raises StoreUnavailable: where the store refuses.
        """
        self._tables.load()
        lacking = [digest for digest in digests if self._tables.archived_at(digest) is None]
        since = self._archived_since(set(lacking))
        count = 0
        for rows in self._parsed(lacking, since):
            count += len(self._tables.append_messages(rows))
        log.warning("Brought back %d messages from raw objects", count)
        return count

    def _parsed(
        self, digests: Iterable[str], since: dict[str, datetime] | None = None
    ) -> Iterator[MessageRows]:
        rows: list[_Parsed] = []
        octets = 0
        for digest in digests:
            row = self._parse(digest, (since or {}).get(digest))
            if row is None:
                continue
            rows.append(row)
            octets += row[1]
            if len(rows) >= REPAIR_MESSAGES or octets >= REPAIR_OCTETS:
                yield MessageRows.of(rows)
                rows, octets = [], 0
        if rows:
            yield MessageRows.of(rows)

    def _parse(self, digest: str, since: datetime | None) -> _Parsed | None:
        try:
            if self._raw.hash(digest) != digest:
                log.warning(
                    "Raw object %s is damaged; it is left alone and fetched again when listed", digest
                )
                return None
            with self._raw.mapped(digest) as content:
                return digest, len(content), index_content(content), since or self._stored_at(digest)
        except IntegrityError:
            log.warning("Raw object %s is missing; its text cannot be completed", digest)
            return None

    def _stored_at(self, digest: str) -> datetime:
        path = self._raw.local_path(digest)
        with translated(self._url):
            return datetime.now(UTC) if path is None else datetime.fromtimestamp(os.stat(path).st_mtime, UTC)

    def _archived_since(self, digests: set[str]) -> dict[str, datetime]:
        """Return what ``locations`` says of when these were archived, where it says anything."""
        found: dict[str, datetime] = {}
        if digests:
            for piece in self._locations.scan(["sha256", "archived_at"]):
                for digest, at in zip(
                    *(piece.table[name].to_pylist() for name in ("sha256", "archived_at")), strict=True
                ):
                    if digest in digests and at is not None:
                        found[digest] = min(at, found.get(digest, at))
        return found
