"""The archive itself: what is held, where it is on servers, and the way to add to it.

Belongs here: the public face. Does not belong here: work; it is done in the modules
beside this one, which are imported when they are first needed, because pyarrow and
deltalake take a third of a second and start threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mailroom.archive.failures import translated
from mailroom.archive.storage.store import LocalStore, Root, Store, open_store
from mailroom.exceptions import ConfigurationError
from mailroom.model import MailProtocol

if TYPE_CHECKING:
    import pyarrow as pa

    from mailroom.archive.changes import AccountChanges
    from mailroom.archive.checking.seal_keys import SealKey
    from mailroom.archive.delta.tables import Table
    from mailroom.archive.reading.described import Described
    from mailroom.archive.reading.noted import Noted
    from mailroom.archive.reading.places import Places
    from mailroom.archive.state import FolderState, MaildropState
    from mailroom.archive.storage.durability import Durability
    from mailroom.archive.storage.raw import RawStore
    from mailroom.archive.writer import ArchiveWriter
    from mailroom.model import FolderRow, RunContext

__all__ = ["Archive"]


SEAL_KEY_VARIABLE = "MAILROOM_SEAL_KEY"
"""Where the environment holds the key that signs seals, which the archive's store must not."""

ROOT_MODE = 0o750
"""Permissions of a root we create: mail is not for everyone on the machine."""


def _clock() -> datetime:
    return datetime.now(UTC)


class Archive:
    """An archive of mail below one root; opening creates nothing and reads nothing.

    :param root: a path, a URL, a ``UPath`` or Airflow's ``ObjectStoragePath``.
    :param storage_options: for ``fsspec``, where the root is the URL of an object store;
        for ``deltalake``, where the root is an object with a signed-in file system.
    :ivar clock: this machine's, which is compared with the store's before anything is deleted on a server.
    """

    def __init__(self, root: Root, *, storage_options: Mapping[str, Any] | None = None) -> None:
        self._root = root
        self._options = storage_options
        self._readers: dict[str, Table] = {}
        self._places: dict[tuple[str, MailProtocol], Places] = {}
        self._folders: dict[str, dict[str, FolderRow]] = {}
        self._folders_version = -2
        self.planned_on: dict[str, int] = {}
        self.clock: Callable[[], datetime] = _clock
        self._seal_key: SealKey | None = None

    def __repr__(self) -> str:
        return f"Archive({self.url!r})"

    @cached_property
    def store(self) -> Store:
        """The store below the root.

        :raises ConfigurationError: where the root cannot hold an archive.
        """
        return open_store(self._root, self._options)

    @cached_property
    def raw(self) -> RawStore:
        """The raw objects."""
        if isinstance(self.store, LocalStore):
            from mailroom.archive.storage.raw import LocalRawStore

            return LocalRawStore(self.store.root, self.store.wrote if self.store.syncfs is None else None)
        from mailroom.archive.storage.object_store import ObjectStore
        from mailroom.archive.storage.raw_objects import ObjectRawStore

        if not isinstance(self.store, ObjectStore):
            raise ConfigurationError(f"{self.url} cannot hold raw messages.")
        return ObjectRawStore(self.store)

    @cached_property
    def noted(self) -> Noted:
        """What earlier runs have noted, so that one with nothing new need open no table."""
        from mailroom.archive.reading.noted import Noted

        return Noted(self)

    @property
    def seal_key(self) -> SealKey | None:
        """The key that signs and checks seals: the one given, else that of ``MAILROOM_SEAL_KEY``.

        :raises ConfigurationError: where the text of the key makes no sense.
        """
        text = os.environ.get(SEAL_KEY_VARIABLE, "")
        if self._seal_key is None and text:
            self.use_seal_key(text)
        return self._seal_key

    def use_seal_key(self, text: str) -> None:
        """Sign and check seals with this key, see ``seal_keys``.

        :raises ConfigurationError: where the text makes no sense.
        """
        from mailroom.archive.checking.seal_keys import read_key

        self._seal_key = read_key(text)

    @property
    def url(self) -> str:
        """The root for people, without credentials."""
        return self.store.url

    @property
    def is_local(self) -> bool:
        """Whether the archive lies on a disk of this machine."""
        return isinstance(self.store, LocalStore)

    def exists(self) -> bool:
        """Say whether anything was ever archived here.

        :raises StoreUnavailable: where the store cannot tell: no bucket, no credentials, no network.
        """
        return self.store.exists("tables") or self.store.exists("raw")

    @property
    def is_blank(self) -> bool:
        """Whether a glance at this machine's disk tells that no place was ever recorded.

        :raises StoreUnavailable: where the disk cannot tell.
        """
        return self.is_local and not any(
            self.store.exists(f"tables/{name}") for name in ("locations", "folders")
        )

    def require(self) -> None:
        """Refuse a root at which nothing was ever archived.

        :raises ConfigurationError: where there is no archive.
        :raises StoreUnavailable: where the store cannot tell.
        """
        if not self.exists():
            raise ConfigurationError(
                f"There is no archive at {self.url}; check the path, or fetch or mirror an account first."
            )

    def new_spool(self) -> str:
        """Return the path of a new file to spool one large message to.

        :raises StoreUnavailable: where the store refuses.
        """
        return self.raw.new_spool()

    def folder_state(self, account: str, folder: str) -> FolderState:
        """Return what is known of one IMAP folder, as of now.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        from mailroom.archive.state import FolderState

        places = self._updated_places(account, MailProtocol.IMAP)
        return FolderState(places, account, folder, self._plan_on(account, folder))

    def live_counts(self, account: str) -> dict[str, int]:
        """Return how many messages of each IMAP folder are on the server as far as is known, as of now.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        from mailroom.archive.state import live_counts

        return live_counts(self._updated_places(account, MailProtocol.IMAP))

    def maildrop_state(self, account: str) -> MaildropState:
        """Return what is known of one POP3 maildrop, as of now.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        from mailroom.archive.state import POP3_FOLDER, MaildropState

        places = self._updated_places(account, MailProtocol.POP3)
        return MaildropState(places, account, self._plan_on(account, POP3_FOLDER))

    def last_folders(self, account: str) -> dict[str, FolderRow]:
        """Return the newest row of each folder of an account, by folder name.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        from mailroom.archive.reading.as_of import newest_folders

        table = self.reader("folders")
        if table.version != self._folders_version:
            self._folders, self._folders_version = {}, table.version
        if account not in self._folders:
            self._folders[account] = newest_folders(table, account)
        return self._folders[account]

    def changes(self, account: str) -> AccountChanges:
        """Return what somebody wants changed on the server of an account, and the way to ask for it."""
        from mailroom.archive.changes import AccountChanges

        return AccountChanges(self, account)

    def describe(self, digests: Collection[str]) -> dict[str, Described]:
        """Return what ``messages`` says of these digests; unknown ones are left out.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        from mailroom.archive.reading.descriptions import describe

        return describe(self.reader("messages"), digests) if digests else {}

    def message_fields(self, digests: Collection[str], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return some columns of ``messages`` for these digests; unknown ones are left out.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        from mailroom.archive.reading.descriptions import fields_of

        return fields_of(self.reader("messages"), digests, columns) if digests else {}

    def folder_as_of(self, account: str, folder: str, moment: datetime | None = None) -> pa.Table:
        """Return the messages that were in a folder on the server at a moment; see ``history.folder_as_of``.

        :raises StoreUnavailable: where the archive cannot be read.
        """
        from mailroom.archive.reading.history import folder_as_of

        return folder_as_of(self, account, folder, moment)

    def writer(self, context: RunContext, *, keep_committed: bool = False) -> ArchiveWriter:
        """Return the way in for one run; nothing is created before its first row."""
        from mailroom.archive.writer import ArchiveWriter

        return ArchiveWriter(self, context, keep_committed=keep_committed)

    def read_table(self, name: str, columns: Sequence[str] | None = None, filter: Any = None) -> pa.Table:
        """Return a table's rows, or none where it is not there yet.

        :param filter: a ``pyarrow.compute`` expression over ``columns``.
        :raises StoreUnavailable: where the archive cannot be read.
        """
        import pyarrow as pa

        wanted = self.schema(name, columns)
        parts = [p if filter is None else p.filter(filter) for p in self.scan_table(name, columns)]
        return pa.concat_tables(parts) if parts else wanted.empty_table()

    def scan_table(
        self, name: str, columns: Sequence[str] | None = None, equal: Mapping[str, str] | None = None
    ) -> Iterator[pa.Table]:
        """Yield a table's rows some thousands at a time.

        :param equal: text columns and the value they must have.
        :raises StoreUnavailable: where the archive cannot be read.
        """
        from mailroom.archive.delta.data_files import aligned

        wanted = self.schema(name, columns)
        for piece in self.reader(name).scan(wanted.names, equal=equal):
            yield aligned(piece.table, wanted)

    def schema(self, name: str, columns: Sequence[str] | None = None) -> pa.Schema:
        """Return the schema of a table, or of some of its columns.

        :raises ConfigurationError: where there is no such table or column.
        """
        import pyarrow as pa

        from mailroom.archive.delta.schemas import TABLES

        if name not in TABLES:
            raise ConfigurationError(f"An archive has no table {name}; there are {', '.join(TABLES)}.")
        whole = TABLES[name].schema
        unknown = [column for column in columns or () if column not in whole.names]
        if unknown:
            raise ConfigurationError(
                f"Table {name} has no column {unknown[0]}; there are {', '.join(whole.names)}."
            )
        return whole if columns is None else pa.schema([whole.field(column) for column in columns])

    def table(self, name: str) -> Table:
        """Return a table for the caller alone; what others commit is seen after ``refresh``."""
        from mailroom.archive.delta.schemas import TABLES
        from mailroom.archive.delta.tables import Table

        return Table(self.store, TABLES[name], self.set_aside_torn)

    def reader(self, name: str) -> Table:
        """Return a table to read from, as of now."""
        found = self._readers.get(name)
        if found is None:
            found = self._readers[name] = self.table(name)
        found.refresh()
        return found

    def says_already(self, row: FolderRow) -> bool:
        """Say whether a folder's newest row says the same, but for time and run."""
        before = self.last_folders(row.account).get(row.folder)
        return before is not None and replace(before, at=row.at, run_id=row.run_id) == row

    def make_root(self) -> None:
        """Create the root's folder where it is new.

        :raises StoreUnavailable: where the disk refuses.
        """
        if isinstance(self.store, LocalStore):
            with translated(self.url):
                os.makedirs(self.store.root, mode=ROOT_MODE, exist_ok=True)

    def prepare(self) -> Durability:
        """Create the root where it is new, tidy leftovers of kills, and return the store's sync.

        Tables that an older Mailroom wrote gain the columns of today.

        :raises ConfigurationError: where a newer Mailroom wrote what this one cannot add to.
        :raises StoreUnavailable: where the store refuses.
        """
        from mailroom.archive.delta.migration import bring_up_to_date
        from mailroom.archive.storage.raw import INCOMING

        self.make_root()
        if isinstance(self.store, LocalStore):
            with translated(self.url):
                os.makedirs(self.store.absolute(INCOMING), exist_ok=True)
        self.raw.remove_stale()
        durability = self.store.durability()
        try:
            bring_up_to_date(self)
        except BaseException:
            durability.close()
            raise
        return durability

    def has_torn_messages(self) -> bool:
        """Set aside what a power cut tore, in any table; say whether messages wait to be brought back.

        :raises StoreUnavailable: where the disk refuses.
        """
        if not isinstance(self.store, LocalStore):
            return False
        from mailroom.archive.delta.torn import has_torn_messages

        with translated(self.url):
            return has_torn_messages(self.store.absolute("tables"))

    def set_aside_torn(self, name: str) -> None:
        """Set aside what a power cut tore of a table; disks only, elsewhere nothing tears.

        :raises StoreUnavailable: where the disk refuses.
        """
        if isinstance(self.store, LocalStore):
            from mailroom.archive.delta.torn import set_aside_torn

            with translated(self.url):
                set_aside_torn(self.store.absolute(f"tables/{name}"))

    def opened(self, name: str) -> Table | None:
        """Return a table to read from, where it has been opened."""
        return self._readers.get(name)

    def _updated_places(self, account: str, protocol: MailProtocol) -> Places:
        from mailroom.archive.reading.places import Places

        table = self.reader("locations")
        places = self._places.get((account, protocol))
        if places is None:
            places = self._places[account, protocol] = Places(table, account, protocol)
        places.update()
        return places

    def _plan_on(self, account: str, folder: str) -> int:
        from mailroom.archive.writing.locations import transaction_name

        name = transaction_name(account, folder)
        seq = self.planned_on[name] = self._readers["locations"].transaction_version(name)
        return seq
