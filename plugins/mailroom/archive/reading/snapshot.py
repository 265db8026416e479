"""One account of an archive as it was last seen, or as it was at a moment: what a restore brings back.

Belongs here: which rows of the logs count, by protocol. Does not belong here: what is done with
them. A snapshot is read once and does not change; its rows come in the same order each time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from mailroom.archive.archive import Archive
from mailroom.archive.delta.rows import location_rows
from mailroom.archive.reading.as_of import LIVE, AccountAsOf, is_one_of
from mailroom.archive.reading.places import Rows
from mailroom.archive.state import POP3_FOLDER, rows_in_chunks
from mailroom.model import Change, FolderRow, LocationRow, MailProtocol

__all__ = ["Snapshot", "accounts_of"]

_POP3 = LIVE | {Change.DELETED_BY_FETCH}
"""What a maildrop's messages are called that were downloaded to be kept here, and nowhere else."""

_DELETED = frozenset({Change.DELETED_BY_RETENTION, Change.DELETED_BY_FETCH})


class Snapshot:
    """The folders and messages of one account.

    :param as_of: leave out what was recorded later; None for the newest state.
    :param with_deleted: whether messages that retention deleted on the server count too.
    """

    def __init__(
        self, archive: Archive, account: str, *, as_of: datetime | None = None, with_deleted: bool = False
    ) -> None:
        self._archive = archive
        self._account = account
        self._as_of = as_of
        self._state = AccountAsOf(archive, account, as_of)
        self._more = frozenset({Change.DELETED_BY_RETENTION} if with_deleted else ())

    @cached_property
    def folders(self) -> dict[str, FolderRow]:
        """The folders that were there, by name.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        return {name: row for name, row in self.all_folders.items() if not row.deleted}

    @cached_property
    def all_folders(self) -> dict[str, FolderRow]:
        """The newest row of each folder that was ever there.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        found = dict(self._state.folders)
        for protocol in (MailProtocol.IMAP, MailProtocol.IMPORT):
            for name in self._state.places(protocol).folder_names():
                # A first mirror that was interrupted has messages and no row of its folder yet; an
                # import has none ever, and separates levels as the account does.
                if name not in found and len(self._chosen(protocol, name)):
                    usual = next((row.delimiter for row in found.values() if row.delimiter), "/")
                    found[name] = self._made_up(name, usual if protocol is MailProtocol.IMPORT else None)
        if POP3_FOLDER not in found and len(self._chosen(MailProtocol.POP3, POP3_FOLDER)):
            found[POP3_FOLDER] = self._made_up(POP3_FOLDER)
        return found

    def rows(self, folder: str) -> Iterator[LocationRow]:
        """Yield the newest row of each message of a folder, a few thousand in memory.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        mailbox = self._state.places(MailProtocol.IMAP)
        yield from rows_in_chunks(mailbox.reader, self._chosen(MailProtocol.IMAP, folder))
        yield from self._unlisted(folder)
        if folder == POP3_FOLDER:
            yield from self._maildrop_rows()
        yield from self._imported(folder)

    def rows_of(self, digests: Collection[str]) -> dict[str, list[LocationRow]]:
        """Return by folder where these messages are, or where they were last if they are nowhere.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        newest: dict[tuple[object, ...], tuple[int, LocationRow]] = {}
        for table in self._archive.scan_table("locations", equal={"account": self._account}):
            picked = table.filter(pc.is_in(table["sha256"], value_set=pa.array(sorted(digests), pa.string())))
            for row, seq in zip(location_rows(picked), picked["seq"].to_pylist(), strict=True):
                key = (row.protocol, row.folder, row.uid_validity, row.uid, row.uidl, row.sha256)
                is_past = self._as_of is None or row.at <= self._as_of
                if is_past and (key not in newest or newest[key][0] < seq):
                    newest[key] = (seq, row)
        found: dict[str, list[LocationRow]] = {}
        for digest in sorted(set(digests)):
            mine = [row for _, row in newest.values() if row.sha256 == digest]
            live = [row for row in mine if row.change in LIVE]
            for row in live or sorted(mine, key=lambda row: row.at)[-1:]:
                found.setdefault(row.folder, []).append(row)
        return found

    def rows_of_run(self, run_id: str) -> dict[str, list[LocationRow]]:
        """Return by folder what one run deleted on the server, as it was then.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        found: dict[str, list[LocationRow]] = {}
        equal = {"account": self._account, "run_id": run_id}
        for table in self._archive.scan_table("locations", equal=equal):
            for row in location_rows(table):
                if row.change in _DELETED:
                    found.setdefault(row.folder, []).append(row)
        return found

    def _chosen(self, protocol: MailProtocol, folder: str) -> Rows:
        wanted = (_POP3 if protocol is MailProtocol.POP3 else LIVE) | self._more
        return self._state.rows(protocol, folder, wanted)

    def _unlisted(self, folder: str) -> Iterator[LocationRow]:
        """Yield what a server that shows a part only did not list, unless it is there by another number."""
        places = self._state.places(MailProtocol.IMAP)
        rows = places.of_folder(folder)
        hidden = rows.take(is_one_of(rows, {Change.NOT_LISTED}))
        if not len(hidden):
            return
        seen = {row.sha256 for row in rows_in_chunks(places.reader, self._chosen(MailProtocol.IMAP, folder))}
        yield from _each_once(rows_in_chunks(places.reader, hidden), seen)

    def _imported(self, folder: str) -> Iterator[LocationRow]:
        """Yield what came from files, unless a server had it in this folder too."""
        places = self._state.places(MailProtocol.IMPORT)
        rows = self._chosen(MailProtocol.IMPORT, folder)
        if not len(rows):
            return
        mailbox = self._state.places(MailProtocol.IMAP)
        seen = {row.sha256 for row in rows_in_chunks(mailbox.reader, self._chosen(MailProtocol.IMAP, folder))}
        seen |= {row.sha256 for row in self._unlisted(folder)}
        if folder == POP3_FOLDER:
            seen |= {row.sha256 for row in self._maildrop_rows()}
        yield from _each_once(rows_in_chunks(places.reader, rows), seen)

    def _maildrop_rows(self) -> Iterator[LocationRow]:
        """Yield one row a distinct message: a maildrop that moved to another host has it under two names."""
        places = self._state.places(MailProtocol.POP3)
        rows = places.of_folder(POP3_FOLDER)
        wanted = rows.take(is_one_of(rows, _POP3 | self._more | {Change.NOT_LISTED}))
        yield from _each_once(rows_in_chunks(places.reader, wanted), set())

    def _made_up(self, folder: str, delimiter: str | None = None) -> FolderRow:
        at = self._as_of or datetime.max
        return FolderRow(
            account=self._account, folder=folder, at=at, run_id="", delimiter=delimiter, complete=False
        )


def accounts_of(archive: Archive) -> list[str]:
    """Return the accounts that an archive has mail of, sorted.

    :raises StoreUnavailable: where the archive cannot be read.
    """
    known: set[str] = set()
    for table in archive.scan_table("locations", ["account"]):
        known.update(table["account"].unique().to_pylist())
    return sorted(known)


def _each_once(rows: Iterator[LocationRow], seen: set[str | None]) -> Iterator[LocationRow]:
    for row in rows:
        if row.sha256 is not None and row.sha256 not in seen:
            seen.add(row.sha256)
            yield row
